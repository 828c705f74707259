/**
 * Reads the frame that every message of docs/wire.md has: header, checksum, sections, tables. It
 * knows no message and no meaning; what it says holds for any bytes, and it never reads beyond
 * them.
 */
import { crc32 } from './crc32';

/** Bytes of the header of a message and of the header of a section. */
export const FRAME_BYTES: u32 = 16;
export const SECTION_BYTES: u32 = 8;
/** Bytes of the header of a table. */
export const TABLE_BYTES: u32 = 8;

/** The major version that is read. */
const MAJOR: u32 = 1;
const OPTIONAL: u32 = 1;

/** What is wrong with a message; 0 means nothing is. The numbers appear in reports: append only. */
export const FRAME_OK: i32 = 0;
export const FRAME_LENGTH: i32 = -1;
export const FRAME_MAGIC: i32 = -2;
export const FRAME_MAJOR: i32 = -3;
export const FRAME_CHECKSUM: i32 = -4;
export const FRAME_SECTION: i32 = -5;

/**
 * Checks the header of a message but for its checksum, and that its sections ascend and fill it.
 * `magic` is the four characters as a little-endian u32. Bit n of `known` says that section n has
 * a meaning; another one is skipped if it is optional, else the message is refused.
 */
export function checkFrame(at: usize, length: u32, magic: u32, known: u32): i32 {
  if (length < FRAME_BYTES) return FRAME_LENGTH;
  if (load<u32>(at) != magic) return FRAME_MAGIC;
  if (<u32>load<u16>(at, 4) != MAJOR) return FRAME_MAJOR;
  if (load<u32>(at, 8) != length) return FRAME_LENGTH;
  let from = FRAME_BYTES;
  let last: u32 = 0;
  while (from < length) {
    if (length - from < SECTION_BYTES) return FRAME_SECTION;
    const kind: u32 = load<u16>(at + from);
    const flags: u32 = load<u16>(at + from, 2);
    const bytes = load<u32>(at + from, 4);
    if (kind <= last || flags > OPTIONAL) return FRAME_SECTION;
    const isKnown = kind < 32 && ((known >> kind) & 1) != 0;
    if (!isKnown && flags != OPTIONAL) return FRAME_SECTION;
    from += SECTION_BYTES;
    if (bytes > length - from) return FRAME_SECTION;
    from += bytes;
    last = kind;
  }
  return FRAME_OK;
}

/** As `checkFrame`, and the checksum too. Takes about 30 µs for the largest reply. */
export function checkMessage(at: usize, length: u32, magic: u32, known: u32): i32 {
  const code = checkFrame(at, length, magic, known);
  if (code != FRAME_OK) return code;
  const sum = crc32(at + FRAME_BYTES, length - FRAME_BYTES);
  return sum == load<u32>(at, 12) ? FRAME_OK : FRAME_CHECKSUM;
}

/** The body of a section of a message whose frame was checked, or 0 if it has none. */
export function findSection(at: usize, length: u32, kind: u32): usize {
  let from = FRAME_BYTES;
  while (from < length) {
    const body = at + from + SECTION_BYTES;
    if (<u32>load<u16>(at + from) == kind) return body;
    from += SECTION_BYTES + sectionLength(body);
  }
  return 0;
}

/** Bytes of the body that `findSection` answered. */
export function sectionLength(body: usize): u32 {
  return load<u32>(body - 4);
}

/** Whether a body is a table of records of at least `recordBytes` and holds them all. */
export function isTable(body: usize, recordBytes: u32): bool {
  const length = sectionLength(body);
  if (length < TABLE_BYTES) return false;
  const stride: u32 = load<u16>(body);
  if (stride < recordBytes) return false;
  return <u64>stride * load<u32>(body, 4) == <u64>(length - TABLE_BYTES);
}

/** Records of a table. */
export function tableCount(body: usize): u32 {
  return load<u32>(body, 4);
}

/** The record `index`, less than `tableCount`, of a table. */
export function tableRecord(body: usize, index: u32): usize {
  return body + TABLE_BYTES + <usize>index * load<u16>(body);
}

/** Whether `count` 64-bit integers are all below 2^53, as ids, revisions and times are. */
export function areSafe(at: usize, count: u32): bool {
  let all: u64 = 0;
  for (let i: u32 = 0; i < count; i++) all |= load<u64>(at + i * 8);
  return all >> 53 == 0;
}
