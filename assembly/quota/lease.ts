/**
 * The holder's side of the lease protocol: what a holding may spend, when it ends, what goes back.
 * Deducts first and tells later; nothing here ever makes units, only a reply of the host does.
 */

import { CLOSING_BYTES, Engine } from '../engine/state';
import { CLOSING_MAX } from '../limits';
import { Holding, holdingAt, holdingSpan } from './holdings';

/** Answers of `askHolding`. */
export const QUOTA_OK: u32 = 0;
export const QUOTA_EXHAUSTED: u32 = 1;
export const QUOTA_COLD: u32 = 2;
export const QUOTA_UNAVAILABLE: u32 = 3;
/** Answers of `askShare` besides: others must give first; the last share, without the host. */
export const QUOTA_WAIT: u32 = 4;
export const QUOTA_LOCAL: u32 = 5;

/** A pre-granted window that starts within this time is waited for. */
const NEXT_NEAR_MS: u64 = 1_000;
/** What a holder keeps at use-by: this much time of its own rate. */
const KEEP_SECONDS: f64 = 0.5;
/** A use-by at or below this says that the account is scarce: nothing is kept. */
const SCARCE_USE_BY_MS: u32 = 500;
/** A rate is never taken over less time than this. */
const RATE_LEAST_MS: u64 = 100;
/** What a holder wants: this much time of its own rate. */
const WANT_SECONDS: f64 = 30;

/** Units that may be spent now. */
export function balanceOf(holding: Holding): u64 {
  return holding.granted - holding.used - holding.released;
}

/** Whether `cost` units could be spent at `nowMs`; spends nothing. */
export function askHolding(engine: Engine, holding: Holding, cost: u32, nowMs: u64): u32 {
  if (holding.windowId != 0 && nowMs >= holding.endMs) endWindow(engine, holding, nowMs);
  else promote(engine, holding, nowMs);
  if (balanceOf(holding) >= (cost as u64)) return QUOTA_OK;
  if (holding.windowId != 0 && (cost as u64) > holding.quota) return QUOTA_EXHAUSTED;
  if (holding.denyUntilMs <= nowMs) return QUOTA_COLD;
  if (holding.unavailable != 0) return QUOTA_UNAVAILABLE;
  // What was refused may have been dearer than this request.
  const free = balanceOf(holding) + holding.remaining;
  return (cost as u64) <= free ? QUOTA_COLD : QUOTA_EXHAUSTED;
}

/** Forgets what the ledger refused, so that the next request asks: its terms may be others now. */
export function forgetRefusal(holding: Holding): void {
  if (holding.unavailable == 0) holding.denyUntilMs = 0;
  holding.quota = u64.MAX_VALUE;
}

/** Spends `cost` units that `askHolding` found in the same callback. */
export function spend(engine: Engine, holding: Holding, cost: u32): void {
  holding.used += cost as u64;
  if (holding.flight == 0 && balanceOf(holding) <= holding.askBelow) engine.askSoon = 1;
}

/** True while a held request should wait for a window granted ahead instead of asking. */
export function nextIsNear(holding: Holding, nowMs: u64): bool {
  return holding.nextWindowId != 0 && holding.nextStartMs <= nowMs + NEXT_NEAR_MS;
}

/**
 * Ends the holding of the window: what is left dies with it, and the final counters wait for the
 * host's word among the ended ones. A window granted ahead takes its place once it has begun.
 */
export function endWindow(engine: Engine, holding: Holding, nowMs: u64): void {
  if (holding.generation != 0 && holding.windowId != 0) {
    holding.released += balanceOf(holding);
    keepEnded(engine, holding);
  }
  clearHolding(holding);
  holding.denyUntilMs = 0;
  if (holding.nextWindowId != 0 && nowMs >= holding.nextStartMs) openNext(holding, nowMs);
}

/** Forgets the holding of the window now, unspent and untold. */
export function clearHolding(holding: Holding): void {
  holding.generation = 0;
  holding.windowId = 0;
  holding.granted = 0;
  holding.used = 0;
  holding.released = 0;
  holding.endMs = 0;
  holding.useByMs = 0;
  holding.flight = 0;
  holding.sentUsed = 0;
  holding.sentReleased = 0;
  holding.sentGranted = 0;
  holding.ackUsed = 0;
  holding.ackReleased = 0;
  holding.ackGranted = 0;
  holding.ratedUsed = 0;
}

/** Forgets the holding of the next window. */
export function clearNext(holding: Holding): void {
  holding.nextGeneration = 0;
  holding.nextWindowId = 0;
  holding.nextGranted = 0;
  holding.nextFlight = 0;
}

function openNext(holding: Holding, nowMs: u64): void {
  if (nowMs < holding.nextEndMs) {
    holding.generation = holding.nextGeneration;
    holding.windowId = holding.nextWindowId;
    holding.granted = holding.nextGranted;
    // What the ledger told last was of the window before.
    holding.remaining = 0;
    holding.endMs = holding.nextEndMs;
    holding.useByMs = nowMs + (holding.useByIntervalMs as u64);
  }
  clearNext(holding);
}

/**
 * Lets a begun window that was granted ahead take its place. If the window now was asked for on
 * its own meanwhile, the units granted ahead go back: they can never be spent here.
 */
export function promote(engine: Engine, holding: Holding, nowMs: u64): void {
  if (holding.nextWindowId == 0 || nowMs < holding.nextStartMs) return;
  if (holding.windowId == 0) {
    if (holding.flight == 0) openNext(holding, nowMs);
    return;
  }
  if (holding.windowId != holding.nextWindowId && nowMs < holding.nextEndMs) return;
  keepCounters(
    engine,
    holding,
    holding.nextGeneration,
    holding.nextWindowId,
    0,
    holding.nextGranted,
  );
  clearNext(holding);
}

/** Opens a holding under a generation that was never used. */
export function takeGeneration(engine: Engine): u32 {
  engine.generation++;
  return engine.generation;
}

function keepEnded(engine: Engine, holding: Holding): void {
  const confirmed =
    holding.ackUsed == holding.used &&
    holding.ackReleased == holding.released &&
    holding.ackGranted == holding.granted;
  if (confirmed) return;
  keepCounters(
    engine,
    holding,
    holding.generation,
    holding.windowId,
    holding.used,
    holding.granted,
  );
}

/** Keeps final counters until confirmed; the oldest gives way, and the ledger then folds it. */
function keepCounters(
  engine: Engine,
  holding: Holding,
  generation: u32,
  windowId: u64,
  used: u64,
  granted: u64,
): void {
  if (engine.closingCount >= CLOSING_MAX) {
    memory.copy(engine.closing, engine.closing + CLOSING_BYTES, (CLOSING_MAX - 1) * CLOSING_BYTES);
    engine.closingCount = CLOSING_MAX - 1;
  }
  const at = engine.closing + engine.closingCount * CLOSING_BYTES;
  engine.closingCount++;
  store<u64>(at, holding.owner);
  store<u64>(at, holding.limit, 8);
  store<u64>(at, holding.partition, 16);
  store<u32>(at, holding.windowKind, 24);
  store<u32>(at, generation, 28);
  store<u64>(at, windowId, 32);
  store<u64>(at, used, 40);
  store<u64>(at, granted - used, 48);
  store<u64>(at, granted, 56);
  store<u64>(at, 0, 64);
}

/** Gives back at use-by what is not needed soon; true when something was given back. */
export function releaseIdle(holding: Holding, nowMs: u64): bool {
  if (holding.windowId == 0 || nowMs < holding.useByMs) return false;
  const balance = balanceOf(holding);
  let keep: u64 = 0;
  if (holding.useByIntervalMs > SCARCE_USE_BY_MS) keep = (holding.rate * KEEP_SECONDS) as u64;
  holding.useByMs = nowMs + (holding.useByIntervalMs as u64);
  if (balance <= keep) return false;
  holding.released += balance - keep;
  return true;
}

/** Gives back everything; for the last report of an engine. */
export function releaseAll(holding: Holding): void {
  if (holding.windowId != 0) holding.released += balanceOf(holding);
}

/** Takes the rate anew; `seconds` since the last time. */
export function takeRate(holding: Holding, seconds: f64, roundTripMs: u32): void {
  const spent = (holding.used - holding.ratedUsed) as f64;
  holding.ratedUsed = holding.used;
  const latest = spent / seconds;
  holding.rate = holding.rate > 0 ? holding.rate * 0.5 + latest * 0.5 : latest;
  if (holding.rate < 0.001) holding.rate = 0;
  holding.askBelow = Math.ceil(holding.rate * 1.5 * (roundTripMs as f64) * 0.001) as u64;
}

/**
 * Units the holder would like now: at least what waits, else 30 s of its rate. What was spent since
 * the rate was last taken counts too, so that a burst on a cold account does not ask unit by unit.
 */
export function wanted(engine: Engine, holding: Holding, nowMs: u64): u64 {
  const since = max<u64>(nowMs - engine.ratedMs, RATE_LEAST_MS);
  const latest = (((holding.used - holding.ratedUsed) as f64) * 1000) / (since as f64);
  const coming = Math.ceil(max<f64>(holding.rate, latest) * WANT_SECONDS) as u64;
  return max<u64>(max<u64>(holding.waiting, coming), 1);
}

/** Forgets that accounts are on their way in a call of this kind, which will not be answered. */
export function clearFlights(engine: Engine, kind: u32): void {
  const mark = (kind + 1) as u8;
  const span = holdingSpan(engine.holdings);
  for (let i: u32 = 0; i < span; i++) {
    const holding = holdingAt(engine.holdings, i);
    if (holding.flight == mark) holding.flight = 0;
    if (holding.nextFlight == mark) holding.nextFlight = 0;
  }
  for (let i: u32 = 0; i < engine.closingCount; i++) {
    const flight = engine.closing + i * CLOSING_BYTES + 64;
    if (load<u32>(flight) == (mark as u32)) store<u32>(flight, 0);
  }
}
