/**
 * Builds the buffer of header pairs that the ABI takes: count, lengths, then names and values each
 * ended by a NUL. Bounded: what does not fit is dropped whole and remembered.
 */

import { asciiLength } from '../util/ascii';
import { copyBytes } from '../util/bytes';

const PAIRS_MAX: u32 = 16;
const ROOM: u32 = 8_192;
const LIST: usize = memory.data(PAIRS_MAX * 16, 4);
const BUFFER: usize = memory.data(ROOM, 8);

let count: u32 = 0;

/** Begins an empty list. */
export function beginPairs(): void {
  count = 0;
}

/** Appends a pair; the bytes must stay until `endPairs`. */
export function addPair(name: usize, nameLength: u32, value: usize, valueLength: u32): void {
  if (count >= PAIRS_MAX) return;
  const at = LIST + count * 16;
  store<u32>(at, name as u32);
  store<u32>(at, nameLength, 4);
  store<u32>(at, value as u32, 8);
  store<u32>(at, valueLength, 12);
  count++;
}

/** Appends a pair of texts that `ascii` gave. */
export function addTexts(name: usize, value: usize): void {
  addPair(name, asciiLength(name), value, asciiLength(value));
}

/** Lays the list out at `pairsAt()` and answers its bytes; 0 when it does not fit. */
export function endPairs(): u32 {
  let bytes: u32 = 4 + count * 8;
  for (let i: u32 = 0; i < count; i++) {
    bytes += load<u32>(LIST + i * 16, 4) + load<u32>(LIST + i * 16, 12) + 2;
  }
  if (bytes > ROOM) return 0;
  store<u32>(BUFFER, count);
  let at = BUFFER + 4 + (count as usize) * 8;
  for (let i: u32 = 0; i < count; i++) {
    const pair = LIST + i * 16;
    store<u32>(BUFFER + 4 + i * 8, load<u32>(pair, 4));
    store<u32>(BUFFER + 8 + i * 8, load<u32>(pair, 12));
    at = put(at, load<u32>(pair) as usize, load<u32>(pair, 4));
    at = put(at, load<u32>(pair, 8) as usize, load<u32>(pair, 12));
  }
  return bytes;
}

function put(at: usize, from: usize, length: u32): usize {
  copyBytes(at, from, length);
  store<u8>(at + length, 0);
  return at + length + 1;
}

/** Where the pairs stand after `endPairs`. */
export function pairsAt(): usize {
  return BUFFER;
}
