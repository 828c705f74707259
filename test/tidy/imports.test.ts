/**
 * Holds the tree to the table "who may import whom" and each rule of it to a planted mistake.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkCore, checkImports, checkPurity, checkTargets, importsOf } from './imports.ts';
import { exists, listSources, read, sourceOf } from './sources.ts';

const sources = listSources();

// Guarantees that a decision cannot reach for the network, a driver or the other half unseen.
test('imports keep to the table', () => {
  assert.deepEqual(checkImports(sources), []);
});

// Guarantees that a fresh clone has everything that is imported.
test('everything imported is there', () => {
  const { dependencies, devDependencies } = JSON.parse(read('package.json'));
  const packages = new Set([...Object.keys(dependencies), ...Object.keys(devDependencies)]);
  assert.deepEqual(checkTargets(sources, exists, packages), []);
});

// Guarantees that the same input gives the same output: pure parts read no clock and no chance.
test('pure parts are pure', () => {
  assert.deepEqual(checkPurity(sources), []);
  assert.deepEqual(checkCore(sources), []);
});

// Guarantees that imports are found in every form, and none in comments and strings.
test('imports are found in every form', () => {
  const text = `
    import a from './a.ts';
    import type { B } from "../b.ts";
    import { c, type D } from 'node:fs';
    import './e.ts';
    export { f } from './f.ts';
    export * from './g.ts';
    const h = await import('./h.ts');
    // import x from './x.ts';
    const s = "import y from './y.ts'";
  `;
  const found = importsOf(sourceOf('host/cli/main.ts', text)).map(({ target }) => target);
  assert.deepEqual(found, [
    'host/cli/a.ts',
    'host/b.ts',
    'node:fs',
    'host/cli/e.ts',
    'host/cli/f.ts',
    'host/cli/g.ts',
    'host/cli/h.ts',
  ]);
});

// Guarantees that each rule reports the mistake it is there for.
test('planted mistakes are reported', () => {
  const planted: [string, string][] = [
    ['assembly/match/path.ts', '../shell/abi'],
    ['assembly/match/path.ts', '@solo-io/proxy-runtime/assembly/imports'],
    ['assembly/shell/root.ts', '@solo-io/proxy-runtime/assembly'],
    ['assembly/match/path.ts', '../index'],
    ['assembly/match/path.ts', '../../host/quota/account.ts'],
    ['host/quota/account.ts', 'node:fs'],
    ['host/quota/account.ts', '../store/ledger.ts'],
    ['host/quota/account.ts', '../../assembly/util/hash.ts'],
    ['host/resources/read.ts', 'fastify'],
    ['host/service.ts', 'node:sqlite'],
    ['host/service.ts', 'fastify'],
    ['host/http/routes/sync.ts', '../../store/sqlite/ledger.ts'],
    ['host/cli/key.ts', '../store/store.ts'],
    ['host/cli/serve.ts', '../main.ts'],
    ['host/emulator/host.ts', '../../test/fixtures/wire.ts'],
  ];
  for (const [path, target] of planted) {
    const problems = checkImports([sourceOf(path, `import { x } from '${target}';`)]);
    assert.notDeepEqual(problems, [], `${path} imports ${target}`);
  }
  const random = sourceOf('host/quota/a.ts', `import { randomBytes } from 'node:crypto';`);
  assert.equal(checkImports([random]).length, 1);
  const hash = sourceOf('host/quota/a.ts', `import { createHash } from 'node:crypto';`);
  assert.equal(checkImports([hash]).length, 0);
  assert.equal(checkPurity([sourceOf('host/quota/a.ts', 'const t = Date.now();')]).length, 1);
  assert.equal(checkCore([sourceOf('assembly/quota/a.ts', 'throw new Error();')]).length, 1);
});
