/**
 * Modes per limit and per product: shadow counts, marks and never refuses; off leaves alone. And
 * nothing of it loosens what is enforced beside it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Stream } from '../../host/emulator/index.ts';
import { FilterRig, RESOURCES } from './support/filter.ts';

const DAILY = '{ name: daily, class: exact, quota: 100, window: 1d }';

/** A rig whose plan has these limits, or whose product is in this mode, and one good key. */
async function ready({ limits = DAILY, mode = 'enforce' }: { limits?: string; mode?: string }) {
  const resources = RESOURCES.replace(DAILY, limits).replace(
    '\n  operations:',
    `\n  mode: ${mode}\n  operations:`,
  );
  assert.match(resources, new RegExp(`mode: ${mode}`));
  const rig = await FilterRig.start({ resources });
  const { key } = await rig.host.createKey('shop');
  await rig.advance(200);
  return { rig, key };
}

function stateOf(stream: Stream): string {
  return Buffer.from(stream.filterState.get('wasm.sidegate') ?? []).toString();
}

/** How often each filter state was seen in so many requests; none may be refused. */
async function states(rig: FilterRig, key: string, requests: number) {
  const seen = new Map<string, number>();
  for (let i = 0; i < requests; i++) {
    const stream = await rig.send(key);
    await rig.advance(50, 10);
    assert.equal(stream.outcome, 'continued');
    const state = stateOf(stream).replace(/.*reason=/, '');
    seen.set(state, (seen.get(state) ?? 0) + 1);
  }
  return Object.fromEntries(seen);
}

// Guarantees that a limit can be tried before it is enforced: it counts and says what it would do.
test('a limit in shadow marks what it would have denied and denies nothing', async () => {
  const { rig, key } = await ready({
    limits: `${DAILY}\n    - { name: trial, quota: 10, window: 1h, mode: shadow }`,
  });
  await using _ = rig;
  const seen = await states(rig, key, 50);
  const marked = seen['quota_exceeded shadow=true limit=trial'] ?? 0;
  assert.ok(marked >= 25 && marked <= 40, JSON.stringify(seen));
  assert.equal(marked + (seen.allowed ?? 0), 50);
  await rig.advance(5_100, 100);
  const counted = rig.host.reports.filter(({ windowKind }) => windowKind === 3_600);
  assert.equal(Math.max(...counted.map(({ used }) => used)), 10, 'it is counted');
  const metric = 'product=.=orders;.reason=.=quota_exceeded;.mode=.=shadow;';
  assert.equal(rig.vm.counters()[`${metric}.sidegate_requests_total`], BigInt(marked));
});

// Guarantees that a limit in shadow does not name itself where an enforced one denies.
test('an enforced limit beside one in shadow denies, is named, and takes from none', async () => {
  const { rig, key } = await ready({
    limits: `{ name: trial, quota: 5, window: 1h, mode: shadow }
    - { name: daily, quota: 8, window: 1d }`,
  });
  await using _ = rig;
  let passed = 0;
  for (let i = 0; i < 20; i++) {
    const stream = await rig.send(key);
    if (stream.outcome === 'continued') passed++;
    else assert.equal(stream.details, 'sidegate_quota_exceeded{limit=daily}');
  }
  assert.equal(passed, 8);
});

// Guarantees that a limit that is off costs nothing and counts nothing.
test('a limit that is off is not asked', async () => {
  const { rig, key } = await ready({ limits: '{ name: daily, quota: 5, window: 1d, mode: off }' });
  await using _ = rig;
  assert.deepEqual(await states(rig, key, 20), { allowed: 20 });
  await rig.advance(2_000, 100);
  assert.equal(rig.host.reports.length, 0);
});

// Guarantees that a product can be tried: nothing of it is refused, all is marked, keys are cut.
test('a product in shadow refuses nothing, marks it, and cuts keys', async () => {
  const { rig, key } = await ready({ mode: 'shadow' });
  await using _ = rig;
  const nobody = rig.request([['x-consumer', 'mallory']]);
  assert.equal(nobody.outcome, 'continued');
  assert.equal(stateOf(nobody), 'product=orders reason=key_missing shadow=true');
  assert.ok(!nobody.upstreamHeaders?.some(([name]) => name === 'x-consumer'));
  const astray = rig.request([['x-api-key', key]], '/nothing');
  assert.match(stateOf(astray), /reason=operation_not_found shadow=true$/);
  assert.ok(!astray.upstreamHeaders?.some(([name]) => name === 'x-api-key'));
  const cold = rig.request([['x-api-key', key]]);
  assert.equal(cold.outcome, 'continued', 'a cold account does not hold in shadow');
  await rig.advance(5_100, 100);
  const metric = 'product=.=orders;.reason=.=key_missing;.mode=.=shadow;';
  assert.equal(rig.vm.counters()[`${metric}.sidegate_requests_total`], 1n);
});

// Guarantees that a product can be taken out of the way without opening a door to false identity.
test('a product that is off passes all, and removes what callers made up', async () => {
  const { rig, key } = await ready({ mode: 'off' });
  await using _ = rig;
  const stream = rig.request([
    ['x-api-key', key],
    ['x-consumer', 'mallory'],
  ]);
  assert.equal(stream.outcome, 'continued');
  assert.equal(stateOf(stream), 'product=orders reason=mode_off');
  const names = stream.upstreamHeaders?.map(([name]) => name) ?? [];
  assert.ok(!names.includes('x-consumer') && names.includes('x-api-key'));
  await rig.advance(5_100, 100);
  const metric = 'product=.=orders;.reason=.=mode_off;.mode=.=off;';
  assert.equal(rig.vm.counters()[`${metric}.sidegate_requests_total`], 1n);
});
