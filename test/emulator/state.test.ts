/**
 * What a guest reads and leaves behind: properties, shared data, metrics, logs, clocks, randomness,
 * environment, memory and exports; and how the host counts what it did.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  HeaderMap,
  LOGS_MAX,
  Log,
  MetricStore,
  PAGE_BYTES,
  SharedData,
  seededRandom,
  VirtualClock,
} from '../../host/emulator/index.ts';
import { WAT_BASE } from './support/compile.ts';
import { Probe, plugin, watVm } from './support/probe.ts';

// Guarantees that a test can show a filter any identity Envoy could: per process, plugin or stream,
// in the encodings of the ABI, with paths that hold dots.
test('properties can be set and the narrowest counts', () => {
  const probe = new Probe('', { properties: { 'xds.node.id': 'n1', 'source.address': 'vm' } });
  const claim = 'metadata\0filter_metadata\0envoy.filters.http.jwt_authn\0payload\0sub';
  const root = probe.vm.createRoot({
    ...plugin('', 'identity'),
    properties: { 'source.address': 'root', 'connection.mtls': true },
  });
  const ask = (path: string) => `prop ${path}`;
  const script =
    `request: ${ask(claim.replaceAll('\0', '/'))};${ask('connection/mtls')};` +
    `${ask('source/address')};${ask('xds/node/id')};${ask('metadata/filter_metadata')};` +
    `${ask('n/int')};${ask('n/double')};${ask('n/bytes')};${ask('n/none')};${ask('plugin_name')}`;
  probe.vm.request({
    root,
    headers: [['x-script', script]],
    properties: {
      [claim]: 'alice',
      'source.address': '10.0.0.1:5',
      'n.int': 258n,
      'n.double': 1,
      'n.bytes': Uint8Array.of(0, 255),
    },
  });
  assert.equal(
    probe.trace('request'),
    '1 1 prop=0(alice) prop=0(%01) prop=0(10.0.0.1:5) prop=0(n1) prop=3 ' +
      'prop=0(%02%01%00%00%00%00%00%00) prop=0(%00%00%00%00%00%00%f0?) prop=0(%00%ff) prop=1 ' +
      'prop=0(identity)',
  );
  root.tick();
  probe.request('request: prop source/address;prop connection/mtls');
  assert.match(probe.trace('request'), /prop=0\(root\) prop=0\(%01\)$/, 'the newest root');
});

// Guarantees that filter state is read by tests under the name the access log uses.
test('filter state belongs to the stream', () => {
  const probe = new Probe('tick: setprop a b');
  const stream = probe.request('request: setprop sidegate reason=ok');
  assert.equal(Buffer.from(stream.filterState.get('wasm.sidegate') ?? []).toString(), 'reason=ok');
  assert.equal(probe.request('request: prop sidegate').filterState.size, 0);
  probe.root.tick();
  assert.equal(probe.trace('tick'), 'setprop=1');
});

// Guarantees that values of a process are shared by its VMs and kept apart by VM id, and that
// metric ids are not.
test('shared data and metrics reach across VMs', () => {
  const sharedData = new SharedData();
  const metrics = new MetricStore();
  const step = 'tick: shared k;share k v;define 0 hits;define 0 hits;inc hits 2;metric hits';
  const vms = ['', '', 'other'].map((vmId) => new Probe(step, { sharedData, metrics, vmId }));
  for (const probe of vms) probe.root.tick();
  assert.deepEqual(
    vms.map((probe) => probe.trace('tick')),
    [
      'shared=1 share=0 define=0(4) define=0(8) inc=0 metric=0(2)',
      'shared=0(v:cas) share=0 define=0(4) define=0(8) inc=0 metric=0(4)',
      'shared=1 share=0 define=0(4) define=0(8) inc=0 metric=0(6)',
    ],
  );
  assert.deepEqual(vms[0]?.vm.counters(), { hits: 6n });
  assert.equal(metrics.size, 1);
});

// Guarantees that time is the test's alone: wall and monotonic apart, both still within a callback.
test('clocks move only when told', () => {
  const clock = new VirtualClock({ startUnixMs: 1_000, startMonotonicMs: 50 });
  const probe = new Probe('tick: now;clock 0;clock 1', { clock });
  const read = () => {
    probe.root.tick();
    return [...probe.trace('tick').matchAll(/\((\d+)\)/g)].map(([, ns]) => Number(ns) / 1e6);
  };
  assert.deepEqual(read(), [1_000, 1_000, 50]);
  clock.advance(0.25);
  assert.deepEqual(read(), [1_000.25, 1_000.25, 50.25]);
  clock.stepWall(-500);
  assert.deepEqual(read(), [500.25, 500.25, 50.25]);
  assert.equal(clock.unixMs, 500.25);
  assert.equal(clock.elapsedMs, 0.25);
});

// Guarantees that timers fire in order, at their own time, with what they schedule themselves.
test('timers fire at their time', () => {
  const clock = new VirtualClock();
  const fired: string[] = [];
  const note = (name: string) => () => fired.push(`${name}@${clock.elapsedMs}`);
  clock.schedule(20, note('c'));
  clock.schedule(10, note('a'));
  clock.schedule(10, () => {
    note('b')();
    clock.schedule(5, note('nested'));
    clock.schedule(500, note('later'));
  });
  const cancelled = clock.schedule(12, note('never'));
  clock.cancel(cancelled);
  clock.cancel(cancelled);
  assert.equal(clock.nextMs, 10);
  clock.advance(20);
  assert.deepEqual(fired, ['a@10', 'b@10', 'nested@15', 'c@20']);
  assert.equal(clock.waiting, 1);
  assert.equal(clock.nextMs, 490);
});

// Guarantees that a run is repeated by its seed, and that two VMs do not draw the same numbers.
test('randomness comes from the seed', () => {
  const draw = (seed: number) => {
    const random = seededRandom(seed);
    return [1, 2].map(() => {
      const probe = new Probe('tick: random 16', { random });
      probe.root.tick();
      return probe.trace('tick');
    });
  };
  const [first, second] = draw(5);
  assert.notEqual(first, second);
  assert.deepEqual(draw(5), [first, second]);
  assert.notDeepEqual(draw(6), [first, second]);
  const random = seededRandom(1);
  const numbers = Array.from({ length: 1_000 }, () => random.next());
  const mean = numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  assert.ok(Math.abs(mean - 0.5) < 0.05, String(mean));
  assert.ok(numbers.every((number) => number >= 0 && number < 1));
});

// Guarantees that secrets reach a filter the way Envoy hands them over.
test('the environment is shown through WASI', () => {
  const probe = new Probe('tick: env', {
    environment: { A: '1', SIDEGATE_SYNC_SECRET: 's\u20ac' },
  });
  probe.root.tick();
  assert.equal(probe.trace('tick'), 'env=0(A=1%00SIDEGATE_SYNC_SECRET=s%e2%82%ac%00)');
  const none = new Probe('tick: env');
  none.root.tick();
  assert.equal(none.trace('tick'), 'env=0');
});

// Guarantees that a test sees what an operator would see, at the level the operator chose.
test('lines are logged at or above the level', () => {
  const probe = new Probe('tick: log 0 a;log 2 b;log 3 c;log 5 d;level;print 1 out;print 2 err', {
    logLevel: 'warn',
  });
  probe.root.tick();
  assert.deepEqual(
    probe.vm.logs.map(({ level, message }) => `${level} ${message}`),
    ['warn c', 'critical d', 'error err'],
  );
  assert.equal(probe.vm.logs[0]?.contextId, probe.root.id);
});

// Guarantees that logging without end does not fill the memory of a long test.
test('old lines are forgotten', () => {
  const log = new Log();
  for (let i = 0; i < 3 * LOGS_MAX; i++) log.write(2, String(i), 0, 0);
  assert.ok(log.lines.length <= 2 * LOGS_MAX);
  assert.equal(log.messages.at(-1), String(3 * LOGS_MAX - 1));
  assert.equal(log.count, 3 * LOGS_MAX);
});

// Guarantees that the price of a callback can be asserted call by call.
test('ABI calls are counted by function and callback', () => {
  const probe = new Probe('', { logLevel: 'error' });
  probe.vm.abi.reset();
  probe.exchange('request: pairs request;get request :path;add request x 1|log: now');
  assert.deepEqual(probe.vm.abi.in('proxy_on_request_headers'), {
    proxy_get_header_map_value: 2,
    proxy_get_header_map_pairs: 1,
    proxy_add_header_map_value: 1,
    proxy_log: 1,
  });
  assert.deepEqual(probe.vm.abi.in('proxy_on_log'), {
    proxy_get_current_time_nanoseconds: 1,
    proxy_log: 1,
  });
  assert.equal(probe.vm.abi.entered.malloc, 3, 'one for each value handed over');
  assert.equal(probe.vm.abi.byPhase.proxy_on_request_headers, 5);
  assert.equal(probe.vm.abi.byName.proxy_log, 5);
  assert.equal(probe.vm.abi.total, 10);
  probe.vm.abi.reset();
  assert.equal(probe.vm.abi.total, 0);
  assert.deepEqual(probe.vm.abi.entered, {});
});

// Guarantees that memory that grows is noticed, and that values written after it arrive.
test('growth of the memory is seen', () => {
  const probe = new Probe();
  const before = probe.vm.memoryBytes;
  probe.request('request: grow 3;get request :path');
  assert.match(probe.trace('request'), /grow=1 get=0\(\/a\?b=c\)$/);
  assert.equal(probe.vm.memoryBytes, before + 3 * PAGE_BYTES);
  assert.ok(probe.vm.guest.memory.growths >= 1);
});

// Guarantees that a test can read what the module exports for it, such as the decision record.
test('exports can be read', () => {
  const probe = new Probe();
  const stream = probe.request('request: count');
  assert.equal(probe.vm.guest.read('probe_streams'), stream.id);
  assert.equal(probe.vm.guest.read('probe_answer'), 42);
  assert.equal(probe.vm.guest.read('no_such_export'), undefined);
  assert.deepEqual(probe.vm.guest.memory.copy(probe.vm.memoryBytes, 1), undefined);
  assert.equal(probe.vm.guest.memory.copy(0, 4)?.length, 4);
});

// Guarantees that calls into the host's extensions are seen and answered as told.
test('foreign functions are recorded', () => {
  const probe = new Probe('tick: foreign clear_route_cache;foreign sign abc;foreign nope', {
    foreignFunctions: { sign: (argument) => (argument.length === 3 ? 0 : 2) },
  });
  probe.root.tick();
  assert.equal(probe.trace('tick'), 'foreign=0 foreign=0 foreign=1');
  assert.deepEqual(
    probe.vm.foreignCalls.map(({ name, argument }) => `${name} ${Buffer.from(argument)}`),
    ['clear_route_cache ', 'sign abc', 'nope '],
  );
});

// Guarantees that a value of no length costs the guest no memory.
test('empty values need no memory', () => {
  const vm = watVm(`
    (import "env" "proxy_get_header_map_value"
      (func $get (param i32 i32 i32 i32 i32) (result i32)))
    (data (i32.const 16) "x-empty")
    (global $result (export "result") (mut i32) (i32.const -1))
    ${WAT_BASE}
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (i32.store (i32.const 0) (i32.const 7))
      (i32.store (i32.const 4) (i32.const 7))
      (drop (call $get (i32.const 0) (i32.const 16) (i32.const 7) (i32.const 0) (i32.const 4)))
      (global.set $result (i32.or (i32.load (i32.const 0)) (i32.load (i32.const 4))))
      (i32.const 0))`);
  vm.createRoot();
  vm.request({ headers: new HeaderMap('request', { 'x-empty': '' }) });
  assert.equal(vm.guest.read('result'), 0);
  assert.equal(vm.abi.entered.malloc, undefined);
});
