/**
 * SipHash-2-4, for tables that are indexed by what others chose: without the key nobody can aim
 * for one place of a table. It must never be used as a signature.
 */

/** Bytes of a key. */
export const SIP_KEY_BYTES: u32 = 16;

/** The four words of the state. */
let v0: u64 = 0;
let v1: u64 = 0;
let v2: u64 = 0;
let v3: u64 = 0;

/** Mixes the state `rounds` times, in locals. */
function mix(rounds: u32): void {
  let a = v0;
  let b = v1;
  let c = v2;
  let d = v3;
  for (let round: u32 = 0; round < rounds; round++) {
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
  v0 = a;
  v1 = b;
  v2 = c;
  v3 = d;
}

function absorb(word: u64): void {
  v3 ^= word;
  mix(2);
  v0 ^= word;
}

/** The hash of `length` bytes under the key of `SIP_KEY_BYTES` random bytes at `key`. */
export function sipHash(from: usize, length: u32, key: usize): u64 {
  v0 = load<u64>(key) ^ 0x736f6d6570736575;
  v1 = load<u64>(key, 8) ^ 0x646f72616e646f6d;
  v2 = load<u64>(key) ^ 0x6c7967656e657261;
  v3 = load<u64>(key, 8) ^ 0x7465646279746573;
  let at: u32 = 0;
  for (; at + 8 <= length; at += 8) absorb(load<u64>(from + at));
  let last = (<u64>length) << 56;
  for (let shift: u64 = 0; at < length; at++, shift += 8) {
    last |= (<u64>load<u8>(from + at)) << shift;
  }
  absorb(last);
  v2 ^= 0xff;
  mix(4);
  return v0 ^ v1 ^ v2 ^ v3;
}
