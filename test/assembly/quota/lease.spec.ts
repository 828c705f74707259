/**
 * Holds the holder's arithmetic to the lease protocol: deducted first and told later, ends that are
 * never late, generations that never come back. Guarantees that no path makes a unit.
 */
import { CLOSING_BYTES, Engine } from '../../../assembly/engine/state';
import { CLOSING_MAX, HOLDINGS_MAX } from '../../../assembly/limits';
import {
  COLD_MAX,
  clearCold,
  closeAccount,
  coldAt,
  coldCount,
  findHolding,
  growHoldings,
  Holding,
  holdingAt,
  holdingCount,
  holdingSpan,
  holdingsCrowded,
  markCold,
  openAccount,
} from '../../../assembly/quota/holdings';
import {
  askHolding,
  balanceOf,
  endWindow,
  nextIsNear,
  promote,
  QUOTA_COLD,
  QUOTA_EXHAUSTED,
  QUOTA_OK,
  QUOTA_UNAVAILABLE,
  releaseAll,
  releaseIdle,
  spend,
  takeGeneration,
  takeRate,
  wanted,
} from '../../../assembly/quota/lease';
import { below, seed } from '../support/bytes';
import { newTestEngine } from '../support/engine';

const ENGINE = newTestEngine();

/** A holding of 100 units until 10,000 ms, opened under a new generation. */
function holding(owner: u64): Holding {
  const slot = openAccount(ENGINE.holdings, owner, 1, 0, 60);
  const made = changetype<Holding>(slot);
  made.generation = takeGeneration(ENGINE);
  made.windowId = 5;
  made.granted = 100;
  made.quota = 1000;
  made.endMs = 10000;
  made.useByMs = 60000;
  made.useByIntervalMs = 60000;
  return made;
}

function ended(index: u32): usize {
  return ENGINE.closing + index * CLOSING_BYTES;
}

describe('a holding', () => {
  test('is spent down to nothing and not beyond', () => {
    const one = holding(1);
    for (let i = 0; i < 20; i++) {
      expect(askHolding(ENGINE, one, 5, 100)).toBe(QUOTA_OK);
      spend(ENGINE, one, 5);
    }
    expect(balanceOf(one)).toBe(0);
    expect(askHolding(ENGINE, one, 1, 100)).toBe(QUOTA_COLD);
    one.denyUntilMs = 200;
    expect(askHolding(ENGINE, one, 1, 100)).toBe(QUOTA_EXHAUSTED);
    expect(askHolding(ENGINE, one, 1, 200)).toBe(QUOTA_COLD);
    one.unavailable = 1;
    expect(askHolding(ENGINE, one, 1, 100)).toBe(QUOTA_UNAVAILABLE);
    one.unavailable = 0;
    one.remaining = 3;
    expect(askHolding(ENGINE, one, 3, 100)).toBe(QUOTA_COLD, 'the ledger had three left');
    expect(askHolding(ENGINE, one, 4, 100)).toBe(QUOTA_EXHAUSTED);
    expect(askHolding(ENGINE, one, 1001, 300)).toBe(QUOTA_EXHAUSTED, 'dearer than the quota');
  });

  test('ends with its window, and its final counters wait for the host', () => {
    const before = ENGINE.closingCount;
    const one = holding(2);
    const generation = one.generation;
    spend(ENGINE, one, 30);
    expect(askHolding(ENGINE, one, 1, 9999)).toBe(QUOTA_OK);
    expect(askHolding(ENGINE, one, 1, 10000)).toBe(QUOTA_COLD);
    expect(one.generation).toBe(0);
    expect(one.windowId).toBe(0);
    expect(ENGINE.closingCount).toBe(before + 1);
    const final = ended(before);
    expect(load<u32>(final, 28)).toBe(generation);
    expect(load<u64>(final, 40)).toBe(30, 'used');
    expect(load<u64>(final, 48)).toBe(70, 'released: it died with its window');
    expect(load<u64>(final, 56)).toBe(100, 'granted');
  });

  test('whose last word is known ends without another', () => {
    const before = ENGINE.closingCount;
    const one = holding(3);
    spend(ENGINE, one, 100);
    one.ackUsed = 100;
    one.ackGranted = 100;
    endWindow(ENGINE, one, 10000);
    expect(ENGINE.closingCount).toBe(before);
  });

  test('gives way to the window granted ahead, and not before it begins', () => {
    const one = holding(4);
    one.nextGeneration = takeGeneration(ENGINE);
    one.nextWindowId = 6;
    one.nextGranted = 40;
    one.nextStartMs = 10010;
    one.nextEndMs = 70000;
    const next = one.nextGeneration;
    expect(askHolding(ENGINE, one, 1, 10000)).toBe(QUOTA_COLD);
    expect(nextIsNear(one, 10000)).toBe(true);
    expect(askHolding(ENGINE, one, 1, 10009)).toBe(QUOTA_COLD);
    expect(askHolding(ENGINE, one, 40, 10010)).toBe(QUOTA_OK);
    expect(one.generation).toBe(next);
    expect(one.windowId).toBe(6);
    expect(one.endMs).toBe(70000);
    expect(one.nextWindowId).toBe(0);
    expect(askHolding(ENGINE, one, 41, 10010)).toBe(QUOTA_COLD, 'nothing of the last window');
  });

  test('releases what was granted ahead for a window that it holds already', () => {
    const before = ENGINE.closingCount;
    const one = holding(5);
    one.nextGeneration = takeGeneration(ENGINE);
    one.nextWindowId = 5;
    one.nextGranted = 40;
    one.nextStartMs = 1000;
    one.nextEndMs = 70000;
    promote(ENGINE, one, 2000);
    expect(one.nextWindowId).toBe(0);
    expect(balanceOf(one)).toBe(100);
    expect(load<u64>(ended(before), 48)).toBe(40);
  });

  test('gives back at use-by what is above half a second of its rate', () => {
    const one = holding(6);
    one.rate = 20;
    expect(releaseIdle(one, 59999)).toBe(false);
    expect(releaseIdle(one, 60000)).toBe(true);
    expect(balanceOf(one)).toBe(10);
    expect(one.released).toBe(90);
    expect(releaseIdle(one, 60001)).toBe(false, 'its use-by has begun anew');
    one.useByIntervalMs = 500;
    expect(releaseIdle(one, 120000)).toBe(true);
    expect(balanceOf(one)).toBe(0, 'a scarce account keeps nothing back');
    const all = holding(7);
    releaseAll(all);
    expect(all.released).toBe(100);
    expect(balanceOf(all)).toBe(0);
  });

  test('wants what waits, what a burst shows, or thirty seconds of its rate', () => {
    const one = holding(8);
    ENGINE.ratedMs = 1000;
    expect(wanted(ENGINE, one, 1100)).toBe(1);
    one.waiting = 7;
    expect(wanted(ENGINE, one, 1100)).toBe(7);
    spend(ENGINE, one, 50);
    expect(wanted(ENGINE, one, 2000)).toBe(1500, '50 units in a second');
    expect(wanted(ENGINE, one, 1001)).toBe(15000, 'never over less than 100 ms');
    takeRate(one, 1, 100);
    expect(one.rate).toBe(50);
    expect(one.askBelow).toBe(8);
    takeRate(one, 1, 100);
    expect(one.rate).toBe(25);
    spend(ENGINE, one, 45);
    ENGINE.askSoon = 0;
    spend(ENGINE, one, 1);
    expect(ENGINE.askSoon).toBe(1);
    for (let i = 0; i < 40; i++) takeRate(one, 1, 100);
    expect(one.rate).toBe(0);
  });
});

describe('ended holdings', () => {
  test('are bounded: the oldest gives way', () => {
    for (let i: u32 = 0; i <= CLOSING_MAX; i++) {
      const one = holding(1000 + (i as u64));
      one.granted = (i as u64) + 1;
      endWindow(ENGINE, one, 20000);
      closeAccount(ENGINE.holdings, indexOf(one));
    }
    expect(ENGINE.closingCount).toBe(CLOSING_MAX);
    expect(load<u64>(ended(CLOSING_MAX - 1), 56)).toBe((CLOSING_MAX as u64) + 1);
    ENGINE.closingCount = 0;
  });
});

function indexOf(one: Holding): u32 {
  for (let i: u32 = 0; i < holdingSpan(ENGINE.holdings); i++) {
    if (holdingAt(ENGINE.holdings, i) == one) return i;
  }
  return 0xffffffff;
}

describe('the table of accounts', () => {
  test('finds each account among thousands, through growth and closing', () => {
    const engine: Engine = newTestEngine();
    seed(9);
    const count: u64 = 3000;
    for (let i: u64 = 1; i <= count; i++) {
      if (holdingsCrowded(engine.holdings)) growHoldings(engine.holdings);
      const slot = openAccount(engine.holdings, i, i % 5, 0, 60);
      expect(slot).not.toBe(0);
      changetype<Holding>(slot).granted = i;
    }
    expect(holdingCount(engine.holdings)).toBe(count as u32);
    for (let i: u64 = 1; i <= count; i++) {
      const slot = findHolding(engine.holdings, i, i % 5, 0, 60);
      expect(changetype<Holding>(slot).granted).toBe(i);
      expect(findHolding(engine.holdings, i, i % 5, 1, 60)).toBe(0, 'another partition');
      expect(findHolding(engine.holdings, i, i % 5, 0, 61)).toBe(0, 'another window');
    }
    for (let round = 0; round < 2000; round++) {
      const index = below(holdingSpan(engine.holdings));
      const one = holdingAt(engine.holdings, index);
      if (one.owner == 0) continue;
      const owner = one.owner;
      closeAccount(engine.holdings, index);
      expect(findHolding(engine.holdings, owner, owner % 5, 0, 60)).toBe(0);
    }
    for (let i: u64 = 1; i <= count; i++) {
      const slot = findHolding(engine.holdings, i, i % 5, 0, 60);
      if (slot != 0) expect(changetype<Holding>(slot).granted).toBe(i);
    }
  });

  test('has an end', () => {
    const engine: Engine = newTestEngine();
    let slot: usize = 1;
    for (let i: u64 = 1; i <= (HOLDINGS_MAX as u64) && slot != 0; i++) {
      if (holdingsCrowded(engine.holdings)) growHoldings(engine.holdings);
      slot = openAccount(engine.holdings, i, 1, 0, 60);
    }
    expect(slot).not.toBe(0);
    expect(holdingsCrowded(engine.holdings)).toBe(false, 'it grows no further');
    expect(openAccount(engine.holdings, 999999, 1, 0, 60)).toBe(0);
    expect(openAccount(engine.holdings, 5, 1, 0, 60)).not.toBe(0, 'known ones are found');
  });

  test('remembers each cold account once, up to its bound', () => {
    const engine: Engine = newTestEngine();
    for (let i: u64 = 1; i <= (COLD_MAX as u64) + 1; i++) {
      if (holdingsCrowded(engine.holdings)) growHoldings(engine.holdings);
      const slot = openAccount(engine.holdings, i, 1, 0, 60);
      expect(markCold(engine.holdings, slot)).toBe(i <= (COLD_MAX as u64));
      if (i == 1) expect(markCold(engine.holdings, slot)).toBe(true);
    }
    expect(coldCount(engine.holdings)).toBe(COLD_MAX);
    expect(coldAt(engine.holdings, 2).owner).toBe(3);
    clearCold(engine.holdings);
    expect(coldCount(engine.holdings)).toBe(0);
    const slot = findHolding(engine.holdings, 3, 1, 0, 60);
    expect(changetype<Holding>(slot).cold).toBe(0);
  });
});
