/**
 * The bench: what a request costs through every way of doing the same job, side by side in one run.
 * Chains run at the same time and are visited in random order in many short rounds, and the 10th
 * percentile counts, because on a shared machine anything else measures the neighbours.
 *
 * Usage: npm run bench [-- --rounds N] [--only TEXT]      writes test/bench/results.md
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { ENVOY_VERSION } from '../../envoy/locate.ts';
import { BUILD, ensureTool, runCheck } from '../runner/commands.ts';
import { ROOT } from '../runner/layers.ts';
import { Envoy } from '../support/envoy.ts';
import * as config from '../support/envoy-config.ts';
import { Folder } from '../support/folders.ts';
import { writeNoopModule } from '../support/noop.ts';
import { Program } from '../support/programs.ts';
import { send } from '../support/requests.ts';
import { until } from '../support/wait.ts';
import type { Chain } from './chains.ts';
import * as chains from './chains.ts';
import { cpuNanoseconds, PATH, quantile, ROUND_REQUESTS, sendRound } from './measure.ts';
import { describeMachine, type Figures, renderResults } from './results.ts';
import { refusingChain, sidegateChain, startKeyedHost } from './sidegate.ts';

const ROUNDS = 100;
const WARM_UP_ROUNDS = 3;
const RESULTS = path.join(ROOT, 'test/bench/results.md');

/** A chain with its proxy, and what was measured of it. */
interface Lane {
  chain: Chain;
  envoy: Envoy;
  proxyNs: number[];
  helperNs: number[];
  residentBytes: number;
}

const { values: args } = parseArgs({
  options: { rounds: { type: 'string' }, only: { type: 'string' } },
});
const rounds = Number(args.rounds ?? ROUNDS);
// With one core there is nothing to keep apart.
const [proxyCore, loadCore] = availableParallelism() > 1 ? [0, 1] : [undefined, undefined];

async function openLane(chain: Chain): Promise<Lane> {
  const { filters, clusters } = chain;
  const listener = config.listener({ name: 'in', filters });
  const envoy = await Envoy.start({
    config: config.bootstrap(chain.name, [listener], clusters),
    version: ENVOY_VERSION,
    logLevel: 'warning',
    ...(proxyCore === undefined ? {} : { core: proxyCore }),
  });
  const asked = { port: envoy.port('in'), path: PATH };
  const isUp = async () =>
    (await send({ ...asked, headers: chain.headers() })).status === chain.expect;
  await until(`${chain.name} answers`, isUp, { deadlineMs: 60_000, everyMs: 200 });
  return { chain, envoy, proxyNs: [], helperNs: [], residentBytes: 0 };
}

async function visit({ chain, envoy, proxyNs, helperNs }: Lane): Promise<void> {
  const helpers = chain.helpers();
  const readHelpers = async () => {
    const times = await Promise.all(helpers.map(cpuNanoseconds));
    return times.reduce((sum, time) => sum + time, 0);
  };
  const [proxyBefore, helpersBefore] = [await cpuNanoseconds(envoy.pid), await readHelpers()];
  const { name, expect } = chain;
  await sendRound({
    name,
    port: envoy.port('in'),
    headers: chain.headers(),
    expect,
    core: loadCore,
  });
  proxyNs.push(((await cpuNanoseconds(envoy.pid)) - proxyBefore) / ROUND_REQUESTS);
  helperNs.push(((await readHelpers()) - helpersBefore) / ROUND_REQUESTS);
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, place: Math.random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item);
}

function figuresOf({ chain, proxyNs, helperNs, residentBytes }: Lane): Figures {
  return {
    name: chain.name,
    does: chain.does,
    proxyNs: quantile(proxyNs, 0.1),
    proxyMedianNs: quantile(proxyNs, 0.5),
    helperNs: quantile(helperNs, 0.1),
    residentBytes,
  };
}

/** A Node process pinned away from the proxies. */
function helper(script: string, args: string[]): Program {
  const command = [process.execPath, path.join(ROOT, script), ...args];
  if (loadCore === undefined) return new Program(command[0] ?? '', command.slice(1));
  return new Program('taskset', ['-c', String(loadCore), ...command]);
}

if (!ensureTool({ command: 'h2load', debianPackage: 'nghttp2-client' })) {
  throw new Error('h2load is needed: apt-get install nghttp2-client');
}
if ((await runCheck(BUILD)).failed > 0) process.exit(1);

await using cleanup = new AsyncDisposableStack();
const folder = cleanup.use(await Folder.make());
const noop = folder.join('noop.wasm');
await writeNoopModule(noop);
const many = Array.from({ length: 100_000 }, (_, i) => `sg_${String(i).padStart(36, '0')}`);
const few = many.slice(0, 1000);
await writeFile(folder.join('keys'), `${few.join('\n')}\n`);
const authz = cleanup.use(helper('test/bench/authz.ts', [folder.join('keys')]));
const authzPort = await until('the check service listens', () => {
  return Number(authz.output.trim()) || undefined;
});

const keyedFew = cleanup.use(await startKeyedHost(1000, loadCore, console.log));
const keyedMany = cleanup.use(await startKeyedHost(100_000, loadCore, console.log));

const all = [
  chains.noFilter(),
  chains.noopWasm(noop),
  sidegateChain(keyedFew),
  sidegateChain(keyedMany),
  refusingChain(keyedFew),
  chains.nativeChain(few),
  chains.nativeChain(many),
  chains.extAuthz(authzPort, () => authz.pid, few),
].filter(({ name }) => args.only === undefined || name.includes(args.only));

const lanes: Lane[] = [];
for (const chain of all) {
  console.log(`starting: ${chain.name}`);
  const lane = await openLane(chain);
  cleanup.use(lane.envoy);
  lanes.push(lane);
}
for (let round = 1 - WARM_UP_ROUNDS; round <= rounds; round++) {
  for (const lane of shuffled(lanes)) await visit(lane);
  if (round === 0) {
    for (const lane of lanes) lane.proxyNs.length = lane.helperNs.length = 0;
  } else if (round % 10 === 0) console.log(`round ${round} of ${rounds}`);
}
for (const lane of lanes) lane.residentBytes = await lane.envoy.residentBytes();

const module = await readFile(path.join(ROOT, 'build/filter.wasm'));
const text = renderResults({
  figures: lanes.map(figuresOf),
  machine: await describeMachine(),
  rounds,
  moduleBytes: module.length,
});
await mkdir(path.dirname(RESULTS), { recursive: true });
await writeFile(RESULTS, text);
console.log(`\n${text}`);
