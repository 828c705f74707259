/**
 * Usage from the filter to the host: every decided request is counted once, in the row it belongs
 * to, whatever becomes of the calls that carry it.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import {
  Clusters,
  Fleet,
  loadModule,
  type StreamView,
  seededRandom,
  VirtualClock,
} from '../../host/emulator/index.ts';
import { openMemoryUsage } from '../../host/store/usage-memory.ts';
import type { UsageDimension } from '../../host/usage/group.ts';
import { COUNTER, meter } from '../bench/meter.ts';
import { RELEASE_MODULE } from '../support/rig.ts';
import { CLUSTER, CONFIG, FilterRig, filterModule, RESOURCES } from './support/filter.ts';
import { TestHost } from './support/host.ts';
import { randomFrom, stormy } from './support/storm.ts';

const FAR = Date.UTC(2027, 0, 1);
const UNLIMITED = RESOURCES.replace(/ {2}limits:\n.*\n/, '  limits: []\n');

/** Sums of everything a host knows, by these dimensions: `a/b` to requests. */
async function sums(host: TestHost, ...by: UsageDimension[]): Promise<Record<string, number>> {
  const { items } = await host.usage.sum({ sinceMs: 0, untilMs: FAR, filter: {}, by });
  const rows = items.map((item) => [by.map((name) => item[name]).join('/'), item.requests]);
  return Object.fromEntries(rows);
}

async function total(host: TestHost): Promise<number> {
  const { requests } = await host.usage.sum({ sinceMs: 0, untilMs: FAR, filter: {}, by: ['day'] });
  return requests;
}

function records(host: TestHost) {
  return host.usage.records({ sinceMs: 0, untilMs: FAR, filter: {} }, 0, 1_000);
}

// Guarantees that usage is told by subscription, operation and reason, with the names of all that
// stand behind them, also for a plan without limits and for callers that nobody knows.
test('every decided request is counted in its row', async () => {
  await using rig = await FilterRig.start({ resources: UNLIMITED });
  const { id, key } = await rig.host.createKey('shop');
  await rig.advance(300);
  for (let i = 0; i < 3; i++) await rig.send(key);
  await rig.send(key, '/orders', 'POST');
  await rig.send(key, '/nowhere');
  await rig.send('sg_guess');
  rig.request([], '/health').end();
  await rig.advance(2_000, 50);
  const whole: UsageDimension[] = ['namespace', 'consumer', 'application', 'plan', 'product'];
  assert.deepEqual(await sums(rig.host, ...whole, 'operation', 'reason', 'mode'), {
    'default////orders//operation_not_found/enforce': 1,
    'default////orders/health/anonymous/enforce': 1,
    'default////orders/list/key_malformed/enforce': 1,
    'default/acme/shop/gold/orders/create/allowed/enforce': 1,
    'default/acme/shop/gold/orders/list/allowed/enforce': 3,
  });
  assert.deepEqual([...(await rig.host.usage.lastUsed([id])).keys()], [id]);
  const calls = rig.host.calls['v1/sync'];
  await rig.advance(5_000, 50);
  assert.equal(rig.host.calls['v1/sync'], calls, 'nothing new, no call');
});

// Guarantees that shadow is told from what was really denied, and off from both.
test('a denial in shadow is counted as such', async () => {
  const config = JSON.stringify({ clusters: [CLUSTER], mode: 'shadow' });
  await using rig = await FilterRig.start({ resources: UNLIMITED, config });
  await rig.advance(300);
  assert.equal((await rig.send('sg_guess')).outcome, 'continued');
  await rig.advance(1_500, 50);
  assert.deepEqual(await sums(rig.host, 'reason', 'mode'), { 'key_malformed/shadow': 1 });
});

// Guarantees the promise under loss: no request missing, none doubled, whatever answers are lost,
// late, doubled or overtaken, and whoever the host was when they came.
test('lost, doubled and late reports change no sum', async () => {
  for (const seed of [11, 12, 13]) {
    const random = randomFrom(seed);
    await using rig = await FilterRig.start({ resources: UNLIMITED });
    const { key } = await rig.host.createKey('shop');
    await rig.advance(300);
    const storm = stormy(rig.host.serve, random);
    rig.clusters.set(CLUSTER, async (call) => {
      // The network may deliver a call twice; the second answer finds nobody.
      if (random() < 0.2) await rig.host.serve(call);
      return storm(call);
    });
    let sent = 0;
    for (let i = 0; i < 400; i++) {
      await rig.send(key, random() < 0.5 ? '/orders' : '/nowhere');
      sent++;
      await rig.advance(random() * 60, 20);
    }
    rig.clusters.set(CLUSTER, rig.host.serve);
    await rig.advance(15_000, 100);
    assert.equal(await total(rig.host), sent, `seed ${seed}`);
    assert.ok((await records(rig.host)).every(({ complete }) => complete));
  }
});

// Guarantees that a host that is killed and comes back goes on where the durable sums stand, and
// that what was counted meanwhile comes whole.
test('usage outlives its host', async () => {
  const usageStore = openMemoryUsage();
  await using rig = await FilterRig.start({ resources: UNLIMITED, usageStore });
  const { key } = await rig.host.createKey('shop');
  await rig.advance(300);
  for (let i = 0; i < 10; i++) await rig.send(key);
  await rig.advance(1_500, 50);
  rig.clusters.set(CLUSTER, 'refused');
  for (let i = 0; i < 10; i++) await rig.send(key);
  await rig.advance(20_000, 100);
  assert.equal(await total(rig.host), 10);
  const { store } = rig.host;
  const second = await TestHost.open({ clock: rig.clock, store, usageStore });
  rig.clusters.set(CLUSTER, second.serve);
  await rig.advance(15_000, 100);
  for (let i = 0; i < 10; i++) await rig.send(key);
  await rig.advance(2_000, 50);
  assert.equal(await total(second), 30);
  await second.close();
  await usageStore.close();
});

// Guarantees that a change of policy, plan or configuration neither loses nor moves what was
// counted, and that the last root says its last word.
test('usage survives changes, and the last root says all', async () => {
  await using rig = await FilterRig.start({ resources: UNLIMITED });
  const { key } = await rig.host.createKey('shop');
  await rig.advance(300);
  for (let i = 0; i < 5; i++) await rig.send(key);
  await rig.advance(1_200, 50);
  await rig.host.apply(
    `${UNLIMITED.replace('plan: gold }', 'plan: silver }')}---
apiVersion: sidegate.dev/v1alpha1
kind: Plan
metadata: { name: silver }
spec: { limits: [] }
`,
  );
  await rig.advance(500);
  for (let i = 0; i < 5; i++) await rig.send(key);
  const [old] = rig.vm.liveRoots;
  rig.configure(JSON.stringify({ clusters: [CLUSTER], holdMs: 70 }));
  old?.close();
  await rig.advance(200);
  for (let i = 0; i < 5; i++) await rig.send(key);
  rig.vm.liveRoots.at(-1)?.close();
  await rig.advance(500);
  assert.equal(rig.vm.liveRoots.length, 0, 'the last root is gone');
  assert.deepEqual(await sums(rig.host, 'plan', 'reason'), {
    'gold/allowed': 5,
    'silver/allowed': 10,
  });
  await rig.advance(120_000, 1_000);
  await rig.host.usage.sweep();
  assert.ok(
    (await records(rig.host)).every(({ complete }) => complete),
    'nothing is missing',
  );
});

// Guarantees that a holder that dies without a word is marked, that its gap is a heartbeat at
// most, and that what it had reported stands.
test('a VM that traps leaves a gap of at most a heartbeat, and says so', async () => {
  const clock = new VirtualClock({ startUnixMs: Date.UTC(2026, 4, 4, 12) });
  const host = await TestHost.open({ clock });
  await host.apply(UNLIMITED);
  const { key } = await host.createKey('shop');
  const clusters = new Clusters();
  clusters.set(CLUSTER, host.serve);
  const module = filterModule('filter.test.wasm');
  const random = seededRandom(5);
  const fleet = new Fleet(module, { workers: 1, clock, clusters, random });
  fleet.apply({ name: 'sidegate', configuration: CONFIG });
  const [worker] = fleet.workers;
  assert.ok(worker);
  const advance = async (ms: number) => {
    for (let at = 0; at < ms; at += 20) {
      clock.advance(20);
      for (let turn = 0; turn < 20; turn++) await new Promise((go) => setImmediate(go));
    }
  };
  const send = (...more: [string, string][]): StreamView => {
    const stream = worker.request({
      headers: [
        [':method', 'GET'],
        [':path', '/orders'],
        [':authority', 'orders.example.com'],
        ['x-api-key', key],
        ...more,
      ],
    });
    return stream;
  };
  await advance(500);
  for (let i = 0; i < 7; i++) send();
  await advance(1_500);
  assert.equal(await total(host), 7);
  for (let i = 0; i < 3; i++) send();
  send(['x-sidegate-test-trap', '1']);
  await advance(2_000);
  // The first request brings up the new VM; it waits there for policy and directory.
  for (let i = 0; i < 4; i++) send();
  await advance(70_000);
  await host.usage.sweep();
  assert.equal(host.usage.stats().gaps, 1);
  const counted = await total(host);
  assert.ok(counted >= 11 && counted <= 14, `${counted} of 14`);
  const [record] = await records(host);
  assert.equal(record?.complete, false);
  assert.ok((record?.gapMs ?? 0) > 0 && (record?.gapMs ?? 0) <= 1_000, `${record?.gapMs} ms`);
  fleet.close();
  await host.close();
});

// Guarantees that a table that is full loses no count: it is told without its subscription, and
// rows that nobody uses leave for those that are.
test('requests without a row of their own are counted as other', async () => {
  const operations = Array.from(
    { length: 40 },
    (_, i) => `    - { name: op${i}, method: GET, path: /op${i}, security: none }\n`,
  ).join('');
  const resources = UNLIMITED.replace(/ {4}- \{ name: list.*\n.*\n.*\n/, operations);
  await using rig = await FilterRig.start({ resources, module: 'filter.test.wasm' });
  await rig.advance(300);
  for (let i = 0; i < 40; i++) {
    rig.request([], `/op${i}`).end();
    // The table grows on the tick, to 32 rows in the test build, four of them for others.
    if (i === 10) await rig.advance(300, 20);
  }
  await rig.advance(15_000, 50);
  const found = await sums(rig.host, 'operation');
  assert.equal(found[''], 12, JSON.stringify(found));
  assert.equal(await total(rig.host), 40);
  await rig.advance(25_000, 100);
  rig.request([], '/op39').end();
  await rig.advance(2_000, 50);
  assert.equal((await sums(rig.host, 'operation')).op39, 1, 'idle rows have left');
  assert.equal(await total(rig.host), 41);
  assert.match(rig.logText(), /usage_full/);
});

const MEASURED = UNLIMITED.replace('  hosts:', '  usage: { responses: counted }\n  hosts:');

// Guarantees that a product that asks for it learns how its requests were answered and how long
// that took, beside the count of requests and not in it.
test('responses are counted by status and latency where a product asks', async () => {
  await using rig = await FilterRig.start({ resources: MEASURED });
  const { key } = await rig.host.createKey('shop');
  await rig.advance(300);
  const answers: [string, number][] = [
    ['200', 3],
    ['503', 30],
    ['204', 12_000],
  ];
  for (const [status, tookMs] of answers) {
    const stream = rig.request([['x-api-key', key]]);
    await rig.decided(stream);
    await rig.advance(tookMs, 100);
    stream.respond({ headers: [[':status', status]] });
    stream.end();
  }
  rig.request([['x-api-key', key]]).end();
  await rig.send('sg_guess');
  await rig.advance(2_000, 50);
  assert.deepEqual(await sums(rig.host, 'reason', 'status', 'latency'), {
    'allowed/2xx/<=5ms': 1,
    'allowed/2xx/>10000ms': 1,
    'allowed/5xx/<=50ms': 1,
    'allowed/none/<=5ms': 1,
    'key_malformed/4xx/<=5ms': 1,
  });
  assert.equal(await total(rig.host), 5);
});

/** Calls into the proxy and instructions of an allowed request, its end included. */
async function workOf(resources: string) {
  const loaded = loadModule(meter(await readFile(RELEASE_MODULE)));
  assert.ok(loaded.ok);
  await using rig = await FilterRig.start({ module: loaded.module, resources });
  const { key } = await rig.host.createKey('shop');
  await rig.advance(1_000);
  await rig.send(key);
  await rig.advance(2_000, 50);
  rig.vm.abi.reset();
  const before = Number(rig.vm.guest.read(COUNTER));
  const stream = rig.request([['x-api-key', key]]);
  stream.respond({ headers: [[':status', '200']] });
  stream.end();
  return {
    calls: { ...rig.vm.abi.byName },
    instructions: Number(rig.vm.guest.read(COUNTER)) - before,
  };
}

// Guarantees that only products that ask for it pay for reading the status: one property and one
// clock more. The figures are those of docs/operations.md.
test('counting responses costs two calls into the proxy, and only where asked for', async (t) => {
  const plain = await workOf(UNLIMITED);
  const measured = await workOf(MEASURED);
  const more = Object.entries(measured.calls)
    .map(([name, count]) => [name, count - (plain.calls[name] ?? 0)] as const)
    .filter(([, count]) => count !== 0);
  assert.deepEqual(Object.fromEntries(more), { proxy_get_property: 1, clock_time_get: 1 });
  const added = measured.instructions - plain.instructions;
  t.diagnostic(`${plain.instructions} instructions, ${added} more with responses`);
  assert.ok(added > 0 && added < 400, `${added} instructions`);
});
