/**
 * Whole fleets in virtual time: over-admission is 0 in every one, or the simulation throws; and of
 * the quota as much is used as the design promises. Each row of the table is one scenario.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seed } from '../support/seed.ts';
import { type Outcome, type Scenario, simulate } from './fleet.ts';

process.stdout.write(`# seed ${seed} (run again with SIDEGATE_SEED=${seed})\n`);

type Row = Omit<Scenario, 'seed'>;

const MINUTE = 60_000;
const minute = { windowSeconds: 60, durationMs: MINUTE };
const fiveMinutes = { windowSeconds: 300, durationMs: 5 * MINUTE };

/** Runs a row and prints what it costs. */
function run(name: string, row: Row, offset = 0): Outcome {
  const outcome = simulate({ seed: seed + offset, ...row });
  const per1000 = (count: number) => Math.round((count / outcome.requests) * 1000);
  const { operations, held, use, lost } = outcome;
  process.stdout.write(
    `# ${name}: used ${(use * 100).toFixed(2)} %, per 1,000 requests ${per1000(operations)} ` +
      `operations and ${per1000(held)} held, lost ${lost} units\n`,
  );
  return outcome;
}

/** Rows without crashes, where the whole quota, or the whole demand, must come through. */
const rows: Record<string, Row> = {
  '20 holders, 60k a minute, demand 150 %': {
    ...minute,
    holders: 20,
    quota: 60_000,
    load: () => 1_500,
  },
  '200 holders, the same': { ...minute, holders: 200, quota: 60_000, load: () => 1_500 },
  '200 holders, round trip 200 ms, hold 500 ms': {
    ...minute,
    holders: 200,
    quota: 60_000,
    load: () => 1_500,
    roundTripMs: 200,
    holdMs: 500,
  },
  '1,000 holders of 1.5 requests a second': {
    ...fiveMinutes,
    holders: 1_000,
    quota: 300_000,
    load: () => 1_500,
  },
  'roomy: 1,000 holders, one request in 10 s each': {
    ...fiveMinutes,
    holders: 1_000,
    quota: 1_000_000,
    load: () => 100,
  },
  'bursts of ten times the load, 200 holders': {
    ...minute,
    holders: 200,
    quota: 60_000,
    load: (atMs) => (atMs % 10_000 < 2_000 ? 6_250 : 312),
  },
  'scarce: 3k over 1,000 holders, demand 150 %': {
    ...fiveMinutes,
    holders: 1_000,
    quota: 3_000,
    load: () => 15,
  },
  'scarce: the same, demand 99 %': {
    ...fiveMinutes,
    holders: 1_000,
    quota: 3_000,
    load: () => 9.9,
  },
  'costs of 1 to 5, 20 holders': {
    windowSeconds: 60,
    durationMs: 2 * MINUTE,
    holders: 20,
    quota: 3_000,
    load: () => 60,
    cost: (random) => 1 + Math.floor(random * 5),
    heartbeatMs: 1_000,
  },
  'cost 5, 60 units, 20 holders': {
    windowSeconds: 60,
    durationMs: 2 * MINUTE,
    holders: 20,
    quota: 60,
    load: () => 4,
    cost: () => 5,
    heartbeatMs: 1_000,
  },
};

for (const [name, row] of Object.entries(rows)) {
  // Guarantees that exactness does not cost the consumer what it paid for.
  test(`over-admission 0 and at least 99.5 % used: ${name}`, () => {
    const { use } = run(name, row);
    assert.ok(use >= 0.995, `seed ${seed}: ${use}`);
  });
}

// Guarantees that fairness between holders does not strand a tiny quota.
test('tiny: 100 a minute over 50 holders, demand 300 %, 20 seeds', () => {
  const row = { ...minute, holders: 50, quota: 100, load: () => 5, heartbeatMs: 1_000 };
  const uses = Array.from({ length: 20 }, (_, k) => simulate({ seed: seed + k, ...row }).use);
  uses.sort((a, b) => a - b);
  const [worst = 0, median = 0] = [uses[0], uses[10]];
  process.stdout.write(`# tiny: worst of 20 seeds ${worst}, median ${median}\n`);
  assert.ok(median >= 0.9 && worst >= 0.76, `seed ${seed}: worst ${worst}, median ${median}`);
});

// Guarantees that a window's start is no stampede and its end no waste.
test('every window of a row of windows is used, with pre-grants', () => {
  const row = { holders: 20, quota: 3_000, windowSeconds: 60, durationMs: 4 * MINUTE };
  const { windows } = run('four windows', { ...row, load: () => 75, heartbeatMs: 1_000 });
  assert.equal(windows.length, 4);
  for (const { admitted } of windows) assert.ok(admitted >= 2_985, `seed ${seed}: ${admitted}`);
});

// Guarantees that windows shorter than a heartbeat are capped all the same; their use is told,
// not promised.
test('over-admission 0 in windows of a second', () => {
  const row = { holders: 4, quota: 100, windowSeconds: 1, durationMs: MINUTE };
  const { use } = run('windows of 1 s', { ...row, load: () => 150, heartbeatMs: 1_000 });
  assert.ok(use > 0.5, `seed ${seed}: ${use}`);
});

const thousandADay = {
  holders: 4,
  quota: 1_000,
  windowSeconds: 86_400,
  durationMs: 3 * MINUTE,
  load: () => 200,
  heartbeatMs: 1_000,
};

// Guarantees the number a newcomer checks first: without faults exactly the quota is admitted.
test('four holders, 1,000 a day, endless load: exactly 1,000', () => {
  assert.equal(run('1,000 a day', thousandADay).windows[0]?.admitted, 1_000);
});

// Guarantees that killing costs at most what the killed ones held.
test('four holders and a host that are killed: 1,000 less what the killed ones held', () => {
  const faults = { crashPerMinute: 5, hostDown: [[500, 3_000]] as const };
  for (let offset = 0; offset < 10; offset++) {
    const { windows, lost } = run('killed', { ...thousandADay, faults }, offset);
    const admitted = windows[0]?.admitted ?? 0;
    assert.ok(admitted >= 1_000 - lost, `seed ${seed + offset}: ${admitted}, lost ${lost}`);
  }
});

const trouble = {
  loss: 0.05,
  copy: 0.05,
  partitions: [[40_000, 100_000]],
  hostDown: [
    [20_000, 25_000],
    [150_000, 160_000],
  ],
} as const;
const troubled: Row = {
  ...fiveMinutes,
  holders: 40,
  quota: 20_000,
  load: () => 120,
  heartbeatMs: 1_000,
};

// Guarantees that holders cut off for longer than their lease, lost and doubled messages and a
// host that restarts cost no unit in the end.
test('loss, copies, partition and restarts: over-admission 0 and at least 99.5 % used', () => {
  const { use, folds } = run('trouble', { ...troubled, faults: trouble });
  assert.ok(folds > 0, 'holders were cut off for longer than their lease');
  assert.ok(use >= 0.995, `seed ${seed}: ${use}`);
});

// Guarantees B1 and B5 with everything at once.
test('the same with holders that die: over-admission 0, missing at most what they held', () => {
  for (let offset = 0; offset < 5; offset++) {
    const faults = { ...trouble, crashPerMinute: 0.3 };
    const { windows, lost } = run('trouble and death', { ...troubled, faults }, offset);
    const admitted = windows[0]?.admitted ?? 0;
    const slack = 0.005 * troubled.quota;
    assert.ok(admitted >= troubled.quota - lost - slack, `seed ${seed + offset}: ${admitted}`);
  }
});

// Guarantees that the simulation can fail: a ledger that forgets what it granted is caught.
test('a ledger that is lost over-admits, and the simulation says so', () => {
  const faults = { ledgerLost: true, hostDown: [[20_000, 21_000]] as const };
  assert.throws(() => simulate({ seed, ...thousandADay, faults }), /of 1000 in window/);
});
