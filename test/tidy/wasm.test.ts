/**
 * Holds the release module to its surface, and the guard that the build runs to planted mistakes:
 * what a module imports and exports, what it weighs, and that the way of a request cannot grow the
 * memory.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import { exists, ROOT } from './sources.ts';
import { type CallGraph, callGraphOf, reachableFrom } from './wat.ts';

/** The guard is plain JavaScript of the tool chain, without types. */
const guard: {
  MODULE_BYTES_MAX: number;
  checkModule(bytes: Uint8Array, text: string, target: string): string[];
} = await import(`${ROOT}assembly/guard.mjs`);

/** What runs for a request; an answer to a call resumes held ones. */
const REQUEST_PATH = [
  'malloc',
  'proxy_on_context_create',
  'proxy_on_request_headers',
  'proxy_on_response_headers',
  'proxy_on_log',
];

describe('the release module', () => {
  let bytes: Uint8Array;
  let text: string;
  let graph: CallGraph;

  before(() => {
    assert.ok(exists('build/filter.wasm'), 'build/filter.wasm is not there: npm run build');
    bytes = readFileSync(`${ROOT}build/filter.wasm`);
    text = readFileSync(`${ROOT}build/filter.wat`, 'utf8');
    graph = callGraphOf(text);
  });

  // Guarantees a module that links on every Envoy of the matrix, reaches a proxy quickly, and holds
  // no allocator and nothing that runs before a context exists.
  test('keeps the rules of the guard', () => {
    assert.deepEqual(guard.checkModule(bytes, text, 'release'), []);
  });

  // Guarantees a memory with an end.
  test('bounds its memory', () => {
    assert.match(text, /^ \(memory \S+ \d+ \d+\)$/m);
  });

  // Guarantees that no code of ours traps on purpose: a trap takes a worker down for a second.
  test('holds no instruction that only traps', () => {
    assert.doesNotMatch(text, /^\s*\(?unreachable\b/m);
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

// Guarantees that the guard of the build reports each mistake it is there for.
test('the guard reports planted mistakes', () => {
  const empty = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  const problems = guard.checkModule(
    empty,
    ' (start $~start)\n (func $~lib/rt/stub/__alloc\n  memory.grow\n',
    'release',
  );
  for (const word of ['malloc', 'abi_version', 'start section', '~lib/rt']) {
    assert.ok(
      problems.some((problem) => problem.includes(word)),
      word,
    );
  }
  // One import of env.abort; then a custom section that makes the module too large.
  const section = [0x02, 0x0d, 1, 3, ...Buffer.from('env'), 5, ...Buffer.from('abort'), 0, 0];
  const type = [0x01, 0x04, 1, 0x60, 0, 0];
  const padding = new Array(guard.MODULE_BYTES_MAX).fill(0);
  const { length: size } = padding;
  const length = [0x80 | (size & 0x7f), 0x80 | ((size >> 7) & 0x7f), size >> 14];
  const large = new Uint8Array([...empty, ...type, ...section, 0, ...length, ...padding]);
  const found = guard.checkModule(large, '', 'release').join('\n');
  assert.match(found, /env\.abort/);
  assert.match(found, /bytes, at most/);
  assert.doesNotMatch(guard.checkModule(large, '', 'test').join('\n'), /bytes, at most/);
});
