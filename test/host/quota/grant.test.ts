/**
 * How large a grant is, how long it may lie and how long a denial lasts: the rules of sizing by
 * worked examples. That no grant passes the quota is the ledger's promise and tested there.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  denyForMs,
  grantSize,
  leaseMs,
  preGrantDue,
  ROOMY_FLOOR_MAX,
  type Supply,
  USE_BY_NORMAL_MS,
  USE_BY_ROOMY_MS,
  USE_BY_SCARCE_MS,
  useByMs,
} from '../../../host/quota/grant.ts';

function supply(parts: Partial<Supply>): Supply {
  return { quota: 1_000, free: 400, open: 4, known: 4, ...parts };
}

// Guarantees that one eager holder leaves something for the others.
test('a grant is at most half of an equal share of what is free', () => {
  assert.equal(grantSize(1_000, 1, supply({ free: 400, open: 4 })), 50);
  assert.equal(grantSize(20, 1, supply({ free: 400, open: 4 })), 20);
});

// Guarantees that the last units can be had: shares never round down to nothing.
test('what the first waiting request needs is granted while it is free', () => {
  assert.equal(grantSize(30, 5, supply({ free: 7, open: 20 })), 5);
  assert.equal(grantSize(1, 1, supply({ free: 1, open: 20 })), 1);
  assert.equal(grantSize(3, 0, supply({ free: 1, open: 20 })), 1, 'need 0 counts as 1');
  assert.equal(grantSize(2, 5, supply({ free: 400 })), 5, 'a want below the need is the need');
});

// Guarantees that units are not given out in crumbs too small for any request: with cost 5,
// 60 units and 20 holders, crumbs of 1 would leave every unit out and nothing admitted.
test('cost 5, 60 units, 20 holders: 12 holders are served, nobody gets a crumb', () => {
  let free = 60;
  const grants = Array.from({ length: 20 }, (_, index) => {
    const got = grantSize(5, 5, supply({ quota: 60, free, open: index + 1, known: 20 }));
    free -= got;
    return got;
  });
  assert.equal(free, 0);
  assert.ok(grants.every((got) => got === 0 || got === 5));
});

// Guarantees that a need which cannot be met takes nothing away from smaller ones.
test('less free than needed grants nothing', () => {
  assert.equal(grantSize(50, 5, supply({ free: 4 })), 0);
  assert.equal(grantSize(50, 1, supply({ free: 0 })), 0);
  assert.equal(grantSize(50, 1, supply({ free: -10 })), 0, 'after the quota was lowered');
});

// Guarantees that a cold holder of a roomy account asks once and not for every request.
test('a roomy account gives a useful slice to whoever asks', () => {
  assert.equal(grantSize(1, 1, supply({ free: 1_000, known: 4 })), 62);
  assert.equal(grantSize(1, 1, supply({ free: 500, known: 4 })), 1, 'half is not roomy');
  const vast = supply({ quota: 10_000_000, free: 10_000_000, known: 1 });
  assert.equal(grantSize(1, 1, vast), ROOMY_FLOOR_MAX);
});

// Guarantees that units lie idle the shorter, the fewer there are.
test('use-by follows from what is free', () => {
  assert.equal(useByMs(supply({ free: 501 })), USE_BY_ROOMY_MS);
  assert.equal(useByMs(supply({ free: 500 })), USE_BY_NORMAL_MS);
  assert.equal(useByMs(supply({ free: 20, open: 4 })), USE_BY_NORMAL_MS);
  assert.equal(useByMs(supply({ free: 19, open: 4 })), USE_BY_SCARCE_MS);
  assert.equal(useByMs(supply({ free: -5, open: 0 })), USE_BY_SCARCE_MS);
});

// Guarantees that holders of an exhausted account neither flood the host nor outlast the window.
test('a denial lasts 1, 2, 4 s with jitter and never beyond the window', () => {
  const middle = [1, 2, 3, 4, 50].map((denials) => denyForMs(denials, 1e9, 0.5));
  assert.deepEqual(middle, [1_000, 2_000, 4_000, 4_000, 4_000]);
  assert.equal(denyForMs(1, 1e9, 0), 750);
  assert.equal(denyForMs(9, 1e9, 1), 5_000);
  assert.equal(denyForMs(9, 300, 1), 300);
  assert.equal(denyForMs(9, 0, 1), 0);
});

// Guarantees that a holder is not taken for dead between two heartbeats it was told to keep.
test('a lease is three heartbeats and at least 30 s', () => {
  assert.equal(leaseMs(1_000), 30_000);
  assert.equal(leaseMs(60_000), 180_000);
});

// Guarantees that the next window is given out only to those who are about to need it.
test('a pre-grant is due shortly before the start, in windows long enough', () => {
  assert.equal(preGrantDue(2_000, 60_000, 1_000), true);
  assert.equal(preGrantDue(3_001, 60_000, 1_000), false);
  assert.equal(preGrantDue(500, 4_999, 1_000), false);
  assert.equal(preGrantDue(500, 5_000, 1_000), true);
});
