/**
 * What declared resources cost at size: one host with as many consumers, applications,
 * subscriptions and credentials as are asked for, changed and read the ways an operator has, while
 * filters go on calling. What is done is one figure, what it adds to their answers another.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { encodeSyncRequest, LimitClass } from '../../host/wire/sync.ts';
import { ROOT } from '../runner/layers.ts';
import { Folder } from '../support/folders.ts';
import { Host } from '../support/host.ts';
import { resourcesOf } from '../support/policies.ts';
import { runToEnd } from '../support/programs.ts';
import { ProtocolClient } from '../support/protocol-client.ts';
import { until } from '../support/wait.ts';
import { callers, digestOf } from './callers.ts';
import { post, residentOf } from './host-load.ts';
import { CORES } from './lanes.ts';
import { type Answered, Generator } from './latency.ts';
import { quantile } from './measure.ts';
import { type Measured, type Row, rounded } from './results.ts';
import { buildLoad } from './toolchains.ts';

/** Sync calls a second, as some hundred filters at rest send. */
const CALLS = 200;
/** How long short work is repeated, so that the calls beside it have a p99. */
const SECONDS = 8;
const GROUP = 'default';
const MILLISECOND = 1_000;
/** An import takes its time; calls end with it. */
const LONGEST_SECONDS = 900;
const READY_MS = 600_000;

/** Calls of filters that go on until they are told to end. */
export interface Calls {
  end(): Promise<Pick<Answered, 'answered' | 'failed' | 'p50' | 'p99' | 'worst'>>;
}

/** How large and how long; everything has a default. */
export interface ControlOptions {
  /** Of each kind. */
  count: number;
  seconds?: number;
  /** Sends a sync call again and again, given as it goes over the wire. */
  call?: (port: number, bytes: Buffer) => Promise<Calls>;
}

/** A host that knows callers, and a filter that follows it. */
interface Ground {
  host: Host;
  folder: Folder;
  count: number;
  seconds: number;
  call: (port: number) => Promise<Calls>;
  client: ProtocolClient;
}

/** One kind of work: answers how long each of its parts took, in milliseconds. */
interface Work {
  name: string;
  what: string;
  run: (ground: Ground) => Promise<{ ms: readonly number[]; more?: Row }>;
}

/** Measures everything; figures of work that failed are missing. */
export async function measureControl(options: ControlOptions): Promise<Measured> {
  const { count, seconds = SECONDS } = options;
  await using folder = await Folder.make();
  await using host = await Host.start({
    args: [
      '--log-level',
      'warn',
      '--directory-credentials-max',
      String(Math.min(131_072, 3 * count)),
    ],
    readyMs: READY_MS,
    ...(CORES.proxy === undefined ? {} : { core: CORES.proxy }),
  });
  const base = Object.entries(resourcesOf({ applications: ['seed'] }));
  await apply(host, await filesOf(folder, 'base', base));
  const client = new ProtocolClient({ port: () => host.syncPort, group: GROUP });
  await client.catchUp();
  const bytes = await syncCall(client);
  const call = options.call ?? (await generated(folder, bytes));
  const ground: Ground = {
    host,
    folder,
    count,
    seconds,
    client,
    call: (port) => call(port, bytes),
  };
  const following = client.follow();
  try {
    return await measureAll(ground);
  } finally {
    client.stop();
    await following;
  }
}

async function measureAll(ground: Ground): Promise<Measured> {
  const rows: Record<string, Row> = {};
  const missing: Record<string, string> = {};
  for (const { name, what, run } of WORKS) {
    console.log(`control: ${name} ...`);
    // A disk shared with others is not the same from one minute to the next.
    const before = name === IDLE ? undefined : await beside(ground, atRest);
    const measured = await beside(ground, run).catch((error: Error) => {
      missing[name] = error.message.split('\n')[0] ?? '';
      console.log(`LEFT OUT: ${name}: ${error.message}`);
    });
    if (measured === undefined) continue;
    const { done, calls } = measured;
    const p99 = calls.p99 / MILLISECOND;
    const idle = before === undefined ? undefined : before.calls.p99 / MILLISECOND;
    rows[name] = {
      what,
      ...{ ms: rounded(quantile(done.ms, 0.5)), worstMs: rounded(Math.max(...done.ms)) },
      ...{ times: done.ms.length, calls: calls.answered, callsFailed: calls.failed },
      ...{ syncP99: rounded(p99, 2), syncWorst: rounded(calls.worst / MILLISECOND, 1) },
      ...(idle !== undefined && { idleP99: rounded(idle, 2), addedP99: rounded(p99 - idle, 2) }),
      residentBytes: await residentOf(ground.host.pid),
      ...done.more,
    };
    console.log(`control: ${name}: ${JSON.stringify(rows[name])}`);
  }
  const restart = await restarted(ground).catch((error: Error) => error);
  if (restart instanceof Error) missing.restart = restart.message;
  else rows.restart = restart;
  return { rows, missing };
}

/** Does work while filters call, and answers what became of both. */
async function beside(ground: Ground, run: Work['run']) {
  const going = await ground.call(ground.host.syncPort);
  try {
    const done = await run(ground);
    return { done, calls: await going.end() };
  } catch (error) {
    await going.end();
    throw error;
  }
}

async function atRest({ seconds }: Ground): Promise<{ ms: readonly number[] }> {
  await new Promise((resolve) => setTimeout(resolve, seconds * MILLISECOND));
  return { ms: [0] };
}

const IDLE = 'idle';

const WORKS: readonly Work[] = [
  {
    name: IDLE,
    what: 'nothing but the calls',
    run: atRest,
  },
  {
    name: 'first import',
    what: '`sidegate apply -f FOLDER` with all of them, one revision',
    run: importAll,
  },
  {
    name: 'no change',
    what: '`sidegate diff -f FOLDER` with all of them',
    run: ({ host, folder }) => cli({ host }, ['diff', '-f', folder.join('all')]),
  },
  {
    name: 'fill',
    what: 'a filter that starts: policy and whole directory',
    run: async ({ host }) => {
      const fresh = new ProtocolClient({ port: () => host.syncPort, group: GROUP });
      const ms = await timed(() => fresh.catchUp());
      fresh.stop();
      return { ms: [ms] };
    },
  },
  {
    name: 'one change',
    what: 'an application goes to another consumer, over the admin API',
    run: changeOne,
  },
  {
    name: 'a plan changed',
    what: 'the quota of the plan that all subscriptions are on',
    run: changePlan,
  },
  {
    name: 'a key imported',
    what: 'by its SHA-256, over the admin API',
    run: importKeys,
  },
  {
    name: 'a page',
    what: '500 credentials from the middle of the list',
    run: (ground) => reading(ground, `/v1/resources/credential?limit=500&after=${middle(ground)}`),
  },
  {
    name: 'a search',
    what: 'applications by a part of their name that few have',
    run: (ground) => reading(ground, `/v1/resources/application?search=${ground.count - 1}`),
  },
  {
    name: 'a list',
    what: '`sidegate get applications -o name`, all pages',
    run: (ground) => cli(ground, ['get', 'applications', '-o', 'name']),
  },
  {
    name: 'export',
    what: '`sidegate export`, everything',
    run: (ground) => cli(ground, ['export']),
  },
];

function middle({ count }: Ground): string {
  return `default/key-${Math.floor(count / 2)}`;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** Does short work again and again for as long as the calls beside it are to be measured. */
async function repeated(
  { seconds }: Ground,
  work: (turn: number) => Promise<number>,
): Promise<number[]> {
  const ms: number[] = [];
  const ends = performance.now() + seconds * MILLISECOND;
  while (ms.length === 0 || performance.now() < ends) ms.push(await work(ms.length));
  return ms;
}

async function reading(ground: Ground, at: string): Promise<{ ms: number[] }> {
  return { ms: await repeated(ground, () => timed(() => ground.host.ask('GET', at))) };
}

async function importAll(ground: Ground): Promise<{ ms: number[]; more: Row }> {
  const { host, folder, count } = ground;
  const files = [...callers(count)];
  const bytes = files.reduce((sum, [, text]) => sum + text.length, 0);
  const from = await filesOf(folder, 'all', files);
  const ms = await timed(() => apply(host, from));
  return { ms: [ms], more: { resources: 4 * count, bytes } };
}

/** Waits until the filter holds a revision of the directory, or of the policy. */
async function reaches(
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
async function moved({ host, count }: Ground, turn: number): Promise<number> {
  return put(host, 'Application', `app-${turn % count}`, {
    consumer: `consumer-${(turn + 1) % count}`,
  });
}

/** A change that is put again and again, and how long until a filter has it. */
async function changing(
  ground: Ground,
  of: 'directory' | 'policy',
  change: (turn: number) => Promise<number>,
): Promise<{ ms: number[]; more: Row }> {
  const seen: number[] = [];
  const ms = await repeated(ground, async (turn) => {
    const began = performance.now();
    const revision = await change(turn);
    const acknowledgedMs = performance.now() - began;
    // Seen before it was acknowledged or after; both count from the call.
    await reaches(ground.client, revision, of);
    seen.push(performance.now() - began);
    return acknowledgedMs;
  });
  const worst = rounded(Math.max(...seen));
  return { ms, more: { seenMs: rounded(quantile(seen, 0.5)), seenWorstMs: worst } };
}

function changeOne(ground: Ground): Promise<{ ms: number[]; more: Row }> {
  return changing(ground, 'directory', (turn) => moved(ground, turn));
}

function changePlan(ground: Ground): Promise<{ ms: number[]; more: Row }> {
  return changing(ground, 'policy', (turn) =>
    put(ground.host, 'Plan', 'orders-gold', {
      limits: [{ name: 'daily', quota: 1_000_001 + turn, window: '1d' }],
    }),
  );
}

async function importKeys(ground: Ground): Promise<{ ms: number[] }> {
  const { host, count } = ground;
  const ms = await repeated(ground, (turn) => {
    const sha256 = digestOf(`imported ${turn}`);
    const body = { application: `app-${turn % count}`, sha256, strengthChecked: true };
    return timed(() => host.ask('POST', '/v1/credentials/import', body));
  });
  return { ms };
}

/** Runs the command line as an operator does, and answers how long it took. */
async function cli(
  { host }: Pick<Ground, 'host'>,
  args: readonly string[],
): Promise<{ ms: number[] }> {
  return { ms: [await timed(() => sidegate(host, args))] };
}

function sidegate(host: Host, args: readonly string[]): Promise<string> {
  const command = [process.execPath, path.join(ROOT, 'host/cli/sidegate.mjs'), ...args];
  if (CORES.load !== undefined) command.unshift('taskset', '-c', String(CORES.load));
  const env = {
    SIDEGATE_HOST: `http://127.0.0.1:${host.adminPort}`,
    SIDEGATE_ADMIN_TOKEN: host.adminToken,
  };
  return runToEnd(command[0] ?? '', command.slice(1), { env });
}

function apply(host: Host, folder: string): Promise<string> {
  return sidegate(host, ['apply', '-f', folder, '-o', 'name']);
}

/** How long a host takes that has all of this in its store, and its first change. */
async function restarted(ground: Ground): Promise<Row> {
  const { host, client, count } = ground;
  const ms = await timed(() => host.restart());
  const firstChangeMs = await timed(async () => reaches(client, await moved(ground, -1 + count)));
  const residentBytes = await residentOf(host.pid);
  return {
    what: 'the host ends and starts again on its store',
    ...{ ms: rounded(ms), firstChangeMs: rounded(firstChangeMs), resources: 4 * count },
    residentBytes,
  };
}

async function filesOf(
  folder: Folder,
  name: string,
  files: Iterable<readonly [string, string]>,
): Promise<string> {
  await mkdir(folder.join(name));
  for (const [file, text] of files) await writeFile(folder.join(name, file), text);
  return folder.join(name);
}

/** A heartbeat of a filter: one account that asks for units, one row of usage. */
async function syncCall(client: ProtocolClient): Promise<Buffer> {
  const { page } = await client.calls.directory(0, { revision: 0, kind: 0, id: 0 });
  const subscription = page.records.find(({ kind }) => kind === 3)?.id ?? 0;
  const { policy, revision: policyRevision = 0 } = client.held ?? {};
  const [limit] = policy?.limits ?? [];
  const account = {
    ...{ owner: BigInt(subscription), limit: BigInt(limit?.id ?? 0), partition: 0n },
    ...{ windowKind: limit?.windowKind ?? 0, class: LimitClass.exact },
  };
  const counted = {
    ...{ subscription, product: policy?.products[0]?.id ?? 0 },
    ...{ operation: policy?.operations[0]?.id ?? 0, count: 1, slot: 0, generation: 1 },
    ...{ reason: 0, mode: 0, status: 0, latency: 0, other: false },
  };
  const { storeId, epoch, revision: directoryRevision } = client;
  const body = encodeSyncRequest({
    ...{ incarnation: 7n, storeId, epoch, heartbeatMs: 1000, policyRevision, directoryRevision },
    ...{ sequence: 1, urgent: false, last: false, usageBatch: 1, usage: [counted], touched: [] },
    items: [
      {
        ...account,
        ...{ generation: 1, windowId: 0, next: false },
        ...{ used: 0, released: 0, granted: 0, want: 40, need: 1 },
      },
    ],
  });
  return post(`/v1/sync/${GROUP}`, body);
}

/** Calls of the generator, which runs before everything else on its core. */
async function generated(folder: Folder, bytes: Buffer): Promise<(port: number) => Promise<Calls>> {
  const generator = new Generator(await buildLoad(), folder);
  return (port) =>
    generator.stream({
      ...{ port, bytes, expect: 200, perSecond: CALLS, seconds: LONGEST_SECONDS },
    });
}
