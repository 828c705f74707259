/**
 * The holder's side of a share of a rate, for one account: the yardstick for the filter's own
 * arithmetic, which a contract test holds to it call by call. It must never know anything that a
 * filter cannot know: no host clock, no other holder, no rate but that of its share.
 */
import type { ShareReply } from '../../host/quota/report.ts';

const UNIT_BITS = 30n;
const WIRE_BITS = 10n;
const NO_END = 2n ** 64n - 1n;

/** `cold` = there is no share that may be acted on. */
export type RateVerdict = 'ok' | 'cold' | 'exhausted';

/** What a holder knows of its share. Times are its own milliseconds, levels units × 2^30. */
export class RateHolder {
  number = 0n;
  parts = 0n;
  perMs = 0n;
  burst = 0n;
  level = 0n;
  levelAtMs = 0n;
  validUntilMs = 0n;
  /** Level given back in all. */
  given = 0n;
  /** Highest number whose level has come in. */
  highest = 0n;
  leaving = false;

  /** Whether `cost` units could be spent now; spends nothing. */
  ask(cost: number, nowMs: bigint): RateVerdict {
    if (this.perMs === 0n || nowMs >= this.validUntilMs) return 'cold';
    this.#refill(nowMs);
    return this.level < BigInt(cost) << UNIT_BITS ? 'exhausted' : 'ok';
  }

  /** Spends what was asked for in the same moment. */
  spend(cost: number): void {
    this.level -= BigInt(cost) << UNIT_BITS;
  }

  /** Takes a share that the host told in answer to a report sent at `sentMs`. */
  take(share: ShareReply, sentMs: bigint, nowMs: bigint): void {
    const lapsed = nowMs >= this.validUntilMs;
    const number = BigInt(share.number);
    if (number < this.number && !lapsed) return;
    if (number !== this.number) {
      if (this.perMs === 0n || lapsed) this.level = 0n;
      else this.#refill(nowMs);
      const burst = BigInt(share.burst) << WIRE_BITS;
      const kept = least(this.level, burst);
      this.given += this.level - kept;
      const start = number > this.highest ? BigInt(share.start) << WIRE_BITS : 0n;
      this.level = start === 0n ? kept : least(burst, kept + start);
      this.highest = number > this.highest ? number : this.highest;
      this.perMs = BigInt(share.rate);
      this.burst = burst;
      this.number = number;
      this.parts = BigInt(share.parts);
      this.validUntilMs = 0n;
      this.leaving = false;
      this.levelAtMs = nowMs;
    } else if (lapsed) {
      this.level = 0n;
      this.levelAtMs = nowMs;
    }
    const valid = BigInt(share.validMs);
    const until = share.approximate ? NO_END : sentMs + valid - (valid + 999n) / 1000n;
    if (until > this.validUntilMs) this.validUntilMs = until;
  }

  /** Gives the share back, level and all. */
  drop(): void {
    if (this.number === 0n) return;
    this.given += this.level;
    this.forget();
    this.leaving = true;
  }

  /** Forgets the share without a word. */
  forget(): void {
    this.level = 0n;
    this.perMs = 0n;
    this.burst = 0n;
    this.number = 0n;
    this.parts = 0n;
    this.validUntilMs = 0n;
  }

  #refill(nowMs: bigint): void {
    this.level = least(this.burst, this.level + (nowMs - this.levelAtMs) * this.perMs);
    this.levelAtMs = nowMs;
  }
}

function least(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
