/**
 * The moves of the lease protocol on one holding and its window: learn, grant, fold, true-up.
 * Every move keeps `folded + out` at or below the quota unless the policy lowered the quota;
 * nothing here may ever give units back without a report that proves them unspent.
 */

import type { ReportItem } from './report.ts';
import type { HoldingRow, WindowRow } from './rows.ts';

/** What a report taught the ledger, in units but for `trueUp`. */
export interface Learned {
  /** The holding had been folded and is open again. */
  readonly trueUp: boolean;
  readonly released: number;
  /** Granted according to the holder but not to the ledger; now counted as granted. */
  readonly believed: number;
  /** The same beyond what was free: not counted, because the sum would pass the quota. */
  readonly beyondQuota: number;
}

/** True when a report by itself can be that of an honest holder. */
export function isConsistent(item: ReportItem): boolean {
  const { generation, windowId, used, released, granted, want, need } = item;
  const numbers = [generation, windowId, used, released, granted, want, need];
  if (!numbers.every((n) => Number.isSafeInteger(n) && n >= 0)) return false;
  return windowId === 0 ? granted + used + released === 0 : used + released <= granted;
}

/** A holding without units, counted as open in `window`. */
export function openHolding(window: WindowRow, holder: string, generation: number): HoldingRow {
  window.open += 1;
  return {
    window: window.row,
    holder,
    generation,
    granted: 0,
    used: 0,
    released: 0,
    denials: 0,
    folded: false,
    dueMs: null,
  };
}

/**
 * Takes a consistent report into an open or folded holding: the maximum of each counter counts,
 * so that doubled, delayed and reordered reports change nothing.
 *
 * A holder that has seen more than the ledger remembers is believed, because the ledger may have
 * lost its tail; but only up to what is free, so that a liar cannot push the sums past the quota.
 *
 * Undefined, and nothing changed, when the maxima contradict each other: the counters of an
 * honest holder never fall, so its newest report holds all maxima at once.
 */
export function learn(
  window: WindowRow,
  holding: HoldingRow,
  item: ReportItem,
  quota: number,
): Learned | undefined {
  const released = Math.max(holding.released, item.released);
  const claimed = Math.max(holding.granted, item.granted);
  const claimedUse = Math.max(holding.used, item.used);
  if (claimedUse + released > claimed) return undefined;

  const trueUp = holding.folded;
  if (trueUp) reopen(window, holding);
  const before = holding.granted - holding.released;
  const free = Math.max(0, quota - window.folded - window.out);
  const excess = claimed > holding.granted ? claimed - released - before - free : 0;
  const beyondQuota = Math.max(0, excess);
  const granted = claimed - beyondQuota;
  const used = Math.min(claimedUse, granted - released);

  const learned = {
    trueUp,
    released: released - holding.released,
    believed: granted - holding.granted,
    beyondQuota,
  };
  window.out += granted - released - before;
  window.used += used - holding.used;
  holding.granted = granted;
  holding.released = released;
  holding.used = used;
  return learned;
}

/** Adds `units`, which are free, to an open holding. */
export function grant(window: WindowRow, holding: HoldingRow, units: number): void {
  holding.granted += units;
  window.out += units;
}

/** Counts what an open holding has out as spent and keeps its counters as a tombstone. */
export function fold(window: WindowRow, holding: HoldingRow): void {
  const units = holding.granted - holding.released;
  window.folded += units;
  window.out -= units;
  window.open -= 1;
  holding.folded = true;
}

// True-up: the units count as out again; what the holder gives back then becomes free.
function reopen(window: WindowRow, holding: HoldingRow): void {
  const units = holding.granted - holding.released;
  window.folded -= units;
  window.out += units;
  window.open += 1;
  holding.folded = false;
}

/** What must hold of a window and one of its holdings after every move; cheap enough for each. */
export function holds(window: WindowRow, holding: HoldingRow): boolean {
  return (
    window.folded >= 0 &&
    window.out >= 0 &&
    window.open >= 0 &&
    window.used <= window.folded + window.out &&
    holding.released >= 0 &&
    holding.released <= holding.granted &&
    (holding.folded || (window.open > 0 && holding.granted - holding.released <= window.out))
  );
}
