/**
 * Streams: pausing and resuming, local responses, effective contexts, and what happens to them when
 * the guest traps or refuses memory.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EnvoyWouldCrash, NotEmulated } from '../../host/emulator/index.ts';
import { WAT_BASE } from './support/compile.ts';
import { CALL, Probe, watVm } from './support/probe.ts';

// Guarantees that a held request is resumed from the answer to a call, with edits up to the moment
// it goes on and not after.
test('a paused stream is resumed through its context', () => {
  const probe = new Probe();
  const stream = probe.request(
    `request: ${CALL};return 1|` +
      'answer: effective stream;add request x-a 1;continue 0;add request x-b 2;pairs request',
  );
  assert.equal(stream.outcome, 'paused');
  probe.vm.openCalls[0]?.answer({ status: 200 });
  assert.equal(probe.trace('answer'), 'last 1 0 0 effective=0 add=0 continue=0 add=2 pairs=0');
  assert.equal(stream.outcome, 'continued');
  assert.deepEqual(stream.upstreamHeaders?.at(-1), ['x-a', '1']);
});

// Guarantees that several held streams are resumed in any order, and that one which has ended can
// not be touched any more.
test('each held stream is resumed by itself', () => {
  const probe = new Probe();
  const first = probe.request('request: return 1');
  const second = probe.request('request: return 1');
  const third = probe.request('request: return 1');
  first.end();
  assert.equal(first.outcome, 'paused');
  assert.equal(first.upstreamHeaders, undefined);
  const next = probe.request(
    `request: effective ${third.id};continue 0;effective ${second.id};add request x 1;` +
      `continue 0;effective ${first.id};effective 0`,
  );
  const codes = probe.trace('request').split(' ').slice(2);
  assert.deepEqual(codes, [
    'effective=0',
    'continue=0',
    'effective=0',
    'add=0',
    'continue=0',
    'effective=2',
    'effective=0',
  ]);
  assert.equal(second.outcome, 'continued');
  assert.equal(third.outcome, 'continued');
  assert.deepEqual(second.upstreamHeaders?.at(-1), ['x', '1']);
  assert.equal(next.outcome, 'continued');
});

// Guarantees the trap in Envoy's shared flag: a stream whose callback answers for another stops.
test('answering for another stream stops the one whose callback runs', () => {
  const probe = new Probe();
  const held = probe.request('request: return 1');
  const running = probe.request(`request: effective ${held.id};reply 503 x -1 late;return 0`);
  assert.equal(held.localResponse?.status, 503);
  assert.equal(held.answer?.body, 'late');
  assert.equal(running.outcome, 'paused');
});

// Guarantees that what a test sees of a local response is what the filter gave and what the caller
// got.
test('a local response shows what was given and what went out', () => {
  const probe = new Probe();
  const stream = probe.exchange(
    'request: reply 429 quota~exceeded 8 slow retry-after=3|response: add response x-late 1',
  );
  assert.equal(stream.outcome, 'replied');
  assert.equal(stream.details, 'quota_exceeded');
  assert.deepEqual(stream.localResponse, {
    status: 429,
    details: 'quota_exceeded',
    body: 'slow',
    headers: [['retry-after', '3']],
    grpcStatus: 8,
  });
  assert.deepEqual(stream.answer, {
    status: 429,
    headers: [
      [':status', '429'],
      ['retry-after', '3'],
      ['content-length', '4'],
      ['content-type', 'text/plain'],
      ['x-late', '1'],
    ],
    body: 'slow',
  });
  assert.equal(stream.upstreamHeaders, undefined);
});

// Guarantees that misuse that Envoy does not survive, or does not define, cannot pass a test.
test('what Envoy does not survive is an error', () => {
  const probe = new Probe();
  assert.throws(() => probe.request('request: continue 1'), EnvoyWouldCrash);
  assert.throws(() => probe.exchange('response: return 1'), NotEmulated);
  assert.throws(() => probe.request('request: reply 403 x -1 y;continue 0'), NotEmulated);
  const stream = probe.request('');
  assert.throws(() => new Probe().request('request: return 1').respond({ headers: {} }), /paused/);
  stream.respond({ headers: { ':status': '200' } });
  assert.throws(() => stream.respond({ headers: { ':status': '200' } }), /continued/);
  stream.end();
  assert.throws(() => stream.end(), /ended/);
});

// Guarantees that a stream the guest cuts off reaches nobody and still ends in order.
test('a closed stream is reset', () => {
  const probe = new Probe();
  const stream = probe.request('request: close 0|log: prop response/code_details');
  assert.equal(stream.outcome, 'reset');
  stream.end();
  assert.equal(probe.trace('log'), 'prop=0(wasm_close_stream)');
  assert.equal(stream.answer, undefined);
});

// Guarantees that a caller who leaves while its request is held is seen by the filter, once.
test('a held stream may end without an answer', () => {
  const probe = new Probe();
  const stream = probe.request('request: return 1|log: get response :status;prop response/code');
  stream.end();
  assert.equal(probe.trace('log'), 'get=1 prop=1');
  assert.deepEqual(probe.callbacks().slice(-3), ['log', 'streamdone', 'streamdelete']);
  assert.equal(probe.vm.contextCount, 1);
});

// Guarantees that a trap answers 503 for the stream it hits, drops what the guest had asked for,
// and leaves a VM that answers 503 to everyone.
test('a trap answers 503 and the VM is dead', () => {
  for (const [script, callback] of [
    ['request: trap', 'proxy_on_request_headers'],
    ['request: reply 200 x -1 y;trap', 'proxy_on_request_headers'],
    ['request: reply 200 x -1 y|response: trap', 'proxy_on_response_headers'],
    ['request: exit;trap', 'proxy_on_request_headers'],
  ] as const) {
    const probe = new Probe();
    const stream = probe.request(script);
    assert.equal(probe.vm.failure?.in, callback);
    assert.equal(stream.outcome, 'replied');
    assert.equal(stream.answer?.status, 503);
    assert.equal(stream.details, 'wasm_fail_stream');
    const before = probe.callbacks().length;
    stream.end();
    const next = probe.request('request: count');
    assert.equal(next.answer?.status, 503);
    next.end();
    probe.root.tick();
    assert.equal(probe.callbacks().length, before, 'a dead guest runs no more');
  }
});

// Guarantees that a trap in the response phase replaces the response, and one in the log phase
// nothing.
test('a trap after the request went upstream', () => {
  const response = new Probe();
  const stream = response.exchange('response: trap');
  assert.equal(stream.answer?.status, 503);
  assert.ok(stream.upstreamHeaders);
  const log = new Probe();
  assert.equal(log.exchange('log: trap').answer?.status, 200);
  assert.equal(log.vm.failure?.in, 'proxy_on_log');
});

// Guarantees that a stream held by a VM that died is neither answered nor sent on.
test('a held stream stays held when its VM dies', () => {
  const probe = new Probe(`answer: count`);
  const held = probe.request(`request: ${CALL};return 1|answer: effective stream;continue 0`);
  probe.request('request: trap');
  probe.root.calls[0]?.answer({ status: 200 });
  assert.equal(held.outcome, 'paused');
  assert.equal(held.answer, undefined);
  held.end();
  assert.equal(probe.vm.contextCount, 2, 'the root and the stream that trapped');
});

// Guarantees that refused memory is a result the guest can handle, and that a misdeed inside malloc
// kills the VM only after the callback has returned, as in Envoy.
test('malloc may refuse, must not call, and must not trap', () => {
  const probe = new Probe();
  const refused = probe.request('request: malloc 1;get request x-script;malloc 0;get request none');
  assert.equal(probe.trace('request'), '5 1 get=6 get=1');
  assert.equal(refused.outcome, 'continued');
  for (const [mode, message] of [
    [2, 'restricted_callback'],
    [3, 'unreachable'],
  ] as const) {
    const bad = new Probe();
    const stream = bad.request(`request: malloc ${mode};get request :path;count`);
    assert.equal(bad.trace('request'), '5 1 get=6 count=1', 'the callback goes on');
    assert.equal(stream.answer?.status, 503);
    assert.deepEqual(bad.vm.failure, { in: 'malloc', message });
  }
});

// Guarantees that an address malloc cannot have meant is refused rather than written to.
test('an impossible address from malloc is refused', () => {
  const text = `
    (import "env" "proxy_get_header_map_pairs" (func $pairs (param i32 i32 i32) (result i32)))
    (global $result (export "result") (mut i32) (i32.const -1))
    (memory (export "memory") 1)
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "malloc") (param i32) (result i32) (i32.const 65530))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (global.set $result (call $pairs (i32.const 0) (i32.const 0) (i32.const 4)))
      (i32.const 0))`;
  const vm = watVm(text);
  vm.createRoot();
  assert.equal(vm.request({ headers: { ':path': '/' } }).outcome, 'continued');
  assert.equal(vm.guest.read('result'), 6);
});

// Guarantees that a stack that runs over is a trap of the guest, not an error of the test.
test('endless recursion is a trap', () => {
  const text = `${WAT_BASE}
    (func $again (param i32) (result i32) (call $again (i32.add (local.get 0) (i32.const 1))))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (i32.add (call $again (i32.const 0)) (call $again (i32.const 1))))`;
  const vm = watVm(text);
  vm.createRoot();
  assert.equal(vm.request({ headers: { ':path': '/' } }).answer?.status, 503);
  assert.equal(vm.failure?.in, 'proxy_on_request_headers');
});
