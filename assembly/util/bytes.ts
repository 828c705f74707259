/**
 * Compares, finds and copies runs of bytes in raw memory. Every function is total: it looks
 * at no byte outside the ranges it is given and never allocates. None of them is for secrets, they
 * end at the first difference.
 */

/** An absent index, as in docs/wire.md. */
export const NONE: u32 = 0xffffffff;

/** Each byte of a word of eight: 1, its highest bit, all the others. */
const ONES: u64 = 0x0101010101010101;
const HIGHS: u64 = 0x8080808080808080;
const LOWS: u64 = 0x7f7f7f7f7f7f7f7f;

/**
 * Whether two runs of `length` bytes are the same. Eight at a time, the last eight once more with
 * what is left: loads need no alignment.
 */
export function equalBytes(a: usize, b: usize, length: u32): bool {
  if (length < 4) {
    for (let at: u32 = 0; at < length; at++) {
      if (load<u8>(a + at) != load<u8>(b + at)) return false;
    }
    return true;
  }
  if (length < 8) {
    const last = length - 4;
    return load<u32>(a) == load<u32>(b) && load<u32>(a + last) == load<u32>(b + last);
  }
  const last = length - 8;
  for (let at: u32 = 0; at < last; at += 8) {
    if (load<u64>(a + at) != load<u64>(b + at)) return false;
  }
  return load<u64>(a + last) == load<u64>(b + last);
}

/** Order of two runs byte by byte, a prefix before what it begins: negative, 0 or positive. */
export function compareBytes(a: usize, aLength: u32, b: usize, bLength: u32): i32 {
  const common = min(aLength, bLength);
  let at: u32 = 0;
  while (at + 8 <= common && load<u64>(a + at) == load<u64>(b + at)) at += 8;
  for (; at < common; at++) {
    const difference = <i32>load<u8>(a + at) - <i32>load<u8>(b + at);
    if (difference != 0) return difference;
  }
  return aLength == bLength ? 0 : aLength < bLength ? -1 : 1;
}

/** What loops ask of each byte: in a class, because only methods can be told to be inlined. */
export class Byte {
  /** The byte in ASCII lower case; every other byte as it is. */
  @inline static lower(byte: u32): u32 {
    return byte - 0x41 < 26 ? byte | 0x20 : byte;
  }
  /** Whether the byte is a letter or digit of ASCII. */
  @inline static isAlphanumeric(byte: u32): bool {
    return (byte | 0x20) - 0x61 < 26 || byte - 0x30 < 10;
  }
}

/** Whether a run equals one of the same length, both taken in ASCII lower case. */
export function equalLower(a: usize, b: usize, length: u32): bool {
  // Names come in lower case from the proxy: those that are the same are so byte by byte.
  if (equalBytes(a, b, length)) return true;
  for (let at: u32 = 0; at < length; at++) {
    if (Byte.lower(load<u8>(a + at)) != Byte.lower(load<u8>(b + at))) return false;
  }
  return true;
}

/** Writes `length` bytes of `from` at `to` in ASCII lower case. The ranges may be the same one. */
export function copyLower(to: usize, from: usize, length: u32): void {
  let at: u32 = 0;
  for (; at + 8 <= length; at += 8) {
    const word = load<u64>(from + at);
    const low = word & LOWS;
    // The highest bit of a byte: not below `A`, and above `Z`.
    const capitals = (low + 0x3f3f3f3f3f3f3f3f) & ~(low + 0x2525252525252525) & ~word & HIGHS;
    store<u64>(to + at, word | (capitals >> 2));
  }
  for (; at < length; at++) store<u8>(to + at, <u8>Byte.lower(load<u8>(from + at)));
}

/**
 * Copies a short run to where it does not overlap. A `memory.copy` leaves the module for every
 * call, which costs more than the copying of a name.
 */
export function copyBytes(to: usize, from: usize, length: u32): void {
  if (length >= 8) {
    const last = to + length - 8;
    const away = from - to;
    for (; to < last; to += 8) store<u64>(to, load<u64>(to + away));
    store<u64>(last, load<u64>(last + away));
  } else if (length >= 4) {
    store<u32>(to, load<u32>(from));
    store<u32>(to + length - 4, load<u32>(from + length - 4));
  } else {
    for (let at: u32 = 0; at < length; at++) store<u8>(to + at, load<u8>(from + at));
  }
}

/** Sets a short run to zero, up to the next multiple of eight bytes; for the same reason. */
export function clearBytes(at: usize, length: u32): void {
  for (let i: u32 = 0; i < length; i += 8) store<u64>(at + i, 0);
}

/** Place of the first such byte, or `length` if there is none. */
export function findByte(from: usize, length: u32, byte: u32): u32 {
  const pattern = ONES * byte;
  let at: u32 = 0;
  for (; at + 8 <= length; at += 8) {
    const word = load<u64>(from + at) ^ pattern;
    // The lowest of these bits is that of the first byte that is zero; others may be wrong.
    const zeros = (word - ONES) & ~word & HIGHS;
    if (zeros != 0) return at + (<u32>ctz(zeros) >> 3);
  }
  while (at < length && load<u8>(from + at) != byte) at++;
  return at;
}

/** The value of a hexadecimal digit of either case, or 16 if the byte is none. */
export function hexDigit(byte: u32): u32 {
  if (byte - 0x30 < 10) return byte - 0x30;
  const letter = (byte | 0x20) - 0x61;
  return letter < 6 ? letter + 10 : 16;
}
