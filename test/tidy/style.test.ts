/**
 * Holds every source file to the rules of form, and each rule to a planted mistake: a rule that
 * finds nothing anywhere would guard nothing.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { functionsOf } from './functions.ts';
import { listFiles, listSources, read, sourceOf } from './sources.ts';
import * as style from './style.ts';

const sources = listSources();
const TEXT = /\.(ts|mjs|js|json|md|ya?ml|txt|py|sh|lua|pml|html|css)$|^\.ci\/|^\.\w+$/;

// Guarantees that a reader can take in a file, a function and a line at a glance.
test('files, functions and lines stay within their bounds', () => {
  assert.deepEqual(
    [
      ...style.checkFileSizes(sources),
      ...style.checkFunctionSizes(sources),
      ...style.checkLineWidths(sources),
    ],
    [],
  );
});

// Guarantees that every file says what it is for before it says anything else.
test('every source file begins with a paragraph', () => {
  assert.deepEqual(style.checkHeaders(sources), []);
});

// Guarantees one word per thing, so that a search for the word finds the thing.
test('names keep to the words of the project', () => {
  assert.deepEqual(style.checkModuleNames(listFiles()), []);
  assert.deepEqual(style.checkIdentifiers(sources), []);
});

// Guarantees that what is left to do is written down where it is seen.
test('no unfinished work without an issue', () => {
  assert.deepEqual(style.checkUnfinished(sources), []);
});

// Guarantees that the tree builds anywhere: no package index, no path of one machine.
test('nothing names a package index or a path of one machine', () => {
  const files = listFiles().filter((path) => TEXT.test(path));
  assert.deepEqual(style.checkPrivacy(new Map(files.map((path) => [path, read(path)]))), []);
});

// Guarantees that the size rules see functions of every form and are not fooled by literals.
test('functions are found and measured', () => {
  const body = '  work();\n'.repeat(3);
  const text = [
    `function plain<T>(a: T): { b: number } {\n${body}}`,
    `const arrow = async (a: string) => {\n${body}};`,
    `class C {\n  method(a = '{'): u32 {\n${body}  }\n}`,
    `if (a) {\n${body}}`,
    `describe('x', () => {\n  test('y', () => {\n${body}  });\n});`,
    'const t = `a $' + '{b.map((c) => {\n  return c;\n})} {`;',
    'const r = /[{"]/.test(x) ? { a: 1 } : { b: 2 };',
  ].join('\n');
  const found = functionsOf(sourceOf('a.ts', text)).map(({ name, lines }) => `${name} ${lines}`);
  assert.deepEqual(found, ['plain 5', 'arrow 5', 'method 5', 'anonymous 5', 'anonymous 3']);
});

// Guarantees that each rule of form reports the mistake it is there for.
test('planted mistakes are reported', () => {
  const long = sourceOf('a.ts', `function f() {\n${'x();\n'.repeat(400)}}\n`);
  assert.match(style.checkFileSizes([long]).join(), /a\.ts:1 {2}402 lines/);
  assert.match(style.checkFunctionSizes([long]).join(), /f has 402 lines/);
  assert.match(style.checkHeaders([long]).join(), /begins with no paragraph/);
  assert.match(style.checkLineWidths([sourceOf('a.ts', 'x'.repeat(101))]).join(), /wider/);
  const literal = sourceOf('a.ts', `a();\nf('${'x'.repeat(100)}');`);
  assert.deepEqual(style.checkLineWidths([literal]), []);
  const unfinished = sourceOf('a.ts', `// ${'TO'}DO: later\n// ${'TO'}DO(#12) known\n`);
  assert.equal(style.checkUnfinished([unfinished]).length, 1);
  assert.equal(
    style.checkModuleNames([
      'assembly/util/a.ts',
      'host/client.ts',
      'host/info/a.ts',
      'host/http-client.ts',
    ]).length,
    2,
  );
  assert.match(style.checkIdentifiers([sourceOf('a.ts', 'let whitelist = 1')]).join(), /not used/);
  const paths = new Map([['a.md', `see ${'/ho'}me/someone/x`]]);
  assert.match(style.checkPrivacy(paths).join(), /path of one machine/);
  const index = new Map([['a.md', `from ${['pypi', 'org'].join('.')}`]]);
  assert.match(style.checkPrivacy(index).join(), /package index/);
});
