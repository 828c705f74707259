/**
 * What declared resources cost at size: one host with as many consumers, applications,
 * subscriptions and credentials as are asked for, changed and read the ways an operator has, while
 * filters go on calling. What is done is one figure, what it adds to their answers another: calls
 * beside the work are compared with calls at rest from right before and after it, because the disk
 * and the cores of a shared machine are not the same from one minute to the next.
 */
import { encodeSyncRequest, LimitClass } from '../../host/wire/sync.ts';
import { Folder } from '../support/folders.ts';
import { Host } from '../support/host.ts';
import { resourcesOf } from '../support/policies.ts';
import { ProtocolClient } from '../support/protocol-client.ts';
import { callers } from './callers.ts';
import {
  ALL,
  apply,
  type ControlGround,
  filesOf,
  GROUP,
  moved,
  reaches,
  type Turn,
  timed,
  WORKS,
  type Work,
} from './control-work.ts';
import { post, residentOf } from './host-load.ts';
import { CORES } from './lanes.ts';
import { Generator, type Streamed } from './latency.ts';
import { quantile } from './measure.ts';
import { type Measured, type Row, rounded } from './results.ts';
import { buildLoad } from './toolchains.ts';

/** Sync calls a second, as some hundred filters at rest send. */
const CALLS = 200;
/** How many windows of rest and of work there are, in turn. */
const PAIRS = 10;
/** Shortest window: a turn of work that takes longer makes it longer. */
const WINDOW_SECONDS = 1.5;
/** Rest before and after work that is done once, and the row of rest. */
const REST_SECONDS = 8;
const MILLISECOND = 1_000;
/** An import takes its time; calls end with it. */
const LONGEST_SECONDS = 900;
const READY_MS = 600_000;

/** Calls of filters that go on until they are told to end. */
export interface Calls {
  end(): Promise<Pick<Streamed, 'answered' | 'failed' | 'times'>>;
}

/** How large and how long; everything has a default. */
export interface ControlOptions {
  /** Of each kind. */
  count: number;
  pairs?: number;
  windowSeconds?: number;
  restSeconds?: number;
  /** Sends a sync call again and again, given as it goes over the wire. */
  call?: (port: number, bytes: Buffer) => Promise<Calls>;
}

/** What is measured, and how. */
interface Bench extends Required<Omit<ControlOptions, 'count' | 'call'>> {
  ground: ControlGround;
  call: () => Promise<Calls>;
}

/** A stretch of calls, and the turns of work that were done meanwhile. */
interface Window {
  calls: Pick<Streamed, 'answered' | 'failed' | 'times'>;
  turns: readonly Turn[];
}

/** Windows of rest and of work; they are pairs where there are as many of both. */
interface Compared {
  rest: readonly Window[];
  work: readonly Window[];
}

/** Measures everything; figures of work that failed are missing. */
export async function measureControl(options: ControlOptions): Promise<Measured> {
  const { count } = options;
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
  await apply(
    host,
    await filesOf(folder, 'base', Object.entries(resourcesOf({ applications: ['seed'] }))),
  );
  await filesOf(folder, ALL, callers(count));
  const client = new ProtocolClient({ port: () => host.syncPort, group: GROUP });
  await client.catchUp();
  const bytes = await syncCall(client);
  const call = options.call ?? (await generated(folder, bytes));
  const bench: Bench = {
    ...{ pairs: PAIRS, windowSeconds: WINDOW_SECONDS, restSeconds: REST_SECONDS, ...options },
    ground: { host, folder, count, client },
    call: () => call(host.syncPort, bytes),
  };
  const following = client.follow();
  try {
    return await measureAll(bench);
  } finally {
    client.stop();
    await following;
  }
}

async function measureAll(bench: Bench): Promise<Measured> {
  const { ground } = bench;
  const rows: Record<string, Row> = {};
  const missing: Record<string, string> = {};
  const keep = async (name: string, measure: () => Promise<Row>) => {
    console.log(`control: ${name} ...`);
    try {
      rows[name] = await measure();
      console.log(`control: ${name}: ${JSON.stringify(rows[name])}`);
    } catch (error) {
      const { message } = error as Error;
      missing[name] = message.split('\n')[0] ?? '';
      console.log(`LEFT OUT: ${name}: ${message}`);
    }
  };
  await keep('idle', async () => {
    const rest = await resting(bench, bench.restSeconds);
    return { what: 'nothing but the calls', ms: 0, times: 1, ...answersIn([rest]) };
  });
  for (const work of WORKS) {
    await keep(work.name, async () => {
      const compared = await (work.once ? once(bench, work) : inPairs(bench, work));
      const residentBytes = await residentOf(ground.host.pid);
      return { what: work.what, ...figuresOf(compared), residentBytes, ...work.more?.(ground) };
    });
  }
  await keep('restart', () => restarted(ground));
  return { rows, missing };
}

/** Rest and work in turn. */
async function inPairs(bench: Bench, work: Work): Promise<Compared> {
  const { ground, pairs, windowSeconds } = bench;
  const compared = { rest: [] as Window[], work: [] as Window[] };
  let turn = 0;
  for (let pair = 0; pair < pairs; pair++) {
    compared.rest.push(await resting(bench, windowSeconds));
    const busy = await windowOf(bench, async () => {
      const turns: Turn[] = [];
      const ends = performance.now() + windowSeconds * MILLISECOND;
      while (turns.length === 0 || performance.now() < ends) {
        turns.push(await work.turn(ground, turn++));
      }
      return turns;
    });
    compared.work.push(busy);
  }
  return compared;
}

/** Work that takes minutes, or leaves nothing to do a second time: rest before it and after. */
async function once(bench: Bench, work: Work): Promise<Compared> {
  const { ground, restSeconds } = bench;
  const before = await resting(bench, restSeconds);
  const busy = await windowOf(bench, async () => [await work.turn(ground, 0)]);
  return { rest: [before, await resting(bench, restSeconds)], work: [busy] };
}

function resting(bench: Bench, seconds: number): Promise<Window> {
  return windowOf(bench, async () => {
    await new Promise((resolve) => setTimeout(resolve, seconds * MILLISECOND));
    return [];
  });
}

/** Does work while filters call, and answers what became of both. */
async function windowOf(bench: Bench, work: () => Promise<readonly Turn[]>): Promise<Window> {
  const going = await bench.call();
  try {
    const turns = await work();
    return { turns, calls: await going.end() };
  } catch (error) {
    await going.end();
    throw error;
  }
}

function figuresOf({ rest, work }: Compared): Row {
  const turns = work.flatMap((window) => window.turns);
  const ms = turns.map((turn) => turn.ms);
  const seen = turns.flatMap(({ seenMs }) => seenMs ?? []);
  const [idle, busy] = [p99Of(rest), p99Of(work)];
  const pairs = rest.length === work.length ? work : [];
  const differences = pairs.map((window, pair) => {
    return p99Of([window]) - p99Of(rest.slice(pair, pair + 1));
  });
  return {
    ...{ ms: rounded(quantile(ms, 0.5)), worstMs: rounded(Math.max(...ms)), times: ms.length },
    ...(seen.length > 0 && {
      ...{ seenMs: rounded(quantile(seen, 0.5)), seenWorstMs: rounded(Math.max(...seen)) },
    }),
    ...answersIn(work),
    ...{ idleP99: rounded(idle, 2), addedP99: rounded(busy - idle, 2) },
    windows: work.length,
    ...(pairs.length > 0 && { differenceP99: rounded(quantile(differences, 0.5), 2) }),
    idleP99s: rest.map((window) => rounded(p99Of([window]), 1)),
  };
}

/** What became of the calls of some windows together. */
function answersIn(windows: readonly Window[]): Row {
  const sum = (of: (window: Window) => number) => windows.reduce((all, each) => all + of(each), 0);
  return {
    calls: sum(({ calls }) => calls.answered),
    callsFailed: sum(({ calls }) => calls.failed),
    syncP99: rounded(p99Of(windows), 2),
    syncWorst: rounded(Math.max(...windows.map(({ calls }) => calls.times.at(-1) ?? 0)) / 1000, 1),
  };
}

/** In milliseconds, over all answers of some windows. */
function p99Of(windows: readonly Window[]): number {
  const times = windows.flatMap(({ calls }) => calls.times);
  return quantile(times, 0.99) / MILLISECOND;
}

/** How long a host takes that has all of this in its store, and its first change. */
async function restarted(ground: ControlGround): Promise<Row> {
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
