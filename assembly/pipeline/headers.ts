/**
 * The index of the headers of a message: one walk over the buffer of pairs that the proxy hands
 * over, then names and values by number. It reads memory alone and must never trust a length in it.
 */
import { HEADERS_MAX } from '../limits';
import { asciiLength } from '../util/ascii';
import { copyBytes, equalLower } from '../util/bytes';
import { Name } from '../util/name';

/** Bytes of an entry: name u32, nameLength u32, value u32, valueLength u32, tag u32 (`Name`). */
export const HEADER_ENTRY: u32 = 20;
export const HEADER_NAME_LENGTH: u32 = 4;
export const HEADER_VALUE: u32 = 8;
export const HEADER_VALUE_LENGTH: u32 = 12;
const HEADER_TAG: u32 = 16;

/** Bytes of the shortest name that begins with `x-sidegate-`. */
const OWN_LENGTH: u32 = 11;

function headerIndex(): usize {
  return memory.data(HEADERS_MAX * HEADER_ENTRY, 8);
}
let count: u32 = 0;
let known: bool = false;
/** The names in the index as a set; whether one of them may begin with `x-sidegate-`. */
let present: u64 = 0;
let own: bool = false;

/** The headers of the message at hand are not read: the index is empty. */
export function forgetHeaders(): void {
  count = 0;
  known = false;
  present = 0;
  own = false;
}

/** Whether the index says what the message has; if not, it says nothing. */
export function headersKnown(): bool {
  return known;
}

/** Whether a header of the index may be one of the names of a set, or begin with `x-sidegate-`. */
export function mayHaveOwn(names: u64): bool {
  return own || (present & names) != 0;
}

/**
 * Indexes `length` bytes of pairs at `pairs`; false when they are not what the ABI says or hold
 * more than `HEADERS_MAX` headers. The index stands until the next call; the bytes must stay.
 */
export function indexHeaders(pairs: usize, length: u32): bool {
  forgetHeaders();
  if (pairs == 0 || length < 4) return false;
  const found = load<u32>(pairs);
  if (found > HEADERS_MAX) return false;
  const end = <u64>(pairs + length);
  let sizes = pairs + 4;
  let at = sizes + found * 8;
  if (<u64>at > end) return false;
  let names: u64 = 0;
  const stop = headerIndex() + found * HEADER_ENTRY;
  for (let entry = headerIndex(); entry < stop; entry += HEADER_ENTRY) {
    const nameLength = load<u32>(sizes);
    const valueLength = load<u32>(sizes, 4);
    const next = <u64>at + nameLength + valueLength + 2;
    if (next > end) return false;
    const value = at + nameLength + 1;
    const tag = Name.tag(at, nameLength);
    names |= Name.bit(tag);
    if (nameLength >= OWN_LENGTH && Name.isOwn(at)) own = true;
    store<u32>(entry, <u32>at);
    store<u32>(entry, nameLength, HEADER_NAME_LENGTH);
    store<u32>(entry, <u32>value, HEADER_VALUE);
    store<u32>(entry, valueLength, HEADER_VALUE_LENGTH);
    store<u32>(entry, tag, HEADER_TAG);
    at = <usize>next;
    sizes += 8;
  }
  present = names;
  count = found;
  known = true;
  return true;
}

/** Headers in the index, pseudo headers included, in their order. */
export function headerCount(): u32 {
  return count;
}

/** The entry of header `index`, which is less than `headerCount()`. */
export function headerAt(index: u32): usize {
  return headerIndex() + index * HEADER_ENTRY;
}

/** The number of the header that has this entry. */
export function headerNumber(entry: usize): u32 {
  return <u32>(entry - headerIndex()) / HEADER_ENTRY;
}

/** Takes all headers of a name in lower case out of the index; the others keep their order. */
export function dropHeaders(name: usize, length: u32): void {
  let kept = headerIndex();
  for (let i: u32 = 0; i < count; i++) {
    const entry = headerAt(i);
    const same = load<u32>(entry, HEADER_NAME_LENGTH) == length;
    if (same && equalLower(load<u32>(entry), name, length)) continue;
    if (kept != entry) copyBytes(kept, entry, HEADER_ENTRY);
    kept += HEADER_ENTRY;
  }
  count = headerNumber(kept);
}

/** Adds a header to the end of the index; false when it is full. The bytes must stay. */
export function addHeader(name: usize, nameLength: u32, value: usize, valueLength: u32): bool {
  if (count >= HEADERS_MAX) return false;
  const entry = headerAt(count);
  const tag = Name.tag(name, nameLength);
  store<u32>(entry, <u32>name);
  store<u32>(entry, nameLength, HEADER_NAME_LENGTH);
  store<u32>(entry, <u32>value, HEADER_VALUE);
  store<u32>(entry, valueLength, HEADER_VALUE_LENGTH);
  store<u32>(entry, tag, HEADER_TAG);
  present |= Name.bit(tag);
  count++;
  return true;
}

/**
 * The entry of the next header under a name, taken in lower case, behind the entry `after`, or of
 * the first one (0); 0 when there is none.
 */
export function findNamed(name: usize, length: u32, after: usize): usize {
  let entry = headerIndex();
  let tag: u32 = 0;
  if (after == 0) {
    tag = Name.tag(name, length);
    if ((present & Name.bit(tag)) == 0) return 0;
  } else {
    tag = load<u32>(after, HEADER_TAG);
    entry = after + HEADER_ENTRY;
  }
  for (const end = headerIndex() + count * HEADER_ENTRY; entry < end; entry += HEADER_ENTRY) {
    if (load<u32>(entry, HEADER_TAG) != tag) continue;
    if (load<u32>(entry, HEADER_NAME_LENGTH) != length) continue;
    if (equalLower(load<u32>(entry), name, length)) return entry;
  }
  return 0;
}

/** The entry of the first header under a name that `ascii` gave, or 0. */
export function findHeader(name: usize): usize {
  return findNamed(name, asciiLength(name), 0);
}
