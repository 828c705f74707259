/**
 * The last phase of a request that passes: the header program of its product, with what is known
 * of the caller.
 */
import { Decision, PHASE_MEDIATE } from '../decision/record';
import { Application, applicationName, consumerName } from '../directory/entry';
import { runProgram } from '../mediate/program';
import { Product } from '../policy/layout';
import { planAt, textAt } from '../policy/policy';
import { CURRENT } from './current';
import { scratch } from './edits';
import { pass } from './outcome';
import { putDecimal, textBegin, textLength } from './text';

/** Five texts {address u32, length u32} in the order of part kinds 1 to 5. */
const VALUES: usize = memory.data(40, 8);

/** The request may pass: makes its edits. */
export function mediated(decision: Decision, why: u32): u32 {
  decision.phase = PHASE_MEDIATE;
  memory.fill(VALUES, 0, 40);
  const target = changetype<Product>(CURRENT.product);
  setValue(3, textAt(CURRENT.policy, target.name), target.nameLength);
  if (CURRENT.application != 0) {
    const caller = changetype<Application>(CURRENT.application);
    setValue(0, consumerName(caller), caller.consumerNameLength);
    setValue(1, applicationName(caller), caller.applicationNameLength);
  }
  if (CURRENT.plan != 0)
    setValue(2, textAt(CURRENT.policy, planAt(CURRENT.plan).name), planAt(CURRENT.plan).nameLength);
  if (CURRENT.credential != 0 && CURRENT.application != 0) {
    const room = scratch(20);
    textBegin(room, 20);
    putDecimal(decision.credential);
    setValue(4, room, textLength());
  }
  runProgram(CURRENT.policy, target, VALUES);
  return pass(decision, why);
}

function setValue(index: u32, at: usize, length: u32): void {
  store<u32>(VALUES + index * 8, at as u32);
  store<u32>(VALUES + index * 8, length, 4);
}
