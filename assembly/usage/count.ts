/**
 * Counts the request that was decided for usage, and remembers that its credential was used. Called
 * once per request, after its decision stands; a request without an engine is nobody's.
 */
import { DECISION_MEASURED, DECISION_WOULD_DENY, Decision, MODE_SHADOW } from '../decision/record';
import { Credential } from '../directory/entry';
import { engineAt } from '../engine/state';
import { CURRENT } from '../pipeline/current';
import { PRODUCT_RESPONSES, Product } from '../policy/layout';
import { countUsage, touchCredential } from './table';

/** A credential is reported again at the earliest after 2^18 ms, about four minutes. */
const TOUCH_SHIFT: u64 = 18;

/** Counts a decided request. */
export function countDecision(decision: Decision): void {
  if (CURRENT.engine == 0) return;
  const usage = engineAt(CURRENT.engine).usage;
  const what = whatOf(decision);
  countUsage(usage, decision.subscription, decision.product, decision.operation, what);
  if (CURRENT.product != 0) {
    const flags = changetype<Product>(CURRENT.product).flags;
    if ((flags & PRODUCT_RESPONSES) != 0) decision.flags |= DECISION_MEASURED;
  }
  if (CURRENT.credential == 0) return;
  const credential = changetype<Credential>(CURRENT.credential);
  const period = ((CURRENT.nowMs >> TOUCH_SHIFT) as u32) + 1;
  if (credential.usedPeriod == period) return;
  if (touchCredential(usage, credential.id)) credential.usedPeriod = period;
}

function whatOf(decision: Decision): u32 {
  const shadow = (decision.flags & DECISION_WOULD_DENY) != 0;
  const mode: u32 = shadow ? MODE_SHADOW : decision.mode;
  return (decision.reason as u32) | (mode << 8);
}

/** Upper bounds of the buckets of latency in milliseconds; what is above the last has its own. */
const BOUNDS_MS: usize = memory.data<u16>([5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10000]);
const BOUNDS: u32 = 10;
/** Stands for the status class of a stream that ended without a response. */
const NO_RESPONSE: u32 = 9;

/** Counts the response of a stream that is over: `status` 0 = it never came. */
export function countResponse(at: usize, decision: Decision, status: u32, nowMs: u64): void {
  const known = status >= 100 && status < 600;
  const took = nowMs - decision.decidedMs;
  let bucket: u32 = 0;
  while (bucket < BOUNDS && took > (load<u16>(BOUNDS_MS + bucket * 2) as u64)) bucket++;
  const measured = ((known ? status / 100 : NO_RESPONSE) << 16) | (bucket << 24);
  const what = whatOf(decision) | measured;
  countUsage(at, decision.subscription, decision.product, decision.operation, what);
}
