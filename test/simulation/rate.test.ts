/**
 * Fleets under a rate limit in virtual time. B6 in every one: in any interval at most burst + rate
 * × its length, whatever joins, leaves, dies, is lost, doubled or late, and whichever clock is off.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { printSeed, seed } from '../support/seed.ts';
import { type RateOutcome, type RateScenario, simulateRate } from './rate-fleet.ts';

printSeed();

type Row = Omit<RateScenario, 'seed'>;

const hundred = { quota: 100, windowSeconds: 1 };
const steady = (perSecond: number) => () => perSecond;
const equal = (holders: number, perSecond: number) =>
  Array.from({ length: holders }, () => steady(perSecond / holders));

/** Runs a row, holds it to the promise and prints what it costs. */
function run(name: string, row: Row, offset = 0): RateOutcome {
  const outcome = simulateRate({ seed: seed + offset, ...row });
  const { excess, reports, admissions } = outcome;
  assert.ok(admissions.length > 0, name);
  assert.ok(excess <= 1e-3, `seed ${seed + offset}, ${name}: ${excess} above burst + rate × time`);
  console.log(
    `# ${name}: nearest to the bound ${(-excess).toFixed(2)} units, ` +
      `${Math.round((reports / admissions.length) * 1000)} reports per 1,000 admitted`,
  );
  return outcome;
}

// Guarantees that a balanced fleet gets what it pays for, soon after it has formed.
test('balanced: under-use below 5 % after 10 s', () => {
  for (const [holders, quota] of [
    [4, 100],
    [20, 1_000],
    [60, 1_000],
  ] as const) {
    const loads = equal(holders, quota * 1.5);
    const row = { quota, windowSeconds: 1, durationMs: 30_000, loads };
    const { between } = run(`${holders} holders, ${quota} a second`, row);
    const use = between(10_000, 30_000) / (20 * quota);
    console.log(`# used ${(use * 100).toFixed(1)} %`);
    assert.ok(use >= 0.95, `seed ${seed}: ${use}`);
  }
});

// Tells, without a promise, what an equal split leaves unused under a skewed load.
test('skewed: the promise holds, and what is unused is told', () => {
  for (const hot of [0.5, 0.8, 0.97]) {
    const loads = [hot, (1 - hot) / 3, (1 - hot) / 3, (1 - hot) / 3].map((p) => steady(150 * p));
    const { between } = run(`${hot * 100} % of the load at one of 4 holders`, {
      ...{ ...hundred, durationMs: 30_000, loads },
    });
    const use = between(10_000, 30_000) / 2_000;
    console.log(`# used ${(use * 100).toFixed(1)} %`);
    assert.ok(use >= 0.25, `seed ${seed}: ${use}`);
  }
});

/** Load that comes and goes, so that shares are given, taken back and given again. */
const flickering = (holders: number, perSecond: number) =>
  Array.from({ length: holders }, (_, i) => (atMs: number) => {
    const on = Math.floor(atMs / (7_000 + 3_100 * i)) % 2 === i % 2;
    return on ? perSecond / holders : 0;
  });

const trouble = {
  loss: 0.1,
  copy: 0.1,
  delayMs: 400,
  crashPerMinute: 2,
  partitions: [[20_000, 45_000]],
  hostDown: [
    [60_000, 61_000],
    [80_000, 95_000],
  ],
} as const;

// Guarantees B6 against everything at once, for several histories.
test('joins, leaves, crashes, loss, copies, delays, partitions, restarts: never above', () => {
  for (let offset = 0; offset < 12; offset++) {
    const loads = flickering(2 + offset, 400);
    const row = { ...hundred, durationMs: 120_000, loads, faults: trouble };
    run(`trouble ${offset}`, row, offset);
  }
});

// Guarantees B6 for a burst of its own and for costs.
test('a small burst and costs of 1 to 5', () => {
  for (let offset = 0; offset < 4; offset++) {
    run(
      `burst 40 ${offset}`,
      {
        ...{ quota: 6_000, windowSeconds: 60, burst: 40, durationMs: 60_000 },
        loads: flickering(4, 200),
        cost: (random) => 1 + Math.floor(random * 5),
        faults: { ...trouble, partitions: [], hostDown: [[30_000, 31_000]] },
      },
      offset,
    );
  }
});

// Guarantees that a host that comes back does not stop those who go on.
test('a restart of the host costs holders with a share nothing', () => {
  const faults = { hostDown: [[15_000, 16_000]] } as const;
  const row = { ...hundred, durationMs: 30_000, loads: equal(4, 150), faults };
  const { between } = run('restart', row);
  const use = between(14_000, 26_000) / 1_200;
  assert.ok(use >= 0.95, `seed ${seed}: ${use}`);
});

// Guarantees that the simulation can fail: a host that forgets and gives at once is caught.
test('a host that does not learn admits too much, and the simulation says so', () => {
  const faults = { hostDown: [[10_000, 10_500]], hostDoesNotLearn: true } as const;
  const loads = [steady(200), (atMs: number) => (atMs > 10_400 ? 200 : 0)];
  const { excess } = simulateRate({ seed, ...hundred, durationMs: 20_000, loads, faults });
  assert.ok(excess > 10, `seed ${seed}: ${excess}`);
});
