/**
 * Holds the release module to its surface: what it imports and exports, what it weighs, and that
 * the way of a request can neither allocate nor grow the memory.
 */
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import { exists, ROOT } from './sources.ts';
import { type CallGraph, callGraphOf, reachableFrom } from './wat.ts';

const SIZE_MAX = 48 * 1024;
const IMPORTS = new Set([
  'env.proxy_log',
  'env.proxy_set_property',
  'env.proxy_get_property',
  'env.proxy_send_local_response',
  'env.proxy_add_header_map_value',
  'env.proxy_replace_header_map_value',
  'env.proxy_remove_header_map_value',
  'env.proxy_get_header_map_pairs',
  'env.proxy_get_header_map_value',
  'env.proxy_get_buffer_bytes',
  'env.proxy_http_call',
  'env.proxy_set_tick_period_milliseconds',
  'env.proxy_get_current_time_nanoseconds',
  'env.proxy_define_metric',
  'env.proxy_increment_metric',
  'env.proxy_set_effective_context',
  'env.proxy_continue_stream',
  'env.proxy_done',
  'wasi_snapshot_preview1.clock_time_get',
  'wasi_snapshot_preview1.environ_get',
  'wasi_snapshot_preview1.environ_sizes_get',
  'wasi_snapshot_preview1.random_get',
]);
const EXPORTS = new Set([
  'memory',
  'malloc',
  '_initialize',
  'proxy_abi_version_0_2_1',
  'proxy_on_vm_start',
  'proxy_on_context_create',
  'proxy_on_configure',
  'proxy_on_tick',
  'proxy_on_request_headers',
  'proxy_on_response_headers',
  'proxy_on_http_call_response',
  'proxy_on_log',
  'proxy_on_done',
  'proxy_on_delete',
  'sidegate_decision',
]);
/** What runs for a request; an answer to a call resumes held ones. */
const REQUEST_PATH = [
  'malloc',
  'proxy_on_context_create',
  'proxy_on_request_headers',
  'proxy_on_response_headers',
  'proxy_on_log',
];

/** The part of the engine's interface that is used here; the types of Node 24 leave it out. */
interface Engine {
  Module: {
    new (bytes: Uint8Array): object;
    imports(module: object): { module: string; name: string }[];
    exports(module: object): { name: string }[];
  };
}
const { WebAssembly: engine } = globalThis as unknown as { WebAssembly: Engine };

describe('the release module', () => {
  let module: object;
  let wat: string;
  let graph: CallGraph;

  before(() => {
    assert.ok(exists('build/filter.wasm'), 'build/filter.wasm is not there: npm run build');
    module = new engine.Module(readFileSync(`${ROOT}build/filter.wasm`));
    wat = readFileSync(`${ROOT}build/filter.wat`, 'utf8');
    graph = callGraphOf(wat);
  });

  // Guarantees that the module links on every Envoy of the matrix: an unknown import is no load.
  test('imports nothing that is not on the list', () => {
    const imports = engine.Module.imports(module).map(({ module, name }) => `${module}.${name}`);
    assert.deepEqual(
      imports.filter((name) => !IMPORTS.has(name)),
      [],
    );
  });

  // Guarantees that Envoy calls only what is used: each exported callback costs every request.
  test('exports nothing that is not on the list', () => {
    const names = engine.Module.exports(module).map(({ name }) => name);
    assert.deepEqual(
      names.filter((name) => !EXPORTS.has(name)),
      [],
    );
    for (const name of ['malloc', '_initialize', 'proxy_abi_version_0_2_1', 'sidegate_decision']) {
      assert.ok(names.includes(name), `${name} is exported`);
    }
  });

  // Guarantees a module that reaches a proxy quickly.
  test('weighs at most 48 KB', () => {
    const { size } = statSync(`${ROOT}build/filter.wasm`);
    assert.ok(size <= SIZE_MAX, `${size} bytes, at most ${SIZE_MAX}`);
  });

  // Guarantees that there is no allocator of the language in the module, nothing that runs before
  // a context exists, and a memory with an end.
  test('holds no runtime of the language, no start section, and bounds its memory', () => {
    assert.doesNotMatch(wat, /~lib\/rt/);
    assert.doesNotMatch(wat, /^ \(start /m);
    assert.match(wat, /^ \(memory \S+ \d+ \d+\)$/m);
  });

  // Guarantees that the memory of a proxy does not follow its traffic.
  test('no request can grow the memory', () => {
    for (const callback of REQUEST_PATH) {
      const start = graph.exported.get(callback);
      if (start === undefined) continue;
      const reachable = reachableFrom(graph, start);
      assert.deepEqual(
        [...graph.growing]
          .filter((name) => reachable.has(name))
          .map((name) => wayTo(reachable, name)),
        [],
        `${callback} must not reach memory.grow`,
      );
    }
    assert.ok(graph.exported.has('proxy_on_request_headers'));
  });
});

/** The chain of calls that leads to a function, for a message one can act on. */
function wayTo(callerOf: Map<string, string>, name: string): string {
  const way = [name];
  for (let at = callerOf.get(name); at; at = callerOf.get(at)) way.unshift(at);
  return way.join(' > ');
}

// Guarantees that the graph sees direct, tail and indirect calls, so that silence means something.
test('a planted growth is found behind direct and indirect calls', () => {
  const graph = callGraphOf(
    [
      ' (elem $0 (i32.const 1) $b $c)',
      ' (export "proxy_on_request_headers" (func $a))',
      ' (func $a (param $0 i32)',
      '  call_indirect (type $0)',
      ' )',
      ' (func $b',
      '  call $d',
      ' )',
      ' (func $c',
      ' )',
      ' (func $d',
      '   memory.grow',
      ' )',
      ' (func $e',
      '  memory.grow',
      ' )',
    ].join('\n'),
  );
  const reachable = reachableFrom(graph, graph.exported.get('proxy_on_request_headers') ?? '');
  assert.deepEqual(
    [...graph.growing].filter((name) => reachable.has(name)),
    ['$d'],
  );
  assert.equal(wayTo(reachable, '$d'), '$a > (table) > $b > $d');
});
