/**
 * Every table has an end: what happens when it is reached, and that traffic moves no memory. Small
 * bounds come from the test build of the same sources; a million requests go through the release.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeaderMap, type Stream } from '../../host/emulator/index.ts';
import { CLUSTER, FilterRig, RESOURCES } from './support/filter.ts';

const TEST_MODULE = 'filter.test.wasm';

/** Resources with this many applications, each with a subscription of its own. */
function withApplications(count: number): string {
  const parts = Array.from(
    { length: count },
    (_, i) => `---
apiVersion: sidegate.dev/v1alpha1
kind: Application
metadata: { name: app-${i} }
spec: { consumer: acme }
---
apiVersion: sidegate.dev/v1alpha1
kind: Subscription
metadata: { name: app-${i}-orders }
spec: { application: app-${i}, product: orders, plan: gold }
`,
  );
  return RESOURCES + parts.join('');
}

async function keysOf(rig: FilterRig, applications: number): Promise<string[]> {
  const keys: string[] = [];
  for (let i = 0; i < applications; i++) keys.push((await rig.host.createKey(`app-${i}`)).key);
  await rig.advance(300);
  return keys;
}

// Guarantees that a flood of held requests is bounded: beyond the bound the answer comes at once.
test('beyond HELD_MAX a request is refused at once', async () => {
  await using rig = await FilterRig.start({ module: TEST_MODULE, reachable: false });
  const streams = Array.from({ length: 10 }, () => rig.request());
  const outcomes = streams.map(({ outcome, details }) => details ?? outcome);
  assert.deepEqual(outcomes, [
    ...Array.from({ length: 8 }, () => 'paused'),
    'sidegate_held_full',
    'sidegate_held_full',
  ]);
});

// Guarantees that one subscription cannot take all places of those who wait.
test('one subscription waits in its share of the places', async () => {
  await using rig = await FilterRig.start({
    module: TEST_MODULE,
    resources: withApplications(1),
  });
  const [key = ''] = await keysOf(rig, 1);
  rig.clusters.set(CLUSTER, () => 'lost');
  const streams = Array.from({ length: 6 }, () => rig.request([['x-api-key', key]]));
  const paused = streams.filter(({ outcome }) => outcome === 'paused');
  assert.equal(paused.length, 4);
  assert.equal(streams[5]?.details, 'sidegate_quota_unavailable{limit=daily}');
});

// Guarantees that a full table of accounts costs nobody else's account and lets nothing through
// uncounted: those without a place meet their limit's failure policy.
test('accounts beyond HOLDINGS_MAX meet the failure policy of their limit', async () => {
  await using rig = await FilterRig.start({
    module: TEST_MODULE,
    // Two accounts each: room for eight of ten.
    resources: withApplications(10).replace(
      '- { name: daily',
      '- { name: hourly, class: exact, quota: 90, window: 1h }\n    - { name: daily',
    ),
  });
  const keys = await keysOf(rig, 10);
  const answers: string[] = [];
  for (const key of keys) {
    const stream = await rig.send(key);
    answers.push(stream.details ?? stream.outcome);
    await rig.advance(1_000, 100);
  }
  assert.deepEqual(answers, [
    ...Array.from({ length: 8 }, () => 'continued'),
    ...Array.from({ length: 2 }, () => 'sidegate_quota_unavailable{limit=hourly}'),
  ]);
  // Idle accounts leave once the host knows their last word; then there is room again.
  await rig.advance(150_000, 500);
  assert.equal((await rig.send(keys.at(-1) ?? '')).outcome, 'continued');
});

// Guarantees that streams beyond the records are decided all the same, and counted.
test('streams beyond STREAMS_MAX are decided without a record', async () => {
  await using rig = await FilterRig.start({
    module: TEST_MODULE,
    resources: withApplications(1),
  });
  const [key = ''] = await keysOf(rig, 1);
  await rig.send(key);
  const streams: Stream[] = [];
  for (let i = 0; i < 20; i++) streams.push(rig.request([['x-api-key', key]]));
  for (const stream of streams) await rig.decided(stream);
  assert.ok(streams.every(({ outcome }) => outcome === 'continued'));
  const unknown = rig.request();
  assert.equal(unknown.status, 401);
  for (const stream of streams) stream.end();
  await rig.advance(1_500, 100);
  const counters = rig.vm.counters();
  assert.equal(
    counters.sidegate_streams_unrecorded_total,
    5n,
    JSON.stringify(Object.keys(counters)),
  );
});

// Guarantees that a stream whose root is not known is refused: it could be anybody's.
test('streams beyond the map are refused', async () => {
  await using rig = await FilterRig.start({ module: TEST_MODULE });
  await rig.advance(200);
  const streams = Array.from({ length: 50 }, () => rig.request([], '/health'));
  const refused = streams.filter(({ outcome }) => outcome !== 'continued');
  assert.equal(refused.length, 2);
  assert.ok(refused.every(({ status }) => status === 503));
  for (const stream of streams) stream.end();
  assert.equal(rig.request([], '/health').outcome, 'continued');
});

// Guarantees that many products cannot grow the proxy's metrics without end.
test('beyond METRICS_MAX requests are counted under the product other', async () => {
  const product = (i: number) => `---
apiVersion: sidegate.dev/v1alpha1
kind: Product
metadata: { name: p${i} }
spec:
  hosts: [p${i}.example.com]
  identify: [ { apiKey: { header: x-api-key } } ]
  operations: [ { name: call, method: GET, path: / } ]
`;
  const products = Array.from({ length: 12 }, (_, i) => product(i)).join('');
  await using rig = await FilterRig.start({
    module: TEST_MODULE,
    resources: RESOURCES + products,
  });
  await rig.advance(300);
  for (let i = 0; i < 12; i++) {
    const stream = rig.vm.request({
      headers: { ':method': 'GET', ':path': '/', ':authority': `p${i}.example.com` },
    });
    assert.equal(stream.status, 401);
    stream.end();
  }
  await rig.advance(1_500, 100);
  const counters = Object.entries(rig.vm.counters()).filter(([name]) => name.includes('requests'));
  assert.equal(counters.length, 7);
  const other = counters.find(([name]) => name.startsWith('product=.=other;'));
  assert.equal(other?.[1], 6n);
  const sum = counters.reduce((total, [, count]) => total + count, 0n);
  assert.equal(sum, 12n);
});

// Guarantees that urgent calls are bounded: a flood of cold accounts is no flood of calls.
test('urgent calls are URGENT_GAP_MS apart', async () => {
  const gapMs = 200;
  await using rig = await FilterRig.start({
    module: TEST_MODULE,
    resources: withApplications(12),
  });
  const keys = await keysOf(rig, 12);
  const callsBefore = rig.host.calls['v1/sync'] ?? 0;
  const beganMs = rig.clock.elapsedMs;
  const details: (string | undefined)[] = [];
  for (const key of keys) {
    const stream = rig.request([['x-api-key', key]]);
    await rig.decided(stream);
    details.push(stream.details);
    stream.end();
  }
  const calls = (rig.host.calls['v1/sync'] ?? 0) - callsBefore;
  assert.ok(calls >= 1 && calls <= (rig.clock.elapsedMs - beganMs) / gapMs + 1, `${calls} calls`);
  const waited = details.filter((text) => text === 'sidegate_quota_unavailable{limit=daily}');
  assert.ok(waited.length > 0, 'the gap is longer than a request waits');
});

// Guarantees that many accounts that are cold at once share a call instead of being refused.
test('a hundred cold accounts are served by a few calls', async () => {
  await using rig = await FilterRig.start({ resources: withApplications(100) });
  const keys = await keysOf(rig, 100);
  const callsBefore = rig.host.calls['v1/sync'] ?? 0;
  const streams = keys.map((key) => rig.request([['x-api-key', key]]));
  for (const stream of streams) await rig.decided(stream);
  assert.deepEqual(
    streams.map(({ outcome }) => outcome),
    streams.map(() => 'continued'),
  );
  assert.ok((rig.host.calls['v1/sync'] ?? 0) - callsBefore <= 5);
});

// Guarantees that the memory of a proxy does not follow its traffic, and that nothing is logged
// per request.
test('a million requests leave the memory as it was', async () => {
  await using rig = await FilterRig.start({
    resources: RESOURCES.replace('quota: 100', 'quota: 1000000000'),
  });
  const { key } = await rig.host.createKey('shop');
  await rig.advance(300);
  await rig.send(key);
  const map = (value: string) =>
    new HeaderMap('request', {
      ':method': 'GET',
      ':path': '/orders',
      ':authority': 'orders.example.com',
      'x-api-key': value,
    });
  let passed = 0;
  let memory = 0;
  let lines = 0;
  for (let batch = 0; batch < 1_000; batch++) {
    for (let i = 0; i < 900; i++) {
      if (rig.vm.run(map(key)).outcome === 'continued') passed++;
    }
    for (let i = 0; i < 100; i++) rig.vm.run(map('sg_unknown'));
    await rig.advance(100, 50);
    if (batch === 20) {
      memory = rig.vm.memoryBytes;
      lines = rig.vm.logs.length;
    }
  }
  assert.ok(passed > 890_000, `${passed} of 900,000 passed`);
  assert.equal(rig.vm.memoryBytes, memory);
  assert.ok(rig.vm.logs.length - lines <= 20, rig.logText());
});
