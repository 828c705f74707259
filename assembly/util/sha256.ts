/**
 * SHA-256 (FIPS 180-4) over a run of bytes, in static memory and without allocation. It knows
 * nothing of keys or policies, and is not re-entrant: the VM has one thread.
 */
import { copyBytes } from './bytes';

/** Bytes of a digest. */
export const DIGEST_BYTES: u32 = 32;

const BLOCK_BYTES: u32 = 64;

/** Fractional parts of the cube roots of the first 64 primes. */
const K: usize = memory.data<u32>([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
]);
/** The message schedule of one block. */
const W: usize = memory.data(64 * 4, 16);
/** The eight words of the state between blocks. */
const STATE: usize = memory.data(8 * 4, 16);
/** The last one or two blocks: the rest of the message, a one bit, zeros, the length in bits. */
const TAIL: usize = memory.data(2 * 64, 16);

class Word {
  @inline static sum0(x: u32): u32 {
    return rotr(x, 2) ^ rotr(x, 13) ^ rotr(x, 22);
  }
  @inline static sum1(x: u32): u32 {
    return rotr(x, 6) ^ rotr(x, 11) ^ rotr(x, 25);
  }
  @inline static sigma0(x: u32): u32 {
    return rotr(x, 7) ^ rotr(x, 18) ^ (x >> 3);
  }
  @inline static sigma1(x: u32): u32 {
    return rotr(x, 17) ^ rotr(x, 19) ^ (x >> 10);
  }
  /** `x` chooses between the bits of `y` and `z`. */
  @inline static choose(x: u32, y: u32, z: u32): u32 {
    return z ^ (x & (y ^ z));
  }
  @inline static majority(x: u32, y: u32, z: u32): u32 {
    return (x & y) | (z & (x | y));
  }
  /** The part of a round that does not depend on the first three words. */
  @inline static first(e: u32, f: u32, g: u32, h: u32, at: usize): u32 {
    return h + Word.sum1(e) + Word.choose(e, f, g) + load<u32>(K + at) + load<u32>(W + at);
  }
  @inline static second(a: u32, b: u32, c: u32): u32 {
    return Word.sum0(a) + Word.majority(a, b, c);
  }
}

/** Fills the message schedule from the 64 bytes at `block`. */
function schedule(block: usize): void {
  for (let at: usize = 0; at < 64; at += 4) store<u32>(W + at, bswap(load<u32>(block + at)));
  for (let at: usize = 64; at < 256; at += 4) {
    const word =
      Word.sigma1(load<u32>(W + at - 8)) +
      load<u32>(W + at - 28) +
      Word.sigma0(load<u32>(W + at - 60)) +
      load<u32>(W + at - 64);
    store<u32>(W + at, word);
  }
}

/** Adds one block to the state. Eight rounds a turn, so that no word has to be moved. */
function compress(block: usize): void {
  schedule(block);
  let a = load<u32>(STATE, 0);
  let b = load<u32>(STATE, 4);
  let c = load<u32>(STATE, 8);
  let d = load<u32>(STATE, 12);
  let e = load<u32>(STATE, 16);
  let f = load<u32>(STATE, 20);
  let g = load<u32>(STATE, 24);
  let h = load<u32>(STATE, 28);
  for (let at: usize = 0; at < 256; at += 32) {
    let t = Word.first(e, f, g, h, at);
    d += t;
    h = t + Word.second(a, b, c);
    t = Word.first(d, e, f, g, at + 4);
    c += t;
    g = t + Word.second(h, a, b);
    t = Word.first(c, d, e, f, at + 8);
    b += t;
    f = t + Word.second(g, h, a);
    t = Word.first(b, c, d, e, at + 12);
    a += t;
    e = t + Word.second(f, g, h);
    t = Word.first(a, b, c, d, at + 16);
    h += t;
    d = t + Word.second(e, f, g);
    t = Word.first(h, a, b, c, at + 20);
    g += t;
    c = t + Word.second(d, e, f);
    t = Word.first(g, h, a, b, at + 24);
    f += t;
    b = t + Word.second(c, d, e);
    t = Word.first(f, g, h, a, at + 28);
    e += t;
    a = t + Word.second(b, c, d);
  }
  store<u32>(STATE, load<u32>(STATE, 0) + a, 0);
  store<u32>(STATE, load<u32>(STATE, 4) + b, 4);
  store<u32>(STATE, load<u32>(STATE, 8) + c, 8);
  store<u32>(STATE, load<u32>(STATE, 12) + d, 12);
  store<u32>(STATE, load<u32>(STATE, 16) + e, 16);
  store<u32>(STATE, load<u32>(STATE, 20) + f, 20);
  store<u32>(STATE, load<u32>(STATE, 24) + g, 24);
  store<u32>(STATE, load<u32>(STATE, 28) + h, 28);
}

/** The state before the first block: fractional parts of the square roots of eight primes. */
const START: usize = memory.data<u32>([
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
]);

/** Writes the digest of `length` bytes, `DIGEST_BYTES` long, at `to`. The ranges may overlap. */
export function sha256(from: usize, length: u32, to: usize): void {
  sha256Slice(to, from, 0, length, length);
}

/**
 * Hashes at most `most` bytes, a multiple of 64 or all, of `length` bytes at `from` of which `done`
 * were hashed before; answers how many are now. In between `state` keeps `DIGEST_BYTES`; once all
 * are done it holds the digest.
 */
export function sha256Slice(state: usize, from: usize, done: u32, length: u32, most: u32): u32 {
  copyBytes(STATE, done == 0 ? START : state, DIGEST_BYTES);
  const whole = length & ~(BLOCK_BYTES - 1);
  const end = done + min(whole - done, most);
  for (let at = done; at < end; at += BLOCK_BYTES) compress(from + at);
  if (end < whole) {
    copyBytes(state, STATE, DIGEST_BYTES);
    return end;
  }
  finish(from + whole, length, state);
  return length;
}

/** Adds what follows the last whole block, of `length` bytes in all, and writes the digest. */
function finish(rest: usize, length: u32, to: usize): void {
  const restBytes = length & (BLOCK_BYTES - 1);
  const tailBytes = restBytes < BLOCK_BYTES - 8 ? BLOCK_BYTES : 2 * BLOCK_BYTES;
  memory.fill(TAIL, 0, tailBytes);
  memory.copy(TAIL, rest, restBytes);
  store<u8>(TAIL + restBytes, 0x80);
  store<u64>(TAIL + tailBytes - 8, bswap((<u64>length) << 3));
  compress(TAIL);
  if (tailBytes > BLOCK_BYTES) compress(TAIL + BLOCK_BYTES);
  for (let at: usize = 0; at < DIGEST_BYTES; at += 4) {
    store<u32>(to + at, bswap(load<u32>(STATE + at)));
  }
}
