/**
 * What changes cost the requests beside them: pairs of half load, quiet and while policies are
 * swapped or a directory of 100,000 keys is filled anew, in random order. The worker of the proxy
 * has a core to itself, as it has on a machine of some size; its main thread, which fills a
 * directory of its own, shares the other core with the host and the load.
 */
import { readdir, readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { decodeWatchRequest } from '../../host/wire/watch.ts';
import * as config from '../support/envoy-config.ts';
import { Folder } from '../support/folders.ts';
import { runToEnd } from '../support/programs.ts';
import { RELEASE_MODULE } from '../support/rig.ts';
import { forgetBefore } from '../support/start-over.ts';
import { type CompiledFiles, TrialHost } from '../support/trial-host.ts';
import { until } from '../support/wait.ts';
import { type Chain, callerHeaders, pick } from './chains.ts';
import { CORES, type Lane, openLanes, shuffled } from './lanes.ts';
import { Generator } from './latency.ts';
import { quantile } from './measure.ts';
import { benchProduct, PRODUCT_FILE } from './policies.ts';
import type { Measured, Row } from './results.ts';
import { rounded } from './results.ts';
import { keyedResources, PLUGIN } from './sidegate.ts';
import { buildLoad } from './toolchains.ts';

const PAIRS = 24;
const WINDOW_SECONDS = 2;
const SWAPS_PER_WINDOW = 8;
const OPERATIONS = 500;
/** Keys of the directory that is filled anew, and of the one beside the policies. */
const MANY = 100_000;
const FEW = 1000;
/** A VM for the worker and one for the main thread. */
const VMS = 2;

/** One kind of change: what happens during a window, and how many changes came of it. */
interface Scenario {
  name: string;
  what: string;
  keys: number;
  change: (ground: SwapGround) => Promise<number>;
}

/** A host in this process with a proxy that follows it. */
interface SwapGround {
  host: TrialHost;
  /** Compiled beforehand, so that no compiler runs beside the requests. */
  sets: readonly CompiledFiles[];
  lane: Lane;
  seen: Seen;
  /** Pages that all VMs together ask for to be full. */
  fillPages: number;
  /** A filter at an older revision than this is told to start over. */
  floor: { revision: number };
  /** Times from a change of policy to the last VM that has it, in milliseconds. */
  appliedMs: number[];
}

const SCENARIOS: readonly Scenario[] = [
  {
    name: 'policy',
    what: `a policy of ${OPERATIONS} operations is swapped ${SWAPS_PER_WINDOW} times`,
    keys: FEW,
    change: swapPolicies,
  },
  {
    name: 'directory',
    what: 'a directory of 100,000 keys is filled from the start',
    keys: MANY,
    change: fillDirectory,
  },
];

/** Measures every scenario, or those whose name holds `only`; `share` shortens a trial run. */
export async function measureSwaps(only?: string, share = 1): Promise<Measured> {
  const pairs = Math.max(2, Math.round(PAIRS * share));
  const rows: Record<string, Row> = {};
  const program = await buildLoad();
  for (const scenario of SCENARIOS.filter(({ name }) => name.includes(only ?? ''))) {
    await using cleanup = new AsyncDisposableStack();
    const folder = cleanup.use(await Folder.make());
    const ground = await prepare(scenario, cleanup);
    const generator = new Generator(program, folder);
    rows[scenario.name] = await measurePairs(scenario, ground, generator, pairs);
  }
  return { rows, partial: only !== undefined };
}

async function prepare(
  { name, keys }: Scenario,
  cleanup: AsyncDisposableStack,
): Promise<SwapGround> {
  console.log('starting a host ...');
  const resources = keyedResources(keys, { operations: OPERATIONS });
  const { files } = resources;
  const options = { resources: files, credentialsMax: keys + 100 };
  const host = cleanup.use(await TrialHost.start(options));
  const variants = name === 'policy' ? [1, 0] : [];
  const sets: CompiledFiles[] = [];
  for (const variant of variants) {
    const product = benchProduct({ operations: OPERATIONS, variant });
    sets.push(await host.compile({ ...files, [PRODUCT_FILE]: product }));
  }
  const floor = forgetBefore(host.store);
  const seen = new Seen(host);
  const syncPort = await host.listenSync();
  const chain: Chain = {
    name: `Sidegate, ${keys} keys`,
    does: 'the job',
    proxy: {
      filters: [config.wasmFilter({ module: RELEASE_MODULE, plugin: PLUGIN })],
      clusters: [config.cluster('sidegate', syncPort)],
    },
    headers: () => callerHeaders(pick(resources.keys)),
    expect: 200,
    knowsKeys: true,
    helpers: () => [],
  };
  const [lane] = await openLanes([chain], cleanup);
  if (lane === undefined) throw new Error('there is a lane for each chain');
  await until('both VMs follow', () => seen.complete.size === VMS, { deadlineMs: 120_000 });
  await spreadOver(lane.envoy.pid, cleanup);
  return { host, sets, lane, seen, fillPages: seen.pages, floor, appliedMs: [] };
}

async function measurePairs(
  { what, change }: Scenario,
  ground: SwapGround,
  generator: Generator,
  pairs: number,
): Promise<Row> {
  const { lane, appliedMs } = ground;
  const full = await generator.send({ lane, perSecond: 0, seconds: WINDOW_SECONDS });
  const perSecond = Math.floor(full.answered / WINDOW_SECONDS / 2);
  const load = { lane, perSecond, seconds: WINDOW_SECONDS };
  const steady: number[] = [];
  const changing: number[] = [];
  const tally = { failed: 0, sent: 0, changes: 0 };
  for (let pair = 0; pair < pairs; pair++) {
    for (const isChanging of shuffled([false, true])) {
      const warm = await generator.warm(load);
      const [{ p99, failed, sent }, changes] = await Promise.all([
        generator.send({ ...load, lane: warm }),
        isChanging ? change(ground) : 0,
      ]);
      (isChanging ? changing : steady).push(p99);
      tally.failed += failed;
      tally.sent += sent;
      tally.changes += changes;
    }
    console.log(`pair ${pair + 1} of ${pairs}: ${steady.at(-1)} and ${changing.at(-1)} µs`);
  }
  const differences = changing.map((p99, pair) => p99 - (steady[pair] ?? Number.NaN));
  return {
    what,
    pairs,
    perSecond,
    requests: tally.sent,
    steadyP99: rounded(quantile(steady, 0.5)),
    changingP99: rounded(quantile(changing, 0.5)),
    differenceP99: rounded(quantile(differences, 0.5)),
    changes: tally.changes,
    failed: tally.failed,
    ...(appliedMs.length > 0 && {
      applyP50: rounded(quantile(appliedMs, 0.5)),
      applyP99: rounded(quantile(appliedMs, 0.99)),
    }),
  };
}

/** Swaps policies, each when all VMs have the one before. */
async function swapPolicies({ host, sets, seen, appliedMs }: SwapGround): Promise<number> {
  const gapMs = (WINDOW_SECONDS * 1000) / (SWAPS_PER_WINDOW + 1);
  const begun = performance.now();
  for (let swap = 1; swap <= SWAPS_PER_WINDOW; swap++) {
    await new Promise((go) =>
      setTimeout(go, Math.max(0, begun + swap * gapMs - performance.now())),
    );
    const started = performance.now();
    const set = sets[appliedMs.length % sets.length];
    if (set === undefined) throw new Error('there is a policy to swap to');
    const revision = await host.applySet(set);
    await until('all VMs have the policy', () => seen.haveAll(revision), { everyMs: 2 });
    appliedMs.push(performance.now() - started);
  }
  return SWAPS_PER_WINDOW;
}

/** Tells the filters to start over, as after more removals than are kept, until they are full. */
async function fillDirectory({ host, seen, fillPages, floor }: SwapGround): Promise<number> {
  floor.revision = Number.MAX_SAFE_INTEGER;
  const made = await host.keys.create({ namespace: 'default', application: 'app-0' });
  if (!made.ok) throw new Error(made.message);
  floor.revision = made.revision;
  const filled = seen.pages + fillPages * 0.9;
  // About as many pages as the first time: a filter that only caught up asks for one.
  const isFull = () => seen.pages >= filled && seen.haveDirectory(made.revision);
  await until('both VMs are full again', isFull, { deadlineMs: 60_000 });
  return VMS;
}

/** What the filters say they hold, read from their calls. */
class Seen {
  /** Pages of directories asked for. */
  pages = 0;
  /** Engines that have opened a watch with a whole directory. */
  readonly complete = new Set<bigint>();
  readonly #policies = new Map<bigint, number>();
  readonly #directories = new Map<bigint, number>();

  constructor(host: TrialHost) {
    host.sync.addHook('preHandler', async (request) => {
      if (request.url.startsWith('/v1/directory/')) this.pages += 1;
      if (!request.url.startsWith('/v1/watch/')) return;
      const watch = decodeWatchRequest(request.body as Buffer);
      if (!watch.ok) return;
      const { incarnation, policyRevision, directoryRevision, complete, filling } = watch.value;
      this.#policies.set(incarnation, policyRevision);
      if (!filling) this.#directories.set(incarnation, directoryRevision);
      if (complete && !filling) this.complete.add(incarnation);
    });
  }

  /** Whether every engine has a whole directory at least as new as this. */
  haveDirectory(revision: number): boolean {
    const held = [...this.#directories.values()];
    return held.length >= VMS && held.every((each) => each >= revision);
  }

  /** Whether every engine has a policy at least as new as this. */
  haveAll(revision: number): boolean {
    const held = [...this.#policies.values()];
    return held.length === VMS && held.every((policy) => policy >= revision);
  }
}

/** The worker alone on its core, everything else on the other, this process included. */
async function spreadOver(pid: number, cleanup: AsyncDisposableStack): Promise<void> {
  const { proxy, load } = CORES;
  if (proxy === undefined || load === undefined) return;
  for (const thread of await readdir(`/proc/${pid}/task`)) {
    const name = await readFile(`/proc/${pid}/task/${thread}/comm`, 'utf8');
    const core = name.startsWith('wrk:') ? proxy : load;
    await runToEnd('taskset', ['-cp', String(core), thread]);
  }
  await runToEnd('taskset', ['-acp', String(load), String(process.pid)]);
  const all = `0-${availableParallelism() - 1}`;
  cleanup.defer(async () => {
    await runToEnd('taskset', ['-acp', all, String(process.pid)]);
  });
}
