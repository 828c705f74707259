/**
 * Loading: which modules Envoy takes, and what a module may do before it is used.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadModule } from '../../host/emulator/index.ts';
import { assemblyScriptBytes, WAT_BASE, wat } from './support/compile.ts';
import { watVm } from './support/probe.ts';

const MARKER = '(func (export "proxy_abi_version_0_2_1"))';
const MEMORY = '(memory (export "memory") 1)';
const MALLOC = '(func (export "malloc") (param i32) (result i32) (i32.const 1024))';

/** The codes and names of what stands against a module. */
function problems(text: string): string[] {
  const loaded = loadModule(wat(`(module ${text})`));
  return loaded.ok ? [] : loaded.problems.map(({ code, name }) => `${code} ${name}`.trim());
}

// Guarantees that a module the emulator takes is one that Envoy takes, rule by rule.
test('modules are refused as Envoy refuses them', () => {
  assert.deepEqual(problems(WAT_BASE), []);
  assert.deepEqual(problems(`${MEMORY}${MALLOC}`), ['abi_version_missing proxy_abi_version_0_2_1']);
  assert.deepEqual(problems(`${MEMORY}${MARKER}`), ['malloc_missing malloc']);
  assert.deepEqual(problems(`${MARKER}${MALLOC}`), ['memory_missing memory']);
  assert.deepEqual(problems(`(memory 1)${MARKER}${MALLOC}`), ['memory_missing memory']);
  assert.deepEqual(problems(`(memory (export "memory") 16385)${MARKER}${MALLOC}`), [
    'memory_too_large memory',
  ]);
  assert.deepEqual(problems(`(import "env" "abort" (func (param i32 i32 i32 i32)))${WAT_BASE}`), [
    'import_missing env.abort',
  ]);
  assert.deepEqual(problems(`(import "env" "proxy_log" (func (param i32)))${WAT_BASE}`), [
    'import_mismatch env.proxy_log',
  ]);
  const increment = '(import "env" "proxy_increment_metric" (func (param i32 i32) (result i32)))';
  assert.deepEqual(problems(increment + WAT_BASE), ['import_mismatch env.proxy_increment_metric']);
  assert.deepEqual(problems(`(import "env" "g" (global i32))${WAT_BASE}`), [
    'import_missing env.g',
  ]);
  const clear = '(import "env" "proxy_clear_route_cache" (func (result i32)))';
  assert.deepEqual(problems(clear + WAT_BASE), ['import_missing env.proxy_clear_route_cache']);
  assert.deepEqual(problems(`${WAT_BASE}(func $f)(start $f)`), ['start_section']);
  const allocator =
    '(func (export "proxy_on_memory_allocate") (param i32) (result i32) local.get 0)';
  assert.deepEqual(problems(`${MEMORY}${MARKER}${allocator}`), []);
});

// Guarantees that a callback with a wrong signature is found before it is called.
test('callbacks must have the signatures of the ABI', () => {
  const tick = '(func (export "proxy_on_tick") (param i32 i32))';
  assert.deepEqual(problems(WAT_BASE + tick), ['export_mismatch proxy_on_tick']);
  const start = '(func (export "_initialize") (param i32))';
  assert.deepEqual(problems(WAT_BASE + start), ['export_mismatch _initialize']);
  const malloc = '(func (export "malloc") (param i64) (result i32) i32.const 0)';
  assert.deepEqual(problems(MEMORY + MARKER + malloc), ['export_mismatch malloc']);
});

// Guarantees that a module which waits for a callback the emulator never makes is not tested here
// without a word.
test('what the emulator does not imitate is refused, not ignored', () => {
  const body =
    '(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) i32.const 0)';
  assert.deepEqual(problems(WAT_BASE + body), ['not_emulated proxy_on_request_body']);
  assert.deepEqual(problems(`(import "env" "memory" (memory 1))${MARKER}${MALLOC}`), [
    'not_emulated env.memory',
    'memory_missing memory',
  ]);
});

// Guarantees that one look shows everything that is wrong.
test('all problems are told at once', () => {
  const text = '(import "env" "abort" (func)) (import "env" "proxy_done" (func (param i32)))';
  assert.deepEqual(problems(text), [
    'import_missing env.abort',
    'import_mismatch env.proxy_done',
    'abi_version_missing proxy_abi_version_0_2_1',
    'malloc_missing malloc',
    'memory_missing memory',
  ]);
});

// Guarantees that bytes which are no module are an answer, not an exception.
test('bytes that are no module are refused', async () => {
  const whole = await assemblyScriptBytes('script');
  for (const bytes of [new Uint8Array(0), new Uint8Array(64), whole.slice(0, 900)]) {
    const loaded = loadModule(bytes);
    assert.deepEqual(!loaded.ok && loaded.problems.map(({ code }) => code), ['corrupt']);
  }
  assert.ok(loadModule(whole).ok);
});

// Guarantees that an initialiser may log and read clocks, and that anything else kills the VM as it
// does in Envoy.
test('a module may do little while it is initialised', () => {
  const log = '(import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))';
  const data = '(data (i32.const 16) "hello")';
  const greet =
    '(func (export "_initialize") (drop (call $log (i32.const 2)(i32.const 16)(i32.const 5))))';
  const fine = watVm(`${log}${WAT_BASE}${data}${greet}`);
  assert.equal(fine.failure, undefined);
  assert.deepEqual(fine.log.messages, ['hello']);

  const done = '(import "env" "proxy_done" (func $done (result i32)))';
  const bad = watVm(`${done}${WAT_BASE}(func (export "_initialize") (drop (call $done)))`);
  assert.deepEqual(bad.failure, { in: '_initialize', message: 'restricted_callback' });
  const root = bad.createRoot();
  assert.equal(root.refusal, 'trap');
});

// Guarantees that a callback costs nothing where the module has none, as in Envoy.
test('only exported callbacks are called', () => {
  const vm = watVm(`${WAT_BASE}(func (export "proxy_on_log") (param i32))`);
  const root = vm.createRoot({ configuration: 'text' });
  assert.equal(root.state, 'live');
  root.tick();
  const stream = vm.request({ headers: { ':path': '/' } });
  assert.equal(stream.outcome, 'continued');
  stream.respond({ headers: { ':status': '204' } });
  stream.end();
  assert.deepEqual(vm.abi.entered, { proxy_on_log: 1 });
  root.close();
  assert.equal(root.state, 'deleted');
});

// Guarantees that a module of many imports links whatever Envoy offers under both names of WASI.
test('both names of WASI are offered', () => {
  const imports = ['wasi_snapshot_preview1', 'wasi_unstable'].map(
    (module) => `(import "${module}" "random_get" (func (param i32 i32) (result i32)))`,
  );
  assert.deepEqual(problems(imports.join('') + WAT_BASE), []);
});
