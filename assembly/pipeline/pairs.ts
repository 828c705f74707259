/**
 * Builds the buffer of header pairs that the ABI takes: count, lengths, then names and values each
 * ended by a NUL. Bounded: what does not fit is dropped whole and remembered.
 */

import { asciiLength } from '../util/ascii';
import { copyBytes } from '../util/bytes';

const PAIRS_MAX: u32 = 16;
const SIZES_BYTES: u32 = PAIRS_MAX * 8;
const ROOM: u32 = 8_192;
/** Lengths of the pairs so far; they come to stand before the texts when all are known. */
const SIZES: usize = memory.data(16 * 8, 8);

function buffer(): usize {
  return memory.data(ROOM, 8);
}

let count: u32 = 0;
/** Where the next text goes, and where the whole begins once it has ended. */
let at: usize = 0;
let begin: usize = 0;
let fits: bool = true;

/** Begins an empty list. */
export function beginPairs(): void {
  count = 0;
  fits = true;
  at = buffer() + 4 + SIZES_BYTES;
}

/** Appends a pair. */
export function addPair(name: usize, nameLength: u32, value: usize, valueLength: u32): void {
  if (count >= PAIRS_MAX) return;
  const room = buffer() + ROOM - at;
  if (<u64>nameLength + valueLength + 2 > <u64>room) {
    fits = false;
    return;
  }
  const sizes = SIZES + count * 8;
  store<u32>(sizes, nameLength);
  store<u32>(sizes, valueLength, 4);
  count++;
  put(name, nameLength);
  put(value, valueLength);
}

/** Appends a pair of texts that `ascii` gave. */
export function addTexts(name: usize, value: usize): void {
  addPair(name, asciiLength(name), value, asciiLength(value));
}

/** Completes the list at `pairsAt()` and answers its bytes; 0 when it does not fit. */
export function endPairs(): u32 {
  if (!fits) return 0;
  begin = buffer() + SIZES_BYTES - count * 8;
  store<u32>(begin, count);
  copyBytes(begin + 4, SIZES, count * 8);
  return (at - begin) as u32;
}

function put(from: usize, length: u32): void {
  copyBytes(at, from, length);
  store<u8>(at + length, 0);
  at += length + 1;
}

/** Where the pairs stand after `endPairs`. */
export function pairsAt(): usize {
  return begin;
}
