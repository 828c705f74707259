/**
 * Exact limits in one VM: never more than the quota, all of it when nothing fails, and what becomes
 * of units that are not spent, of windows that end and of hosts that do not answer.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pair } from '../../host/emulator/index.ts';
import { CLUSTER, CONFIG, FilterRig, RESOURCES } from './support/filter.ts';

const DAILY = '{ name: daily, class: exact, quota: 100, window: 1d }';

/** A rig whose plan has these limits, ready to decide, and one good key. */
async function ready(limits = DAILY, config = CONFIG) {
  const rig = await FilterRig.start({ resources: RESOURCES.replace(DAILY, limits), config });
  const { key } = await rig.host.createKey('shop');
  await rig.advance(200);
  return { rig, key };
}

/** Sends requests one after another; answers how many passed. */
async function pass(rig: FilterRig, key: string, requests: number, method = 'GET') {
  let passed = 0;
  for (let i = 0; i < requests; i++) {
    const stream = await rig.send(key, '/orders', method);
    if (stream.outcome === 'continued') passed++;
  }
  return passed;
}

// Guarantees the promise and its other half: not one request more than the quota, and all of it.
test('exactly the quota passes; then 429 names the limit', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  assert.equal(await pass(rig, key, 150), 100);
  const stream = rig.request([['x-api-key', key]]);
  assert.equal(stream.status, 429, 'an exhausted account answers at once');
  assert.equal(stream.details, 'sidegate_quota_exceeded{limit=daily}');
  const body = JSON.parse(stream.answer?.body ?? '');
  assert.deepEqual(body['violated-policies'], ['daily']);
  assert.equal(body.type, 'https://iana.org/assignments/http-problem-types#quota-exceeded');
  const retry = Number(Object.fromEntries(stream.answer?.headers ?? [])['retry-after']);
  assert.ok(retry > 11 * 3_600 && retry <= 12 * 3_600 + 60, `${retry} s until midnight`);
});

// Guarantees that an operation costs what it says, in each of the plan's limits or in none.
test('a cost is taken from all limits or from none', async () => {
  const { rig, key } = await ready(`${DAILY}
    - { name: short, class: exact, quota: 12, window: 1h }`);
  await using _ = rig;
  assert.equal(await pass(rig, key, 5, 'POST'), 2);
  assert.equal(await pass(rig, key, 5), 2, 'what a refused call would have cost is still there');
  const stream = rig.request([['x-api-key', key]]);
  assert.equal(stream.details, 'sidegate_quota_exceeded{limit=short}');
  await rig.advance(3_000, 100);
  const [subscription] = await accountsOf(rig);
  assert.equal(subscription, 12, 'the daily limit was charged for what passed and no more');
});

// Guarantees that what was written for one denial is never told of another, not even of one whose
// limit has a name as long.
test('denials that take turns each say their own', async () => {
  const head = 'apiVersion: sidegate.dev/v1alpha1\nkind:';
  const resources = `${RESOURCES.replaceAll('daily', 'alpha').replace('100', '5')}---
${head} Plan
metadata: { name: silver }
spec: { limits: [{ name: gamma, class: exact, quota: 5, window: 1d }] }
---
${head} Application
metadata: { name: bot }
spec: { consumer: acme }
---
${head} Subscription
metadata: { name: bot-orders }
spec: { application: bot, product: orders, plan: silver }
`;
  await using rig = await FilterRig.start({ resources });
  const { key: first } = await rig.host.createKey('shop');
  const { key: second } = await rig.host.createKey('bot');
  await rig.advance(200);
  assert.equal(await pass(rig, first, 7), 5);
  assert.equal(await pass(rig, second, 7), 5);
  const denied = (...headers: Pair[]) => {
    const { details, answer } = rig.request(headers);
    const body = answer?.body ?? '';
    const problem = body.startsWith('{') ? JSON.parse(body) : {};
    return [details, problem.code, problem['violated-policies']?.join()].join(' ').trim();
  };
  const spent = (limit: string) =>
    `sidegate_quota_exceeded{limit=${limit}} quota_exceeded ${limit}`;
  for (let turn = 0; turn < 3; turn++) {
    assert.equal(denied(['x-api-key', first]), spent('alpha'));
    assert.equal(denied(['x-api-key', second]), spent('gamma'));
    const grpc = denied(['x-api-key', second], ['content-type', 'application/grpc']);
    assert.equal(grpc, 'sidegate_quota_exceeded{limit=gamma}');
    assert.equal(denied(['x-api-key', second]), spent('gamma'));
    assert.equal(denied(), 'sidegate_key_missing key_missing');
  }
});

/** Units used of the daily limit, as the ledger knows them. */
async function accountsOf(rig: FilterRig): Promise<number[]> {
  const stats = rig.host.reports;
  const used = new Map<string, number>();
  for (const { windowKind, generation, used: units } of stats) {
    if (windowKind === 86_400) used.set(`${generation}`, units);
  }
  return [[...used.values()].reduce((sum, units) => sum + units, 0)];
}

// Guarantees that a burst on a cold account costs one call, not one each.
test('cold requests wait together for one urgent call', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  const before = rig.host.calls['v1/sync'] ?? 0;
  const streams = Array.from({ length: 20 }, () => rig.request([['x-api-key', key]]));
  assert.ok(streams.every(({ outcome }) => outcome === 'paused'));
  await rig.advance(50, 5);
  assert.deepEqual([...new Set(streams.map(({ outcome }) => outcome))], ['continued']);
  assert.ok((rig.host.calls['v1/sync'] ?? 0) - before <= 2);
});

// Guarantees that units nobody spends come back: another holder can have them.
test('units unspent at their use-by are released', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  assert.equal(await pass(rig, key, 1), 1);
  await rig.advance(75_000, 100);
  const second = rig.configure(
    JSON.stringify({ clusters: [CLUSTER], authority: 'another-engine' }),
    'second',
  );
  await rig.advance(500);
  let passed = 0;
  for (let i = 0; i < 120; i++) {
    const stream = rig.request([['x-api-key', key]]);
    assert.equal(stream.root, second);
    await rig.decided(stream);
    if (stream.outcome === 'continued') passed++;
    stream.end();
  }
  assert.equal(passed, 99);
});

// Guarantees that a window begins with its whole quota and that nothing of the last is spent in it.
test('the next window has its own quota', async () => {
  const { rig, key } = await ready('{ name: minute, class: exact, quota: 10, window: 1m }');
  await using _ = rig;
  const left = 60_000 - (rig.clock.unixMs % 60_000);
  assert.equal(await pass(rig, key, 15), 10);
  await rig.advance(left - 1_000, 100);
  assert.equal(await pass(rig, key, 3), 0);
  await rig.advance(1_500, 10);
  assert.equal(await pass(rig, key, 15), 10);
});

// Guarantees that a busy holder does not stumble at the start of a window: its units are there.
test('a busy holder has units of the next window before it begins', async () => {
  const { rig, key } = await ready('{ name: minute, class: exact, quota: 6000, window: 1m }');
  await using _ = rig;
  const left = 60_000 - (rig.clock.unixMs % 60_000);
  const held: number[] = [];
  for (let ms = 0; ms < left + 2_000; ms += 50) {
    const stream = rig.request([['x-api-key', key]]);
    if (stream.outcome === 'paused') held.push(ms);
    await rig.decided(stream);
    stream.end();
    await rig.advance(50, 50);
  }
  const late = held.filter((ms) => ms > left - 2_000);
  assert.ok(late.length <= 2, `held around the end of the window: ${late}`);
});

// Guarantees the failure rows "host down, quota held" and "host down, quota spent".
test('without a host what is held is spent, then the limit says what happens', async () => {
  for (const [choice, outcome, details] of [
    ['deny', 'replied', 'sidegate_quota_unavailable{limit=daily}'],
    ['allow', 'continued', undefined],
  ] as const) {
    const { rig, key } = await ready(
      `{ name: daily, class: exact, quota: 100, window: 1d, onHostUnavailable: ${choice} }`,
    );
    await using _ = rig;
    assert.equal(await pass(rig, key, 1), 1);
    rig.clusters.set(CLUSTER, 'refused');
    let stream = await rig.send(key);
    let spent = 1;
    while (stream.outcome === 'continued' && spent < 200) {
      stream = await rig.send(key);
      spent++;
      if (choice === 'allow' && spent > 110) break;
    }
    assert.equal(stream.outcome, outcome);
    assert.equal(stream.details, details);
    if (choice === 'deny') assert.ok(spent >= 20 && spent <= 100, `${spent} units were held`);
  }
});

// Guarantees that a slow host delays a caller by holdMs and not by more.
test('a cold account is held for holdMs when the host is slow', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  rig.clusters.set(CLUSTER, () => 'lost');
  const begun = rig.clock.elapsedMs;
  const stream = rig.request([['x-api-key', key]]);
  await rig.decided(stream);
  const took = rig.clock.elapsedMs - begun;
  assert.equal(stream.details, 'sidegate_quota_unavailable{limit=daily}');
  assert.ok(took >= 60 && took <= 80, `${took} ms`);
});

// Guarantees that a caller who leaves while it waits leaves nothing behind.
test('a held request that goes away is forgotten', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  rig.clusters.set(CLUSTER, () => 'lost');
  const stream = rig.request([['x-api-key', key]]);
  assert.equal(stream.outcome, 'paused');
  stream.end();
  await rig.advance(200);
  rig.clusters.set(CLUSTER, rig.host.serve);
  await rig.advance(3_000, 50);
  assert.equal(await pass(rig, key, 110), 100);
});

// Guarantees that a log written while a request waits has no key, and that the key is found again.
test('a key is cut before its request waits, and counts when it goes on', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  const stream = rig.request([
    ['x-api-key', key],
    ['x-other', 'stays'],
  ]);
  assert.equal(stream.outcome, 'paused');
  const names = () => (stream.readable('request')?.pairs() ?? []).map(([name]) => name);
  assert.ok(!names().includes('x-api-key'), names().join());
  await rig.decided(stream);
  assert.equal(stream.outcome, 'continued', stream.details);
  const upstream = Object.fromEntries(stream.upstreamHeaders ?? []);
  assert.equal(upstream['x-consumer'], 'acme');
  assert.equal(upstream['x-other'], 'stays');
  assert.equal(upstream['x-api-key'], undefined);
});

// Guarantees that requests that were given up leave the room for their keys to others.
test('the places of keys of requests that went away are free again', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  rig.clusters.set(CLUSTER, () => 'lost');
  for (let i = 0; i < 300; i++) {
    const stream = rig.request([['x-api-key', key]]);
    assert.equal(stream.outcome, 'paused');
    assert.equal(stream.readable('request')?.get('x-api-key'), undefined, `request ${i}`);
    stream.end();
  }
});

// Guarantees that one with more than fits is decided all the same.
test('a header too long to be kept is cut when the request is decided', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  const long = `${' '.repeat(1_100)}${key}`;
  const stream = rig.request([['x-api-key', long]]);
  await rig.decided(stream);
  assert.equal(stream.outcome, 'continued', stream.details);
  assert.ok(!(stream.upstreamHeaders ?? []).some(([name]) => name === 'x-api-key'));
});

// Guarantees that changing the plan of a subscription or editing limits refills nothing.
test('a reload of policy refills nothing', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  assert.equal(await pass(rig, key, 60), 60);
  await rig.host.apply(
    RESOURCES.replace('name: gold }', 'name: gold }').replace('cost: 5', 'cost: 4'),
  );
  await rig.advance(300);
  assert.equal(await pass(rig, key, 60), 40);
});

// Guarantees that a caller who was refused is let through as soon as the proxy has the new plan.
test('a raised quota counts at once for those who were refused', async () => {
  const { rig, key } = await ready('{ name: daily, class: exact, quota: 7, window: 1d }');
  await using _ = rig;
  assert.equal(await pass(rig, key, 9), 7);
  // By now a refusal holds for seconds.
  await rig.advance(1_500, 50);
  assert.equal(await pass(rig, key, 2), 0);
  await rig.host.apply(RESOURCES);
  await rig.advance(200, 10);
  assert.equal(await pass(rig, key, 1, 'POST'), 1);
  assert.equal(await pass(rig, key, 100), 88, 'and no unit more than the new quota');
});
