/**
 * Runs the header program of a product: each step becomes an edit, its value composed of literal
 * text and of what the request's identity gives. It only makes edits; it never sends any.
 */
import { editAdd, editRemove, editSet, scratch } from '../pipeline/edits';
import { HEADER_NAME_LENGTH, headerAt, headerCount } from '../pipeline/headers';
import {
  PART_TEXT,
  PARTS,
  Part,
  PROGRAM,
  Product,
  STEP_REMOVE,
  STEP_SET,
  Step,
} from '../policy/layout';
import { recordOf, textAt } from '../policy/policy';
import { equalBytes, equalLower } from '../util/bytes';

/** Bytes of one of the values that a request gives: address u32 (0 = absent), length u32. */
export const VALUE_BYTES: u32 = 8;
/** Kinds of parts that take a value, numbered from 1. */
export const VALUES: u32 = 5;

let valueAt: usize = 0;
let valueLength: u32 = 0;

/**
 * Makes the edits of a product's program. `values` are `VALUES` addresses and lengths in the order
 * of the part kinds from 1 on; they and the policy must stay until the edits are carried out. A
 * step that needs an absent value only removes what the caller sent under its name: a service that
 * trusts the header must not take the caller's word for it.
 */
export function runProgram(policy: usize, product: Product, values: usize): void {
  for (let i: u32 = 0; i < product.programCount; i++) {
    const step = stepAt(policy, product, i);
    const name = textAt(policy, step.name);
    if (step.op != STEP_REMOVE && compose(policy, step, values)) {
      if (step.op == STEP_SET) editSet(name, step.nameLength, valueAt, valueLength);
      else editAdd(name, step.nameLength, valueAt, valueLength);
    } else if (isThere(policy, product, i, name, step.nameLength)) {
      editRemove(name, step.nameLength);
    }
  }
}

function stepAt(policy: usize, product: Product, index: u32): Step {
  return changetype<Step>(recordOf(policy, PROGRAM, product.programFirst + index));
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
    memory.copy(at, valueAt, valueLength);
    at += valueLength;
  }
  valueAt = whole;
  valueLength = bytes;
  return true;
}

/**
 * Whether there is something to remove under a name: a header of the request or of an earlier step.
 * Each removal costs a call into the proxy, found or not.
 */
function isThere(policy: usize, product: Product, step: u32, name: usize, length: u32): bool {
  for (let i: u32 = 0; i < headerCount(); i++) {
    const entry = headerAt(i);
    if (load<u32>(entry, HEADER_NAME_LENGTH) != length) continue;
    if (equalLower(load<u32>(entry), name, length)) return true;
  }
  for (let i: u32 = 0; i < step; i++) {
    const earlier = stepAt(policy, product, i);
    if (earlier.nameLength != length || earlier.op == STEP_REMOVE) continue;
    if (equalBytes(textAt(policy, earlier.name), name, length)) return true;
  }
  return false;
}
