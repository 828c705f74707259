/**
 * A mesh in virtual time, small enough for every run of the tests; the bench runs the one that the
 * results page speaks of.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seed } from '../support/seed.ts';
import { type MeshScenario, simulateMesh } from './mesh.ts';

process.stdout.write(`# seed ${seed} (run again with SIDEGATE_SEED=${seed})\n`);

const small: MeshScenario = {
  ...{ seed, proxies: 100, applications: 500, requestsPerSecond: 2_500 },
  ...{ windowSeconds: 40, seconds: 50, loss: 0.01, cutOff: [2, 36], deathAt: 3, restartAt: 15 },
};

// Guarantees exactness where a proxy has many accounts and each of them many proxies, with all that
// goes wrong in a mesh; and that it costs callers next to nothing of what they paid for.
test('100 proxies, 500 applications: over-admission 0 in every account', () => {
  const outcome = simulateMesh(small);
  const { use, requests, calls, folds, held } = outcome;
  process.stdout.write(`# mesh: ${JSON.stringify(outcome)}\n`);
  assert.ok(requests > 100_000 && calls > 0 && held > 0 && folds > 0);
  assert.ok(use >= 0.97, `seed ${seed}: ${use}`);
});

// Guarantees that the simulation can fail: a ledger that gives more than there is is caught.
test('a ledger that goes by another quota over-admits, and the simulation says so', () => {
  assert.throws(() => simulateMesh({ ...small, seconds: 40, laxity: 1.1 }), /seed \d+: \d+ of/);
});
