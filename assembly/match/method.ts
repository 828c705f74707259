/**
 * Turns the method of a request into its bit of a method mask. Methods are case-sensitive (RFC
 * 9110), and one that has no bit of its own is met by bit 31 alone.
 */
import { equalBytes } from '../util/bytes';

/** The bit of a mask that stands for every method, named in docs/wire.md or not. */
export const ANY_METHOD: u32 = 0x80000000;

/** The nine methods with a bit, in the order of the bits; each in eight bytes, zeros after it. */
const NAMES: usize = memory.data<u8>([
  0x47, 0x45, 0x54, 0, 0, 0, 0, 0, 0x48, 0x45, 0x41, 0x44, 0, 0, 0, 0, 0x50, 0x4f, 0x53, 0x54, 0, 0,
  0, 0, 0x50, 0x55, 0x54, 0, 0, 0, 0, 0, 0x44, 0x45, 0x4c, 0x45, 0x54, 0x45, 0, 0, 0x43, 0x4f, 0x4e,
  0x4e, 0x45, 0x43, 0x54, 0, 0x4f, 0x50, 0x54, 0x49, 0x4f, 0x4e, 0x53, 0, 0x54, 0x52, 0x41, 0x43,
  0x45, 0, 0, 0, 0x50, 0x41, 0x54, 0x43, 0x48, 0, 0, 0,
]);
/** The bit of OPTIONS. */
export const METHOD_OPTIONS: u32 = 1 << 6;

const NAMES_COUNT: u32 = 9;
const LENGTH_MAX: u32 = 7;

/** The bit of a method, or 0 for a method without one. */
export function methodBit(method: usize, length: u32): u32 {
  if (length == 0 || length > LENGTH_MAX) return 0;
  for (let bit: u32 = 0; bit < NAMES_COUNT; bit++) {
    const name = NAMES + (bit << 3);
    // Zeros stand behind a name alone: one within a method makes it another.
    const isWhole = load<u8>(name + length) == 0 && load<u8>(name + length - 1) != 0;
    if (isWhole && equalBytes(method, name, length)) return 1 << bit;
  }
  return 0;
}
