/**
 * The promise of exact limits on real proxies: two Envoys with two workers each under an endless
 * load. The origin is the witness; it counts what got through.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { readLedger } from '../support/ledger.ts';
import { APPLICATION, resourcesOf } from '../support/policies.ts';
import { Load } from '../support/requests.ts';
import { Rig } from '../support/rig.ts';
import { until } from '../support/wait.ts';

const QUOTA = 1000;
const SETTING = { limits: [{ name: 'daily', quota: QUOTA, window: '1d' }] };
/** Longest a unit may stay with an idle holder: its use-by, the fold, and some heartbeats. */
const SETTLE_MS = 90_000;

/** A load on all proxies that follows their ports. */
function loadOn(rig: Rig, key: string, perSecond: number): Load {
  let turn = 0;
  return new Load({
    connections: 8,
    perSecond,
    next: () => {
      turn = (turn + 1) % rig.proxies.length;
      return { port: rig.port(turn), path: '/orders', headers: { 'x-api-key': key } };
    },
  });
}

/** A run must not cross midnight UTC, where a new window would begin. */
async function awayFromMidnight(neededMs: number): Promise<void> {
  const leftMs = () => 86_400_000 - (Date.now() % 86_400_000);
  if (leftMs() > neededMs) return;
  console.log('waiting for midnight UTC to pass');
  await until('midnight has passed', () => leftMs() > neededMs, {
    deadlineMs: neededMs + 10_000,
    everyMs: 1000,
  });
}

// Guarantees that nothing of a quota is lost or doubled among proxies and workers: when nothing
// fails, all of it can be used and not one request more.
test('without a fault exactly the quota gets through', async (t) => {
  await awayFromMidnight(120_000);
  await using rig = await Rig.start({ setting: SETTING, proxies: 2, workers: 2 });
  const { key } = await rig.host.createKey(APPLICATION);
  await using load = loadOn(rig, key, 400);
  const started = performance.now();
  await until('the quota is used up', () => rig.origin.count >= QUOTA, { deadlineMs: 100_000 });
  t.diagnostic(`used up after ${Math.round(performance.now() - started)} ms`);
  const refused = load.count(429);
  await until('more is refused', () => load.count(429) > refused + 500, { deadlineMs: 30_000 });
  await load.stop();
  assert.equal(rig.origin.count, QUOTA);
  assert.equal(load.count(200), QUOTA);
});

// Guarantees the promise itself: never more than the quota, whatever is killed, and nothing lost
// but what a killed proxy was holding.
test('killed hosts and proxies: never more, and no less than what they held', async (t) => {
  await awayFromMidnight(SETTLE_MS + 90_000);
  await using rig = await Rig.start({ setting: SETTING, proxies: 2, workers: 2 });
  const { key } = await rig.host.createKey(APPLICATION);
  await using load = loadOn(rig, key, 30);
  await until('the load runs', () => rig.origin.count > 50);
  for (const proxy of [0, 1, 0]) {
    await rig.host.crash();
    await delay(500);
    await rig.host.restart();
    await rig.proxies[proxy]?.crash();
    await rig.proxies[proxy]?.restart();
    const before = rig.origin.count;
    await until(
      'requests pass again',
      () => rig.origin.count > before + 20 || load.count(429) > 50,
    );
    assert.ok(rig.origin.count <= QUOTA);
  }
  await delay(SETTLE_MS);
  await load.stop();
  await rig.host.stop();
  const { given, heldByKilled, heldByLiving } = readLedger(`${rig.host.storeFolder}/ledger.db`);
  const passed = rig.origin.count;
  t.diagnostic(`${passed} got through, at most ${heldByKilled} units were held by what was killed`);
  assert.ok(passed <= QUOTA, `${passed} got through`);
  assert.equal(given, QUOTA, 'all of the quota was given out, and no more');
  assert.equal(heldByLiving, 0, 'the living spent all they were given');
  assert.ok(passed >= QUOTA - heldByKilled, `${passed} + ${heldByKilled} < ${QUOTA}`);
});

// Guarantees that what an operator adds reaches proxies that deny already, to the unit: quota and
// addition, and after a reset a whole quota more.
test('a top-up and a reset let through what they say and not a request more', async () => {
  await awayFromMidnight(90_000);
  const quota = 60;
  const setting = { limits: [{ name: 'daily', quota, window: '1d' }] };
  await using rig = await Rig.start({ setting, proxies: 2, workers: 2 });
  const { key } = await rig.host.createKey(APPLICATION);
  await using load = loadOn(rig, key, 200);
  const url = `/v1/subscriptions/default/${APPLICATION}/quota`;
  const change = (body: object) => rig.host.ask('POST', url, body);
  const exhausted = async (admitted: number) => {
    await until(`${admitted} are through`, () => rig.origin.count >= admitted, {
      deadlineMs: 60_000,
    });
    const refused = load.count(429);
    await until('more is refused', () => load.count(429) > refused + 300, { deadlineMs: 60_000 });
    assert.equal(rig.origin.count, admitted);
  };
  await exhausted(quota);
  await change({ limit: 'daily', add: 30 });
  await exhausted(quota + 30);
  await until('all of it is reported', async () => {
    const { items } = (await rig.host.ask('GET', url)) as { items: { used: number }[] };
    return items[0]?.used === quota + 30;
  });
  await change({ limit: 'daily', reset: true });
  await exhausted(2 * quota + 30);
  await load.stop();
});

// Guarantees that an override reaches real proxies while they deny, is told to callers, and that
// neither raising nor lowering forgets what was used.
test('an override raises and lowers the quota of one subscription, live', async () => {
  await awayFromMidnight(90_000);
  const setting = { limits: [{ name: 'daily', quota: 40, window: '1d' }] };
  await using rig = await Rig.start({ setting, proxies: 2, workers: 2 });
  const { key } = await rig.host.createKey(APPLICATION);
  await using load = loadOn(rig, key, 200);
  const exhausted = async (admitted: number, quota: number) => {
    const deadlineMs = 60_000;
    await until(`${admitted} are through`, () => rig.origin.count >= admitted, { deadlineMs });
    await until('callers are told', async () => {
      const { status, headers } = await rig.call(key, { path: '/orders' });
      return status === 429 && headers['ratelimit-policy'] === `"daily";q=${quota};w=86400`;
    });
    const refused = load.count(429);
    await until('more is refused', () => load.count(429) > refused + 300, { deadlineMs });
    assert.equal(rig.origin.count, admitted);
  };
  const override = (quota: number) => {
    const [[name = '', text = ''] = []] = Object.entries(resourcesOf(setting)).filter(([file]) =>
      file.endsWith('callers.yaml'),
    );
    const overrides = JSON.stringify([{ limit: 'daily', quota }]);
    const plan = '"plan": "orders-gold"';
    return rig.host.writeResource(name, text.replace(plan, `${plan}, "overrides": ${overrides}`));
  };
  await exhausted(40, 40);
  await override(70);
  await exhausted(70, 70);
  await override(50);
  await exhausted(70, 50);
  await override(80);
  await exhausted(80, 80);
  await load.stop();
});
