/**
 * Prepares the response phase from the kept decision record alone: what was decided is found again
 * in the policy in force, by id and never by place, and its response programs become edits. What is
 * gone meanwhile is not edited.
 */
import { Decision } from '../decision/record';
import { findApplication } from '../directory/directory';
import { Engine } from '../engine/state';
import { OPERATIONS, PLANS, PRODUCTS } from '../policy/layout';
import { recordById } from '../policy/policy';
import { noteEvent, RESPONSES_UNEDITED } from '../telemetry/events';
import { CURRENT } from './current';
import { editsOverflowed } from './edits';
import { composeFields, showsFields } from './fields';
import { findPrograms, programsAskHeaders, runPrograms } from './mediated';

/**
 * Finds product, operation and plan of a decision again. False, and counted, when one of them is
 * gone or the policy is another store's, whose ids mean other things.
 */
export function recall(engine: Engine, decision: Decision): bool {
  const policy = engine.policy;
  CURRENT.policy = policy;
  if (policy != 0 && engine.storeSinceMs <= decision.decidedMs) {
    CURRENT.product = recordById(policy, PRODUCTS, decision.product);
    CURRENT.operation = recordById(policy, OPERATIONS, decision.operation);
    CURRENT.plan = recordById(policy, PLANS, decision.plan);
    CURRENT.application = findApplication(engine.directory, decision.application);
    const planGone = decision.plan != 0 && CURRENT.plan == 0;
    if (CURRENT.product != 0 && CURRENT.operation != 0 && !planGone) return true;
  }
  noteEvent(RESPONSES_UNEDITED, decision.product);
  return false;
}

/** Whether the headers of the response must be indexed before `composeResponse`. */
export function responseAsksHeaders(): bool {
  return findPrograms(true) && programsAskHeaders();
}

/**
 * Makes the edits of a response: what we say of our own accord, then what the programs make of it.
 * False, and counted, when they found no room.
 */
export function composeResponse(decision: Decision): bool {
  if (showsFields(decision)) composeFields(decision);
  if (findPrograms(true)) runPrograms(decision, false);
  if (!editsOverflowed()) return true;
  noteEvent(RESPONSES_UNEDITED, decision.product);
  return false;
}
