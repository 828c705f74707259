/**
 * Root contexts and engines: what a change of configuration keeps, what two plugins in one VM do
 * not share, and what the last root leaves behind.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Clusters,
  Fleet,
  seededRandom,
  type VirtualClock,
} from '../../host/emulator/index.ts';
import { CLUSTER, CONFIG, FilterRig, filterModule, RESOURCES } from './support/filter.ts';

async function ready(resources = RESOURCES) {
  const rig = await FilterRig.start({ resources });
  const { key } = await rig.host.createKey('shop');
  await rig.advance(200);
  return { rig, key };
}

/** A configuration of the same engine that differs from all others before it. */
function changed(holdMs: number): string {
  return JSON.stringify({ clusters: [CLUSTER], holdMs });
}

// Guarantees that a change of configuration strands no unit and refills no counter: the new root
// goes on with the engine of the old one.
test('a new root adopts the engine of the same triple', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  for (let i = 0; i < 30; i++) await rig.send(key);
  const [old] = rig.vm.liveRoots;
  const fresh = rig.configure(changed(61), 'sidegate');
  old?.close();
  assert.equal(old?.state, 'deleted', 'the old root leaves at once: it is not the last');
  const first = rig.request([['x-api-key', key]]);
  assert.equal(first.root, fresh);
  assert.equal(first.outcome, 'continued', 'policy, directory and units are there at once');
  first.end();
  let passed = 31;
  for (let i = 0; i < 100; i++) if ((await rig.send(key)).outcome === 'continued') passed++;
  assert.equal(passed, 100);
});

// Guarantees that an answer on its way to a root that leaves is asked for again by the next one.
test('calls that died with their root are made again by the newest living root', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  const fresh = rig.configure(changed(61), 'sidegate');
  const [old] = rig.vm.liveRoots;
  const held = rig.vm.request({
    headers: [
      [':method', 'GET'],
      [':path', '/orders'],
      [':authority', 'orders.example.com'],
      ['x-api-key', key],
    ],
    root: fresh,
  });
  assert.equal(held.outcome, 'paused');
  assert.equal(fresh.openCalls.length, 1, 'the newest root makes the urgent call');
  assert.notEqual(old, fresh);
  old?.close();
  assert.equal(old?.openCalls.length, 0);
  await rig.advance(40);
  assert.equal(held.outcome, 'continued');
  await rig.advance(300);
  assert.deepEqual(
    rig.vm.openCalls.map(({ path }) => path),
    ['/v1/watch/default'],
  );
});

// Guarantees that a root which takes over from a newer one that was deleted makes the calls again.
test('when the newest root goes the next newest takes over', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  const newest = rig.configure(changed(61), 'second');
  await rig.advance(100);
  newest.close();
  await rig.advance(300);
  const { id } = await rig.host.createKey('shop');
  await rig.host.revokeKey(id);
  const other = await rig.host.createKey('shop');
  await rig.advance(200);
  assert.equal((await rig.send(other.key)).outcome, 'continued');
  assert.equal((await rig.send(key)).outcome, 'continued');
});

// Guarantees that two plugins of one module, which share a VM, keep their settings and state apart.
test('two plugins with other triples in one VM do not disturb each other', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  const returns = RESOURCES.replaceAll('orders', 'returns').replace(
    'spec:\n  hosts',
    'spec:\n  proxyGroup: partners\n  hosts',
  );
  const group = `---
apiVersion: sidegate.dev/v1alpha1
kind: ProxyGroup
metadata: { name: partners }
spec: {}
`;
  const own = returns.split('---').filter((part) => /kind: (Product|Subscription)/.test(part));
  await rig.host.apply(`${RESOURCES}${group}---${own.join('---')}`);
  const partners = rig.configure(
    JSON.stringify({ clusters: [CLUSTER], proxyGroup: 'partners', mode: 'shadow' }),
    'partners',
  );
  const orders = rig.vm.liveRoots[0];
  await rig.advance(500);
  const ask = (root: typeof partners | undefined, host: string, path: string, with_: string) => {
    const stream = rig.vm.request({
      headers: [
        [':method', 'GET'],
        [':path', path],
        [':authority', host],
        ['x-api-key', with_],
      ],
      ...(root && { root }),
    });
    return stream;
  };
  for (let i = 0; i < 3; i++) {
    const first = ask(orders, 'orders.example.com', '/orders', key);
    const second = ask(partners, 'returns.example.com', '/returns', key);
    await rig.decided(first);
    await rig.decided(second);
    assert.equal(first.outcome, 'continued');
    assert.equal(second.outcome, 'continued');
    const wrong = ask(orders, 'returns.example.com', '/returns', key);
    assert.equal(wrong.details, 'sidegate_host_not_governed');
    const shadowed = ask(partners, 'orders.example.com', '/orders', key);
    assert.equal(shadowed.outcome, 'continued', 'in shadow nothing is refused');
    for (const stream of [first, second, wrong, shadowed]) stream.end();
  }
});

// Guarantees that a proxy which is taken away gives its units back before it goes.
test('the last root releases its units, tells, and then is done', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  await rig.send(key);
  const [root] = rig.vm.liveRoots;
  const state = () => root?.state;
  root?.close();
  assert.equal(state(), 'pending', 'it waits for the answer to its last report');
  for (let ms = 0; ms < 100 && state() !== 'deleted'; ms++) {
    await rig.settle();
    rig.clock.advance(1);
  }
  assert.equal(state(), 'deleted');
  const last = rig.host.reports.at(-1);
  assert.equal(last?.used, 1);
  assert.equal(last?.released, (last?.granted ?? 0) - 1);
});

// Guarantees that a host that is gone does not keep a root from leaving.
test('the last root leaves without an answer after a second', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  await rig.send(key);
  rig.clusters.set(CLUSTER, () => 'lost');
  const [root] = rig.vm.liveRoots;
  root?.close();
  assert.equal(root?.state, 'pending');
  rig.clock.advance(1_300);
  assert.equal(root?.state, 'deleted');
});

// Guarantees that configurations come and go without the memory following them.
test('100 changes of configuration leave the memory as it was', async () => {
  const { rig, key } = await ready(RESOURCES.replace('quota: 100', 'quota: 1000'));
  await using _ = rig;
  await rig.send(key);
  let sizes: number[] = [];
  for (let i = 0; i < 100; i++) {
    const [old] = rig.vm.liveRoots;
    const engine = i % 10 === 9 ? `engine-${i}` : 'sidegate';
    rig.configure(
      JSON.stringify({ clusters: [CLUSTER], holdMs: 100 + i, authority: engine }),
      `change ${i}`,
    );
    old?.close();
    await rig.advance(300);
    assert.equal((await rig.send(key)).outcome, 'continued', `after change ${i}`);
    sizes = [...sizes, rig.vm.memoryBytes];
  }
  assert.equal(sizes[19], sizes[99]);
});

// Guarantees the row "VM trap": the worker answers 503 for about a second and then as a fresh
// start, and what it held is not spent twice.
test('after a trap a new VM decides, and the quota holds', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  const clusters: Clusters = rig.clusters;
  const clock: VirtualClock = rig.clock;
  const fleet = new Fleet(filterModule('filter.test.wasm'), {
    ...{ clock, clusters, random: seededRandom(3) },
    ...{ workers: 1, failurePolicy: 'reload' as const },
  });
  assert.ok(fleet.apply({ name: 'sidegate', configuration: CONFIG }).accepted);
  await rig.advance(300);
  const [worker] = fleet.workers;
  assert.ok(worker);
  const ask = async (extra: [string, string][] = []) => {
    const stream = worker.request({
      headers: [
        [':method', 'GET'],
        [':path', '/orders'],
        [':authority', 'orders.example.com'],
        ['x-api-key', key],
        ...extra,
      ],
    });
    for (let ms = 0; stream.outcome === 'paused' && ms < 5_000; ms += 10) await rig.advance(10);
    return stream;
  };
  assert.equal((await ask()).outcome, 'continued');
  assert.equal((await ask([['x-sidegate-test-trap', '1']])).answer?.status, 503);
  assert.equal((await ask()).answer?.status, 503, 'the VM is dead');
  await rig.advance(1_600, 50);
  let passed = 1;
  for (let i = 0; i < 120; i++) {
    await rig.advance(250, 50);
    const stream = await ask();
    if (stream.outcome === 'continued') passed++;
    stream.end();
  }
  assert.equal(worker.reloads, 1);
  assert.ok(passed >= 70 && passed <= 100, `${passed} passed`);
  fleet.close();
});

// Guarantees that a root whose leaving is overtaken by a new one goes all the same.
test('a root that leaves while a new one adopts its engine is let go', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  await rig.send(key);
  rig.clusters.set(CLUSTER, () => 'lost');
  const [first] = rig.vm.liveRoots;
  const other = rig.configure(JSON.stringify({ clusters: [CLUSTER], authority: 'x' }), 'other');
  first?.close();
  assert.equal(first?.state, 'pending');
  const second = rig.configure(changed(62), 'second');
  second.close();
  assert.equal(second.state, 'pending');
  rig.clock.advance(1_500);
  assert.equal(first?.state, 'deleted');
  assert.equal(second.state, 'deleted');
  assert.equal(other.state, 'live');
});
