/**
 * Writes text into bounded memory: literals, bytes, decimals, hexadecimals. What does not fit is
 * dropped and remembered, so that a writer never runs over its room. It never allocates.
 */

import { asciiEntry } from '../util/ascii';
import { copyBytes } from '../util/bytes';

/** The digits of the largest number there is. */
const DIGITS_MAX: u32 = 20;
const DIGITS: usize = memory.data(20, 4);

let start: usize = 0;
let at: usize = 0;
let end: usize = 0;
let fits: bool = true;

/** Begins a text in the `bytes` at `room`; an address of 0 has no room. */
export function textBegin(room: usize, bytes: u32): void {
  start = room;
  at = room;
  end = room == 0 ? 0 : room + bytes;
  fits = room != 0;
}

/** Bytes written since `textBegin`. */
export function textLength(): u32 {
  return (at - start) as u32;
}

/** False when something was dropped. */
export function textFits(): bool {
  return fits;
}

/** Writes a literal: the one argument of a call is made its address and length by the compiler. */
export function putLiteral(letters: usize, length: u32): void {
  putBytes(letters, length);
}

/** Writes entry `index` of a list that `asciiList` gave; none beyond its end. */
export function putEntry(list: usize, index: u32): void {
  const entry = asciiEntry(list, index);
  if (entry != 0) putBytes(entry + 1, load<u8>(entry));
}

/**
 * The same for an index that is there, found by a walk the first time alone: `places` has a u32 for
 * each entry, zero at first.
 */
export function putKnownEntry(list: usize, index: u32, places: usize): void {
  const place = places + index * 4;
  let entry = load<u32>(place) as usize;
  if (entry == 0) {
    entry = asciiEntry(list, index);
    store<u32>(place, entry as u32);
  }
  putBytes(entry + 1, load<u8>(entry));
}

/** Writes one byte. */
export function putByte(byte: u8): void {
  if (at >= end) {
    fits = false;
    return;
  }
  store<u8>(at, byte);
  at++;
}

/** Writes `length` bytes as they are. */
export function putBytes(from: usize, length: u32): void {
  if ((length as usize) > end - at) {
    fits = false;
    return;
  }
  copyBytes(at, from, length);
  at += length;
}

/** Writes a number in decimal. */
export function putDecimal(value: u64): void {
  const digitsEnd = DIGITS + DIGITS_MAX;
  let first = digitsEnd;
  do {
    first--;
    const rest = value / 10;
    store<u8>(first, (48 + (value - rest * 10)) as u8);
    value = rest;
  } while (value != 0);
  putBytes(first, (digitsEnd - first) as u32);
}

/** Writes bytes as lower-case hexadecimal. */
export function putHex(from: usize, length: u32): void {
  for (let i: u32 = 0; i < length; i++) {
    const byte = load<u8>(from + i) as u32;
    putByte(hexDigit(byte >> 4));
    putByte(hexDigit(byte & 15));
  }
}

function hexDigit(value: u32): u8 {
  return (value < 10 ? 48 + value : 87 + value) as u8;
}
