/**
 * The round over all holdings of an engine on each tick: windows that ended, units that go back at
 * their use-by, rates, and accounts that may leave. Never on the request path.
 */
import { Engine } from '../engine/state';
import {
  Account,
  closeAccount,
  growHoldings,
  Holding,
  holdingAt,
  holdingSpan,
  holdingsCrowded,
  isShare,
} from './holdings';
import {
  balanceOf,
  clearHolding,
  clearNext,
  endWindow,
  forgetRefusal,
  promote,
  releaseAll,
  releaseIdle,
  takeRate,
} from './lease';
import { clearShare, dropShare, shareAt, shareIsDone, tickShare } from './share';

/** Ticks may come quicker than rounds. */
const ROUND_MS: u64 = 50;
/** Rates are taken anew after this time. */
const RATE_MS: u64 = 500;
/** A holder asks at the latest one tick after its balance fell. */
const TICK_MS: u32 = 100;
/** An account that nobody used for this long leaves once the host knows its last word. */
const IDLE_MS: u64 = 60_000;

/** One round, if it is time for one. */
export function roundOfHoldings(engine: Engine, nowMs: u64): void {
  if (nowMs - engine.roundMs < ROUND_MS) return;
  engine.roundMs = nowMs;
  const since = nowMs - engine.ratedMs;
  const rates = since >= RATE_MS;
  if (rates) engine.ratedMs = nowMs;
  const changed = engine.termsChanged != 0;
  engine.termsChanged = 0;
  const seconds = (since as f64) * 0.001;
  const span = holdingSpan(engine.holdings);
  for (let i: u32 = 0; i < span; i++) {
    const holding = holdingAt(engine.holdings, i);
    if (holding.owner == 0) continue;
    if (isShare(holding)) {
      const share = shareAt(holding);
      if (tickShare(engine, share, nowMs)) engine.askSoon = 1;
      if (isIdle(share, nowMs) && shareIsDone(share)) closeAccount(engine.holdings, i);
      continue;
    }
    if (changed) forgetRefusal(holding);
    if (holding.windowId != 0 && nowMs >= holding.endMs) endWindow(engine, holding, nowMs);
    else promote(engine, holding, nowMs);
    if (rates) takeRate(holding, seconds, engine.roundTripMs + TICK_MS);
    if (releaseIdle(holding, nowMs)) engine.askSoon = 1;
    if (mayLeave(holding, nowMs)) closeAccount(engine.holdings, i);
  }
  if (holdingsCrowded(engine.holdings)) growHoldings(engine.holdings);
}

/** Nobody used it for long and nothing about it is under way. */
function isIdle(account: Account, nowMs: u64): bool {
  if (account.flight != 0 || account.nextFlight != 0 || account.waiting != 0) return false;
  if (account.cold != 0 || account.denyUntilMs > nowMs) return false;
  return nowMs - account.lastUseMs >= IDLE_MS;
}

function mayLeave(holding: Holding, nowMs: u64): bool {
  if (!isIdle(holding, nowMs) || holding.nextWindowId != 0) return false;
  if (holding.generation == 0) return true;
  return (
    balanceOf(holding) == 0 &&
    holding.ackUsed == holding.used &&
    holding.ackReleased == holding.released &&
    holding.ackGranted == holding.granted
  );
}

/** Gives every unit back, for the last report. */
export function releaseEverything(engine: Engine): void {
  const span = holdingSpan(engine.holdings);
  for (let i: u32 = 0; i < span; i++) {
    const holding = holdingAt(engine.holdings, i);
    if (holding.owner == 0) continue;
    if (isShare(holding)) dropShare(shareAt(holding));
    else releaseAll(holding);
  }
}

/** Drops every holding of an engine unspent: another ledger does not know them. */
export function dropHoldings(engine: Engine): void {
  const span = holdingSpan(engine.holdings);
  for (let i: u32 = 0; i < span; i++) {
    const holding = holdingAt(engine.holdings, i);
    if (holding.owner == 0) continue;
    holding.denyUntilMs = 0;
    if (isShare(holding)) {
      clearShare(shareAt(holding));
      continue;
    }
    clearHolding(holding);
    clearNext(holding);
  }
  engine.closingCount = 0;
}
