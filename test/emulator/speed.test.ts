/**
 * That the emulator is fast and flat enough for tests of a million requests and more.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { HeaderMap } from '../../host/emulator/index.ts';
import { WAT_BASE } from './support/compile.ts';
import { watVm } from './support/probe.ts';

const REQUESTS = 1_000_000;
/** Far above what is seen (1.3 µs), so that only a change of kind fails on a busy machine. */
const NS_PER_REQUEST_MAX = 20_000;
/** What may still hang in the JavaScript heap after a collection. */
const GROWTH_BYTES_MAX = 8_000_000;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

// Guarantees that a test of a million requests takes seconds, and that what grows in it is the
// filter's own memory and not the emulator's.
test('a million requests are quick and leave nothing behind', (context) => {
  const vm = watVm(`
    (import "env" "proxy_get_header_map_pairs" (func $pairs (param i32 i32 i32) (result i32)))
    (import "env" "proxy_replace_header_map_value"
      (func $replace (param i32 i32 i32 i32 i32) (result i32)))
    (data (i32.const 16) "x-consumeracme")
    ${WAT_BASE}
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (drop (call $pairs (i32.const 0) (i32.const 0) (i32.const 4)))
      (drop (call $replace (i32.const 0) (i32.const 16) (i32.const 10)
        (i32.const 26) (i32.const 4)))
      (i32.const 0))`);
  const root = vm.createRoot();
  const headers = new HeaderMap('request', [
    [':authority', 'orders.example.com'],
    [':path', '/v1/orders/17'],
    [':method', 'GET'],
    [':scheme', 'http'],
    ['user-agent', 'curl/8'],
    ['accept', '*/*'],
    ['x-api-key', 'sg_012345678901234567890123456789abcdef'],
    ['x-forwarded-for', '10.0.0.1'],
  ]);
  const batch = REQUESTS / 10;
  const heapAfter = () => {
    for (let i = 0; i < batch; i++) vm.run(headers);
    collect();
    return process.memoryUsage().heapUsed;
  };
  const start = process.hrtime.bigint();
  const first = heapAfter();
  let last = first;
  for (let i = 1; i < 10; i++) last = heapAfter();
  const nsPerRequest = Number(process.hrtime.bigint() - start) / REQUESTS;
  context.diagnostic(`${Math.round(nsPerRequest)} ns per request, ${last - first} bytes grown`);
  assert.ok(nsPerRequest < NS_PER_REQUEST_MAX, `${nsPerRequest} ns per request`);
  assert.ok(last - first < GROWTH_BYTES_MAX, `${last - first} bytes`);
  assert.equal(vm.contextCount, 1);
  assert.equal(root.streamCount, 0);
  assert.equal(vm.abi.entered.proxy_on_request_headers, REQUESTS);
  assert.equal(vm.abi.byName.proxy_replace_header_map_value, REQUESTS);
  assert.equal(vm.guest.memory.growths, 0);
  assert.deepEqual(headers.size, 8, 'the template is untouched');
});
