/**
 * Asks every limit of a plan first, then takes from all or from none: one thread, so nobody can
 * come between. Names the first limit that denies. It spends; it never calls the host.
 */
import { DECISION_LIMITS, Decision } from '../decision/record';
import { Engine } from '../engine/state';
import { LIMITS_PER_PLAN_MAX } from '../limits';
import { LIMIT_ENFORCE, LIMIT_OFF, Limit, UNAVAILABLE_ALLOW } from '../policy/layout';
import { ACCOUNTS_FULL, noteEvent } from '../telemetry/events';
import { borrow, mayBorrow } from './borrow';
import { Holding, isShare, kindOf, markCold, openAccount } from './holdings';
import {
  askHolding,
  balanceOf,
  nextIsNear,
  QUOTA_COLD,
  QUOTA_EXHAUSTED,
  QUOTA_LOCAL,
  QUOTA_OK,
  QUOTA_UNAVAILABLE,
  QUOTA_WAIT,
  spend,
} from './lease';
import { askShare, shareAt, shareBalance, shareWaitMs, spendShare } from './share';
import { resetSeconds } from './standing';

/**
 * Answers of `askAll`, the stronger ones last: a refusal by the ledger needs no waiting; then what
 * has no answer; then what must wait. `ASK_PASSED` = a limit had no word from the host and lets
 * pass, `ASK_LOCAL` = it goes on with its local share.
 */
export const ASK_OK: u32 = 0;
export const ASK_LOCAL: u32 = 1;
export const ASK_PASSED: u32 = 2;
export const ASK_COLD: u32 = 3;
export const ASK_UNAVAILABLE: u32 = 4;
export const ASK_EXHAUSTED: u32 = 5;

const SLOTS: usize = memory.data(LIMITS_PER_PLAN_MAX * 4, 4);
const RESULTS: usize = memory.data(LIMITS_PER_PLAN_MAX, 4);
const BORROWED: usize = memory.data(LIMITS_PER_PLAN_MAX * 4, 4);

/** Seconds until the limit that denied may let pass again, at least 1. */
let retryAfterS: u32 = 0;

/** What the limits in shadow answered last; it never changes what `askAll` answers. */
let shadow: u32 = ASK_OK;

/** What the limits in shadow would have answered, `ASK_COLD` for what is not known yet. */
export function askShadow(): u32 {
  return shadow;
}

/** For the denial found last: whole seconds, at least 1. */
export function askRetryAfterS(): u32 {
  return retryAfterS;
}

/**
 * Asks `count` limits at `limits` (records `stride` bytes apart) for `cost` units each, for the
 * subscription of the decision. With `mayHold` a cold account answers `ASK_COLD` and waits for the
 * urgent call; without, it counts as a host that is not available. Spends only on `ASK_OK`,
 * `ASK_LOCAL` and `ASK_PASSED`. In `enforce` = false (shadow) whatever can be spent is spent.
 */
export function askAll(
  engine: Engine,
  decision: Decision,
  limits: usize,
  stride: u32,
  count: u32,
  cost: u32,
  mayHold: bool,
  enforce: bool,
  nowMs: u64,
): u32 {
  const asked = min(count, LIMITS_PER_PLAN_MAX);
  decision.limits = asked as u8;
  let answer = ASK_OK;
  shadow = ASK_OK;
  for (let i: u32 = 0; i < asked; i++) {
    const limit = limits + i * stride;
    let result = askOne(engine, decision, limit, cost, i, nowMs);
    store<u32>(BORROWED + i * 4, 0);
    if (enforce && isSilent(result, mayHold)) {
      const slot = mayBorrow(engine, decision.subscription, changetype<Limit>(limit), cost, nowMs);
      store<u32>(BORROWED + i * 4, slot as u32);
      if (slot != 0) result = QUOTA_LOCAL;
    }
    store<u8>(RESULTS + i, result as u8);
    if (changetype<Limit>(limit).mode == LIMIT_OFF) continue;
    const inShadow = changetype<Limit>(limit).mode != LIMIT_ENFORCE;
    const found = answerFor(limit, result, mayHold || inShadow);
    if (found <= (inShadow ? shadow : answer)) continue;
    if (inShadow) shadow = found;
    else answer = found;
    // A denial is named before what only would have been one.
    const first = inShadow ? found > ASK_COLD && found > answer : shadow <= ASK_COLD;
    if (first || (!inShadow && found > ASK_PASSED)) name(decision, limit, i, cost, nowMs);
  }
  if (answer != ASK_EXHAUSTED) waitAll(engine, asked, cost, nowMs);
  if (answer <= ASK_PASSED || !enforce) takeAll(engine, decision, asked, cost, nowMs);
  return answer;
}

/** The account of limit `index` of those asked last, or 0. */
export function askedSlot(index: u32): usize {
  return load<u32>(SLOTS + index * 4);
}

function askOne(
  engine: Engine,
  decision: Decision,
  limit: usize,
  cost: u32,
  i: u32,
  nowMs: u64,
): u32 {
  store<u32>(SLOTS + i * 4, 0);
  if (changetype<Limit>(limit).mode == LIMIT_OFF) return QUOTA_OK;
  const slot = openAccount(
    engine.holdings,
    decision.subscription,
    changetype<Limit>(limit).id,
    0,
    kindOf(changetype<Limit>(limit).windowKind, changetype<Limit>(limit).class),
  );
  if (slot == 0) {
    noteEvent(ACCOUNTS_FULL, decision.subscription);
    return QUOTA_UNAVAILABLE;
  }
  store<u32>(SLOTS + i * 4, slot as u32);
  const holding = changetype<Holding>(slot);
  holding.lastUseMs = nowMs;
  if ((cost as u64) > changetype<Limit>(limit).quota) return QUOTA_EXHAUSTED;
  const result = isShare(holding)
    ? askShare(engine, shareAt(holding), changetype<Limit>(limit), cost, nowMs)
    : askHolding(engine, holding, cost, nowMs);
  const at = changetype<usize>(decision) + DECISION_LIMITS + i * 8;
  const before = unitsLeft(holding);
  store<u32>(at, before);
  store<u32>(at, before, 4);
  return result;
}

/** The host gives no word, and nothing more is waited for. */
function isSilent(result: u32, mayHold: bool): bool {
  return result == QUOTA_UNAVAILABLE || (result == QUOTA_COLD && !mayHold);
}

/** Units left at this holder, as far as 32 bits hold them. */
function unitsLeft(holding: Holding): u32 {
  if (isShare(holding)) return shareBalance(shareAt(holding));
  return min<u64>(balanceOf(holding), 0xffffffff) as u32;
}

function answerFor(limit: usize, result: u32, mayHold: bool): u32 {
  if (result == QUOTA_OK) return ASK_OK;
  if (result == QUOTA_LOCAL) return ASK_LOCAL;
  if (result == QUOTA_EXHAUSTED) return ASK_EXHAUSTED;
  if ((result == QUOTA_COLD || result == QUOTA_WAIT) && mayHold) return ASK_COLD;
  // The host has answered: all of the rate is with others, for the moment.
  if (result == QUOTA_WAIT) return ASK_EXHAUSTED;
  return changetype<Limit>(limit).onHostUnavailable == UNAVAILABLE_ALLOW
    ? ASK_PASSED
    : ASK_UNAVAILABLE;
}

function name(decision: Decision, limit: usize, index: u32, cost: u32, nowMs: u64): void {
  decision.limit = changetype<Limit>(limit).id;
  decision.limitIndex = index as u8;
  retryAfterS = 1;
  const slot = load<u32>(SLOTS + index * 4) as usize;
  if (slot == 0) return;
  const holding = changetype<Holding>(slot);
  if (isShare(holding)) {
    retryAfterS = max<u32>(((shareWaitMs(shareAt(holding), cost) + 999) / 1000) as u32, 1);
    return;
  }
  if (load<u8>(RESULTS + index) == QUOTA_EXHAUSTED && holding.endMs > holding.denyUntilMs) {
    retryAfterS = resetSeconds(holding, nowMs);
  } else if (holding.denyUntilMs > nowMs) {
    retryAfterS = ((holding.denyUntilMs - nowMs + 999) / 1000) as u32;
  }
}

function waitAll(engine: Engine, count: u32, cost: u32, nowMs: u64): void {
  for (let i: u32 = 0; i < count; i++) {
    const result = load<u8>(RESULTS + i) as u32;
    if (result == QUOTA_COLD || result == QUOTA_WAIT) wait(engine, i, cost, nowMs);
  }
}

function wait(engine: Engine, index: u32, cost: u32, nowMs: u64): void {
  const slot = load<u32>(SLOTS + index * 4) as usize;
  const holding = changetype<Holding>(slot);
  if (isShare(holding)) {
    holding.waiting = 1;
    if (holding.flight != 0 || holding.denyUntilMs > nowMs) return;
    if (markCold(engine.holdings, slot)) engine.urgentDue = 1;
    return;
  }
  if (holding.waiting == 0) {
    const balance = balanceOf(holding);
    holding.need = cost > (balance as u32) ? cost - (balance as u32) : 1;
  }
  holding.waiting += cost as u64;
  if (holding.flight != 0 || nextIsNear(holding, nowMs)) return;
  if (markCold(engine.holdings, slot)) engine.urgentDue = 1;
}

function takeAll(engine: Engine, decision: Decision, count: u32, cost: u32, nowMs: u64): void {
  for (let i: u32 = 0; i < count; i++) {
    const slot = load<u32>(SLOTS + i * 4) as usize;
    const result = load<u8>(RESULTS + i) as u32;
    if (slot == 0 || (result != QUOTA_OK && result != QUOTA_LOCAL)) continue;
    const holding = changetype<Holding>(slot);
    const borrowed = load<u32>(BORROWED + i * 4) as usize;
    if (borrowed != 0) borrow(borrowed, holding, cost, nowMs);
    else if (isShare(holding)) spendShare(shareAt(holding), cost);
    else spend(engine, holding, cost);
    const at = changetype<usize>(decision) + DECISION_LIMITS + i * 8;
    store<u32>(at, unitsLeft(holding), 4);
  }
}
