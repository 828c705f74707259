/**
 * Holds every error code to a file with that mistake and to the exact text that people read. The
 * files lie in test/fixtures/resources/bad, each with its text beside it; UPDATE_GOLDEN=1 writes
 * the texts anew, to be read before they are committed.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { InlineCompiler } from '../../../host/compile/compiler.ts';
import { digestOf } from '../../../host/credential/key.ts';
import { ERRORS } from '../../../host/resources/errors.ts';
import { explainTopic } from '../../../host/resources/explain.ts';
import { LOAD_BOUNDS, loadResources } from '../../../host/resources/load.ts';
import { mergeResources, NO_CHANGE } from '../../../host/resources/merge.ts';
import { formatProblems, type Problem } from '../../../host/resources/problem.ts';
import { openMemoryStore } from '../../../host/store/memory.ts';
import type { Store } from '../../../host/store/store.ts';

const FOLDER = new URL('../../fixtures/resources/bad/', import.meta.url);
const GOOD = new URL('../../fixtures/resources/good/', import.meta.url);
const names = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'));

function input(name: string, folder = FOLDER) {
  return { name, bytes: new Uint8Array(readFileSync(new URL(name, folder))) };
}

/** A store with a key named "taken" whose text is "taken", as the first lines of files say. */
async function storeWithKey(): Promise<Store> {
  const limits = { credentialsMax: 1 };
  const store = openMemoryStore({ storeId: new Uint8Array(16), limits });
  const [set] = readFileSync(new URL('SG1503-directory-full.yaml', FOLDER), 'utf8').split(
    'kind: Credential',
  );
  const bytes = new TextEncoder().encode(set?.replace(/---\napiVersion: \S+\n$/, ''));
  assert.deepEqual(await apply(store, 'set.yaml', bytes), []);
  const made = await store.createCredential({
    namespace: 'default',
    application: 'shop',
    name: 'taken',
    brand: 'sg',
    displayPrefix: '',
    digest: digestOf('taken'),
    notBeforeMs: null,
    notAfterMs: null,
    createdAtMs: 1,
  });
  assert.ok(made.ok);
  return store;
}

/** What applying one file comes to: its problems, those that only the store finds included. */
async function apply(store: Store, name: string, bytes: Uint8Array): Promise<readonly Problem[]> {
  const compiler = new InlineCompiler();
  const loaded = await compiler.load([{ name, bytes }], []);
  if (!loaded.ok) return loaded.problems;
  const compiled = await compiler.compile(await store.reserveIds(loaded.names));
  const { resources } = loaded;
  const outcome = await store.applyResources({ ...compiled, resources, nowMs: 1 });
  return outcome.ok ? [] : compiler.explain(outcome);
}

async function problemsOf(name: string): Promise<readonly Problem[]> {
  const { bytes } = input(name);
  const [first = ''] = Buffer.from(bytes).toString('latin1').split('\n');
  const bound = /^# bounds: (\w+) (\d+)/.exec(first);
  if (bound !== null) {
    const bounds = { ...LOAD_BOUNDS, [bound[1] ?? '']: Number(bound[2]) };
    const loaded = loadResources([{ name, bytes }], bounds);
    return loaded.ok ? [] : loaded.problems;
  }
  if (first.startsWith('# stored:')) {
    const [before = ''] = Buffer.from(bytes).toString('utf8').split('\n# new\n');
    const stored = mergeResources([], {
      ...NO_CHANGE,
      files: [{ name, bytes: Buffer.from(before) }],
    });
    assert.ok(stored.ok);
    const merged = mergeResources(stored.resources, { ...NO_CHANGE, files: [{ name, bytes }] });
    return merged.ok ? [] : merged.problems;
  }
  if (!first.startsWith('# store:')) {
    return apply(openMemoryStore({ storeId: new Uint8Array(16) }), name, bytes);
  }
  return apply(await storeWithKey(), name, bytes);
}

describe('bad files', () => {
  for (const name of names) {
    // Guarantees the whole text of every problem: place, cause, caret, fix, suggestion, topic.
    test(name, async () => {
      const problems = await problemsOf(name);
      const golden = new URL(name.replace('.yaml', '.txt'), FOLDER);
      const text = formatProblems(problems);
      if (process.env.UPDATE_GOLDEN === '1') writeFileSync(golden, text);
      assert.equal(text, readFileSync(golden, 'utf8'));
      for (const { more } of problems) {
        assert.ok(more === '' || explainTopic(more).ok, `sidegate explain ${more} says something`);
      }
      const code = name.slice(0, 6);
      assert.ok(problems.some((problem) => problem.code === code));
    });
  }
});

// Guarantees that no code is without a file, and no file without a code.
test('every code has a file', () => {
  const codes = new Set(names.map((name) => name.slice(0, 6)));
  assert.deepEqual([...codes].sort(), Object.keys(ERRORS).sort());
});

// Guarantees that the JSON form says what the text says.
test('a problem has the same fields in JSON', async () => {
  const [problem] = await problemsOf('SG1203-unknown-unit.yaml');
  assert.deepEqual(JSON.parse(JSON.stringify(problem)), {
    code: 'SG1203',
    severity: 'error',
    file: 'SG1203-unknown-unit.yaml',
    line: 7,
    column: 40,
    length: 4,
    path: 'spec.limits[0].window',
    message: 'unknown window unit "min"',
    fix: 'Use s, m (minute), h or d.',
    suggestion: '5m',
    excerpt: '    - { name: burst, quota: 5, window: 5min }',
    more: 'plan.spec.limits.window',
  });
});

// Guarantees that a key written into a file by mistake is in no message of any kind.
test('no problem of a credential shows what may be a key', async () => {
  for (const name of ['SG1210-digest.yaml', 'SG1103-key-in-a-file.yaml']) {
    const problems = await problemsOf(name);
    assert.doesNotMatch(JSON.stringify(problems) + formatProblems(problems), /0123456789abc/);
  }
});

// Guarantees that good files load, one by one where they can and all together.
test('good files have no problems', () => {
  const files = readdirSync(GOOD).map((name) => input(name, GOOD));
  const loaded = loadResources(files);
  assert.equal(loaded.ok ? '' : formatProblems(loaded.problems), '');
});
