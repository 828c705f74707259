/**
 * What limits do while the host gives no word: deny, pass, or go on with a local share, whose sum
 * has a bound (B3) and is told to the ledger afterwards.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Stream } from '../../host/emulator/index.ts';
import { CLUSTER, FilterRig, RESOURCES } from './support/filter.ts';

const DAILY = '{ name: daily, class: exact, quota: 100, window: 1d }';

/** A rig whose plan has these limits, long enough after its start to know all holders. */
async function ready(limits: string) {
  const rig = await FilterRig.start({ resources: RESOURCES.replace(DAILY, limits) });
  const { key } = await rig.host.createKey('shop');
  await rig.advance(200);
  assert.equal((await rig.send(key)).outcome, 'continued');
  await rig.advance(31_000, 100);
  assert.equal((await rig.send(key)).outcome, 'continued');
  await rig.advance(2_000, 50);
  return { rig, key };
}

function stateOf(stream: Stream): string {
  return Buffer.from(stream.filterState.get('wasm.sidegate') ?? []).toString();
}

/** Requests one after another; answers when those passed that were let through on their own. */
async function local(rig: FilterRig, key: string, requests: number, everyMs: number) {
  const times: number[] = [];
  let denied: Stream | undefined;
  for (let i = 0; i < requests; i++) {
    const stream = await rig.send(key);
    const lent = stateOf(stream).includes('quota_local_share');
    if (stream.outcome === 'continued' && lent) times.push(rig.clock.elapsedMs);
    if (stream.outcome === 'replied') denied = stream;
    if (everyMs > 0) await rig.advance(everyMs, Math.min(everyMs, 500));
  }
  return { times, denied };
}

// Guarantees B3 in any stretch of a window's length, and that no unit of it is forgotten.
test('an exact limit goes on with its local share, within its bound, and tells of it', async () => {
  const limit =
    '{ name: minute, quota: 200, window: 1m, onHostUnavailable: localShare, localShare: 10 }';
  const { rig, key } = await ready(limit);
  await using _ = rig;
  rig.clusters.set(CLUSTER, 'refused');
  const { times, denied } = await local(rig, key, 700, 500);
  assert.equal(denied?.details, 'sidegate_quota_unavailable{limit=minute}');
  assert.ok(times.length >= 60, `${times.length} passed in some six minutes`);
  for (const from of times) {
    const inWindow = times.filter((at) => at >= from && at < from + 60_000).length;
    assert.ok(inWindow <= 20, `${inWindow} in a minute: 10 % of 200 for one holder`);
  }
  const left = 60_000 - (rig.clock.unixMs % 60_000);
  await rig.advance(left + 100, 100);
  const fresh = await local(rig, key, 10, 100);
  rig.clusters.set(CLUSTER, rig.host.serve);
  await rig.advance(12_000, 100);
  assert.equal((await rig.send(key)).outcome, 'continued');
  await rig.advance(4_000, 100);
  const newest = rig.host.reports.filter(({ windowId }) => windowId > 0).at(-1);
  assert.ok(newest);
  const known = newest.used - 1;
  assert.ok(fresh.times.length > 0);
  assert.ok(known >= fresh.times.length && known <= 20, `${known}: what may be of this window`);
});

// Guarantees that a rate goes on with its last share, and that deny means deny.
test('a rate goes on with its last share, or is denied', async () => {
  for (const [choice, goesOn] of [
    ['localShare', true],
    ['deny', false],
  ] as const) {
    const limit = `{ name: second, class: rate, quota: 10, window: 1s, onHostUnavailable: ${choice} }`;
    const { rig, key } = await ready(limit);
    await using _ = rig;
    await local(rig, key, 20, 100);
    rig.clusters.set(CLUSTER, 'refused');
    await local(rig, key, 80, 100);
    const { times, denied } = await local(rig, key, 100, 50);
    if (goesOn) {
      assert.ok(times.length >= 45 && times.length <= 65, `${times.length} in 5 s at 10 a second`);
    } else {
      assert.equal(denied?.details, 'sidegate_quota_unavailable{limit=second}');
      assert.equal(times.length, 0);
    }
    rig.clusters.set(CLUSTER, rig.host.serve);
    await rig.advance(12_000, 100);
    assert.match(stateOf(await rig.send(key)), /reason=allowed$/);
  }
});

// Guarantees that an approximate limit never waits for anybody, and keeps roughly to its quota.
test('an approximate limit is decided without a call', async () => {
  const limit = '{ name: second, class: approximate, quota: 20, window: 1s, burst: 10 }';
  const rig = await FilterRig.start({ resources: RESOURCES.replace(DAILY, limit) });
  await using _ = rig;
  const { key } = await rig.host.createKey('shop');
  await rig.advance(200);
  rig.clusters.set(CLUSTER, 'refused');
  let passed = 0;
  for (let i = 0; i < 100; i++) {
    const stream = rig.request([['x-api-key', key]]);
    assert.notEqual(stream.outcome, 'paused');
    if (stream.outcome === 'continued') passed++;
    stream.end();
    await rig.advance(20, 20);
  }
  assert.ok(passed >= 45 && passed <= 51, `${passed} in 2 s`);
});

// Guarantees that a share too small to be exact stalls nobody: it is approximate and says so.
test('a rate of less than one a second and holder is approximate', async () => {
  const limit = '{ name: minute, class: rate, quota: 30, window: 1m }';
  const rig = await FilterRig.start({ resources: RESOURCES.replace(DAILY, limit) });
  await using _ = rig;
  const { key } = await rig.host.createKey('shop');
  await rig.advance(200);
  assert.equal((await rig.send(key)).outcome, 'continued');
  assert.equal(rig.host.shares.stats().approximate, 1);
});
