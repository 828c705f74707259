/**
 * The RateLimit fields of a response: what is promised and how much of it is left, in the form of
 * the IETF draft, in the older one, or in both. It makes edits; the numbers come from the record.
 */
import { Decision, MODE_ENFORCE } from '../decision/record';
import {
  FIELDS,
  Limit,
  Plan,
  PRODUCT_LEGACY_FIELDS,
  PRODUCT_STANDARD_FIELDS,
  Product,
  TextRecord,
} from '../policy/layout';
import { limitAt, recordOf, textAt } from '../policy/policy';
import { ascii, asciiLength } from '../util/ascii';
import { CURRENT } from './current';
import { editSet, scratch } from './edits';
import { putBytes, putDecimal, putLiteral, textBegin, textLength } from './text';

/** Room for a limit's name and two numbers. */
const VALUE_BYTES: u32 = 320;
const NUMBER_BYTES: u32 = 20;
/** Largest Integer of a structured field; a larger one is told as this one. */
const INTEGER_MOST: u64 = 999_999_999_999_999;

/** Whether the response of a decision is to say how its caller stands. */
export function showsFields(decision: Decision): bool {
  if (decision.mode != MODE_ENFORCE || CURRENT.plan == 0) return false;
  const both = PRODUCT_STANDARD_FIELDS | PRODUCT_LEGACY_FIELDS;
  const asked = changetype<Product>(CURRENT.product).flags & both;
  return asked != 0 && changetype<Plan>(CURRENT.plan).fields != 0;
}

/** Makes the edits. `showsFields` was true. */
export function composeFields(decision: Decision): void {
  const flags = changetype<Product>(CURRENT.product).flags;
  const standard = (flags & PRODUCT_STANDARD_FIELDS) != 0;
  if (standard) {
    const place = changetype<Plan>(CURRENT.plan).fields;
    const field = changetype<TextRecord>(recordOf(CURRENT.policy, FIELDS, place - 1));
    const text = textAt(CURRENT.policy, field.text);
    setField(ascii('ratelimit-policy'), text, field.textLength);
  }
  const at = shownLimit(decision);
  if (at == 0) return;
  const limit = changetype<Limit>(at);
  const quota = min(limit.quota, INTEGER_MOST);
  const left = min(decision.remaining, quota);
  if (standard) {
    const value = scratch(VALUE_BYTES);
    textBegin(value, VALUE_BYTES);
    putLiteral('"');
    putBytes(textAt(CURRENT.policy, limit.name), limit.nameLength);
    putLiteral('";r=');
    putDecimal(left);
    putLiteral(';t=');
    putDecimal(decision.resetS);
    setField(ascii('ratelimit'), value, textLength());
  }
  if ((flags & PRODUCT_LEGACY_FIELDS) == 0) return;
  setNumber(ascii('x-ratelimit-limit'), quota);
  setNumber(ascii('x-ratelimit-remaining'), left);
  setNumber(ascii('x-ratelimit-reset'), decision.resetS);
}

/** The limit that the record names, as the policy in force has it; 0 when there is none. */
function shownLimit(decision: Decision): usize {
  const plan = changetype<Plan>(CURRENT.plan);
  for (let i: u32 = 0; i < plan.limitCount; i++) {
    const limit = limitAt(CURRENT.policy, plan.limitFirst + i);
    if (limit.id == decision.shown) return changetype<usize>(limit);
  }
  return 0;
}

function setNumber(name: usize, value: u64): void {
  const room = scratch(NUMBER_BYTES);
  textBegin(room, NUMBER_BYTES);
  putDecimal(value);
  setField(name, room, textLength());
}

/** Sets a field; a name that `ascii` gave. */
function setField(name: usize, value: usize, length: u32): void {
  editSet(name, asciiLength(name), value, length);
}
