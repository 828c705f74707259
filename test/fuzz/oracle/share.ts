/**
 * What a holder may admit of one rate: docs/wire.md, "Shares", sentence by sentence. It is told
 * what the host told the filter, and when; it must never ask the filter anything but the time.
 */
import type { PolicyLimit } from '../../../host/wire/policy.ts';

/** A share as a reply tells it; rate, burst and start in the measure of the wire. */
export interface ToldShare {
  readonly atMs: number;
  /** 0 = none. */
  readonly number: number;
  readonly rate: number;
  readonly burst: number;
  readonly start: number;
}

/** Class of a limit whose share is statistical. */
const APPROXIMATE = 3;
/** A unit in levels, and one as the wire tells bursts. */
const UNIT = 2n ** 30n;
const WIRE = 2n ** 10n;
/** A share that nobody used for so long is given back. */
const IDLE_MS = 10_000;

/** One share of one holder. */
export class Share {
  #number = 0;
  /** Highest number whose level has come in. */
  #highest = 0;
  #perMs = 0n;
  #burst = 0n;
  #level = 0n;
  #atMs = 0;
  #usedMs = 0;

  /** Whether there is something to admit from. */
  get isKnown(): boolean {
    return this.#perMs > 0n;
  }

  /** How full it is, 0 … 1. */
  get part(): number {
    return Number(this.#level) / Number(this.#burst);
  }

  /** Whole units that it has. */
  get units(): number {
    return Number(this.#level / UNIT);
  }

  /** A reply has come. */
  hear({ atMs, number, rate, burst, start }: ToldShare): void {
    this.#pass(atMs);
    if (number === 0 || number <= this.#number) return;
    // It begins with the level it had, or empty; what the host sends along comes in once.
    const more = number > this.#highest ? BigInt(start) * WIRE : 0n;
    this.#burst = BigInt(burst) * WIRE;
    this.#perMs = BigInt(rate);
    this.#level = least(least(this.#level, this.#burst) + more, this.#burst);
    this.#number = number;
    this.#highest = Math.max(this.#highest, number);
  }

  /** A request asks, whatever comes of it. `cost` is the dearest so far. */
  ask(limit: PolicyLimit, cost: number, atMs: number): void {
    this.#pass(atMs);
    this.#usedMs = atMs;
    if (this.isKnown || limit.class !== APPROXIMATE) return;
    // Before any word it acts on all of the quota, full: no other holder was told of.
    const windowMs = BigInt(limit.windowKind) * 1_000n;
    this.#perMs = most((BigInt(limit.quota) * UNIT) / windowMs, 1n);
    this.#burst = most(BigInt(limit.burst), BigInt(cost)) * UNIT;
    this.#level = this.#burst;
  }

  /** Whether `cost` units cannot be had. Of what is not known yet nobody can say so. */
  denies(cost: number): boolean {
    return this.isKnown && this.#level < BigInt(cost) * UNIT;
  }

  /** Takes units that are there. */
  take(cost: number): void {
    if (this.isKnown) this.#level -= BigInt(cost) * UNIT;
  }

  /** Time passes: the level rises, and what is idle goes back. */
  #pass(atMs: number): void {
    const since = BigInt(atMs - this.#atMs);
    this.#level = least(this.#burst, this.#level + since * this.#perMs);
    this.#atMs = atMs;
    if (this.#number === 0 || atMs - this.#usedMs < IDLE_MS) return;
    this.#number = 0;
    this.#perMs = 0n;
    this.#burst = 0n;
    this.#level = 0n;
  }
}

function least(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

function most(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
