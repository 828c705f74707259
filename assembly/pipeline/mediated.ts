/**
 * The last phase of a request that passes: the header programs of its product, plan and operation,
 * with what is known of the caller. The response phase runs theirs through here too.
 */
import { DECISION_RESPONDS, Decision, PHASE_MEDIATE } from '../decision/record';
import { Application, applicationName, consumerName } from '../directory/entry';
import { asksHeaders, runProgram } from '../mediate/program';
import { MEDIATION, Mediation, Operation, PART_CREDENTIAL, Product } from '../policy/layout';
import { partKinds, planAt, recordOf, textAt } from '../policy/policy';
import { clearBytes } from '../util/bytes';
import { CURRENT } from './current';
import { scratch } from './edits';
import { showsFields } from './fields';
import { pass } from './outcome';
import { putDecimal, textBegin, textLength } from './text';

/** Five texts {address u32, length u32} in the order of part kinds 1 to 5. */
const VALUES: usize = memory.data(40, 8);
/** Three programs {first u32, count u32}: of the product, the plan and the operation. */
const PROGRAMS: usize = memory.data(24, 8);
const PROGRAMS_BYTES: u32 = 24;

/** The request may pass: makes its edits. */
export function mediated(decision: Decision, why: u32): u32 {
  decision.phase = PHASE_MEDIATE;
  if (findPrograms(false)) runPrograms(decision, true);
  if (findPrograms(true) || showsFields(decision)) decision.flags |= DECISION_RESPONDS;
  return pass(decision, why);
}

/** Finds the programs for the request or the response; false when there is nothing to do. */
export function findPrograms(response: bool): bool {
  const target = changetype<Product>(CURRENT.product);
  store<u32>(PROGRAMS, response ? target.responseFirst : target.programFirst);
  store<u32>(PROGRAMS, response ? target.responseCount : target.programCount, 4);
  findMediation(8, CURRENT.plan == 0 ? 0 : planAt(CURRENT.plan).mediation, response);
  findMediation(16, changetype<Operation>(CURRENT.operation).mediation, response);
  return (load<u32>(PROGRAMS, 4) | load<u32>(PROGRAMS, 12) | load<u32>(PROGRAMS, 20)) != 0;
}

function findMediation(offset: u32, place: u32, response: bool): void {
  store<u64>(PROGRAMS + offset, 0);
  if (place == 0) return;
  const both = changetype<Mediation>(recordOf(CURRENT.policy, MEDIATION, place - 1));
  store<u32>(PROGRAMS + offset, response ? both.responseFirst : both.requestFirst);
  store<u32>(PROGRAMS + offset, response ? both.responseCount : both.requestCount, 4);
}

/** Whether one of the programs found asks what a header holds already. */
export function programsAskHeaders(): bool {
  for (let at: u32 = 0; at < PROGRAMS_BYTES; at += 8) {
    const first = load<u32>(PROGRAMS + at);
    if (asksHeaders(CURRENT.policy, first, load<u32>(PROGRAMS + at, 4))) return true;
  }
  return false;
}

/** Runs the programs found, the product's first; `distrust` as `runProgram` has it. */
export function runPrograms(decision: Decision, distrust: bool): void {
  findValues(decision);
  for (let at: u32 = 0; at < PROGRAMS_BYTES; at += 8) {
    const first = load<u32>(PROGRAMS + at);
    runProgram(CURRENT.policy, first, load<u32>(PROGRAMS + at, 4), VALUES, distrust);
  }
}

function findValues(decision: Decision): void {
  clearBytes(VALUES, 40);
  const target = changetype<Product>(CURRENT.product);
  setValue(3, textAt(CURRENT.policy, target.name), target.nameLength);
  if (CURRENT.application != 0) {
    const caller = changetype<Application>(CURRENT.application);
    setValue(0, consumerName(caller), caller.consumerNameLength);
    setValue(1, applicationName(caller), caller.applicationNameLength);
  }
  if (CURRENT.plan != 0)
    setValue(2, textAt(CURRENT.policy, planAt(CURRENT.plan).name), planAt(CURRENT.plan).nameLength);
  if ((partKinds(CURRENT.policy) & (1 << PART_CREDENTIAL)) == 0) return;
  if (decision.credential != 0 && CURRENT.application != 0) {
    const room = scratch(20);
    textBegin(room, 20);
    putDecimal(decision.credential);
    setValue(4, room, textLength());
  }
}

function setValue(index: u32, at: usize, length: u32): void {
  store<u32>(VALUES + index * 8, at as u32);
  store<u32>(VALUES + index * 8, length, 4);
}
