/**
 * Finds the key of a request in the sources of a product, and cuts every value that counts as one.
 * It says what was found; what follows from it, the pipeline decides. It never looks up a key.
 */
import { HEADERS_MAX, KEY_BYTES_MAX } from '../limits';
import { editAdd, editRemove } from '../pipeline/edits';
import {
  HEADER_NAME_LENGTH,
  HEADER_VALUE,
  HEADER_VALUE_LENGTH,
  headerAt,
  headerCount,
} from '../pipeline/headers';
import { BRANDS, PRODUCTS, Product, SOURCES, Source, TextRecord } from '../policy/layout';
import {
  countOf,
  isIdentityName,
  maySourceHave,
  productAt,
  recordOf,
  textAt,
} from '../policy/policy';
import { equalBytes, equalLower } from '../util/bytes';

/** Answers of `findKey`. */
export const KEY_NONE: i32 = 0;
export const KEY_ONE: i32 = 1;
export const KEY_CONFLICT: i32 = 2;
export const KEY_TOO_LONG: i32 = 3;

/** Where the one key stands: in the request, until the callback ends. */
@unmanaged
export class FoundKey {
  at: u32;
  length: u32;
}

/** One byte per header of the request: 1 = its value counts as a key, 2 = it was cut already. */
const MARKS: usize = memory.data(1024, 8);
const COUNTS: u8 = 1;
const CUT: u8 = 2;

const UNDERSCORE: u32 = 0x5f;
const SPACE: u32 = 0x20;

/** The part of a header's value that counts as a key; empty if none does. */
let part: usize = 0;
let partLength: u32 = 0;

/**
 * Looks through the headers for keys of a product and writes a `FoundKey` at `out` if there is
 * exactly one. Two values in one source, or different ones in two, are a conflict; one above
 * `KEY_BYTES_MAX` is too long to be hashed. In each case every value that counts is cut from the
 * request; other values of the same header stay.
 */
export function findKey(policy: usize, product: Product, out: usize): i32 {
  const headers = min(headerCount(), HEADERS_MAX);
  memory.fill(MARKS, 0, headers);
  const found = changetype<FoundKey>(out);
  found.at = 0;
  found.length = 0;
  let result = KEY_NONE;
  let counted: u32 = 0;
  for (let i: u32 = 0; i < product.sourceCount; i++) {
    const source = sourceOf(policy, product, i);
    let values: u32 = 0;
    for (let header: u32 = 0; header < headers; header++) {
      if (!readPart(policy, product, source, headerAt(header))) continue;
      store<u8>(MARKS + header, COUNTS);
      counted++;
      values++;
      if (values > 1 || (found.at != 0 && !isSameKey(found))) {
        result = KEY_CONFLICT;
      } else if (found.at == 0) {
        found.at = <u32>part;
        found.length = partLength;
        result = KEY_ONE;
      }
    }
  }
  if (counted != 0) cutCounted(policy, headers);
  return result == KEY_ONE && found.length > KEY_BYTES_MAX ? KEY_TOO_LONG : result;
}

/**
 * Cuts every value that counts as a key for any product of the policy: for a request that is denied
 * before its product is known, because no log may print a key.
 */
export function cutAllKeys(policy: usize): void {
  const headers = min(headerCount(), HEADERS_MAX);
  memory.fill(MARKS, 0, headers);
  for (let header: u32 = 0; header < headers; header++) {
    const entry = headerAt(header);
    if (!maySourceHave(policy, load<u32>(entry, HEADER_NAME_LENGTH))) continue;
    if (countsForAny(policy, entry)) store<u8>(MARKS + header, COUNTS);
  }
  cutCounted(policy, headers);
}

function countsForAny(policy: usize, entry: usize): bool {
  const products = countOf(policy, PRODUCTS);
  for (let i: u32 = 0; i < products; i++) {
    const product = productAt(policy, i);
    for (let j: u32 = 0; j < product.sourceCount; j++) {
      if (readPart(policy, product, sourceOf(policy, product, j), entry)) return true;
    }
  }
  return false;
}

function sourceOf(policy: usize, product: Product, index: u32): Source {
  return changetype<Source>(recordOf(policy, SOURCES, product.sourceFirst + index));
}

function isSameKey(found: FoundKey): bool {
  return found.length == partLength && equalBytes(found.at, part, partLength);
}

/** Whether a header is this source with a value that counts; then `part` is the key in it. */
function readPart(policy: usize, product: Product, source: Source, entry: usize): bool {
  if (load<u32>(entry, HEADER_NAME_LENGTH) != source.nameLength) return false;
  const name = textAt(policy, source.name);
  if (!equalLower(load<u32>(entry), name, source.nameLength)) return false;
  const prefixLength = source.prefixLength;
  const length = load<u32>(entry, HEADER_VALUE_LENGTH);
  if (length <= prefixLength) return false;
  part = load<u32>(entry, HEADER_VALUE);
  // A scheme such as `Bearer` is case-insensitive (RFC 9110), and what the service behind would
  // take for a key must be cut.
  if (!equalLower(part, textAt(policy, source.prefix), prefixLength)) return false;
  part += prefixLength;
  partLength = length - prefixLength;
  trimPart();
  return partLength != 0 && hasBrand(policy, product);
}

function trimPart(): void {
  while (partLength > 0 && <u32>load<u8>(part) == SPACE) {
    part++;
    partLength--;
  }
  while (partLength > 0 && <u32>load<u8>(part + partLength - 1) == SPACE) partLength--;
}

/** Whether the part begins with a brand of the product and `_`; without brands any part does. */
function hasBrand(policy: usize, product: Product): bool {
  if (product.brandCount == 0) return true;
  for (let i: u32 = 0; i < product.brandCount; i++) {
    const at = recordOf(policy, BRANDS, product.brandFirst + i);
    const brand = changetype<TextRecord>(at);
    const length = brand.textLength;
    if (partLength <= length || <u32>load<u8>(part + length) != UNDERSCORE) continue;
    if (equalBytes(part, textAt(policy, brand.text), length)) return true;
  }
  return false;
}

/**
 * Removes every header with a value that counts and puts back its values that do not, unless nobody
 * but the filter may set that header.
 */
function cutCounted(policy: usize, headers: u32): void {
  for (let first: u32 = 0; first < headers; first++) {
    if (load<u8>(MARKS + first) != COUNTS) continue;
    const entry = headerAt(first);
    const name: usize = load<u32>(entry);
    const nameLength = load<u32>(entry, HEADER_NAME_LENGTH);
    editRemove(name, nameLength);
    const stays = !isIdentityName(policy, name, nameLength);
    for (let other: u32 = 0; other < headers; other++) {
      const at = headerAt(other);
      if (load<u32>(at, HEADER_NAME_LENGTH) != nameLength) continue;
      if (!equalLower(load<u32>(at), name, nameLength)) continue;
      if (load<u8>(MARKS + other) == COUNTS) {
        store<u8>(MARKS + other, CUT);
      } else if (stays) {
        const value: usize = load<u32>(at, HEADER_VALUE);
        editAdd(name, nameLength, value, load<u32>(at, HEADER_VALUE_LENGTH));
      }
    }
  }
}
