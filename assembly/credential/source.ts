/**
 * Finds the key of a request in the sources of a product, and cuts every value that counts as one.
 * It says what was found; what follows from it, the pipeline decides. It never looks up a key.
 */
import { COMPARISONS_MAX, HEADERS_MAX, KEY_BYTES_MAX } from '../limits';
import { editAdd, editRemove, editSet } from '../pipeline/edits';
import {
  findNamed,
  HEADER_NAME_LENGTH,
  HEADER_VALUE,
  HEADER_VALUE_LENGTH,
  headerAt,
  headerCount,
  headerNumber,
} from '../pipeline/headers';
import {
  BRANDS,
  PRODUCTS,
  Product,
  SOURCE_COOKIE,
  SOURCE_HEADER,
  SOURCE_QUERY,
  SOURCES,
  Source,
  TextRecord,
} from '../policy/layout';
import {
  countOf,
  isIdentityName,
  maySourceHave,
  productAt,
  recordOf,
  sourceKinds,
  textAt,
} from '../policy/policy';
import { clearBytes, equalBytes, equalLower, findByte } from '../util/bytes';
import {
  fieldHasValue,
  fieldIsNamed,
  fieldSeparator,
  fieldsBegin,
  fieldValue,
  fieldValueLength,
  moveField,
  nextField,
} from './fields';
import { isWellFormed } from './format';

/** Answers of `findKey`. */
export const KEY_NONE: i32 = 0;
export const KEY_ONE: i32 = 1;
export const KEY_CONFLICT: i32 = 2;
export const KEY_TOO_LONG: i32 = 3;

/** Where the one key stands, until the callback ends. */
@unmanaged
export class FoundKey {
  at: u32;
  length: u32;
}

/** One byte per header of the request, what becomes of its value. */
const MARKS: usize = memory.data(HEADERS_MAX, 8);
const COUNTS: u8 = 1;
const CHANGED: u8 = 2;
const DONE: u8 = 3;

/** A key that was decoded. */
const KEY: usize = memory.data(520, 8);

const UNDERSCORE: u32 = 0x5f;
const SPACE: u32 = 0x20;
const QUESTION: u32 = 0x3f;
/** `:path` in five bytes, `cookie` in six. */
const PATH_HEAD: u32 = 0x7461703a;
const COOKIE_HEAD: u32 = 0x6b6f6f63;
/** `x-envoy-original-path`: what a proxy before this one, or the router, rewrote. */
const ORIGINAL = ascii('x-envoy-original-path');
const ORIGINAL_BYTES: u32 = 21;

/** The part of a value that counts as a key; empty if none does. */
let part: usize = 0;
let partLength: u32 = 0;
/** Of the search going on: its answer, values in the source looked at, values in all. */
let result: i32 = KEY_NONE;
let values: u32 = 0;
let counted: u32 = 0;
/** The first header that is marked, and one more than the last. */
let markedFrom: u32 = HEADERS_MAX;
let markedTo: u32 = 0;
/** Names of sources compared since the search began. */
let comparisons: u32 = 0;

/**
 * Looks through headers, query and cookies for keys of a product and writes a `FoundKey` at `out`
 * if there is exactly one. Two values in one source, or different ones in two, are a conflict; one
 * above `KEY_BYTES_MAX` is too long to be hashed. In each case every value that counts is cut from
 * the request; other values beside it stay.
 */
export function findKey(policy: usize, product: Product, out: usize): i32 {
  const headers = beginMarks();
  const found = changetype<FoundKey>(out);
  found.at = 0;
  found.length = 0;
  result = KEY_NONE;
  counted = 0;
  let kinds: u32 = 0;
  for (let i: u32 = 0; i < product.sourceCount; i++) {
    const source = sourceOf(policy, product, i);
    kinds |= 1 << source.kind;
    values = 0;
    if (source.kind == SOURCE_HEADER) {
      lookInHeaders(policy, product, source, found);
      continue;
    }
    for (let header: u32 = 0; header < headers; header++) {
      lookInFields(policy, product, source, headerAt(header), found);
    }
  }
  // What a proxy kept of the path before it rewrote it may hold a key that this path has not.
  if ((kinds & ~(1 << SOURCE_HEADER)) != 0) {
    cutFields(policy, changetype<usize>(product), kinds, headers);
  }
  if (counted != 0) cutCounted(policy);
  return result == KEY_ONE && found.length > KEY_BYTES_MAX ? KEY_TOO_LONG : result;
}

/** Forgets the marks of the last request; answers how many headers this one has. */
function beginMarks(): u32 {
  const headers = headerCount();
  clearBytes(MARKS, headers);
  markedFrom = HEADERS_MAX;
  markedTo = 0;
  return headers;
}

function mark(header: u32, as: u8): void {
  store<u8>(MARKS + header, as);
  markedFrom = min(markedFrom, header);
  markedTo = max(markedTo, header + 1);
}

/** The part counts: keeps it, or finds that it is one too many. */
function take(found: FoundKey): void {
  counted++;
  const same = found.length == partLength && partLength <= KEY_BYTES_MAX;
  if (++values > 1 || (found.at != 0 && !(same && equalBytes(found.at, part, partLength)))) {
    result = KEY_CONFLICT;
  } else if (found.at == 0) {
    found.at = <u32>part;
    found.length = partLength;
    result = KEY_ONE;
  }
}

/** Looks for a source in the headers of its name. */
function lookInHeaders(policy: usize, product: Product, source: Source, found: FoundKey): void {
  const name = textAt(policy, source.name);
  const length = source.nameLength;
  for (let entry = findNamed(name, length, 0); entry != 0; entry = findNamed(name, length, entry)) {
    if (!readPart(policy, product, source, entry)) continue;
    mark(headerNumber(entry), COUNTS);
    take(found);
  }
}

/** Looks for a source in the fields of `:path` or of a cookie header. */
function lookInFields(
  policy: usize,
  product: Product,
  source: Source,
  entry: usize,
  found: FoundKey,
): void {
  const kind = source.kind;
  if (kindOf(entry) != kind || load<u32>(entry, HEADER_NAME_LENGTH) == ORIGINAL_BYTES) return;
  beginFields(entry, kind);
  while (nextField()) {
    if (!isSourceField(policy, product, source)) continue;
    const isFirst = found.at == 0;
    take(found);
    if (!isFirst) continue;
    // The room of the value is that of the next one's as well.
    memory.copy(KEY, part, partLength);
    found.at = <u32>KEY;
  }
}

/** Whether the field is this source with a value that counts; then `part` is the key in it. */
function isSourceField(policy: usize, product: Product, source: Source): bool {
  if (!fieldIsNamed(textAt(policy, source.name), source.nameLength)) return false;
  part = fieldValue();
  partLength = fieldValueLength();
  return partLength != 0 && hasBrand(policy, product);
}

/** Which kind of source stands in the fields of a header, 0 if none does. */
function kindOf(entry: usize): u32 {
  const name: usize = load<u32>(entry);
  const length = load<u32>(entry, HEADER_NAME_LENGTH);
  if (length == 5) {
    return load<u32>(name) == PATH_HEAD && load<u8>(name, 4) == 0x68 ? SOURCE_QUERY : 0;
  }
  if (length == 6) {
    return load<u32>(name) == COOKIE_HEAD && load<u16>(name, 4) == 0x6569 ? SOURCE_COOKIE : 0;
  }
  return length == ORIGINAL_BYTES && equalBytes(name, ORIGINAL, length) ? SOURCE_QUERY : 0;
}

/** Begins with the fields of a header; answers the bytes before the first of them. */
function beginFields(entry: usize, kind: u32): u32 {
  const text: usize = load<u32>(entry, HEADER_VALUE);
  const length = load<u32>(entry, HEADER_VALUE_LENGTH);
  const before = kind == SOURCE_QUERY ? min(findByte(text, length, QUESTION) + 1, length) : 0;
  fieldsBegin(text + before, length - before, kind == SOURCE_COOKIE);
  return before;
}

/**
 * Cuts the fields that count for a product, or for any (0), from all headers that have fields of
 * these kinds. What stays moves together where it stands, so that later readers see it alone.
 */
function cutFields(policy: usize, product: usize, kinds: u32, headers: u32): void {
  for (let header: u32 = 0; header < headers; header++) {
    const entry = headerAt(header);
    const kind = kindOf(entry);
    if (kind == 0 || ((kinds >> kind) & 1) == 0) continue;
    const length = load<u32>(entry, HEADER_VALUE_LENGTH);
    const left = moveTogether(policy, product, entry, kind);
    if (left == length) continue;
    counted++;
    store<u32>(entry, left, HEADER_VALUE_LENGTH);
    if (kind == SOURCE_COOKIE) {
      mark(header, left == 0 ? COUNTS : CHANGED);
    } else {
      const value: usize = load<u32>(entry, HEADER_VALUE);
      editSet(load<u32>(entry), load<u32>(entry, HEADER_NAME_LENGTH), value, left);
    }
  }
}

/** Moves the fields of a header that do not count together; answers the bytes that are left. */
function moveTogether(policy: usize, product: usize, entry: usize, kind: u32): u32 {
  const length = load<u32>(entry, HEADER_VALUE_LENGTH);
  const text: usize = load<u32>(entry, HEADER_VALUE);
  const before = beginFields(entry, kind);
  if (before == length && kind == SOURCE_QUERY) return length;
  let target = text + before;
  let kept: u32 = 0;
  let cut: u32 = 0;
  while (nextField()) {
    if (fieldCounts(policy, product, kind)) {
      cut++;
      continue;
    }
    if (kept != 0) store<u8>(target++, fieldSeparator());
    target += moveField(target, kept == 0 && cut != 0);
    kept++;
  }
  if (cut == 0) return length;
  // Nothing is asked any more: the `?` goes as well.
  if (kept == 0 && before != 0) target--;
  return <u32>(target - text);
}

/** Whether the field counts: for a product, or for any (0). Without a policy a whole key does. */
function fieldCounts(policy: usize, product: usize, kind: u32): bool {
  if (policy == 0) return fieldHoldsKey();
  if (product != 0) return fieldCountsFor(policy, changetype<Product>(product), kind);
  const products = countOf(policy, PRODUCTS);
  for (let i: u32 = 0; i < products; i++) {
    const each = productAt(policy, i);
    comparisons += each.sourceCount;
    if (comparisons > COMPARISONS_MAX || fieldCountsFor(policy, each, kind)) return true;
  }
  return false;
}

function fieldCountsFor(policy: usize, product: Product, kind: u32): bool {
  for (let i: u32 = 0; i < product.sourceCount; i++) {
    const source = sourceOf(policy, product, i);
    if (source.kind == kind && isSourceField(policy, product, source)) return true;
  }
  return false;
}

/** Whether the value of the field, whatever its name, is a key of Sidegate's own format. */
function fieldHoldsKey(): bool {
  if (!fieldHasValue()) return false;
  const value = fieldValue();
  return isWellFormed(value, fieldValueLength());
}

/**
 * Cuts every value that counts as a key for any product of the policy: for a request that is denied
 * before its product is known, because no log may print a key. Without a policy (0) the query alone
 * is looked at, for keys of Sidegate's own format: proxies log it unasked.
 */
export function cutAllKeys(policy: usize): void {
  const headers = beginMarks();
  comparisons = 0;
  let kinds: u32 = 1 << SOURCE_QUERY;
  if (policy != 0) {
    kinds = sourceKinds(policy);
    for (let header: u32 = 0; header < headers; header++) {
      const entry = headerAt(header);
      const length = load<u32>(entry, HEADER_NAME_LENGTH);
      if (!maySourceHave(policy, load<u32>(entry), length)) continue;
      if (countsForAny(policy, entry)) mark(header, COUNTS);
    }
  }
  cutFields(policy, 0, kinds, headers);
  cutCounted(policy);
}

function countsForAny(policy: usize, entry: usize): bool {
  const products = countOf(policy, PRODUCTS);
  for (let i: u32 = 0; i < products; i++) {
    const product = productAt(policy, i);
    for (let j: u32 = 0; j < product.sourceCount; j++) {
      const source = sourceOf(policy, product, j);
      if (source.kind != SOURCE_HEADER || !isNamed(policy, source, entry)) continue;
      if (readPart(policy, product, source, entry)) return true;
    }
  }
  return false;
}

function sourceOf(policy: usize, product: Product, index: u32): Source {
  return changetype<Source>(recordOf(policy, SOURCES, product.sourceFirst + index));
}

function isNamed(policy: usize, source: Source, entry: usize): bool {
  const length = source.nameLength;
  if (load<u32>(entry, HEADER_NAME_LENGTH) != length) return false;
  return equalLower(load<u32>(entry), textAt(policy, source.name), length);
}

/** Whether a header of a source's name has a value that counts; then `part` is the key in it. */
function readPart(policy: usize, product: Product, source: Source, entry: usize): bool {
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
 * Rewrites every header with a value that counts or was changed to what is left of it: nothing, if
 * nobody but the filter may set that header.
 */
function cutCounted(policy: usize): void {
  for (let first = markedFrom; first < markedTo; first++) {
    const mark = load<u8>(MARKS + first);
    if (mark != COUNTS && mark != CHANGED) continue;
    const entry = headerAt(first);
    const name: usize = load<u32>(entry);
    const nameLength = load<u32>(entry, HEADER_NAME_LENGTH);
    const stays = !isIdentityName(policy, name, nameLength);
    let left: u32 = 0;
    for (let at = findNamed(name, nameLength, 0); at != 0; at = findNamed(name, nameLength, at)) {
      const mark = MARKS + headerNumber(at);
      const counts = load<u8>(mark) == COUNTS;
      store<u8>(mark, DONE);
      if (counts || !stays) continue;
      const value: usize = load<u32>(at, HEADER_VALUE);
      if (left == 0) editSet(name, nameLength, value, load<u32>(at, HEADER_VALUE_LENGTH));
      else editAdd(name, nameLength, value, load<u32>(at, HEADER_VALUE_LENGTH));
      left++;
    }
    if (left == 0) editRemove(name, nameLength);
  }
}
