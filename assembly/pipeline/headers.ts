/**
 * The index of the headers of a message: one walk over the buffer of pairs that the proxy hands
 * over, then names and values by number. It reads memory alone and must never trust a length in it.
 */
import { HEADERS_MAX } from '../limits';
import { asciiLength } from '../util/ascii';
import { copyBytes, equalLower } from '../util/bytes';

/** Bytes of an entry: name u32, nameLength u32, value u32, valueLength u32. */
export const HEADER_ENTRY: u32 = 16;
export const HEADER_NAME_LENGTH: u32 = 4;
export const HEADER_VALUE: u32 = 8;
export const HEADER_VALUE_LENGTH: u32 = 12;

const INDEX: usize = memory.data(HEADERS_MAX * HEADER_ENTRY, 8);
let count: u32 = 0;
let known: bool = false;

/** The headers of the message at hand are not read: the index is empty. */
export function forgetHeaders(): void {
  count = 0;
  known = false;
}

/** Whether the index says what the message has; if not, it says nothing. */
export function headersKnown(): bool {
  return known;
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
  const end = pairs + length;
  let sizes = pairs + 4;
  let at = sizes + found * 8;
  let entry = INDEX;
  for (let i: u32 = 0; i < found; i++) {
    if (at > end) return false;
    const nameLength = load<u32>(sizes);
    const valueLength = load<u32>(sizes, 4);
    const left = (end - at) as u64;
    if ((nameLength as u64) + (valueLength as u64) + 2 > left) return false;
    store<u32>(entry, at as u32);
    store<u32>(entry, nameLength, 4);
    store<u32>(entry, (at + nameLength + 1) as u32, 8);
    store<u32>(entry, valueLength, 12);
    at += nameLength + valueLength + 2;
    sizes += 8;
    entry += HEADER_ENTRY;
  }
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
  return INDEX + index * HEADER_ENTRY;
}

/** Takes all headers of a name in lower case out of the index; the others keep their order. */
export function dropHeaders(name: usize, length: u32): void {
  let kept = INDEX;
  for (let i: u32 = 0; i < count; i++) {
    const entry = headerAt(i);
    const same = load<u32>(entry, HEADER_NAME_LENGTH) == length;
    if (same && equalLower(load<u32>(entry), name, length)) continue;
    if (kept != entry) copyBytes(kept, entry, HEADER_ENTRY);
    kept += HEADER_ENTRY;
  }
  count = ((kept - INDEX) / HEADER_ENTRY) as u32;
}

/** Adds a header to the end of the index; false when it is full. The bytes must stay. */
export function addHeader(name: usize, nameLength: u32, value: usize, valueLength: u32): bool {
  if (count >= HEADERS_MAX) return false;
  const entry = headerAt(count);
  store<u32>(entry, name as u32);
  store<u32>(entry, nameLength, HEADER_NAME_LENGTH);
  store<u32>(entry, value as u32, HEADER_VALUE);
  store<u32>(entry, valueLength, HEADER_VALUE_LENGTH);
  count++;
  return true;
}

/** The entry of the first header under a name that `ascii` gave, or 0. */
export function findHeader(name: usize): usize {
  const length = asciiLength(name);
  for (let i: u32 = 0; i < count; i++) {
    const entry = headerAt(i);
    if (load<u32>(entry, HEADER_NAME_LENGTH) != length) continue;
    if (equalLower(load<u32>(entry), name, length)) return entry;
  }
  return 0;
}
