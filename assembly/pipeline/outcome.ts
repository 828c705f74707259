/**
 * How the phases of a request end: it passes, it is denied, or it waits for what is not there yet.
 * It writes the reason down; it decides none of the phases.
 */
import { CHOICE_ALLOW } from '../bootstrap/bootstrap';
import * as reason from '../decision/reason';
import { Decision, MODE_ENFORCE } from '../decision/record';
import { Root } from '../engine/roots';
import { engineAt } from '../engine/state';
import { CURRENT } from './current';
import { editsOverflowed } from './edits';
import { Held, mayHold } from './hold';

/** Outcomes of a decision. */
export const OUTCOME_PASS: u32 = 0;
export const OUTCOME_DENY: u32 = 1;
export const OUTCOME_HOLD: u32 = 2;
/** No end yet: the address of the caller is asked for, which costs a call into the proxy. */
export const OUTCOME_LOCATE: u32 = 3;
/** No end yet: the proxy is asked who calls, which costs calls into it. */
export const OUTCOME_ASK: u32 = 4;
/** No end yet: it has a good hop token, and the proxy is asked who brought it. */
export const OUTCOME_HOP: u32 = 5;

/** It passes, unless its edits found no room. */
export function pass(decision: Decision, why: u32): u32 {
  decision.reason = why as u8;
  return editsOverflowed() ? deny(decision, reason.REQUEST_UNREADABLE) : OUTCOME_PASS;
}

/** It is denied. */
export function deny(decision: Decision, why: u32): u32 {
  decision.reason = why as u8;
  return OUTCOME_DENY;
}

/** It waits; `why` is the reason if it waits in vain. */
export function hold(decision: Decision, why: u32): u32 {
  decision.reason = why as u8;
  return OUTCOME_HOLD;
}

/** What is answered when nothing more is waited for. */
export function endWait(root: Root, decision: Decision, why: u32): u32 {
  if (why != reason.HELD_FULL && why != reason.NO_POLICY) return deny(decision, why);
  if (root.noPolicy == CHOICE_ALLOW) return pass(decision, reason.NO_POLICY_PASSED);
  return deny(decision, why);
}

/** Something the request needs is not there yet: wait for it, or answer as `why` says. */
export function awaitStart(root: Root, decision: Decision, why: u32): u32 {
  if (mayWaitForStart(root, decision)) return hold(decision, why);
  const full = CURRENT.held == 0 && decision.mode == MODE_ENFORCE && root.startHoldMs > 0;
  if (full && why == reason.NO_POLICY) return endWait(root, decision, reason.HELD_FULL);
  return full ? deny(decision, reason.HELD_FULL) : endWait(root, decision, why);
}

function mayWaitForStart(root: Root, decision: Decision): bool {
  if (decision.mode != MODE_ENFORCE || root.startHoldMs == 0) return false;
  if (CURRENT.held == 0) return mayHold(engineAt(CURRENT.engine), 0);
  const until = changetype<Held>(CURRENT.held).startUntilMs;
  return until == 0 || CURRENT.nowMs < until;
}
