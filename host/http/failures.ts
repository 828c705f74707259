/**
 * Bounds how often one address may present a wrong token, so that nobody guesses at speed and no
 * log fills up. It must never remember what was presented.
 */

/** Addresses remembered; beyond, the one silent longest is forgotten. */
export const ADDRESSES_MAX = 1_024;

/** Wrong tokens an address may present at once. */
export const FAILURES_MAX = 30;

/** After so long, an address may present one wrong token more. */
const REFILL_MS = 1_000;

interface Bucket {
  failures: number;
  atMs: number;
}

/** Failures of the last moments by address. */
export class Failures {
  readonly #buckets = new Map<string, Bucket>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Whether nothing that this address presents is looked at for now. */
  isBarred(address: string): boolean {
    return this.#now(address).failures > FAILURES_MAX - 1;
  }

  /** Remembers a failure of an address. */
  add(address: string): void {
    const bucket = this.#now(address);
    this.#buckets.delete(address);
    this.#buckets.set(address, { ...bucket, failures: bucket.failures + 1 });
    if (this.#buckets.size <= ADDRESSES_MAX) return;
    const [oldest] = this.#buckets.keys();
    if (oldest !== undefined) this.#buckets.delete(oldest);
  }

  #now(address: string): Bucket {
    const atMs = this.#nowMs();
    const bucket = this.#buckets.get(address);
    if (bucket === undefined) return { failures: 0, atMs };
    const passed = Math.max(0, atMs - bucket.atMs) / REFILL_MS;
    return { failures: Math.max(0, bucket.failures - passed), atMs };
  }
}
