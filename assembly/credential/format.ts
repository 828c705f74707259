/**
 * The form of a key made by Sidegate: `<brand>_<30 base62><6 base62>`, the last six the CRC-32 of
 * all before them. It finds typing errors before anything is hashed; that a key is well formed
 * says nothing about whether it is known.
 */
import { base62Value, isBase62 } from '../util/base62';
import { crc32 } from '../util/crc32';

const RANDOM_LENGTH: u32 = 30;
const CHECKSUM_LENGTH: u32 = 6;
const TAIL_LENGTH: u32 = RANDOM_LENGTH + CHECKSUM_LENGTH;
const UNDERSCORE: u32 = 0x5f;

/** Whether a key has the form, whatever its brand, and its checksum is right. */
export function isWellFormed(key: usize, length: u32): bool {
  if (length < TAIL_LENGTH + 2) return false;
  const tail = key + length - TAIL_LENGTH;
  if (<u32>load<u8>(tail - 1) != UNDERSCORE || !isBase62(tail, RANDOM_LENGTH)) return false;
  const sum = base62Value(tail + RANDOM_LENGTH, CHECKSUM_LENGTH);
  return sum == <u64>crc32(key, length - CHECKSUM_LENGTH);
}
