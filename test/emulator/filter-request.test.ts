/**
 * One request: what is refused and how, what is cut and removed before whom, what it leaves in logs
 * and counters, and what it costs in calls into the proxy.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pair, Stream } from '../../host/emulator/index.ts';
import { CLUSTER, FilterRig, RESOURCES } from './support/filter.ts';

const GOOD_LOOKING = 'sg_000000000000000000000000000000zzzzzz';

/** A rig that has filled its directory, and one good key. */
async function ready(config: Record<string, unknown> = {}) {
  const rig = await FilterRig.start({
    config: JSON.stringify({ clusters: [CLUSTER], ...config }),
  });
  const { key } = await rig.host.createKey('shop');
  await rig.advance(200);
  return { rig, key };
}

/** A key that was never made, with a right checksum. */
async function unknownKey(rig: FilterRig): Promise<string> {
  const { id, key } = await rig.host.createKey('shop');
  await rig.host.revokeKey(id);
  await rig.advance(50);
  return key;
}

function upstream(stream: Stream): Record<string, string> {
  return Object.fromEntries(stream.upstreamHeaders ?? []);
}

function stateOf(stream: Stream): string {
  return Buffer.from(stream.filterState.get('wasm.sidegate') ?? []).toString();
}

function headersOf(stream: Stream): Record<string, string> {
  return Object.fromEntries(stream.answer?.headers ?? []);
}

// Guarantees one status, one name and one form for each way to be refused before any quota.
test('each refusal has its status, its details and a problem body', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  const unknown = await unknownKey(rig);
  const cases: [string, Pair[], string, string, number, string][] = [
    ['no key', [], '/orders', 'GET', 401, 'key_missing'],
    ['unknown', [['x-api-key', unknown]], '/orders', 'GET', 401, 'key_unknown'],
    ['malformed', [['x-api-key', GOOD_LOOKING]], '/orders', 'GET', 401, 'key_malformed'],
    ['no operation', [['x-api-key', key]], '/nothing', 'GET', 404, 'operation_not_found'],
    ['no method', [['x-api-key', key]], '/orders', 'PUT', 404, 'operation_not_found'],
    ['dots', [['x-api-key', key]], '/a/../orders', 'GET', 400, 'path_ambiguous'],
  ];
  for (const [name, headers, path, method, status, reason] of cases) {
    const stream = rig.request(headers, path, method);
    await rig.decided(stream);
    assert.equal(stream.status, status, name);
    assert.equal(stream.details, `sidegate_${reason}`, name);
    const body = JSON.parse(stream.answer?.body ?? '');
    assert.equal(body.status, status, name);
    assert.equal(headersOf(stream)['content-type'], 'application/problem+json', name);
    assert.match(stateOf(stream), new RegExp(`reason=${reason}$`), name);
    if (status === 401) {
      assert.equal(headersOf(stream)['www-authenticate'], 'ApiKey realm="orders"', name);
    }
    stream.end();
  }
});

// Guarantees that nobody can tell a key that was mistyped from one that does not exist.
test('a malformed and an unknown key get the same answer', async () => {
  const { rig } = await ready();
  await using _ = rig;
  const unknown = rig.request([['x-api-key', await unknownKey(rig)]]);
  const malformed = rig.request([['x-api-key', GOOD_LOOKING]]);
  assert.deepEqual(unknown.answer, malformed.answer);
});

// Guarantees that a Host nobody governs does not reach the workload, and that a gateway may allow
// it.
test('another host is refused, or passed without identity headers where that is allowed', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  const headers: Pair[] = [
    [':method', 'GET'],
    [':path', '/orders'],
    [':authority', 'other.example.com'],
    ['x-api-key', key],
    ['x-consumer', 'root'],
  ];
  const refused = rig.vm.request({ headers });
  assert.equal(refused.details, 'sidegate_host_not_governed');
  assert.equal(refused.status, 403);
  const open = JSON.stringify({ clusters: [CLUSTER], otherHosts: 'allow' });
  const root = rig.configure(open, 'open');
  await rig.advance(100);
  const passed = rig.vm.request({ headers, root });
  assert.equal(passed.outcome, 'continued');
  assert.equal(upstream(passed)['x-consumer'], undefined);
});

// Guarantees that what the service reads as identity was written by the filter and by nobody else.
test('identity headers from outside never reach the service', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  const forged: Pair[] = [
    ['x-consumer', 'root'],
    ['x_consumer', 'root'],
    ['X-Plan', 'platinum'],
    ['x-sidegate-anything', '1'],
    ['x_sidegate_anything', '1'],
    ['x-other', 'kept'],
  ];
  const allowed = rig.request([['x-api-key', key], ...forged]);
  await rig.decided(allowed);
  const anonymous = rig.request(forged, '/health');
  for (const [stream, consumer] of [
    [allowed, 'acme'],
    [anonymous, undefined],
  ] as const) {
    assert.equal(stream.outcome, 'continued');
    const headers = upstream(stream);
    assert.equal(headers['x-consumer'], consumer);
    for (const name of ['x_consumer', 'x-sidegate-anything', 'x_sidegate_anything']) {
      assert.equal(headers[name], undefined, name);
    }
    assert.notEqual(headers['x-plan'], 'platinum');
    assert.equal(headers['x-other'], 'kept');
  }
});

// Guarantees that no access log prints a key: it is gone before any answer of ours, whatever the
// answer, and from every source.
test('keys are cut before every refusal and on every pass', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  const bearer: Pair[] = [['authorization', `bearer ${key}`]];
  const cases: [Pair[], string, string][] = [
    [[['x-api-key', key]], '/orders', 'orders.example.com'],
    [[['x-api-key', key]], '/health', 'orders.example.com'],
    [[['x-api-key', key]], '/nothing', 'orders.example.com'],
    [[['x-api-key', key]], '//orders', 'orders.example.com'],
    [[['x-api-key', key]], '/orders', 'other.example.com'],
    [bearer, '/orders', 'orders.example.com'],
    [bearer, '/orders', 'other.example.com'],
    [[['x-api-key', key], ...bearer], '/orders', 'orders.example.com'],
    [
      [
        ['x-api-key', key],
        ['x-api-key', GOOD_LOOKING],
      ],
      '/orders',
      'orders.example.com',
    ],
  ];
  for (const [headers, path, host] of cases) {
    const stream = rig.vm.request({
      headers: [[':method', 'GET'], [':path', path], [':authority', host], ...headers],
    });
    await rig.decided(stream);
    const left = JSON.stringify(stream.readable('request')?.pairs() ?? stream.upstreamHeaders);
    assert.ok(!left.includes(key), `${path} ${host}: ${left}`);
    stream.end();
  }
});

// Guarantees that a header which carries no key of ours is none of our business.
test('a value that does not count as a key stays', async () => {
  const { rig } = await ready();
  await using _ = rig;
  const headers: Pair[] = [['authorization', 'Basic Zm9vOmJhcg==']];
  const stream = rig.request(headers, '/health');
  assert.equal(upstream(stream).authorization, 'Basic Zm9vOmJhcg==');
});

// Guarantees that a caller cannot have one key checked and another one counted.
test('two keys are refused, the same key twice in two sources is one key', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  const other = (await rig.host.createKey('shop')).key;
  await rig.advance(50);
  const two = rig.request([
    ['x-api-key', key],
    ['authorization', `Bearer ${other}`],
  ]);
  assert.equal(two.details, 'sidegate_key_conflict');
  const twice = rig.request([
    ['x-api-key', key],
    ['x-api-key', key],
  ]);
  assert.equal(twice.details, 'sidegate_key_conflict');
  const same = rig.request([
    ['x-api-key', key],
    ['authorization', `Bearer ${key}`],
  ]);
  await rig.decided(same);
  assert.equal(same.outcome, 'continued');
});

// Guarantees validity by the host's clock, however the proxy's wall clock is set.
test('a key is valid from notBefore up to but without notAfter', async () => {
  const { rig } = await ready();
  await using _ = rig;
  const now = rig.clock.unixMs;
  const { key } = await rig.host.createKey('shop', {
    notBeforeMs: now + 2_000,
    notAfterMs: now + 4_000,
  });
  await rig.advance(100);
  assert.equal((await rig.send(key)).details, 'sidegate_key_not_yet_valid');
  rig.clock.stepWall(3_600_000);
  await rig.advance(2_500, 50);
  assert.equal((await rig.send(key)).outcome, 'continued');
  await rig.advance(2_000, 50);
  assert.equal((await rig.send(key)).details, 'sidegate_key_expired');
});

// Guarantees that shadow never refuses and never delays, yet says what it would have done.
test('in shadow a refusal becomes a pass that is marked and counted', async () => {
  const { rig, key } = await ready({ mode: 'shadow' });
  await using _ = rig;
  const stream = rig.request([['x-consumer', 'root']]);
  assert.equal(stream.outcome, 'continued');
  assert.equal(upstream(stream)['x-consumer'], undefined);
  assert.match(stateOf(stream), /reason=key_missing shadow=true$/);
  const good = rig.request([['x-api-key', key]]);
  assert.equal(good.outcome, 'continued', 'a cold account does not hold in shadow');
  await rig.advance(1_500);
  const names = Object.keys(rig.vm.counters());
  assert.ok(
    names.includes(
      'product=.=orders;.reason=.=key_missing;.mode=.=shadow;.sidegate_requests_total',
    ),
    names.join('\n'),
  );
});

// Guarantees that switching the filter off leaves no forged identity behind.
test('switched off it decides nothing but still removes identity headers', async () => {
  const { rig } = await ready({ mode: 'off' });
  await using _ = rig;
  const stream = rig.request([
    ['x-consumer', 'root'],
    ['x-api-key', 'anything'],
  ]);
  assert.equal(stream.outcome, 'continued');
  assert.equal(upstream(stream)['x-consumer'], undefined);
  assert.equal(stateOf(stream), 'reason=mode_off');
});

// Guarantees that gRPC callers get a status of their own and not one that a proxy guesses.
test('a gRPC call is refused with a gRPC status', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  const grpc: Pair[] = [['content-type', 'application/grpc+proto']];
  const missing = rig.request(grpc);
  assert.equal(missing.status, 200);
  assert.equal(headersOf(missing)['grpc-status'], '16');
  assert.equal(headersOf(missing)['grpc-message'], 'API key is missing');
  for (let i = 0; i < 20; i++) await rig.send(key, '/orders', 'POST');
  const spent = rig.request([...grpc, ['x-api-key', key]]);
  await rig.decided(spent);
  assert.equal(headersOf(spent)['grpc-status'], '8');
});

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
// property, and nothing else.
test('an allowed request makes five calls into the proxy', async () => {
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

// Guarantees that a request larger than the filter reads is refused and cannot slip by.
test('more headers than the bound are refused as unreadable', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  const many: Pair[] = Array.from({ length: 1_100 }, (_, i) => [`x-h${i}`, '1']);
  const stream = rig.request([...many, ['x-api-key', key]]);
  assert.equal(stream.details, 'sidegate_request_unreadable');
  assert.equal(stream.status, 503);
  const large = rig.request([
    ['x-large', 'x'.repeat(300_000)],
    ['x-api-key', key],
  ]);
  assert.equal(large.details, 'sidegate_request_unreadable');
});

// Guarantees that an application which lost its subscription is refused and told so, and that a
// suspended one is told the difference.
test('no subscription and a suspended one are 403', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  await rig.host.apply(RESOURCES.replace('plan: gold }', 'plan: gold, state: suspended }'));
  await rig.advance(200);
  assert.equal((await rig.send(key)).details, 'sidegate_subscription_suspended');
  const other = `---
apiVersion: sidegate.dev/v1alpha1
kind: Product
metadata: { name: returns }
spec:
  hosts: [returns.example.com]
  identify: [ { apiKey: { header: x-api-key } } ]
  operations: [ { name: list, method: GET, path: /returns } ]
`;
  await rig.host.apply(RESOURCES + other);
  await rig.advance(200);
  const stream = rig.vm.request({
    headers: [
      [':method', 'GET'],
      [':path', '/returns'],
      [':authority', 'returns.example.com'],
      ['x-api-key', key],
    ],
  });
  assert.equal(stream.details, 'sidegate_not_subscribed');
  assert.equal(stream.status, 403);
});
