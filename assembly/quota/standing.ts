/**
 * Where a caller stands: which limit is nearest to its end, what is left of it and until when. It
 * reads holdings and never changes them.
 */
import { Decision } from '../decision/record';
import { LIMIT_ENFORCE, Limit } from '../policy/layout';
import { Holding, isShare } from './holdings';
import { shareAt, shareBalance, shareFill, shareFullS } from './share';

/** Most seconds by which the end of a window is told late: callers shall not return all at once. */
const JITTER_S_MAX: u32 = 60;

/**
 * Seconds until the window of a holding is over, told late by up to a sixteenth of its length. The
 * same account is always told the same, so that it counts down evenly.
 */
export function resetSeconds(holding: Holding, nowMs: u64): u32 {
  const leftMs = holding.endMs > nowMs ? holding.endMs - nowMs : 0;
  const jitterS = holding.hash % (1 + min<u32>(holding.windowKind >> 4, JITTER_S_MAX));
  return max<u32>(((leftMs + 999) / 1000) as u32, 1) + jitterS;
}

/**
 * Notes in the record how the limit `limit` stands whose account is at `slot`, if less of it is
 * left than `least`; answers the lesser share. What is left is what this holder has or has given
 * back untold, and what the ledger had left when it last spoke: other holders may have units beside
 * it. Of a rate it is the level of this holder's share, and until it is full again. An account of
 * which the host has not spoken yet, and a limit that is not enforced, say nothing.
 */
export function noteStanding(
  decision: Decision,
  limit: Limit,
  slot: usize,
  least: f64,
  nowMs: u64,
): f64 {
  if (slot == 0 || limit.mode != LIMIT_ENFORCE) return least;
  const holding = changetype<Holding>(slot);
  if (isShare(holding)) {
    const held = shareAt(holding);
    const part = shareFill(held);
    if (held.perMs == 0 || part >= least) return least;
    decision.shown = limit.id;
    decision.remaining = shareBalance(held);
    decision.resetS = shareFullS(held);
    return part;
  }
  if (holding.windowId == 0) return least;
  const own = holding.granted - holding.used - holding.ackReleased;
  const left = min<u64>(own + holding.remaining, limit.quota);
  const share = (left as f64) / (limit.quota as f64);
  if (share >= least) return least;
  decision.shown = limit.id;
  decision.remaining = left;
  decision.resetS = resetSeconds(holding, nowMs);
  return share;
}
