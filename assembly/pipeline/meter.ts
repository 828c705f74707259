/**
 * The quota phase: asks the limits of the plan and says what follows from their answer.
 */
import * as reason from '../decision/reason';
import { Decision, MODE_ENFORCE, PHASE_QUOTA } from '../decision/record';
import { Root } from '../engine/roots';
import { engineAt } from '../engine/state';
import { LIMITS, Plan } from '../policy/layout';
import { recordOf } from '../policy/policy';
import { ASK_COLD, ASK_EXHAUSTED, ASK_OK, ASK_PASSED, askAll, askRetryAfterS } from '../quota/ask';
import { CURRENT } from './current';
import { Held, mayHold } from './hold';
import { mediated } from './mediated';
import { deny, hold } from './outcome';

/** The subscription is good: is there quota on its plan? */
export function metered(root: Root, decision: Decision, on: Plan): u32 {
  decision.phase = PHASE_QUOTA;
  if (on.limitCount == 0) return mediated(decision, reason.ALLOWED);
  const limits = recordOf(CURRENT.policy, LIMITS, on.limitFirst);
  const stride = load<u32>(CURRENT.policy + LIMITS * 16, 8);
  const mayWait = mayWaitForQuota(root, decision.subscription);
  const enforce = root.mode == MODE_ENFORCE;
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
  switch (answer) {
    case ASK_OK:
      return mediated(decision, reason.ALLOWED);
    case ASK_PASSED:
      return mediated(decision, reason.QUOTA_UNAVAILABLE_PASSED);
    case ASK_EXHAUSTED:
      return deny(decision, reason.QUOTA_EXCEEDED);
    case ASK_COLD:
      return hold(decision, reason.QUOTA_UNAVAILABLE);
    default:
      return deny(decision, reason.QUOTA_UNAVAILABLE);
  }
}

function mayWaitForQuota(root: Root, owner: u64): bool {
  if (root.mode != MODE_ENFORCE || root.holdMs == 0) return false;
  const known = engineAt(CURRENT.engine);
  if (CURRENT.held == 0) return mayHold(known, owner);
  const until = changetype<Held>(CURRENT.held).quotaUntilMs;
  return until == 0 || CURRENT.nowMs < until;
}
