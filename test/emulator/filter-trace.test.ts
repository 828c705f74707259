/**
 * What a request leaves behind and what it costs: filter state, counters, the decision record, the
 * secret of the calls to the host, and the crossings between proxy and filter.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Stream } from '../../host/emulator/index.ts';
import { CLUSTER, FilterRig } from './support/filter.ts';

/** A rig that has filled its directory, and one good key. */
async function ready() {
  const rig = await FilterRig.start();
  const { key } = await rig.host.createKey('shop');
  await rig.advance(200);
  return { rig, key };
}

function stateOf(stream: Stream): string {
  return Buffer.from(stream.filterState.get('wasm.sidegate') ?? []).toString();
}

// Guarantees that a plain access log answers "why", and that counters name no consumer.
test('filter state and counters tell product, plan, application and reason', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  const stream = await rig.send(key);
  assert.equal(stateOf(stream), 'product=orders plan=gold application=shop reason=allowed');
  await rig.advance(1_500);
  const counters = rig.vm.counters();
  const name = 'product=.=orders;.reason=.=allowed;.mode=.=enforce;.sidegate_requests_total';
  assert.equal(counters[name], 1n, JSON.stringify(Object.keys(counters)));
  assert.ok(!JSON.stringify(Object.keys(counters)).includes('acme'));
});

// Guarantees the price of an allowed request: one read of the headers, one clock, the edits, one
// property, and three callbacks.
test('an allowed request costs what its edits cost, and four calls more', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  await rig.send(key);
  rig.vm.abi.reset();
  const stream = rig.request([['x-api-key', key]]);
  assert.equal(stream.outcome, 'continued');
  assert.deepEqual(rig.vm.abi.in('proxy_on_request_headers'), {
    clock_time_get: 1,
    proxy_get_header_map_pairs: 1,
    proxy_remove_header_map_value: 1,
    proxy_replace_header_map_value: 2,
    proxy_set_property: 1,
  });
  stream.end();
  const entered = rig.vm.abi.entered;
  assert.deepEqual(entered, {
    proxy_on_context_create: 1,
    proxy_on_request_headers: 1,
    malloc: 1,
    proxy_on_done: 1,
  });
});

// Guarantees that the secret of the environment reaches the host with every call and goes nowhere
// else: not into the log, not to an upstream.
test('calls to the host carry the secret of the environment', async () => {
  const secret = 's3cret-of-the-mesh';
  await using rig = await FilterRig.start({
    environment: { OTHER: 'x', SIDEGATE_SYNC_SECRET: secret },
  });
  const seen = new Set<string | undefined>();
  rig.clusters.set(CLUSTER, (call) => {
    seen.add(call.header('authorization'));
    assert.equal(call.header('x-sidegate-format'), '1');
    assert.equal(call.header(':authority'), 'sidegate');
    return rig.host.serve(call);
  });
  const { key } = await rig.host.createKey('shop');
  await rig.advance(300);
  const stream = await rig.send(key);
  assert.deepEqual([...seen], [`Bearer ${secret}`]);
  assert.ok(!JSON.stringify(stream.upstreamHeaders).includes(secret));
  assert.ok(!rig.logText().includes(secret));
});

// Guarantees the layout of the decision record that the emulator's trace reads.
test('the decision record says what was decided', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  const stream = rig.request([['x-api-key', key]], '/orders', 'POST');
  await rig.decided(stream);
  const at = Number(rig.vm.guest.read('sidegate_decision'));
  const view = new DataView(rig.vm.guest.memory.bytes.buffer, at, 168);
  assert.equal(view.getUint32(0, true), stream.id);
  assert.equal(view.getUint32(4, true), stream.root.id);
  assert.equal(view.getUint8(8), 0, 'allowed');
  assert.equal(view.getUint8(9), 9, 'mediated');
  assert.equal(view.getUint8(11) & 0b10010, 0b10010, 'held, and decided');
  assert.equal(view.getUint8(14), 1, 'one limit');
  for (const id of [16, 24, 32, 40, 48, 56])
    assert.ok(view.getBigUint64(id, true) > 0n, `at ${id}`);
  assert.equal(view.getUint32(96, true) - view.getUint32(100, true), 5, 'the cost');
});
