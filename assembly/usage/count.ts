/**
 * Counts the request that was decided for usage, and remembers that its credential was used. Called
 * once per request, after its decision stands; a request without an engine is nobody's.
 */
import { DECISION_WOULD_DENY, Decision, MODE_SHADOW } from '../decision/record';
import { Credential } from '../directory/entry';
import { engineAt } from '../engine/state';
import { CURRENT } from '../pipeline/current';
import { countUsage, touchCredential } from './table';

/** A credential is reported again at the earliest after 2^18 ms, about four minutes. */
const TOUCH_SHIFT: u64 = 18;

/** Counts a decided request. */
export function countDecision(decision: Decision): void {
  if (CURRENT.engine == 0) return;
  const usage = engineAt(CURRENT.engine).usage;
  const shadow = (decision.flags & DECISION_WOULD_DENY) != 0;
  const mode: u32 = shadow ? MODE_SHADOW : decision.mode;
  const what = (decision.reason as u32) | (mode << 8);
  countUsage(usage, decision.subscription, decision.product, decision.operation, what);
  if (CURRENT.credential == 0) return;
  const credential = changetype<Credential>(CURRENT.credential);
  const period = ((CURRENT.nowMs >> TOUCH_SHIFT) as u32) + 1;
  if (credential.usedPeriod == period) return;
  if (touchCredential(usage, credential.id)) credential.usedPeriod = period;
}
