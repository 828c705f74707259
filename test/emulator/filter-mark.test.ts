/**
 * The mark of requests that passed, in the release filter: on every one of them whatever the
 * reason, never a caller's own, on no other, and no cost where no mark is given.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pair, Stream } from '../../host/emulator/index.ts';
import { CLUSTER, FilterRig } from './support/filter.ts';

const MARK = 'a-mark-of-this-workload';
const HEADER = 'x-sidegate-mark';

function marksOf(stream: Stream): string[] {
  return (stream.upstreamHeaders ?? []).filter(([name]) => name === HEADER).map(([, mark]) => mark);
}

function start(config: object, mark: string | undefined = MARK) {
  return FilterRig.start({
    config: JSON.stringify({ clusters: [CLUSTER], ...config }),
    ...(mark !== undefined && { environment: { SIDEGATE_MARK: mark } }),
  });
}

// Guarantees that whatever the filter lets pass can be told from what never came through it.
test('every request that passes has the mark once', async () => {
  const forged: Pair[] = [
    [HEADER, 'forged'],
    [HEADER, MARK],
    ['x_sidegate_mark', MARK],
  ];
  const passes: [object, string, string, string?][] = [
    [{}, '/health', 'orders.example.com'],
    [{}, '/orders', 'orders.example.com', 'key'],
    [{ otherHosts: 'allow' }, '/x', 'other.example.com'],
    [{ mode: 'off' }, '/orders', 'orders.example.com'],
    [{ mode: 'shadow' }, '/orders', 'orders.example.com'],
    [{ mode: 'shadow' }, '/a//b', 'orders.example.com'],
  ];
  for (const [config, path, authority, keyed] of passes) {
    await using rig = await start(config);
    const { key } = await rig.host.createKey('shop');
    await rig.advance(200);
    const stream = rig.vm.request({
      headers: [
        [':method', 'GET'],
        [':path', path],
        [':authority', authority],
        ...(keyed === undefined ? [] : [['x-api-key', key] as Pair]),
        ...forged,
      ],
    });
    await rig.decided(stream);
    assert.equal(stream.status, undefined, JSON.stringify(config));
    assert.deepEqual(marksOf(stream), [MARK], JSON.stringify(config));
    const names = (stream.upstreamHeaders ?? []).map(([name]) => name);
    assert.ok(!names.includes('x_sidegate_mark'));
  }
});

// Guarantees that without a policy a request that passes is marked too, and a held one once.
test('a request passed without a policy, and one that waited, are marked', async () => {
  await using rig = await FilterRig.start({
    config: JSON.stringify({ clusters: [CLUSTER], noPolicy: 'allow', startHoldMs: 0 }),
    environment: { SIDEGATE_MARK: MARK },
    reachable: false,
  });
  const early = rig.request([[HEADER, 'forged']]);
  await rig.decided(early);
  assert.deepEqual(marksOf(early), [MARK]);
  await using other = await start({});
  const { key } = await other.host.createKey('shop');
  const held = other.request([['x-api-key', key]]);
  assert.equal(held.outcome, 'paused');
  await other.decided(held);
  assert.deepEqual(marksOf(held), [MARK]);
});

// Guarantees that no denial shows the mark to a caller.
test('a denial has no mark', async () => {
  await using rig = await start({});
  await rig.advance(200);
  const stream = rig.request([[HEADER, MARK]]);
  await rig.decided(stream);
  assert.equal(stream.status, 401);
  assert.ok(!JSON.stringify(stream.answer).includes(MARK));
});

// Guarantees that a workload without a mark pays no call for it, and that a mark that could be
// guessed or break a header is none.
test('without a mark, or with a bad one, there is none', async () => {
  const calls = async (mark: string | undefined) => {
    await using rig = await start({}, mark);
    await rig.advance(200);
    rig.vm.abi.reset();
    const stream = rig.request([], '/health');
    await rig.decided(stream);
    const { proxy_replace_header_map_value: set = 0 } = rig.vm.abi.in('proxy_on_request_headers');
    return { set, marks: marksOf(stream) };
  };
  for (const bad of ['', 'short', 'x'.repeat(257), 'with a space in it', `new\nline-${MARK}`]) {
    assert.deepEqual((await calls(bad)).marks, [], bad);
  }
  const { set } = await calls('');
  assert.equal((await calls(MARK)).set, set + 1);
});
