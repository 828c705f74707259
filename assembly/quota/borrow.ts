/**
 * The local share of a limit while the host gives no word: a part of the quota, split over the
 * holders that the host last spoke of. It needs no window of the host's: what was borrowed in any
 * two spans of a window's length that follow each other stays within the part, and so does any
 * window. What is borrowed is reported as used once the host speaks again.
 */
import { Engine } from '../engine/state';
import { Limit, LOCAL_SHARE_MAX, UNAVAILABLE_LOCAL_SHARE } from '../policy/layout';
import { Account, borrowedKind, findHolding, Holding, isShare, openAccount } from './holdings';

/**
 * What an account borrows, in a slot of its own. It lies over a `Holding` that has no window, so
 * that the round over all slots leaves it alone until `denyUntilMs`.
 */
@unmanaged
export class Borrowed extends Account {
  /** Where a `Holding` has its window: always 0. */
  noWindow: u64;
  /** Units borrowed in the span that began at `beganMs`, and in the one before it. */
  spent: u64;
  before: u64;
  beganMs: u64;
  /** Units that no holding has been charged with yet. */
  unbooked: u64;
}

/** The slot to borrow from if `cost` units may be, else 0. Borrows nothing. */
export function mayBorrow(engine: Engine, owner: u64, limit: Limit, cost: u32, nowMs: u64): usize {
  if (limit.onHostUnavailable != UNAVAILABLE_LOCAL_SHARE || engine.holders == 0) return 0;
  const kind = borrowedKind(limit.windowKind);
  const slot = openAccount(engine.holdings, owner, limit.id, 0, kind);
  if (slot == 0) return 0;
  const borrowed = changetype<Borrowed>(slot);
  roll(borrowed, spanOf(limit.windowKind), nowMs);
  const part = (limit.quota * (limit.localShare as u64)) / (LOCAL_SHARE_MAX as u64);
  const most = part / (engine.holders as u64);
  borrowed.lastUseMs = nowMs;
  borrowed.denyUntilMs = borrowed.beganMs + 2 * spanOf(limit.windowKind);
  return borrowed.spent + borrowed.before + (cost as u64) <= most ? slot : 0;
}

/** A window's length on a clock that may run fast by a thousandth. */
function spanOf(windowKind: u32): u64 {
  return (windowKind as u64) * 1001;
}

function roll(borrowed: Borrowed, spanMs: u64, nowMs: u64): void {
  const sinceMs = nowMs - borrowed.beganMs;
  if (borrowed.beganMs == 0 || sinceMs >= 2 * spanMs) {
    borrowed.beganMs = nowMs;
    borrowed.before = 0;
    borrowed.spent = 0;
  } else if (sinceMs >= spanMs) {
    borrowed.beganMs += spanMs;
    borrowed.before = borrowed.spent;
    borrowed.spent = 0;
  }
}

/**
 * Borrows `cost` units that `mayBorrow` found in the same callback. A holding with a window is
 * charged at once: granted and used, so that its balance stays and the ledger hears of it.
 */
export function borrow(slot: usize, holding: Holding, cost: u32, nowMs: u64): void {
  const borrowed = changetype<Borrowed>(slot);
  borrowed.spent += cost as u64;
  if (isShare(holding)) return;
  if (holding.windowId != 0 && nowMs < holding.endMs) charge(holding, cost as u64);
  else borrowed.unbooked += cost as u64;
}

function charge(holding: Holding, units: u64): void {
  holding.granted += units;
  holding.used += units;
}

/**
 * A holding has learned its window, which ends at `endMs` at the latest: charges it with what may
 * have been borrowed in it. Of what was borrowed longer ago no window is left to be charged.
 */
export function bookBorrowed(engine: Engine, holding: Holding, endMs: u64, nowMs: u64): void {
  const kind = borrowedKind(holding.windowKind);
  const slot = findHolding(engine.holdings, holding.owner, holding.limit, 0, kind);
  if (slot == 0) return;
  const borrowed = changetype<Borrowed>(slot);
  const lengthMs = (holding.windowKind as u64) * 1000;
  roll(borrowed, spanOf(holding.windowKind), nowMs);
  if (borrowed.lastUseMs + lengthMs >= endMs) {
    charge(holding, min(borrowed.unbooked, borrowed.spent + borrowed.before));
  }
  borrowed.unbooked = 0;
}
