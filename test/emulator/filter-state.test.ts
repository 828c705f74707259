/**
 * The filter state that access logs read: which requests it tells of is a setting of the proxy, and
 * one that is not told of costs no call. It never changes what is decided or counted.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Stream } from '../../host/emulator/index.ts';
import { CLUSTER, FilterRig, RESOURCES } from './support/filter.ts';

const DAILY = '{ name: daily, class: exact, quota: 100, window: 1d }';
const SHADOW = `{ name: trial, quota: 5, window: 1d, mode: shadow }`;

/** What access logs show of a request; undefined prints as `-`. */
function stateOf(stream: Stream): string | undefined {
  const state = stream.filterState.get('wasm.sidegate');
  return state === undefined ? undefined : Buffer.from(state).toString();
}

async function ready(settings: Record<string, string>, resources = RESOURCES) {
  const config = JSON.stringify({ clusters: [CLUSTER], ...settings });
  const rig = await FilterRig.start({ resources, config });
  const { key } = await rig.host.createKey('shop');
  await rig.advance(200);
  const call = async (with_: string) => {
    const stream = await rig.send(with_);
    await rig.advance(50, 10);
    rig.vm.abi.reset();
    return stream;
  };
  return { rig, key, call };
}

/** Calls that a warm request of this key makes. */
async function callsOf(rig: FilterRig, key: string): Promise<Record<string, number>> {
  await rig.advance(200);
  rig.vm.abi.reset();
  await rig.send(key);
  return { ...rig.vm.abi.byName };
}

// Guarantees that by default the log answers "why" for every request.
test('tells of every request unless it is told otherwise', async () => {
  const said: Record<string, string>[] = [{}, { filterState: 'all' }];
  for (const settings of said) {
    const { rig, key, call } = await ready(settings);
    await using _ = rig;
    assert.match(stateOf(await call(key)) ?? '', /^product=orders .*reason=allowed$/);
    assert.match(stateOf(await call('sg_nobody')) ?? '', /reason=key_malformed$/);
    assert.equal((await callsOf(rig, key)).proxy_set_property, 1);
  }
});

// Guarantees that what was denied is told of still, and what passed costs no call.
test('tells of denials alone', async () => {
  const { rig, key, call } = await ready({ filterState: 'denied' });
  await using _ = rig;
  const passed = await call(key);
  assert.equal(passed.outcome, 'continued');
  assert.equal(stateOf(passed), undefined);
  const denied = await call('sg_nobody');
  assert.equal(stateOf(denied), 'product=orders reason=key_malformed');
  assert.equal(denied.details, 'sidegate_key_malformed');
  assert.equal((await callsOf(rig, key)).proxy_set_property, undefined);
});

// Guarantees that shadow mode, which is there to be read, is told of.
test('tells of what would have been denied', async () => {
  const shadow = await ready({ filterState: 'denied', mode: 'shadow' });
  await using _ = shadow.rig;
  const stream = await shadow.call('sg_nobody');
  assert.equal(stream.outcome, 'continued');
  assert.equal(stateOf(stream), 'product=orders reason=key_malformed shadow=true');
  const limited = await ready(
    { filterState: 'denied' },
    RESOURCES.replace(DAILY, `${DAILY}\n    - ${SHADOW}`),
  );
  await using _limited = limited.rig;
  const states = new Set<string | undefined>();
  for (let i = 0; i < 12; i++) states.add(stateOf(await limited.call(limited.key)));
  assert.ok([...states].some((state) => state?.endsWith('shadow=true limit=trial')));
  assert.ok(![...states].some((state) => state?.endsWith('reason=allowed')));
});

// Guarantees that the setting can take all of it away and nothing else.
test('tells of none', async () => {
  const { rig, key, call } = await ready({ filterState: 'none' });
  await using _ = rig;
  assert.equal(stateOf(await call(key)), undefined);
  const denied = await call('sg_nobody');
  assert.equal(stateOf(denied), undefined);
  assert.equal(denied.status, 401);
  await rig.advance(2_000, 100);
  const metric = 'product=.=orders;.reason=.=allowed;.mode=.=enforce;.sidegate_requests_total';
  assert.equal(rig.vm.counters()[metric], 1n);
});
