/**
 * How much a request makes the filter do, whatever machine it runs on: calls into the proxy and
 * executed WebAssembly instructions, counted in the emulator on the module that ships. The same for
 * the largest single callback while policies are swapped and 100,000 keys come in.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { makeKey } from '../../host/credential/key.ts';
import type { LoadedModule, Pair } from '../../host/emulator/index.ts';
import { CLUSTER, FilterRig } from '../emulator/support/filter.ts';
import { followCallbacks, instructionsOf, meteredModule } from './callbacks.ts';
import { callerHeaders, LARGE, thousands } from './chains.ts';
import { PATH } from './lanes.ts';
import { benchProduct, PRODUCT_FILE } from './policies.ts';
import type { Row } from './results.ts';
import { rounded } from './results.ts';
import { keyedResources, QUIET } from './sidegate.ts';

const REQUESTS = 200;
/** Virtual time between two requests. */
const GAP_MS = 20;
const RESPONSE: Pair[] = [
  [':status', '200'],
  ['content-length', '2'],
];

/** Products and operations of each, for the largest callback while policies are swapped. */
const LARGE_POLICY = { products: 500, operations: 20 };

/** A kind of request against one rig. */
interface Case {
  name: string;
  /** Its key, or keys of which each is sent once. */
  key: string | readonly string[];
  count?: number;
  status: number;
}

/** Counts for hosts with so many keys; answers a row for each chain of the main table. */
export async function measureWork(sizes: readonly number[]): Promise<Record<string, Row>> {
  const module = await meteredModule();
  const rows: Record<string, Row> = {};
  for (const size of sizes) {
    const { files, keys, siblings, greedyKey } = keyedResources(size);
    await using rig = await FilterRig.start({ module, resources: '' });
    const largest = followCallbacks(rig);
    await rig.host.apply(Object.values(files).join('---\n'));
    await rig.advance(60_000, 100);
    const name = `Sidegate, ${thousands(size)} keys`;
    const good = { name, key: keys[0] ?? '', status: 200 };
    const cases: Case[] = [good, { ...good, name: `${name}, ${LARGE} headers`, count: LARGE }];
    if (size === sizes[0]) {
      const unknown = makeKey('sg', randomBytes).key.reveal();
      // Only the first request of a key is hashed; its account is warm by another key.
      const [first = '', ...others] = siblings;
      await countRequests(rig, { ...good, key: first });
      cases.push({ ...good, name: 'Sidegate, key not seen before', key: others });
      cases.push({ name: 'Sidegate, unknown key', key: unknown, status: 401 });
      const fresh = Array.from({ length: REQUESTS }, () => makeKey('sg', randomBytes).key.reveal());
      cases.push({ name: 'Sidegate, unknown key not seen before', key: fresh, status: 401 });
      cases.push({ name: 'Sidegate, limited', key: greedyKey, status: 429 });
    }
    for (const one of cases) rows[one.name] = await countRequests(rig, one);
    if (size === sizes[0]) {
      const one = { ...good, name: `${name}, filterState denied` };
      rows[one.name] = await countQuiet(module, files, one);
      const answering = { ...files, [PRODUCT_FILE]: benchProduct({ answers: true }) };
      await rig.host.apply(Object.values(answering).join('---\n'));
      await rig.advance(1_000, 100);
      const worked = { ...good, name: 'Sidegate, response work' };
      rows[worked.name] = await countRequests(rig, worked);
    }
    rows[`callbacks, ${thousands(size)} keys`] = callbackRow(rig, largest);
  }
  rows[`callbacks, policy of ${LARGE_POLICY.products} products`] = await swapLarge(module);
  return rows;
}

/** The largest callback while a large policy is swapped for another. */
async function swapLarge(module: LoadedModule): Promise<Row> {
  const { files } = keyedResources(1000);
  const { products, operations } = LARGE_POLICY;
  const set = (variant: number) => {
    const others = Array.from({ length: products - 1 }, (_, index) => {
      const options = { operations, variant, name: `other-${index}`, basePath: `/other-${index}` };
      return benchProduct(options);
    });
    return [...Object.values(files), ...others].join('---\n');
  };
  await using rig = await FilterRig.start({ module, resources: set(0) });
  await rig.advance(10_000, 20);
  const largest = followCallbacks(rig);
  const pages = rig.host.calls['v1/policy'] ?? 0;
  await rig.host.apply(set(1));
  await rig.advance(10_000, 20);
  assert.ok((rig.host.calls['v1/policy'] ?? 0) > pages + 10, 'the policy was fetched');
  return callbackRow(rig, largest);
}

/** Counts for a proxy that tells access logs of denials alone. */
async function countQuiet(
  module: LoadedModule,
  files: Readonly<Record<string, string>>,
  one: Case,
): Promise<Row> {
  const config = JSON.stringify({ clusters: [CLUSTER], ...QUIET });
  await using rig = await FilterRig.start({ module, config, resources: '' });
  await rig.host.apply(Object.values(files).join('---\n'));
  await rig.advance(60_000, 100);
  await countRequests(rig, one);
  return await countRequests(rig, one);
}

/**
 * Sends requests one by one, time passing between them as the leases need it. What the filter does
 * in between, and a request that had to wait for units, belong to no request and are not counted.
 */
async function countRequests(rig: FilterRig, one: Case): Promise<Row> {
  const { abi } = rig.vm;
  const wanted = typeof one.key === 'string' ? REQUESTS : one.key.length;
  const headersOf = (at: number): Pair[] => {
    const key = typeof one.key === 'string' ? one.key : (one.key[at] ?? '');
    const fields = Object.entries(callerHeaders(key, one.count));
    return [...fields, ['user-agent', 'bench'], ['x-forwarded-proto', 'http']];
  };
  const tally = { requests: 0, instructions: 0, entered: 0, calls: new Map<string, number>() };
  for (let sent = 0; tally.requests < wanted && sent < 2 * wanted; sent++) {
    await rig.advance(GAP_MS, GAP_MS);
    abi.reset();
    const before = instructionsOf(rig);
    const stream = rig.request(headersOf(sent), PATH);
    const isCounted =
      stream.outcome !== 'paused' && one.status === (stream.localResponse?.status ?? 200);
    if (stream.outcome === 'paused') await rig.decided(stream);
    else if (stream.outcome === 'continued') stream.respond({ headers: RESPONSE });
    stream.end();
    if (!isCounted) continue;
    tally.requests++;
    tally.instructions += instructionsOf(rig) - before;
    tally.entered += Object.values(abi.entered).reduce((sum, count) => sum + count, 0);
    for (const [name, count] of Object.entries(abi.byName)) {
      tally.calls.set(name, (tally.calls.get(name) ?? 0) + count);
    }
  }
  assert.equal(tally.requests, wanted, `${one.name}: too few were decided at once`);
  const each = [...tally.calls].map(([name, count]) => [name, count / wanted] as const);
  return {
    abiCalls: rounded(
      each.reduce((sum, [, count]) => sum + count, 0),
      2,
    ),
    entered: rounded(tally.entered / wanted, 2),
    instructions: Math.round(tally.instructions / wanted),
    calls: each
      .map(([name, count]) => `${name.replace('proxy_', '')} ${rounded(count, 2)}`)
      .join(', '),
  };
}

/** The callbacks that have executed most, in instructions. */
function callbackRow(rig: FilterRig, largest: ReadonlyMap<string, number>): Row {
  assert.equal(rig.vm.failure, undefined);
  const sorted = [...largest].sort(([, a], [, b]) => b - a);
  return { ...Object.fromEntries(sorted), wasmBytes: rig.vm.memoryBytes };
}
