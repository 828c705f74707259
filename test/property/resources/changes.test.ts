/**
 * What every change of resources promises, over random sets: what was shown is what happens, doing
 * it again is nothing, what is exported is what is there, and every revision can be gone back to.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { keyOf, type ResourceDiff } from '../../../host/resources/diff.ts';
import type { CanonicalResource } from '../../../host/resources/load.ts';
import { mergeResources, NO_CHANGE } from '../../../host/resources/merge.ts';
import { formatProblems } from '../../../host/resources/problem.ts';
import { resourcesYaml } from '../../../host/resources/yaml.ts';
import { printSeed } from '../../support/seed.ts';
import { TrialHost } from '../../support/trial-host.ts';
import { sets } from './sets.ts';

printSeed();

type Files = readonly { readonly name: string; readonly text: string }[];

function changeOf(files: Files, prune: boolean) {
  const inputs = files.map(({ name, text }) => ({ name, bytes: Buffer.from(text) }));
  return { ...NO_CHANGE, files: inputs, prune };
}

function merged(stored: readonly CanonicalResource[], files: Files, prune = true) {
  const outcome = mergeResources(stored, changeOf(files, prune));
  assert.ok(outcome.ok, outcome.ok ? '' : formatProblems(outcome.problems));
  return outcome;
}

/** What a diff says happens, done by hand to the keys of a set. */
function done(stored: readonly CanonicalResource[], diff: readonly ResourceDiff[]): string[] {
  const keys = new Set(stored.map(keyOf));
  for (const each of diff) {
    assert.equal(keys.has(keyOf(each)), each.action !== 'create', `${each.action} ${keyOf(each)}`);
    if (each.action === 'create') keys.add(keyOf(each));
    if (each.action === 'delete') keys.delete(keyOf(each));
  }
  return [...keys].sort();
}

// Guarantees that a diff is the whole truth: it names what comes, goes and differs, and once it was
// applied nothing is left to differ.
test('a diff that was applied leaves no difference', () => {
  fc.assert(
    fc.property(sets, sets, fc.boolean(), (first, second, prune) => {
      const before = merged([], first).resources;
      const change = merged(before, second, prune);
      assert.deepEqual(change.resources.map(keyOf).sort(), done(before, change.diff));
      assert.deepEqual(merged(change.resources, second, prune).diff, []);
      const touched = new Set(change.diff.map(keyOf));
      const texts = new Map(change.resources.map((each) => [keyOf(each), each.text]));
      for (const each of before) {
        if (!touched.has(keyOf(each))) assert.equal(texts.get(keyOf(each)), each.text);
      }
      if (!prune) assert.ok(change.diff.every(({ action }) => action !== 'delete'));
    }),
    { numRuns: 200 },
  );
});

// Guarantees that a set survives the way through a file, whatever its texts are.
test('what is exported is what is there', () => {
  fc.assert(
    fc.property(sets, (files) => {
      const { resources } = merged([], files);
      const exported = [{ name: 'all.yaml', text: resourcesYaml(resources) }];
      assert.deepEqual(merged(resources, exported).diff, []);
      const sorted = (all: readonly CanonicalResource[]) =>
        all.map((r) => keyOf(r) + r.text).sort();
      assert.deepEqual(sorted(merged([], exported).resources), sorted(resources));
    }),
    { numRuns: 100 },
  );
});

// Guarantees that every revision can be gone back to: all of it but what was taken away since.
test('a rollback leads to the older set', async () => {
  const taken = /^(Credential|Subscription)\//;
  await fc.assert(
    fc.asyncProperty(
      fc.array(sets, { minLength: 2, maxLength: 4 }),
      fc.nat(),
      async (steps, at) => {
        await using host = await TrialHost.start();
        const by = { name: 'test', role: 'admin', namespaces: [] } as const;
        const options = { by, cause: 'apply' };
        const past: { revision: number; resources: Map<string, string> }[] = [];
        const held = async () =>
          new Map((await host.store.resources()).map((each) => [keyOf(each), each.text]));
        for (const files of steps) {
          const outcome = await host.catalogue.apply(changeOf(files, true), options);
          assert.ok(outcome.ok);
          past.push({ revision: outcome.revision, resources: await held() });
        }
        const wanted = past[at % past.length];
        const current = await held();
        assert.ok(wanted !== undefined);
        const back = await host.catalogue.rollback(wanted.revision, options);
        // A subscription may stay away, and take nothing with it: nothing refers to one.
        assert.ok(back.ok, back.ok ? '' : back.message);
        const now = await held();
        for (const [key, text] of wanted.resources) {
          if (!taken.test(key)) assert.equal(now.get(key), text, key);
          if (key.startsWith('Credential/') && !current.has(key)) assert.ok(!now.has(key), key);
        }
        for (const key of now.keys()) assert.ok(wanted.resources.has(key), key);
        const again = await host.catalogue.rollback(wanted.revision, options);
        assert.ok(again.ok && again.count === 0);
      },
    ),
    { numRuns: 25 },
  );
});
