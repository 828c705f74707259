/**
 * Runs a header program: each step becomes edits, its value composed of literal text and of what
 * the request's identity gives. It only makes edits; it never sends any.
 */
import { editAdd, editRemove, editSet, scratch } from '../pipeline/edits';
import { headersKnown } from '../pipeline/headers';
import {
  PART_TEXT,
  PARTS,
  Part,
  PROGRAM,
  STEP_ADD,
  STEP_APPEND,
  STEP_REMOVE,
  STEP_RENAME,
  STEP_SET,
  Step,
} from '../policy/layout';
import { recordOf, textAt } from '../policy/policy';
import { copyBytes } from '../util/bytes';
import { findPresent, isPresent, presentAt, presentLength } from './present';

/** Bytes of one of the values that a request gives: address u32 (0 = absent), length u32. */
export const VALUE_BYTES: u32 = 8;
/** Kinds of parts that take a value, numbered from 1. */
export const VALUES: u32 = 5;
/** `, ` between values that are joined. */
const COMMA: u16 = 0x202c;

let valueAt: usize = 0;
let valueLength: u32 = 0;

/**
 * Makes the edits of the `count` steps from `first` on. `values` are `VALUES` addresses and lengths
 * in the order of the part kinds from 1 on; they and the policy must stay until the edits are
 * carried out. A step that needs an absent value does nothing, but in a request (`distrust`) it
 * removes what the caller sent under its name: a service that trusts the header must not take the
 * caller's word for it.
 */
export function runProgram(
  policy: usize,
  first: u32,
  count: u32,
  values: usize,
  distrust: bool,
): void {
  for (let i: u32 = 0; i < count; i++) {
    const step = stepAt(policy, first + i);
    const name = textAt(policy, step.name);
    if (step.op == STEP_RENAME) rename(policy, step, name);
    else if (step.op != STEP_REMOVE && compose(policy, step, values)) put(step, name);
    else if (step.op == STEP_REMOVE || distrust) removePresent(name, step.nameLength);
  }
}

/** Whether a step of a program asks what a header holds already. */
export function asksHeaders(policy: usize, first: u32, count: u32): bool {
  for (let i: u32 = 0; i < count; i++) {
    if (stepAt(policy, first + i).op >= STEP_APPEND) return true;
  }
  return false;
}

function stepAt(policy: usize, index: u32): Step {
  return changetype<Step>(recordOf(policy, PROGRAM, index));
}

function partAt(policy: usize, step: Step, index: u32): Part {
  return changetype<Part>(recordOf(policy, PARTS, step.partFirst + index));
}

/** Finds a part's bytes in `valueAt` and `valueLength`; false if the request does not have them. */
function readPart(policy: usize, part: Part, values: usize): bool {
  if (part.kind == PART_TEXT) {
    valueAt = textAt(policy, part.text);
    valueLength = part.textLength;
    return true;
  }
  const value = values + (part.kind - 1) * VALUE_BYTES;
  valueAt = load<u32>(value);
  valueLength = load<u32>(value, 4);
  return valueAt != 0;
}

/** Leaves the value of a step in `valueAt` and `valueLength`; false if a part of it is absent. */
function compose(policy: usize, step: Step, values: usize): bool {
  let bytes: u32 = 0;
  valueAt = 0;
  valueLength = 0;
  for (let i: u32 = 0; i < step.partCount; i++) {
    if (!readPart(policy, partAt(policy, step, i), values)) return false;
    bytes += valueLength;
  }
  // One part stands somewhere already; most values are one name or one literal.
  if (step.partCount < 2) return true;
  const whole = scratch(bytes);
  // Without room the edits have overflowed, and the request will not pass: any value will do.
  if (whole == 0) return true;
  let at = whole;
  for (let i: u32 = 0; i < step.partCount; i++) {
    readPart(policy, partAt(policy, step, i), values);
    copyBytes(at, valueAt, valueLength);
    at += valueLength;
  }
  valueAt = whole;
  valueLength = bytes;
  return true;
}

/** Puts the composed value under the name, as the step says. */
function put(step: Step, name: usize): void {
  const length = step.nameLength;
  if (step.op == STEP_ADD) {
    editAdd(name, length, valueAt, valueLength);
    return;
  }
  if (step.op != STEP_SET) {
    const present = findPresent(name, length);
    if (present != 0) {
      if (step.op != STEP_APPEND) return;
      join(present);
    }
  }
  editSet(name, length, valueAt, valueLength);
}

/** Puts the values that are present before the composed one, with commas between. */
function join(present: u32): void {
  let bytes = valueLength + present * 2;
  for (let i: u32 = 0; i < present; i++) bytes += presentLength(i);
  const whole = scratch(bytes);
  if (whole == 0) return;
  let at = whole;
  for (let i: u32 = 0; i < present; i++) {
    copyBytes(at, presentAt(i), presentLength(i));
    at += presentLength(i);
    store<u16>(at, COMMA);
    at += 2;
  }
  copyBytes(at, valueAt, valueLength);
  valueAt = whole;
  valueLength = bytes;
}

/** Moves all values to the new name, in the place of what stands there. */
function rename(policy: usize, step: Step, name: usize): void {
  const to = partAt(policy, step, 0);
  const toName = textAt(policy, to.text);
  const present = findPresent(name, step.nameLength);
  if (present == 0) return;
  editRemove(name, step.nameLength);
  for (let i: u32 = 0; i < present; i++) {
    if (i == 0) editSet(toName, to.textLength, presentAt(i), presentLength(i));
    else editAdd(toName, to.textLength, presentAt(i), presentLength(i));
  }
}

/** Removes a header that is there: each removal costs a call into the proxy, found or not. */
function removePresent(name: usize, length: u32): void {
  if (!headersKnown() || isPresent(name, length)) editRemove(name, length);
}
