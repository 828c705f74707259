/**
 * A change worked out near itself against the same change worked out over the whole set: both find
 * problems or neither, both make the same difference, and what the first leaves in the store is
 * what the second would have left.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { InlineCompiler } from '../../../host/compile/compiler.ts';
import { HeldSet } from '../../../host/resources/held.ts';
import { type CanonicalResource, LOAD_BOUNDS, readFiles } from '../../../host/resources/load.ts';
import { mergeResources, NO_CHANGE } from '../../../host/resources/merge.ts';
import { printSeed } from '../../support/seed.ts';
import { TrialHost } from '../../support/trial-host.ts';
import { sets } from './sets.ts';

printSeed();

type Files = readonly { readonly name: string; readonly text: string }[];

const masks = fc.array(fc.nat(5), { minLength: 40, maxLength: 40 });

/** Some files of a set and the removal of some resources: often with a problem. */
function changeOf(files: Files, stored: readonly CanonicalResource[], mask: readonly number[]) {
  const chosen = files.filter((_, index) => mask[index % 40] !== 0);
  return {
    ...NO_CHANGE,
    files: chosen.map(({ name, text }) => ({ name, bytes: Buffer.from(text) })),
    remove: stored.filter((_, index) => mask[(7 * index + 3) % 40] === 1),
    prune: mask[39] === 5,
  };
}

const ALL = { ...NO_CHANGE, prune: true };

function wholeOf(files: Files): readonly CanonicalResource[] {
  const inputs = files.map(({ name, text }) => ({ name, bytes: Buffer.from(text) }));
  const made = mergeResources([], { ...ALL, files: inputs });
  assert.ok(made.ok);
  return made.resources;
}

// Guarantees that nothing is allowed, refused or done because only what is near was looked at.
test('a change near itself is refused, and differs, as over the whole set', () => {
  let [allowed, refused] = [0, 0];
  fc.assert(
    fc.property(sets, sets, masks, (first, second, mask) => {
      const stored = new HeldSet(wholeOf(first));
      const change = changeOf(second, stored.all(), mask);
      const read = readFiles(change.files, LOAD_BOUNDS);
      const whole = mergeResources(stored.all(), change, read);
      const near = mergeResources(stored.near(read, change), change, read);
      assert.equal(near.ok, whole.ok);
      assert.deepEqual(near.reach, whole.reach);
      if (!near.ok || !whole.ok) refused += 1;
      else {
        allowed += 1;
        assert.deepEqual(near.diff, whole.diff);
      }
    }),
    { numRuns: 150 },
  );
  assert.ok(allowed > 10 && refused > 10, `${allowed} were allowed, ${refused} refused`);
});

/** Compiles all that is stored anew; answers whether that changed anything. */
async function compiledAnew({ store }: TrialHost): Promise<boolean> {
  const compiler = new InlineCompiler();
  const stored = (await store.resources()) as readonly CanonicalResource[];
  const known = (await store.groups()).map(({ group }) => group);
  const merged = await compiler.merge(stored, NO_CHANGE, known);
  assert.ok(merged.ok);
  const compiled = await compiler.compile(await store.reserveIds(merged.names));
  const outcome = await store.applyResources({ ...compiled, resources: stored, nowMs: 1 });
  assert.ok(outcome.ok);
  return outcome.changed;
}

// Guarantees that proxies get from many small changes what they would get from the whole set.
test('what changes leave in the store is what compiling all of it makes', async () => {
  const steps = fc.array(fc.tuple(sets, masks), { minLength: 2, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(steps, async (changes) => {
      await using host = await TrialHost.start();
      const by = { name: 'test', role: 'admin', namespaces: [] } as const;
      await host.catalogue.start();
      for (const [files, mask] of changes) {
        const stored = (await host.store.resources()) as readonly CanonicalResource[];
        const change = changeOf(files, stored, mask);
        // A key that was made here follows its application wherever that goes.
        const application = stored.find(({ kind }) => kind === 'Application')?.name;
        if (application !== undefined) await host.createKey(application);
        await host.catalogue.apply(change, { by, cause: 'apply' });
        assert.equal(await compiledAnew(host), false);
      }
    }),
    { numRuns: 15 },
  );
});
