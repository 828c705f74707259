/**
 * Declared credentials beside those there were: whatever the order of both, each finds its own.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeclaredCredential } from '../../../host/compile/output.ts';
import { NO_RULES } from '../../../host/credential/rules.ts';
import { seededRandom } from '../../../host/quota/random.ts';
import { pairDeclared } from '../../../host/store/declared.ts';
import { type DeclaredFacts, declaredText } from '../../../host/store/tables.ts';
import { digestOf } from '../../contract/store-kit.ts';
import { seed } from '../../support/seed.ts';

process.stdout.write(`# seed ${seed} (run again with SIDEGATE_SEED=${seed})\n`);

function credential(number: number, name = `key-${number}`): DeclaredCredential {
  return {
    ...{ namespace: 'default', application: 'app', name, digest: digestOf(String(number)) },
    ...{ state: 'enabled', notBeforeMs: null, notAfterMs: null, rules: NO_RULES },
  };
}

function facts(number: number): DeclaredFacts {
  const { digest, ...rest } = credential(number);
  return { id: number, applicationId: 1, digest, text: declaredText(rest) };
}

// Guarantees that a set means the same in whichever order it is written, and that no credential
// ends or is taken for another because some came, went or moved before it.
test('each declared credential is paired with the one of its digest', () => {
  const random = seededRandom(seed);
  const some = (most: number) =>
    Array.from({ length: most }, (_, i) => i).filter(() => random() < 0.7);
  for (let round = 0; round < 300; round++) {
    const before = some(12);
    let after = some(14);
    if (round % 3 === 0) after = after.sort(() => random() - 0.5);
    const renamed = new Set(after.filter(() => random() < 0.2));
    const declared = after.map((n) => credential(n, renamed.has(n) ? 'renamed' : undefined));
    const { pairs, gone } = pairDeclared(declared, before.map(facts));
    const had = new Set(before);
    const told = pairs.map(({ credential: { name }, before: old, isEqual }) => {
      return [name, old?.id, isEqual];
    });
    const expected = declared.map(({ name }, at) => {
      const number = after[at] ?? -1;
      const isKnown = had.has(number);
      return [name, isKnown ? number : undefined, isKnown && !renamed.has(number)];
    });
    assert.deepEqual(told, expected);
    const left = before.filter((number) => !after.includes(number));
    assert.deepEqual(
      gone.map(({ id }) => id).sort((a, b) => a - b),
      left,
    );
  }
});
