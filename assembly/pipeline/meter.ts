/**
 * The quota phase: asks the limits of the plan and says what follows from their answer.
 */
import * as reason from '../decision/reason';
import { DECISION_WOULD_DENY, Decision, MODE_ENFORCE, PHASE_QUOTA } from '../decision/record';
import { Root } from '../engine/roots';
import { engineAt } from '../engine/state';
import { LIMITS, Plan } from '../policy/layout';
import { limitAt, recordOf } from '../policy/policy';
import {
  ASK_COLD,
  ASK_EXHAUSTED,
  ASK_LOCAL,
  ASK_OK,
  ASK_PASSED,
  ASK_UNAVAILABLE,
  askAll,
  askedSlot,
  askRetryAfterS,
  askShadow,
} from '../quota/ask';
import { noteStanding } from '../quota/standing';
import { CURRENT } from './current';
import { showsFields } from './fields';
import { Held, mayHold } from './hold';
import { mediated } from './mediated';
import { deny, hold } from './outcome';

/** The subscription is good: is there quota on its plan? */
export function metered(root: Root, decision: Decision, on: Plan): u32 {
  decision.phase = PHASE_QUOTA;
  if (on.limitCount == 0) return mediated(decision, reason.ALLOWED);
  const limits = recordOf(CURRENT.policy, LIMITS, on.limitFirst);
  const stride = load<u32>(CURRENT.policy + LIMITS * 16, 8);
  const mayWait = mayWaitForQuota(root, decision);
  const enforce = decision.mode == MODE_ENFORCE;
  const answer = askAll(
    engineAt(CURRENT.engine),
    decision,
    limits,
    stride,
    on.limitCount,
    CURRENT.cost,
    mayWait,
    enforce,
    CURRENT.nowMs,
  );
  decision.retryAfterS = askRetryAfterS();
  const known = answer <= ASK_PASSED || answer == ASK_EXHAUSTED;
  if (known && showsFields(decision)) noteStandings(decision, on, answer);
  switch (answer) {
    case ASK_OK:
      return mediated(decision, shadowed(decision, reason.ALLOWED));
    case ASK_LOCAL:
      return mediated(decision, shadowed(decision, reason.QUOTA_LOCAL_SHARE));
    case ASK_PASSED:
      return mediated(decision, shadowed(decision, reason.QUOTA_UNAVAILABLE_PASSED));
    case ASK_EXHAUSTED:
      return deny(decision, reason.QUOTA_EXCEEDED);
    case ASK_COLD:
      return hold(decision, reason.QUOTA_UNAVAILABLE);
    default:
      return deny(decision, reason.QUOTA_UNAVAILABLE);
  }
}

/** Notes how the limit that denied stands, or the one of which the least is left. */
function noteStandings(decision: Decision, on: Plan, answer: u32): void {
  const denied = answer == ASK_EXHAUSTED;
  let least: f64 = 2;
  for (let i: u32 = 0; i < on.limitCount; i++) {
    if (denied && i != (decision.limitIndex as u32)) continue;
    const limit = limitAt(CURRENT.policy, on.limitFirst + i);
    least = noteStanding(decision, limit, askedSlot(i), least, CURRENT.nowMs);
  }
  // Both fields that say when to come back mean the same moment.
  if (denied) decision.resetS = decision.retryAfterS;
}

/** The reason of a request that passes: what a limit in shadow would have denied is marked. */
function shadowed(decision: Decision, why: u32): u32 {
  const shadow = askShadow();
  if (shadow != ASK_EXHAUSTED && shadow != ASK_UNAVAILABLE) return why;
  decision.flags |= DECISION_WOULD_DENY;
  return shadow == ASK_EXHAUSTED ? reason.QUOTA_EXCEEDED : reason.QUOTA_UNAVAILABLE;
}

function mayWaitForQuota(root: Root, decision: Decision): bool {
  if (decision.mode != MODE_ENFORCE || root.holdMs == 0) return false;
  const known = engineAt(CURRENT.engine);
  if (CURRENT.held == 0) return mayHold(known, decision.subscription);
  const until = changetype<Held>(CURRENT.held).quotaUntilMs;
  return until == 0 || CURRENT.nowMs < until;
}
