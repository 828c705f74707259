/**
 * CRC-32 (IEEE 802.3, reflected), four bytes a turn. It finds damage and typing errors; it proves
 * nothing about who wrote the bytes and must never be taken for that.
 */

const POLYNOMIAL: u32 = 0xedb88320;

/** Four tables of 256 words: table n shifts a byte by n further bytes. */
const TABLES: usize = memory.data(4 * 1024, 16);
const TABLE_BYTES: usize = 1024;
/** Cuts a byte, already four times as large, out of a word: the place in a table. */
const WORD: usize = 255 << 2;

/** The state before the first byte. */
export const CRC_START: u32 = 0xffffffff;

/** Computed at start rather than stored: a thousandth of a millisecond against 4 KiB of module. */
function fillTables(): void {
  for (let byte: u32 = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = (value >> 1) ^ (value & 1 ? POLYNOMIAL : 0);
    store<u32>(TABLES + (byte << 2), value);
  }
  for (let at: usize = 0; at < 3 * TABLE_BYTES; at += 4) {
    const value = load<u32>(TABLES + at);
    const next = load<u32>(TABLES + ((<usize>value & 255) << 2)) ^ (value >> 8);
    store<u32>(TABLES + at + TABLE_BYTES, next);
  }
}

fillTables();

/** Adds bytes to a state, so that a long run can be taken in slices. */
export function crc32Add(state: u32, from: usize, length: u32): u32 {
  let at: u32 = 0;
  for (; at + 4 <= length; at += 4) {
    state ^= load<u32>(from + at);
    state =
      load<u32>(<usize>(state << 2) & WORD, TABLES + 3 * TABLE_BYTES) ^
      load<u32>(<usize>(state >> 6) & WORD, TABLES + 2 * TABLE_BYTES) ^
      load<u32>(<usize>(state >> 14) & WORD, TABLES + TABLE_BYTES) ^
      load<u32>(<usize>(state >> 22) & WORD, TABLES);
  }
  for (; at < length; at++) {
    const index = <usize>((state ^ load<u8>(from + at)) & 255);
    state = load<u32>(TABLES + (index << 2)) ^ (state >> 8);
  }
  return state;
}

/** The checksum that belongs to a state. */
export function crc32End(state: u32): u32 {
  return ~state;
}

/** The checksum of `length` bytes. */
export function crc32(from: usize, length: u32): u32 {
  return crc32End(crc32Add(CRC_START, from, length));
}
