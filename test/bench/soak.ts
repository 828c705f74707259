/**
 * Ten million requests and a thousand policy changes, once in the emulator, where memory is known
 * to the byte, and once through a real Envoy. What counts is that nothing grows. Both are bounded
 * in time; how far they came stands in the results.
 */
import assert from 'node:assert/strict';
import { HeaderMap, type Pair } from '../../host/emulator/index.ts';
import { CLUSTER, FilterRig } from '../emulator/support/filter.ts';
import type { Host } from '../support/host.ts';
import { send } from '../support/requests.ts';
import { callerHeaders, pick } from './chains.ts';
import { CORES, type Lane, openLanes, PATH } from './lanes.ts';
import { sendRequests } from './measure.ts';
import { benchProduct, PRODUCT_FILE } from './policies.ts';
import type { Measured, Row } from './results.ts';
import { keyedResources, sidegateChain, startKeyedHost } from './sidegate.ts';

const REQUESTS = 10_000_000;
const CHANGES = 1000;
const CONFIGURATIONS = 100;
/** Few enough that a change is quickly compiled, many enough that a policy that leaks is seen. */
const OPERATIONS = 100;
const KEYS = 20;
/** How often memory is written down. */
const LOOKS = 20;
/** Nine minutes were 7.1 million requests on the machine of the results page. */
const ENVOY_MS_MAX = 18 * 60_000;
const EMULATOR_MS_MAX = 4 * 60_000;
const CHUNK = 100_000;
const SYNCS = /^sidegate_host_calls_total\{.*\/v1\/sync/;

const productOf = (variant: number) => benchProduct({ operations: OPERATIONS, variant });

/** What was seen over time. */
interface Series {
  atRequests: number[];
  wasmBytes: number[];
  residentBytes: number[];
}

const emptySeries = (): Series => ({ atRequests: [], wasmBytes: [], residentBytes: [] });

/** Soaks in both places, or in the one whose name holds `only`; `share` shortens a trial run. */
export async function measureSoak(only?: string, share = 1): Promise<Measured> {
  const rows: Record<string, Row> = {};
  const isWanted = (name: string) => name.includes(only ?? '');
  if (isWanted('emulator')) rows.emulator = await soakEmulator(share);
  if (isWanted('Envoy')) rows.Envoy = await soakEnvoy(share);
  return { rows, partial: only !== undefined };
}

/** The emulator: everything in this process, in virtual time. */
async function soakEmulator(share: number): Promise<Row> {
  const { files, keys } = keyedResources(KEYS);
  const resources = (variant: number) =>
    Object.values({ ...files, [PRODUCT_FILE]: productOf(variant) }).join('---\n');
  await using rig = await FilterRig.start({ resources: resources(0) });
  const requests = keys.map((key) => new HeaderMap('request', pairsOf(key)));
  const series = emptySeries();
  const changes = Math.round(CHANGES * share);
  const perChange = REQUESTS / CHANGES;
  const ends = performance.now() + EMULATOR_MS_MAX;
  const tally = { requests: 0, changes: 0, configurations: 0, failed: 0 };
  while (tally.changes < changes && performance.now() < ends) {
    tally.changes++;
    await rig.host.apply(resources(tally.changes));
    await rig.advance(100);
    tally.failed += await burst(rig, requests, perChange);
    tally.requests += perChange;
    if (tally.changes % (CHANGES / CONFIGURATIONS) === 0) {
      reconfigure(rig, ++tally.configurations);
    }
    if (tally.changes % Math.ceil(changes / LOOKS) === 0) {
      series.atRequests.push(tally.requests);
      series.wasmBytes.push(rig.vm.memoryBytes);
      console.log(`emulator: ${tally.requests} requests, ${rig.vm.memoryBytes} bytes`);
    }
  }
  assert.equal(rig.vm.failure, undefined);
  // A stream or a root that stays would be growth as well, though of the emulator's own tables.
  assert.equal(rig.vm.contextCount, 1, 'every stream and every older root is gone');
  const grownBytes = (series.wasmBytes.at(-1) ?? NaN) - (series.wasmBytes[0] ?? NaN);
  return { ...tally, grownBytes, ...series };
}

/** Sends requests in virtual time; answers how many were not let through. */
async function burst(
  rig: FilterRig,
  requests: readonly HeaderMap[],
  count: number,
): Promise<number> {
  let failed = 0;
  for (let sent = 0; sent < count; ) {
    await rig.advance(10);
    for (const until = sent + count / 20; sent < until; sent++) {
      const stream = rig.vm.run(pick(requests), RESPONSE);
      if (stream.outcome === 'paused') {
        await rig.decided(stream);
        stream.end();
      }
      if (stream.localResponse !== undefined) failed++;
    }
  }
  return failed;
}

const RESPONSE: Pair[] = [
  [':status', '200'],
  ['content-length', '2'],
];

function pairsOf(key: string): Pair[] {
  return [
    [':method', 'GET'],
    [':path', PATH],
    [':authority', 'orders.example.com'],
    [':scheme', 'http'],
    ...Object.entries(callerHeaders(key)),
  ];
}

/** Makes a new root for a changed plugin and takes the old one away, as Envoy does. */
function reconfigure(rig: FilterRig, turn: number): void {
  const before = rig.vm.liveRoots;
  rig.configure(JSON.stringify({ clusters: [CLUSTER], holdMs: 60 + (turn % 7) }));
  for (const root of before) root.close();
}

/** Envoy: real time, one worker, load as fast as answers come while policies change beside it. */
async function soakEnvoy(share: number): Promise<Row> {
  await using keyed = await startKeyedHost(KEYS, CORES.load);
  await using cleanup = new AsyncDisposableStack();
  const [lane] = await openLanes([sidegateChain(keyed)], cleanup);
  if (lane === undefined) throw new Error('there is a lane for each chain');
  const applied = () => lane.envoy.stat('wasmcustom.sidegate_policies_applied_total');
  const [appliedBefore, syncsBefore] = [await applied(), await syncsOf(keyed.host)];
  const ends = performance.now() + ENVOY_MS_MAX * Math.max(share, 0.1);
  const tally = { requests: 0, changes: 0, configurations: 0, failed: 0 };
  const wanted = { requests: REQUESTS * share, changes: CHANGES * share };
  const series = emptySeries();
  let isOver = false;
  const loading = async () => {
    while (tally.requests < wanted.requests && performance.now() < ends) {
      const { failed } = await sendChunk(lane, Math.min(CHUNK, wanted.requests));
      tally.requests += Math.min(CHUNK, wanted.requests);
      tally.failed += failed;
      const step = Math.ceil(wanted.requests / LOOKS);
      if (tally.requests / step < series.atRequests.length + 1) continue;
      series.atRequests.push(tally.requests);
      series.residentBytes.push(await lane.envoy.residentBytes());
      console.log(`Envoy: ${tally.requests} requests, ${tally.changes} changes`);
    }
    isOver = true;
  };
  const changing = async () => {
    // Spread evenly over the requests, whatever the machine can take.
    while (!isOver || (tally.changes < wanted.changes && performance.now() < ends)) {
      const due = (tally.requests / wanted.requests) * wanted.changes;
      if (tally.changes < wanted.changes && (isOver || tally.changes <= due + SLACK)) {
        tally.changes++;
        await keyed.host.writeResource(PRODUCT_FILE, productOf(tally.changes));
      }
      await new Promise((go) => setTimeout(go, CHANGE_GAP_MS));
    }
  };
  await Promise.all([loading(), changing()]);
  const swapped = (await applied()) - appliedBefore;
  const syncs = (await syncsOf(keyed.host)) - syncsBefore;
  const middle = series.residentBytes[Math.floor(series.residentBytes.length / 2)] ?? NaN;
  return {
    ...tally,
    grownBytes: (series.residentBytes.at(-1) ?? NaN) - middle,
    syncsPer1000: Number(((syncs / tally.requests) * 1000).toFixed(3)),
    note: `The VMs swapped policies ${swapped} times; the host was asked to sync ${syncs} times.`,
    ...series,
  };
}

/** The host reads files at most so often; a change that is overtaken would not be one. */
const CHANGE_GAP_MS = 400;
/** Changes that may run ahead of the requests. */
const SLACK = 5;

function sendChunk({ chain, port }: Lane, requests: number): Promise<{ failed: number }> {
  const { name, expect } = chain;
  const round = { name, port, headers: chain.headers(), expect, core: CORES.load };
  return sendRequests(round, requests);
}

async function syncsOf({ adminPort, adminToken }: Host): Promise<number> {
  const headers = { authorization: `Bearer ${adminToken}` };
  const answer = await send({ port: adminPort, path: '/metrics', headers });
  const counted = answer.body.split('\n').filter((line) => SYNCS.test(line));
  return counted.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}
