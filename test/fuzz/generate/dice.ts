/**
 * Chance that a seed repeats: what every generator of this folder draws from.
 */
import { type Random, seededRandom } from '../../../host/emulator/index.ts';

/** Draws from a seed. */
export class Dice {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  /** A whole number in [0, below). */
  int(below: number): number {
    return Math.floor(this.#random.next() * below);
  }

  /** True once in `of` times. */
  once(of: number): boolean {
    return this.int(of) === 0;
  }

  /** One of a list that is not empty. */
  pick<T>(list: readonly T[]): T {
    return list[this.int(list.length)] as T;
  }

  /** What several draws give. */
  times<T>(count: number, draw: (index: number) => T): T[] {
    return Array.from({ length: count }, (_, index) => draw(index));
  }

  /** Each of a list with one chance in two. */
  some<T>(list: readonly T[]): T[] {
    return list.filter(() => this.once(2));
  }

  /** That many bytes, each from `from` to 255. */
  bytes(count: number, from = 0): Uint8Array {
    return new Uint8Array(count).map(() => from + this.int(256 - from));
  }
}
