/**
 * A whole emulated proxy: canary, changes on every thread, dead VMs and the failure policies.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Clusters,
  type FailurePolicy,
  Fleet,
  type StreamView,
  seededRandom,
  VirtualClock,
} from '../../host/emulator/index.ts';
import { CALL, PROBE, plugin } from './support/probe.ts';

function proxy(failurePolicy?: FailurePolicy, workers = 2) {
  const clock = new VirtualClock();
  const clusters = new Clusters({ upstream: () => ({ status: 200 }) });
  const options = { workers, clock, random: seededRandom(3), clusters };
  const fleet = new Fleet(PROBE, failurePolicy ? { ...options, failurePolicy } : options);
  const ask = (script: string, worker = 0, name?: string): StreamView => {
    const thread = fleet.workers[worker];
    assert.ok(thread);
    const stream = thread.request({ headers: [['x-script', script]] }, name);
    if (stream.outcome === 'continued') stream.respond({ headers: { ':status': '200' } });
    return stream;
  };
  const traces = (callback: string) =>
    fleet.log.messages.filter((line) => line.split(' ')[1] === callback);
  return { clock, fleet, ask, traces };
}

// Guarantees that N workers are N + 1 VMs, and that the main thread's ticks and calls but sees no
// request.
test('every thread has a VM of its own', () => {
  const { clock, fleet, ask, traces } = proxy();
  fleet.apply(plugin(`configure: tick 10;count\ntick: ${CALL};count\nanswer: count\nlog: count`));
  assert.equal(traces('configure').length, 4, 'the canary and three threads');
  assert.deepEqual(
    traces('configure').map((line) => line.split(' ').at(-1)),
    ['count=1', 'count=1', 'count=1', 'count=1'],
  );
  clock.advance(10);
  clock.advance(0);
  assert.equal(traces('tick').length, 3);
  assert.equal(traces('answer').length, 3);
  ask('request: count').end();
  ask('request: count', 1).end();
  ask('request: count', 1).end();
  assert.deepEqual(
    traces('request').map((line) => line.split(' ').at(-1)),
    ['count=4', 'count=4', 'count=5'],
  );
});

// Guarantees that what a canary does never leaves it: its calls, its ticks, its globals.
test('a canary leaves nothing behind', () => {
  const { clock, fleet, traces } = proxy();
  const applied = fleet.apply(plugin(`configure: tick 5;${CALL};return 0\nanswer: count`));
  assert.deepEqual(applied, { accepted: false, reason: 'canary' });
  clock.advance(50);
  assert.equal(traces('answer').length, 0);
  assert.equal(traces('tick').length, 0);
  assert.equal(traces('done').length, 0);
  assert.equal(fleet.main.vm, undefined);
  assert.throws(() => fleet.workers[0]?.request({ headers: {} }), /no such plugin/);
});

// Guarantees that a filter whose refusal depends on more than the configuration is caught: where
// only a thread refuses, requests pass unfiltered and no configuration is taken any more.
test('a refusal on a thread opens the proxy for good', () => {
  const { fleet, ask, traces } = proxy(undefined, 1);
  assert.deepEqual(fleet.apply(plugin('configure: once k')), { accepted: true });
  assert.equal(fleet.poisoned, true);
  assert.equal(fleet.workers[0]?.root(), undefined);
  assert.equal(ask('request: reply 403 x -1 y').answer?.status, 200);
  assert.equal(traces('delete').length, 2, 'the refused roots are asked and deleted');
  assert.deepEqual(fleet.apply(plugin('log: count')), { accepted: false, reason: 'poisoned' });
});

// Guarantees that a change goes to every thread, keeps VMs, and lets streams end where they began.
test('a change keeps VMs and running streams', () => {
  const { fleet, ask } = proxy();
  fleet.apply(plugin('request: count'));
  const vm = fleet.workers[0]?.vm;
  const old = fleet.workers[0]?.root();
  const stream = ask('request: return 1');
  assert.deepEqual(fleet.apply(plugin('request: count;count')), { accepted: true });
  assert.equal(fleet.workers[0]?.vm, vm);
  assert.equal(old?.state, 'closing');
  stream.end();
  assert.equal(old?.state, 'deleted');
  assert.equal(fleet.workers[0]?.root()?.state, 'live');
  assert.deepEqual(fleet.apply(plugin('configure: return 0')), {
    accepted: false,
    reason: 'canary',
  });
  assert.equal(fleet.workers[0]?.root()?.state, 'live');
});

// Guarantees that two plugins of one module share a VM on each thread, and that removing one leaves
// the other alone, while removing the last destroys the VM.
test('plugins come and go', () => {
  const { fleet, ask, traces } = proxy(undefined, 1);
  fleet.apply(plugin(`done: ${CALL};return 0\nanswer: done`, 'one'));
  fleet.apply(plugin('request: prop plugin_name', 'two'));
  const [worker] = fleet.workers;
  const vm = worker?.vm;
  ask('request: prop plugin_name', 0, 'one').end();
  ask('request: prop plugin_name', 0, 'two').end();
  assert.deepEqual(
    traces('request').map((line) => line.split(' ').at(-1)),
    ['prop=0(one)', 'prop=0(two)'],
  );
  fleet.remove('two');
  assert.equal(vm?.destroyed, false);
  assert.equal(worker?.root('one')?.state, 'live');
  fleet.remove('one');
  assert.equal(vm?.destroyed, true);
  assert.equal(worker?.vm, undefined);
  assert.equal(traces('done').length, 2 + 2);
  assert.equal(traces('answer').length, 0);
});

// Guarantees that a VM goes with its last stream, not before.
test('the last stream holds the last VM', () => {
  const { fleet, ask } = proxy(undefined, 1);
  fleet.apply(plugin(''));
  const vm = fleet.workers[0]?.vm;
  const stream = ask('request: return 1');
  fleet.remove('probe');
  assert.equal(vm?.destroyed, false);
  stream.end();
  assert.equal(vm?.destroyed, true);
});

// Guarantees the reload: a VM that had lived long enough is replaced for the next request, a young
// one only after its pause; only the thread that trapped is hit, and globals begin anew.
test('a dead VM is made anew', () => {
  const { clock, fleet, ask, traces } = proxy('reload');
  fleet.apply(plugin('configure: count'));
  clock.advance(1_500);
  assert.equal(ask('request: trap').answer?.status, 503);
  assert.equal(ask('request: count', 1).answer?.status, 200);
  assert.equal(ask('request: count').answer?.status, 200);
  assert.equal(fleet.workers[0]?.reloads, 1);
  assert.equal(traces('request').at(-1)?.split(' ').at(-1), 'count=2');

  assert.equal(ask('request: trap').answer?.status, 503);
  clock.advance(999);
  assert.equal(ask('request: count').answer?.status, 503);
  assert.equal(ask('request: count').localResponse?.details, 'wasm_fail_stream');
  clock.advance(501);
  assert.equal(ask('request: count').answer?.status, 200);
  assert.equal(fleet.workers[0]?.reloads, 2);
  assert.equal(fleet.workers[1]?.reloads, 0);
});

// Guarantees that a trap hits all plugins of the thread, and that they share the new VM.
test('all plugins of a dead VM are reloaded', () => {
  const { clock, fleet, ask } = proxy('reload', 1);
  fleet.apply(plugin('', 'one'));
  fleet.apply(plugin('', 'two'));
  clock.advance(2_000);
  ask('request: trap', 0, 'one');
  assert.equal(ask('request: count', 0, 'two').answer?.status, 200);
  assert.equal(ask('request: count', 0, 'one').answer?.status, 200);
  const [worker] = fleet.workers;
  assert.equal(worker?.root('one')?.vm, worker?.root('two')?.vm);
});

// Guarantees that the main thread's VM, which no request reaches, stays dead, its timers too.
test('a trap in a tick kills the thread it runs on', () => {
  const { clock, fleet, ask, traces } = proxy('reload', 1);
  fleet.apply(plugin('configure: tick 1500\ntick: trap'));
  clock.advance(1_500);
  assert.equal(fleet.main.vm, undefined);
  assert.equal(fleet.workers[0]?.vm, undefined);
  const configured = traces('configure').length;
  assert.equal(ask('request: count').answer?.status, 200);
  assert.equal(traces('configure').length, configured + 1);
  assert.equal(fleet.main.vm, undefined);
  assert.equal(clock.waiting, 1);
});

// Guarantees the other two policies: closed for good, or open.
test('closed and open are what they say', () => {
  const closed = proxy('closed', 1);
  closed.fleet.apply(plugin(''));
  closed.ask('request: trap');
  closed.clock.advance(100_000);
  assert.equal(closed.ask('request: count').answer?.status, 503);

  const open = proxy('open', 1);
  open.fleet.apply(plugin(''));
  assert.equal(open.ask('request: trap').answer?.status, 503);
  const passed = open.ask('request: reply 403 x -1 y');
  assert.equal(passed.outcome, 'continued');
  assert.equal(passed.answer?.status, 200);
  assert.deepEqual(passed.upstreamHeaders, [['x-script', 'request: reply 403 x -1 y']]);
  passed.end();
});

// Guarantees that a configuration no thread can be told of again after a reload is not lost: the
// reloaded VM is configured with the newest.
test('a reload takes the newest configuration', () => {
  const { clock, fleet, ask, traces } = proxy('reload', 1);
  fleet.apply(plugin('configure: count'));
  clock.advance(2_000);
  ask('request: trap');
  fleet.apply(plugin('configure: count;count'));
  assert.equal(ask('request: count').answer?.status, 200);
  assert.equal(traces('configure').at(-1), 'trace configure 22 count=1 count=2');
  assert.equal(fleet.workers[0]?.reloads, 0, 'the change itself made the new VM');
});

// Guarantees that the end of a process asks every root once and answers nothing.
test('closing a proxy', () => {
  const { clock, fleet, traces } = proxy();
  fleet.apply(plugin(`configure: tick 10\ndone: ${CALL};return 0\nanswer: done`));
  fleet.close();
  assert.equal(traces('done').length, 3);
  clock.advance(1_000);
  assert.equal(traces('answer').length, 0);
  assert.equal(traces('tick').length, 0);
  assert.equal(clock.waiting, 0);
});
