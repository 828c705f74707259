/**
 * What all checks of a policy share: the code of a refusal, and whether a text or a range of
 * records lies inside the policy and is what may stand there. It knows no record.
 */
import { compareBytes } from '../util/bytes';
import { STRINGS } from './layout';
import { countOf, textAt } from './policy';

/** Why a record is refused; the code for a report is `Refusal.of` it. Append only. */
export const REFUSED_SHAPE: u32 = 1;
export const REFUSED_BOUND: u32 = 2;
export const REFUSED_ORDER: u32 = 3;
export const REFUSED_INDEX: u32 = 4;
export const REFUSED_TEXT: u32 = 5;
export const REFUSED_VALUE: u32 = 6;

/** In a class, because only methods can be told to be inlined: most of its calls are a number. */
export class Refusal {
  /** The code, below 0, of a refused section: kind and reason in one, as reports carry it. */
  @inline static of(kind: u32, reason: u32): i32 {
    return -(<i32>(kind * 8 + reason));
  }
}

/** Which bytes a text may hold: any · a name · a header's name · a header's value. */
export const TEXT_ANY: u32 = 0;
export const TEXT_NAME: u32 = 1;
export const TEXT_HEADER_NAME: u32 = 2;
export const TEXT_HEADER_VALUE: u32 = 3;

/** Whether a byte may stand in a text of this class. Names end up in JSON, so no quotes there. */
function isAllowed(byte: u32, kind: u32): bool {
  switch (kind) {
    case TEXT_ANY:
      return true;
    case TEXT_NAME:
      return byte >= 0x20 && byte != 0x7f && byte != 0x22 && byte != 0x5c;
    case TEXT_HEADER_VALUE:
      return (byte >= 0x20 && byte != 0x7f) || byte == 0x09;
    default:
      return isHeaderNameByte(byte);
  }
}

/**
 * The bytes of a field name (RFC 9110), one bit each: `!#$%&'*+-.` and digits, then `^_`, the grave
 * accent, small letters, `|~`. No capitals: names arrive in lower case.
 */
const HEADER_NAME_LOW: u64 = 0x03ff6cfa00000000;
const HEADER_NAME_HIGH: u64 = 0x57ffffffc0000000;

function isHeaderNameByte(byte: u32): bool {
  if (byte > 0x7f) return false;
  const bits = byte < 64 ? HEADER_NAME_LOW : HEADER_NAME_HIGH;
  return ((bits >> (byte & 63)) & 1) != 0;
}

/** What the texts looked at cost since `takeTextCost`, in 64 bytes. */
let textCost: u32 = 0;

/** The cost of the texts looked at since the last call, so that a slice ends in time. */
export function takeTextCost(): u32 {
  const cost = textCost;
  textCost = 0;
  return cost;
}

/** Whether a text lies inside STRINGS, has `least` to `most` bytes and those of its class alone. */
export function checkText(
  policy: usize,
  text: u32,
  length: u32,
  least: u32,
  most: u32,
  kind: u32,
): bool {
  if (length < least || length > most) return false;
  if (<u64>text + length > <u64>countOf(policy, STRINGS)) return false;
  textCost += length >> 6;
  const at = textAt(policy, text);
  for (let i: u32 = 0; i < length; i++) {
    if (!isAllowed(load<u8>(at + i), kind)) return false;
  }
  return true;
}

/** Whether `count` records from `first` on lie inside a table and are `most` at most. */
export function checkRange(policy: usize, kind: u32, first: u32, count: u32, most: u32): bool {
  return count <= most && <u64>first + count <= <u64>countOf(policy, kind);
}

/** Order of two texts of a policy: negative, 0 or positive. */
export function compareTexts(policy: usize, a: u32, aLength: u32, b: u32, bLength: u32): i32 {
  textCost += min(aLength, bLength) >> 6;
  return compareBytes(textAt(policy, a), aLength, textAt(policy, b), bLength);
}
