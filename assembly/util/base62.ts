/**
 * Base 62 with the alphabet `0-9A-Za-z`, most significant digit first, as the checksum of a key is
 * written. Reading is total: a byte outside the alphabet is a result, not an error.
 */
import { Byte } from './bytes';

/** What `base62Value` answers for a run that is no number of 32 bits. */
export const BASE62_INVALID: u64 = u64.MAX_VALUE;

function digitOf(byte: u32): u32 {
  if (byte < 0x3a) return byte - 0x30;
  return byte < 0x5b ? byte - 0x41 + 10 : byte - 0x61 + 36;
}

/** Whether every byte of a run is of the alphabet. */
export function isBase62(from: usize, length: u32): bool {
  for (let at: u32 = 0; at < length; at++) {
    if (!Byte.isAlphanumeric(load<u8>(from + at))) return false;
  }
  return true;
}

/** The value of a run of digits, or `BASE62_INVALID` if it holds another byte or passes 32 bits. */
export function base62Value(from: usize, length: u32): u64 {
  let value: u64 = 0;
  for (let at: u32 = 0; at < length; at++) {
    const byte: u32 = load<u8>(from + at);
    if (!Byte.isAlphanumeric(byte)) return BASE62_INVALID;
    value = value * 62 + digitOf(byte);
    if (value > 0xffffffff) return BASE62_INVALID;
  }
  return value;
}
