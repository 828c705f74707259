/**
 * The holder's side of limits of class rate and approximate: GCRA in its form with a level, on the
 * share that the host gave. Nothing here makes a level but time and what the host sent along; what
 * a smaller share has no room for is counted as given back and never spent.
 */
import { Engine } from '../engine/state';
import { LIMIT_APPROXIMATE, Limit, UNAVAILABLE_LOCAL_SHARE } from '../policy/layout';
import { Account, classOf } from './holdings';
import {
  QUOTA_COLD,
  QUOTA_EXHAUSTED,
  QUOTA_LOCAL,
  QUOTA_OK,
  QUOTA_UNAVAILABLE,
  QUOTA_WAIT,
} from './lease';

/** A unit in levels and bursts is 2^30, in what a report says of them 2^20. */
const UNIT_BITS: u64 = 30;
const WIRE_BITS: u64 = 10;
/** A share that nobody used for this long is given back. */
const IDLE_MS: u64 = 10_000;

/** What a holder knows of its share of one account. Levels are in units × 2^30. */
@unmanaged
export class Share extends Account {
  /** Number of the share it acts on, 0 none; its parts, for the host. */
  number: u64;
  parts: u64;
  /** Level that comes in with each millisecond, the most it can be, and how long that takes. */
  perMs: u64;
  burst: u64;
  fillMs: u64;
  level: u64;
  levelAtMs: u64;
  /** Up to here it may be acted on; no end for an approximate one. */
  validUntilMs: u64;
  /** Level given back in all. */
  given: u64;
  /** What the report under way says, and what a reply has confirmed. */
  sentNumber: u64;
  ackNumber: u64;
  sentUsed: u64;
  ackUsed: u64;
  renewMs: u64;
  /** Highest number whose level has come in; no level comes in twice. */
  highest: u64;
  /** It was given back, and the host has not yet confirmed that it knows. */
  leaving: u32;
  reserved: u32;
}

/** The share in a slot whose account is one. */
export function shareAt(account: Account): Share {
  return changetype<Share>(changetype<usize>(account));
}

/** Whole units that could be spent now, as of the last look. */
export function shareBalance(share: Share): u32 {
  return min<u64>(share.level >> UNIT_BITS, 0xffffffff) as u32;
}

/** Whether `cost` units could be spent at `nowMs`; spends nothing. */
export function askShare(engine: Engine, share: Share, limit: Limit, cost: u32, nowMs: u64): u32 {
  if (cost > share.need) share.need = cost;
  if (share.perMs == 0 && classOf(share) == LIMIT_APPROXIMATE)
    beginAlone(engine, share, limit, nowMs);
  if (share.perMs == 0) {
    if (share.denyUntilMs <= nowMs) return QUOTA_COLD;
    return share.unavailable != 0 ? QUOTA_UNAVAILABLE : QUOTA_WAIT;
  }
  const lapsed = nowMs >= share.validUntilMs;
  if (lapsed && limit.onHostUnavailable != UNAVAILABLE_LOCAL_SHARE) {
    return share.unavailable != 0 && share.denyUntilMs > nowMs ? QUOTA_UNAVAILABLE : QUOTA_COLD;
  }
  refill(share, nowMs);
  if (share.level < (cost as u64) << UNIT_BITS) return QUOTA_EXHAUSTED;
  return lapsed ? QUOTA_LOCAL : QUOTA_OK;
}

/** Spends `cost` units that `askShare` found in the same callback. */
export function spendShare(share: Share, cost: u32): void {
  share.level -= (cost as u64) << UNIT_BITS;
  share.used += cost as u64;
}

/** How full the share is, 0 … 1; 1 without one. */
export function shareFill(share: Share): f64 {
  return share.burst == 0 ? 1 : (share.level as f64) / (share.burst as f64);
}

/** Seconds until the share is full if nothing is spent, at least 1. */
export function shareFullS(share: Share): u32 {
  if (share.perMs == 0) return 1;
  return (((share.burst - share.level) / share.perMs + 999) / 1000 + 1) as u32;
}

/** Level given back in all, in the measure of reports. */
export function shareGiven(share: Share): u64 {
  return share.given >> WIRE_BITS;
}

/** Milliseconds until `cost` units can be spent, if nothing else is. */
export function shareWaitMs(share: Share, cost: u32): u64 {
  const lacking = (cost as u64) << UNIT_BITS;
  if (share.perMs == 0 || lacking <= share.level) return 0;
  return (lacking - share.level + share.perMs - 1) / share.perMs;
}

function refill(share: Share, nowMs: u64): void {
  const since = nowMs - share.levelAtMs;
  share.levelAtMs = nowMs;
  share.level =
    since >= share.fillMs ? share.burst : min(share.burst, share.level + since * share.perMs);
}

function setRate(share: Share, perMs: u64, burst: u64): void {
  share.perMs = perMs;
  share.burst = burst;
  share.fillMs = perMs == 0 ? u64.MAX_VALUE : burst / perMs + 1;
}

/** Before any word of the host: an equal split over the holders last known, full. */
function beginAlone(engine: Engine, share: Share, limit: Limit, nowMs: u64): void {
  const holders = max<u32>(engine.holders, 1) as u64;
  const windowMs = (limit.windowKind as u64) * 1000;
  const burst = max<u64>((limit.burst as u64) << UNIT_BITS, 1) / holders;
  setRate(
    share,
    max<u64>((limit.quota << UNIT_BITS) / windowMs / holders, 1),
    max<u64>(burst, (share.need as u64) << UNIT_BITS),
  );
  share.level = share.burst;
  share.levelAtMs = nowMs;
  share.validUntilMs = u64.MAX_VALUE;
  share.renewMs = 0;
}

/**
 * Takes the share that a reply tells, for a report sent at `sentMs`. An older word than the one
 * held is ignored while that one holds. A share that ran out meanwhile begins anew without level:
 * the host may have given its part to others.
 */
export function takeShare(
  share: Share,
  number: u64,
  parts: u32,
  perMs: u64,
  wireBurst: u64,
  wireStart: u64,
  validMs: u32,
  approximate: bool,
  sentMs: u64,
  nowMs: u64,
): void {
  const lapsed = nowMs >= share.validUntilMs;
  if (number < share.number && !lapsed) return;
  if (number != share.number) {
    if (share.perMs == 0 || lapsed) share.level = 0;
    else refill(share, nowMs);
    share.levelAtMs = nowMs;
    const burst = wireBurst << WIRE_BITS;
    const kept = min(share.level, burst);
    share.given += share.level - kept;
    share.level = kept;
    if (number > share.highest) share.level = min(burst, kept + (wireStart << WIRE_BITS));
    share.highest = max(share.highest, number);
    setRate(share, perMs, burst);
    share.number = number;
    share.parts = parts;
    share.validUntilMs = 0;
    share.leaving = 0;
  } else if (lapsed) {
    share.level = 0;
    share.levelAtMs = nowMs;
  }
  const until = approximate ? u64.MAX_VALUE : sentMs + leaseOf(validMs);
  share.validUntilMs = max(share.validUntilMs, until);
  share.renewMs = validMs / 3;
}

/** Never later than the host's own end. */
function leaseOf(validMs: u32): u64 {
  return (validMs as u64) - ((validMs as u64) + 999) / 1000;
}

/** Forgets a share, level and all, without a word. */
export function clearShare(share: Share): void {
  share.level = 0;
  setRate(share, 0, 0);
  share.number = 0;
  share.parts = 0;
  share.validUntilMs = 0;
}

/** Gives a share back, level and all: it can never be spent here again. */
export function dropShare(share: Share): void {
  if (share.number == 0) return;
  share.given += share.level;
  clearShare(share);
  share.leaving = 1;
}

/** One look per tick: a share that nobody uses goes back. True when there is something to tell. */
export function tickShare(engine: Engine, share: Share, nowMs: u64): bool {
  if (nowMs - share.lastUseMs >= IDLE_MS) dropShare(share);
  return shareHasNews(engine, share, nowMs);
}

/** True when it may not be acted on, unless the limit goes on without the host. */
export function shareIsOver(share: Share, nowMs: u64): bool {
  return nowMs >= share.validUntilMs;
}

/** True when a report should say something of this share. */
export function shareHasNews(engine: Engine, share: Share, nowMs: u64): bool {
  if (share.flight != 0) return false;
  const prompted = share.reportedMs < engine.promptedMs;
  if (share.denyUntilMs > nowMs && share.number == 0 && !prompted) return false;
  if (share.waiting != 0 || share.leaving != 0) return true;
  const idle = nowMs - share.lastUseMs >= IDLE_MS;
  // It asked and had to wait, or was told nothing: it asks again while it is used.
  if (share.perMs == 0) return !idle && share.denyUntilMs != 0;
  if (share.number != share.ackNumber || prompted) return true;
  return idle ? share.used != share.ackUsed : nowMs - share.reportedMs >= share.renewMs;
}

/** The host has the report that was sent. */
export function confirmShare(share: Share): void {
  share.ackNumber = share.sentNumber;
  share.ackUsed = share.sentUsed;
  if (share.number == 0 && share.sentNumber == 0) share.leaving = 0;
}

/** True when nothing is held here and the host knows all there is to know. */
export function shareIsDone(share: Share): bool {
  const idle = share.number == 0 && share.leaving == 0;
  return idle && (share.ackUsed == share.used || share.generation == 0);
}
