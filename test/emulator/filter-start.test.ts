/**
 * How a filter starts: with a host, without one, with one that has nothing yet, and with a
 * directory that is half there. The rows of the failure table that speak of a VM's start.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CLUSTER, CONFIG, FilterRig, RESOURCES } from './support/filter.ts';

const GOOD_LOOKING = 'sg_000000000000000000000000000000zzzzzz';

// Guarantees the main job: a good key passes with identity headers, and the key goes no further.
test('a key is accepted after the first fill', async () => {
  await using rig = await FilterRig.start();
  const { key } = await rig.host.createKey('shop');
  await rig.advance(200);
  const stream = await rig.send(key);
  assert.equal(stream.outcome, 'continued', JSON.stringify(stream.answer));
  const headers = Object.fromEntries(stream.upstreamHeaders ?? []);
  assert.equal(headers['x-consumer'], 'acme');
  assert.equal(headers['x-plan'], 'gold');
  assert.equal(headers['x-api-key'], undefined);
});

// Guarantees that a proxy that starts before its host neither lets pass nor refuses at once: it
// waits as long as it was told to, then says so, and goes on by itself when the host comes.
test('without a host requests are held for startHoldMs, then refused; then it recovers', async () => {
  await using rig = await FilterRig.start({ reachable: false });
  const { key } = await rig.host.createKey('shop');
  await rig.advance(500);
  const held = rig.request([['x-api-key', key]]);
  assert.equal(held.outcome, 'paused');
  await rig.advance(2_900);
  assert.equal(held.outcome, 'paused');
  await rig.advance(150);
  assert.equal(held.outcome, 'replied');
  assert.equal(held.status, 503);
  assert.equal(held.details, 'sidegate_no_policy');
  assert.ok(held.answer?.headers.some(([name]) => name === 'retry-after'));

  rig.clusters.set(CLUSTER, rig.host.serve);
  // The back-off of a host long down is at most ten seconds and a half of it.
  await rig.advance(15_000);
  const passed = await rig.send(key);
  assert.equal(passed.outcome, 'continued');
});

// Guarantees that a request held at start is decided the moment it can be, not at its deadline.
test('a request held at start goes on as soon as policy and directory are there', async () => {
  await using rig = await FilterRig.start();
  const { key } = await rig.host.createKey('shop');
  const stream = rig.request([['x-api-key', key]]);
  assert.equal(stream.outcome, 'paused');
  await rig.advance(150);
  assert.equal(stream.outcome, 'continued', JSON.stringify(stream.answer));
});

// Guarantees the choice of those who rather serve than protect while nothing is known.
test('noPolicy allow passes after the hold, identity headers of the caller removed', async () => {
  const config = JSON.stringify({ clusters: [CLUSTER], noPolicy: 'allow', startHoldMs: 100 });
  await using rig = await FilterRig.start({ reachable: false, config });
  await rig.advance(50);
  const stream = rig.request([['x-sidegate-consumer', 'root']]);
  await rig.advance(150);
  assert.equal(stream.outcome, 'continued');
  const names = (stream.upstreamHeaders ?? []).map(([name]) => name);
  assert.ok(!names.includes('x-sidegate-consumer'));
});

// Guarantees that a good key is never answered 401 because its record has not come yet.
test('with a directory half there a key that is not found is held', async () => {
  await using rig = await FilterRig.start();
  for (let i = 0; i < 600; i++) await rig.host.createKey('shop');
  const last = await rig.host.createKey('shop');
  let pages = 0;
  rig.clusters.set(CLUSTER, (call) => {
    if (call.path.startsWith('/v1/directory') && ++pages > 1) return 'lost';
    return rig.host.serve(call);
  });
  await rig.advance(300);
  assert.ok(pages > 1, 'the directory takes more than one page');
  const stream = rig.request([['x-api-key', last.key]]);
  const garbage = rig.request([['x-api-key', GOOD_LOOKING]]);
  assert.equal(stream.outcome, 'paused');
  await rig.advance(1_000);
  assert.equal(stream.outcome, 'paused');
  rig.clusters.set(CLUSTER, rig.host.serve);
  await rig.advance(1_500);
  assert.equal(garbage.status, 401, 'a malformed key needs no directory');
  await rig.advance(11_000);
  const later = await rig.send(last.key);
  assert.equal(later.outcome, 'continued', JSON.stringify(later.answer));
});

// Guarantees that a host without this proxy group is no licence to pass.
test('a proxy group the host does not know means no policy', async () => {
  const config = JSON.stringify({ clusters: [CLUSTER], proxyGroup: 'other', startHoldMs: 200 });
  await using rig = await FilterRig.start({ config });
  await rig.advance(100);
  const stream = rig.request([['x-api-key', GOOD_LOOKING]]);
  await rig.decided(stream);
  assert.equal(stream.details, 'sidegate_no_policy');
});

// Guarantees that a fleet's second host helps when the first is gone: clusters are tried in order.
test('the next cluster of the list is asked when the first does not answer', async () => {
  const config = JSON.stringify({ clusters: ['gone', CLUSTER] });
  await using rig = await FilterRig.start({ config });
  const { key } = await rig.host.createKey('shop');
  await rig.advance(1_500);
  const stream = await rig.send(key);
  assert.equal(stream.outcome, 'continued', JSON.stringify(stream.answer));
});

// Guarantees that a VM which sees no request (the main thread's) asks for no quota, yet watches.
test('a VM without traffic keeps one watch open and asks for nothing', async () => {
  await using rig = await FilterRig.start();
  await rig.advance(5_000);
  assert.equal(rig.host.calls['v1/sync'], undefined);
  const open = rig.vm.openCalls.map(({ path }) => path);
  assert.deepEqual(open, ['/v1/watch/default']);
  await rig.host.apply(
    RESOURCES.replace('acme', 'acme2').replace('consumer: acme', 'consumer: acme2'),
  );
  await rig.advance(200);
  assert.deepEqual(
    rig.vm.openCalls.map(({ path }) => path),
    ['/v1/watch/default'],
  );
});

// Guarantees that the verdict on a configuration names the key it is about, and that it is a
// refusal: a typing error must not become a default.
test('a configuration that is not right is refused with the name of the key', async () => {
  await using rig = await FilterRig.start();
  const cases: [string, RegExp][] = [
    ['', /is not a JSON object/],
    ['{}', /"clusters" is missing/],
    ['{"clusters":[]}', /"clusters" has a value out of bounds/],
    ['{"clusters":"a"}', /"clusters" has a value of the wrong type/],
    ['{"clusters":["a"],"clusters":["b"]}', /"clusters" stands twice/],
    ['{"clusters":["a"],"holdMS":1}', /"holdMS" is no key/],
    ['{"clusters":["a"],"holdMs":1001}', /"holdMs" has a value out of bounds/],
    ['{"clusters":["a"],"mode":"on"}', /"mode" has a value out of bounds/],
    ['{"clusters":["a"]} x', /is not a JSON object/],
  ];
  for (const [configuration, message] of cases) {
    const root = rig.vm.createRoot({ name: `bad ${configuration}`, configuration });
    assert.equal(root.state, 'refused', configuration);
    assert.match(rig.vm.logs.at(-1)?.message ?? '', message, configuration);
  }
  assert.equal(rig.vm.createRoot({ name: 'good', configuration: CONFIG }).state, 'live');
});
