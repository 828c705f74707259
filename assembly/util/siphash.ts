/**
 * SipHash-2-4, for tables that are indexed by what others chose: without the key nobody can aim
 * for one place of a table. It must never be used as a signature.
 */

/** Bytes of a key. */
export const SIP_KEY_BYTES: u32 = 16;
/** Bytes of a wide hash. */
export const SIP_WIDE_BYTES: u32 = 16;

/** The hash of `length` bytes under the key of `SIP_KEY_BYTES` random bytes at `key`. */
export function sipHash(from: usize, length: u32, key: usize): u64 {
  return hash(from, length, key, 0);
}

/** Writes the hash of 128 bits, `SIP_WIDE_BYTES` long, at `to`: two runs with one are the same. */
export function sipHashWide(from: usize, length: u32, key: usize, to: usize): void {
  hash(from, length, key, to);
}

/** All of it in locals; with `wide` the variant of 128 bits, written there. */
function hash(from: usize, length: u32, key: usize, wide: usize): u64 {
  let a = load<u64>(key) ^ 0x736f6d6570736575;
  let b = load<u64>(key, 8) ^ (wide == 0 ? 0x646f72616e646f6d : 0x646f72616e646f83);
  let c = load<u64>(key) ^ 0x6c7967656e657261;
  let d = load<u64>(key, 8) ^ 0x7465646279746573;
  const whole = length & ~7;
  let last = (<u64>length) << 56;
  for (let at = whole; at < length; at++) {
    last |= (<u64>load<u8>(from + at)) << ((at & 7) << 3);
  }
  let low: u64 = 0;
  // Turns: one for each word and the last, then one that ends the hash, one more for a wide one.
  const turns = whole + (wide == 0 ? 16 : 24);
  for (let at: u32 = 0; at < turns; at += 8) {
    let word: u64 = 0;
    let rounds = 4;
    if (at <= whole) {
      word = at < whole ? load<u64>(from + at) : last;
      rounds = 2;
      d ^= word;
    } else if (at == whole + 8) {
      c ^= wide == 0 ? 0xff : 0xee;
    } else {
      low = a ^ b ^ c ^ d;
      b ^= 0xdd;
    }
    for (; rounds > 0; rounds--) {
      a += b;
      b = rotl(b, 13) ^ a;
      a = rotl(a, 32);
      c += d;
      d = rotl(d, 16) ^ c;
      a += d;
      d = rotl(d, 21) ^ a;
      c += b;
      b = rotl(b, 17) ^ c;
      c = rotl(c, 32);
    }
    a ^= word;
  }
  const end = a ^ b ^ c ^ d;
  if (wide == 0) return end;
  store<u64>(wide, low);
  store<u64>(wide, end, 8);
  return low;
}
