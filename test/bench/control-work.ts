/**
 * What is done to resources at size, one turn of each kind of work at a time. It must never measure
 * what its work does to others.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ROOT } from '../runner/layers.ts';
import type { Folder } from '../support/folders.ts';
import type { Host } from '../support/host.ts';
import { runToEnd } from '../support/programs.ts';
import { ProtocolClient } from '../support/protocol-client.ts';
import { until } from '../support/wait.ts';
import { digestOf } from './callers.ts';
import { CORES } from './lanes.ts';
import type { Row } from './results.ts';

/** The proxy group of the filters. */
export const GROUP = 'default';
/** The folder of the files with all resources. */
export const ALL = 'all';

/** A host that knows callers, and a filter that follows it. */
export interface ControlGround {
  host: Host;
  folder: Folder;
  count: number;
  client: ProtocolClient;
}

/** How long a turn of work took, and until a filter had what it changed; milliseconds. */
export interface Turn {
  ms: number;
  seenMs?: number;
}

/** One kind of work. */
export interface Work {
  name: string;
  what: string;
  turn: (ground: ControlGround, turn: number) => Promise<Turn>;
  /** It takes minutes, or leaves nothing to do a second time. */
  once?: true;
  more?: (ground: ControlGround) => Row;
}

/** Every kind of work, in the order in which it is done. */
export const WORKS: readonly Work[] = [
  {
    name: 'first import',
    what: '`sidegate apply -f FOLDER` with all of them, one revision',
    once: true,
    turn: ({ host, folder }) => measured(() => apply(host, folder.join(ALL))),
    more: ({ count }) => ({ resources: 4 * count }),
  },
  {
    name: 'no change',
    what: '`sidegate diff -f FOLDER` with all of them',
    once: true,
    turn: ({ host, folder }) => measured(() => sidegate(host, ['diff', '-f', folder.join(ALL)])),
  },
  {
    name: 'fill',
    what: 'a filter that starts: policy and whole directory',
    turn: ({ host }) => measured(() => fillOne(host)),
  },
  {
    name: 'one change',
    what: 'an application goes to another consumer, over the admin API',
    turn: (ground, turn) => changed(ground, 'directory', () => moved(ground, turn)),
  },
  {
    name: 'a plan changed',
    what: 'the quota of the plan that all subscriptions are on',
    turn: (ground, turn) => changed(ground, 'policy', () => planned(ground, turn)),
  },
  {
    name: 'a key imported',
    what: 'by its SHA-256, over the admin API',
    turn: ({ host, count }, turn) => {
      const sha256 = digestOf(`imported ${turn}`);
      const body = { application: `app-${turn % count}`, sha256, strengthChecked: true };
      return measured(() => host.ask('POST', '/v1/credentials/import', body));
    },
  },
  {
    name: 'a page',
    what: '500 credentials from the middle of the list',
    turn: ({ host, count }) => {
      const after = `default/key-${Math.floor(count / 2)}`;
      return measured(() => host.ask('GET', `/v1/resources/credential?limit=500&after=${after}`));
    },
  },
  {
    name: 'a search',
    what: 'applications by a part of their name that few have',
    turn: ({ host, count }) =>
      measured(() => host.ask('GET', `/v1/resources/application?search=${count - 1}`)),
  },
  {
    name: 'a list',
    what: '`sidegate get applications -o name`, all pages',
    turn: ({ host }) => measured(() => sidegate(host, ['get', 'applications', '-o', 'name'])),
  },
  {
    name: 'export',
    what: '`sidegate export`, everything',
    once: true,
    turn: ({ host }) => measured(() => sidegate(host, ['export'])),
  },
];

/** How long something takes, in milliseconds. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

async function measured(work: () => Promise<unknown>): Promise<Turn> {
  return { ms: await timed(work) };
}

async function fillOne(host: Host): Promise<void> {
  const fresh = new ProtocolClient({ port: () => host.syncPort, group: GROUP });
  await fresh.catchUp();
  fresh.stop();
}

/** Waits until the filter holds a revision of the directory, or of the policy. */
export async function reaches(
  client: ProtocolClient,
  revision: number,
  of: 'directory' | 'policy' = 'directory',
): Promise<void> {
  const isThere = () =>
    (of === 'policy' ? (client.held?.revision ?? 0) : client.revision) >= revision;
  await until(`the filter is at ${revision}`, isThere, { deadlineMs: 120_000, everyMs: 2 });
}

/** Puts a resource; answers the revision. */
async function put(host: Host, kind: string, name: string, spec: object): Promise<number> {
  const at = `/v1/resources/${kind.toLowerCase()}/default/${name}`;
  const body = { apiVersion: 'sidegate.dev/v1alpha1', kind, metadata: { name }, spec };
  return ((await host.ask('PUT', at, body)) as { revision: number }).revision;
}

/** Sends an application to another consumer; the filter that follows has it in the end. */
export async function moved({ host, count }: ControlGround, turn: number): Promise<number> {
  return put(host, 'Application', `app-${turn % count}`, {
    consumer: `consumer-${(turn + 1) % count}`,
  });
}

function planned({ host }: ControlGround, turn: number): Promise<number> {
  return put(host, 'Plan', 'orders-gold', {
    limits: [{ name: 'daily', quota: 1_000_001 + turn, window: '1d' }],
  });
}

/** A change, and how long until a filter has it. */
async function changed(
  { client }: ControlGround,
  of: 'directory' | 'policy',
  change: () => Promise<number>,
): Promise<Turn> {
  const began = performance.now();
  const revision = await change();
  const ms = performance.now() - began;
  // Seen before it was acknowledged or after; both count from the call.
  await reaches(client, revision, of);
  return { ms, seenMs: performance.now() - began };
}

/** Runs the command line as an operator does. */
function sidegate(host: Host, args: readonly string[]): Promise<string> {
  const command = [process.execPath, path.join(ROOT, 'host/cli/sidegate.mjs'), ...args];
  if (CORES.load !== undefined) command.unshift('taskset', '-c', String(CORES.load));
  const env = {
    SIDEGATE_HOST: `http://127.0.0.1:${host.adminPort}`,
    SIDEGATE_ADMIN_TOKEN: host.adminToken,
  };
  return runToEnd(command[0] ?? '', command.slice(1), { env });
}

/** Applies the files of a folder with the command line. */
export function apply(host: Host, folder: string): Promise<string> {
  return sidegate(host, ['apply', '-f', folder, '-o', 'name']);
}

/** Writes files into a folder of their own and answers where that is. */
export async function filesOf(
  folder: Folder,
  name: string,
  files: Iterable<readonly [string, string]>,
): Promise<string> {
  await mkdir(folder.join(name));
  for (const [file, text] of files) await writeFile(folder.join(name, file), text);
  return folder.join(name);
}
