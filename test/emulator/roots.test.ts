/**
 * The life of plugins inside one VM: several roots, configuration changes, ticks, and the end.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NotEmulated } from '../../host/emulator/index.ts';
import { CALL, Probe, plugin } from './support/probe.ts';

// Guarantees that a plugin begins as in Envoy, and what it can read in each step.
test('a root is created, started and configured', () => {
  const text = 'create: buffer 7 0 6;buffer 6 0 9\nstart: buffer 7 0 6\nconfigure: buffer 7 0 6';
  const probe = new Probe(text);
  assert.equal(probe.root.state, 'live');
  assert.deepEqual(probe.callbacks(), ['create', 'start', 'configure']);
  assert.equal(probe.trace('create'), 'buffer=0(create) buffer=0(vm%20text)');
  assert.equal(probe.trace('start'), '7 buffer=1');
  assert.equal(probe.trace('configure'), `${text.length} buffer=0(create)`);
});

// Guarantees that a refusal is told apart from acceptance and from a trap.
test('a guest can refuse to start or to be configured', () => {
  assert.equal(new Probe('start: return 0').root.refusal, 'vm_start');
  assert.equal(new Probe('configure: return 0').root.refusal, 'configure');
  const dead = new Probe('configure: trap');
  assert.equal(dead.root.refusal, 'trap');
  assert.equal(dead.vm.failure?.in, 'proxy_on_configure');
  assert.deepEqual(new Probe('start: return 0').callbacks(), ['create', 'start']);
});

// Guarantees that plugins of one VM share its globals, that each stream belongs to its own plugin,
// and that a plugin equal to a live one is the same root.
test('several plugins share one VM', () => {
  const probe = new Probe('request: count;prop plugin_name');
  const other = probe.vm.createRoot(plugin('request: count;prop plugin_name', 'second'));
  const same = probe.vm.createRoot(plugin('request: count;prop plugin_name', 'second'));
  assert.equal(same, other);
  assert.notEqual(other.id, probe.root.id);
  const headers = { ':path': '/', 'x-a': '1' };
  probe.root.request({ headers }).end();
  assert.match(probe.trace('request'), /count=1 prop=0\(probe\)/);
  other.request({ headers }).end();
  assert.match(probe.trace('request'), /count=2 prop=0\(second\)/);
  other.close();
  assert.equal(other.state, 'live', 'a holder is left');
  other.close();
  assert.equal(other.state, 'deleted');
  assert.equal(probe.root.state, 'live');
});

// Guarantees that a change of configuration puts the new root beside the old one and keeps globals.
test('a changed configuration is a new root in the same VM', () => {
  const probe = new Probe('configure: count');
  const next = probe.vm.createRoot(plugin('configure: count\ndone: count'));
  probe.root.close();
  assert.deepEqual(probe.traces('configure'), ['16 count=1', '28 count=2']);
  assert.deepEqual(probe.callbacks(6), ['done', 'delete']);
  assert.equal(probe.root.state, 'deleted');
  assert.deepEqual(probe.vm.liveRoots, [next]);
});

// Guarantees that a filter can finish its work after a change: it stays until it says so.
test('a root that is not done stays until proxy_done', () => {
  const probe = new Probe(`done: ${CALL};return 0\nanswer: done;count\ntick: count`);
  probe.vm.createRoot(plugin('tick: count', 'next'));
  probe.root.close();
  assert.equal(probe.root.state, 'pending');
  probe.root.tick();
  assert.equal(probe.trace('tick'), 'count=1');
  probe.vm.openCalls[0]?.answer({ status: 200 });
  assert.equal(probe.trace('answer'), 'last 1 0 0 done=0 count=2');
  assert.deepEqual(probe.callbacks().slice(-2), ['answer', 'delete']);
  assert.equal(probe.root.state, 'deleted');
});

// Guarantees that proxy_done reaches a root through the effective context, as a new root does it
// for an old one, and is refused where nothing waits.
test('proxy_done acts on the effective context', () => {
  const probe = new Probe('done: done;return 0');
  const next = probe.vm.createRoot(
    plugin(`tick: done;effective ${probe.root.id};done;done`, 'next'),
  );
  probe.root.close();
  assert.equal(probe.trace('done'), 'done=1', 'not pending while it is being asked');
  assert.equal(probe.root.state, 'pending');
  next.tick();
  assert.equal(probe.trace('tick'), 'done=1 effective=0 done=0 done=1');
  assert.equal(probe.root.state, 'deleted');
});

// Guarantees that streams outlive a change of configuration and end in the root they began in.
test('a root waits for its streams', () => {
  const probe = new Probe('response: prop plugin_name');
  const stream = probe.request('request: return 1|response: count');
  probe.vm.createRoot(plugin('configure: count', 'next'));
  probe.root.close();
  assert.equal(probe.root.state, 'closing');
  assert.equal(probe.callbacks().includes('done'), false);
  stream.end();
  assert.equal(probe.root.state, 'deleted');
  assert.deepEqual(probe.callbacks().slice(-5), [
    'log',
    'streamdone',
    'streamdelete',
    'done',
    'delete',
  ]);
});

// Guarantees that calls die with their root, without a callback.
test('calls of a deleted root are never answered', () => {
  const probe = new Probe(`configure: ${CALL}\ndone: ${CALL}\ndelete: ${CALL}\nanswer: count`);
  const calls = () => probe.root.calls.map(({ state }) => state);
  probe.vm.createRoot(plugin('configure: count', 'next'));
  assert.deepEqual(calls(), ['open']);
  probe.root.close();
  assert.deepEqual(calls(), ['cancelled', 'cancelled', 'cancelled']);
  probe.root.calls[0]?.answer({ status: 200 });
  probe.clock.advance(2_000);
  assert.deepEqual(probe.traces('answer'), []);
  assert.deepEqual(probe.vm.openCalls, []);
});

// Guarantees that ticks come one period after the last, stop and change as told, and go on while a
// root is pending.
test('ticks follow the clock', () => {
  const probe = new Probe('configure: tick 100\ntick: clock 1;count\ndone: return 0');
  const at = () => probe.traces('tick').map((line) => Number(/\((\d+)000000\)/.exec(line)?.[1]));
  assert.equal(probe.root.tickPeriodMs, 100);
  probe.clock.advance(99);
  assert.deepEqual(at(), []);
  probe.clock.advance(1);
  probe.clock.advance(250);
  assert.deepEqual(at(), [5100, 5200, 5300]);
  probe.root.setTickPeriod(20);
  probe.clock.advance(45);
  assert.deepEqual(at().slice(3), [5370, 5390]);
  probe.vm.createRoot(plugin('', 'next'));
  probe.root.close();
  probe.clock.advance(20);
  assert.equal(at().length, 6);
  probe.root.setTickPeriod(0);
  probe.clock.advance(1_000);
  assert.equal(at().length, 6);
  assert.equal(probe.clock.waiting, 0);
});

// Guarantees that a guest may change its own period from within a tick.
test('a tick may set the next period', () => {
  const probe = new Probe('configure: tick 10\ntick: tick 50;count');
  probe.clock.advance(10);
  probe.clock.advance(49);
  assert.equal(probe.traces('tick').length, 1);
  probe.clock.advance(1);
  assert.equal(probe.traces('tick').length, 2);
});

// Guarantees that the end of the last plugin is the end of the VM: what it asks for then is lost.
test('closing a VM asks every root and answers none', () => {
  const probe = new Probe(`configure: tick 10\ndone: ${CALL};return 0\nanswer: done`);
  probe.vm.close();
  assert.equal(probe.trace('done'), 'call=0');
  assert.equal(probe.vm.destroyed, true);
  assert.equal(probe.root.state, 'deleted');
  assert.deepEqual(probe.callbacks().slice(-1), ['done']);
  probe.clock.advance(2_000);
  assert.deepEqual(probe.callbacks().slice(-1), ['done']);
  assert.equal(probe.clock.waiting, 0);
});

// Guarantees that what the emulator cannot imitate stops the test instead of answering something.
test('calls that are not imitated are loud', () => {
  const probe = new Probe('tick: buffer 8 0 1');
  assert.throws(() => probe.root.tick(), NotEmulated);
});
