/**
 * Randomness that a seed repeats exactly. For tests and simulations only; never for keys.
 */

/** A source of random bytes and numbers. */
export interface Random {
  /** Fills `bytes`. */
  fill(bytes: Uint8Array): void;
  /** A number in [0, 1). */
  next(): number;
}

/** Random numbers that depend on `seed` alone (SplitMix32, 32 bits of state). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const word = () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  };
  return {
    fill(bytes) {
      for (let i = 0; i < bytes.length; i += 4) {
        const bits = word();
        for (let j = 0; j < 4 && i + j < bytes.length; j++) bytes[i + j] = bits >>> (8 * j);
      }
    },
    next: () => word() / 0x1_0000_0000,
  };
}
