/**
 * Compares, finds and copies runs of bytes in raw memory. Every function is total: it looks
 * at no byte outside the ranges it is given and never allocates. None of them is for secrets, they
 * end at the first difference.
 */

/** An absent index, as in docs/wire.md. */
export const NONE: u32 = 0xffffffff;

/** Whether two runs of `length` bytes are the same. Eight at a time: loads need no alignment. */
export function equalBytes(a: usize, b: usize, length: u32): bool {
  let at: u32 = 0;
  for (; at + 8 <= length; at += 8) {
    if (load<u64>(a + at) != load<u64>(b + at)) return false;
  }
  for (; at < length; at++) {
    if (load<u8>(a + at) != load<u8>(b + at)) return false;
  }
  return true;
}

/** Order of two runs byte by byte, a prefix before what it begins: negative, 0 or positive. */
export function compareBytes(a: usize, aLength: u32, b: usize, bLength: u32): i32 {
  const common = min(aLength, bLength);
  for (let at: u32 = 0; at < common; at++) {
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
    return byte - 0x30 < 10 || (byte | 0x20) - 0x61 < 26;
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
  for (let at: u32 = 0; at < length; at++) {
    store<u8>(to + at, <u8>Byte.lower(load<u8>(from + at)));
  }
}

/**
 * Copies a short run to where it does not overlap. A `memory.copy` leaves the module for every
 * call, which costs more than the copying of a name.
 */
export function copyBytes(to: usize, from: usize, length: u32): void {
  let at: u32 = 0;
  for (; at + 8 <= length; at += 8) store<u64>(to + at, load<u64>(from + at));
  if ((length & 4) != 0) {
    store<u32>(to + at, load<u32>(from + at));
    at += 4;
  }
  if ((length & 2) != 0) {
    store<u16>(to + at, load<u16>(from + at));
    at += 2;
  }
  if ((length & 1) != 0) store<u8>(to + at, load<u8>(from + at));
}

/** Sets a short run to zero, up to the next multiple of eight bytes; for the same reason. */
export function clearBytes(at: usize, length: u32): void {
  for (let i: u32 = 0; i < length; i += 8) store<u64>(at + i, 0);
}

/** Place of the first such byte, or `length` if there is none. */
export function findByte(from: usize, length: u32, byte: u32): u32 {
  let at: u32 = 0;
  while (at < length && load<u8>(from + at) != byte) at++;
  return at;
}

/** The value of a hexadecimal digit of either case, or 16 if the byte is none. */
export function hexDigit(byte: u32): u32 {
  if (byte - 0x30 < 10) return byte - 0x30;
  const letter = (byte | 0x20) - 0x61;
  return letter < 6 ? letter + 10 : 16;
}
