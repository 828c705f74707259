/**
 * What one host can take: sync calls on one core, grants from the ledger on disk, and watches held
 * open. Each is one number for the table; it must never count a call that was not answered well.
 */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import net from 'node:net';
import type { ReportItem } from '../../host/quota/report.ts';
import { openSqliteLedger } from '../../host/store/ledger-sqlite.ts';
import { MEDIA_TYPE } from '../../host/wire/host.ts';
import { encodeSyncRequest, LimitClass } from '../../host/wire/sync.ts';
import { encodeWatchRequest, type WatchRequest } from '../../host/wire/watch.ts';
import { Folder } from '../support/folders.ts';
import { Host } from '../support/host.ts';
import { runToEnd } from '../support/programs.ts';
import { ProtocolClient } from '../support/protocol-client.ts';
import { until } from '../support/wait.ts';
import { CORES } from './lanes.ts';
import { Generator } from './latency.ts';
import { cpuNanoseconds, quantile } from './measure.ts';
import type { Row } from './results.ts';
import { rounded } from './results.ts';
import { keyedResources } from './sidegate.ts';
import { buildLoad } from './toolchains.ts';

/**
 * Filters that call at once. Each answer waits for a commit that all share, so that a few callers
 * would show how long a commit takes and not what a host can do.
 */
const CALLERS = 256;
const ROUNDS = 5;
const ROUND_SECONDS = 2;
/** Accounts that ask at once; a filter asks for all its cold accounts in one call. */
const ACCOUNTS = 64;
const GRANT_SECONDS = 5;
const GROUP = 'default';
const SUBSCRIPTION = 3;
/** How long opening may take; a slow machine holds fewer. */
const OPEN_MS_MAX = 90_000;
/** Connections that are opened together: fewer than a server keeps waiting. */
const WATCHES_AT_ONCE = 200;
/** Memory is looked at whenever so many more are open. */
const WATCHES_STEP = 1_000;
const HELD_BY = { deadlineMs: 60_000, everyMs: 200 };
/** Files that a process needs besides its watches. */
const SPARE_FILES = 1000;

/** Sync calls a second that a host answers on a core of its own, one account reported in each. */
export async function measureSyncs(): Promise<Row> {
  await using folder = await Folder.make();
  await using host = await startHost();
  const client = new ProtocolClient({ port: () => host.syncPort, group: GROUP });
  await client.catchUp();
  const { page } = await client.calls.directory(0, { revision: 0, kind: 0, id: 0 });
  const owner = page.records.find(({ kind }) => kind === SUBSCRIPTION)?.id ?? 0;
  const limit = client.held?.policy.limits[0];
  const body = encodeSyncRequest({
    ...{ incarnation: 7n, storeId: client.storeId, epoch: client.epoch, heartbeatMs: 1000 },
    ...{ policyRevision: client.held?.revision ?? 0, directoryRevision: client.revision },
    ...{ sequence: 1, urgent: false, last: false, usageBatch: 0, usage: [], touched: [] },
    items: [
      {
        ...{ owner: BigInt(owner), limit: BigInt(limit?.id ?? 0), partition: 0n },
        ...{
          windowKind: limit?.windowKind ?? 0,
          generation: 1,
          windowId: 0,
          class: LimitClass.exact,
        },
        ...{ used: 0, released: 0, granted: 0, want: 40, need: 1, next: false },
      },
    ],
  });
  client.stop();
  const generator = new Generator(await buildLoad(), folder);
  const call = { port: host.syncPort, bytes: post(`/v1/sync/${GROUP}`, body), expect: 200 };
  const rates: number[] = [];
  const costs: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const load = { ...call, perSecond: 0, seconds: ROUND_SECONDS, connections: CALLERS };
    const before = await cpuNanoseconds(host.pid);
    const { answered, failed } = await generator.sendBytes(load);
    if (failed > 0) throw new Error(`${failed} sync calls failed`);
    // The first warms the compiler up.
    if (round === 0) continue;
    rates.push(answered / ROUND_SECONDS);
    costs.push(((await cpuNanoseconds(host.pid)) - before) / answered / 1000);
  }
  const perSecond = Math.round(quantile(rates, 0.5));
  const cpuEach = rounded(quantile(costs, 0.5), 0);
  return { perSecond, cpuEach, from: `${CALLERS} callers, host under load` };
}

/** Grants a second from the ledger on disk, each acknowledged only when it is there. */
export async function measureGrants(): Promise<Row> {
  await using folder = await Folder.make();
  const quota = Number.MAX_SAFE_INTEGER;
  const path = folder.join('ledger.db');
  const ledger = await openSqliteLedger({ path, resolve: () => ({ quota }), seed: 1 });
  const ends = performance.now() + GRANT_SECONDS * 1000;
  let grants = 0;
  const ask = async (owner: bigint) => {
    const account = { owner, limit: 1n, windowKind: 86_400, partition: 0n };
    const counters = { used: 0, released: 0, granted: 0, want: 3, need: 3 };
    let item: ReportItem = { account, generation: 1, windowId: 0, next: false, ...counters };
    while (performance.now() < ends) {
      const time = { nowMs: Date.UTC(2026, 0, 15, 12), heartbeatMs: 1000 };
      const [reply] = await ledger.merge(owner, [item], time);
      if (reply?.status !== 'ok' || reply.granted <= item.granted) throw new Error('no grant');
      // What was granted is used up by the next report, so that it asks for more.
      const used = reply.granted;
      item = { ...item, windowId: reply.windowId, granted: reply.granted, used };
      grants++;
    }
  };
  await Promise.all(Array.from({ length: ACCOUNTS }, (_, at) => ask(BigInt(at + 1))));
  await ledger.close();
  return { perSecond: rounded(grants / GRANT_SECONDS, 0), from: `${ACCOUNTS} holders at once` };
}

/**
 * Holds so many watches open at one host, or as many as the system lets a process open files, and
 * answers what the host needs for them: all together, and each one more once there are many. The
 * first ones let the heap grow to the size that so much work at once takes, which others share.
 */
export async function measureWatches(wanted: number): Promise<Row> {
  await using host = await startHost();
  const allowed = await allowFiles(wanted + SPARE_FILES, [host.pid, process.pid]);
  const most = Math.min(wanted, allowed - SPARE_FILES);
  const before = await residentOf(host.pid);
  const client = new ProtocolClient({ port: () => host.syncPort, group: GROUP });
  await client.catchUp();
  const request = client.watchRequest();
  client.stop();
  const sockets: net.Socket[] = [];
  try {
    const ends = performance.now() + OPEN_MS_MAX;
    const points: { count: number; residentBytes: number }[] = [];
    for (let at = 0; at < most && performance.now() < ends; at += WATCHES_AT_ONCE) {
      const places = Array.from({ length: Math.min(WATCHES_AT_ONCE, most - at) }, (_, i) => at + i);
      sockets.push(
        ...(await Promise.all(places.map((one) => openWatch(host.syncPort, request, one)))),
      );
      const count = sockets.length;
      if (count % WATCHES_STEP !== 0 && count < most) continue;
      await until('all watches are held', () => holds(host, count), HELD_BY);
      points.push({ count, residentBytes: await residentOf(host.pid) });
      console.log(
        `watches: ${count} open, ${Math.round((points.at(-1)?.residentBytes ?? 0) / 2 ** 20)} MiB`,
      );
    }
    const { count, residentBytes } = points.at(-1) ?? { count: 0, residentBytes: before };
    return {
      ...{ count, residentBytes, bytesEach: Math.round((residentBytes - before) / count) },
      ...{ bytesFurther: slopeOf(points.slice(points.length >> 1)), bytesBefore: before },
      ...{ filesAllowed: allowed, from: 'host under load' },
    };
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

async function holds(host: Host, count: number): Promise<boolean> {
  const { groups } = (await host.ask('GET', '/v1/status')) as { groups: { watches: number }[] };
  return (groups[0]?.watches ?? 0) >= count;
}

/** Bytes for each further watch: the straight line through some points. */
function slopeOf(points: readonly { count: number; residentBytes: number }[]): number {
  const mean = (of: (point: { count: number; residentBytes: number }) => number) =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [counts, bytes] = [mean(({ count }) => count), mean(({ residentBytes }) => residentBytes)];
  const spread = mean(({ count }) => (count - counts) ** 2);
  const both = mean(({ count, residentBytes }) => (count - counts) * (residentBytes - bytes));
  return Math.round(both / spread);
}

/** Raises how many files processes may open; answers how many they may then. */
async function allowFiles(files: number, pids: readonly number[]): Promise<number> {
  for (const pid of pids) {
    const raise = ['--pid', String(pid), `--nofile=${files}:${files}`];
    // Not every machine lets even root do so; the answer says what came of it.
    await runToEnd('prlimit', raise).catch(() => undefined);
  }
  const limits = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/limits`, 'utf8')));
  return Math.min(...limits.map((text) => Number(/^Max open files\s+(\d+)/m.exec(text)?.[1])));
}

/** Resident bytes of a process. */
export async function residentOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
}

function startHost(): Promise<Host> {
  const { files } = keyedResources(20);
  const core = CORES.proxy === undefined ? {} : { core: CORES.proxy };
  return Host.start({ resources: files, args: ['--log-level', 'warn'], ...core });
}

/** Opens a watch of a filter that has everything; it is sent again whenever it is answered. */
function openWatch(port: number, held: WatchRequest, at: number): Promise<net.Socket> {
  const incarnation = randomBytes(8).readBigUInt64LE();
  const body = encodeWatchRequest({ ...held, incarnation, proxy: `proxy-${at}` });
  const bytes = post(`/v1/watch/${GROUP}`, body);
  // An address has some 28,000 ports to call from; the loopback network has many addresses.
  const localAddress = `127.0.0.${2 + Math.floor(at / 20_000)}`;
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: '127.0.0.1', port, localAddress }, () => {
      socket.write(bytes);
      resolve(socket);
    });
    socket.once('error', reject);
    socket.on('data', () => socket.write(bytes));
  });
}

/** A whole call as it goes over the wire. */
export function post(path: string, body: Uint8Array): Buffer {
  const head = [
    `POST ${path} HTTP/1.1`,
    'host: host',
    `content-type: ${MEDIA_TYPE}`,
    `content-length: ${body.length}`,
  ];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body]);
}
