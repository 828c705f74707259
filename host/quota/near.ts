/**
 * Accounts near exhaustion, as far as holders have said. Lost at a restart, and there again with
 * the next report; it must never decide anything.
 */
import type { Account } from './report.ts';

/** An account is near exhaustion when so much of its quota is used. */
const NEAR_FRACTION = 0.8;
/** Most accounts remembered as near exhaustion; those beyond are told once others end. */
export const NEAR_MAX = 10_000;

/** An account near exhaustion in its window now. */
export interface NearAccount {
  readonly account: Account;
  /** Units used as far as holders have said, and of how many. */
  readonly used: number;
  readonly quota: number;
  readonly endMs: number;
}

/** The accounts near exhaustion, by the names rows know them by. */
export class NearAccounts {
  readonly #byAccount = new Map<string, NearAccount>();

  get size(): number {
    return this.#byAccount.size;
  }

  /** Takes in what an account has used of its quota in the window that ends at `endMs`. */
  note(key: string, now: NearAccount): void {
    const known = this.#byAccount.get(key);
    if (known !== undefined && known.endMs > now.endMs) return;
    if (now.used < now.quota * NEAR_FRACTION) this.#byAccount.delete(key);
    else if (known !== undefined || this.size < NEAR_MAX) this.#byAccount.set(key, now);
  }

  /** Forgets an account until it is heard of again. */
  forget(key: string): void {
    this.#byAccount.delete(key);
  }

  /** Those whose window is not over at `nowMs`; the others are forgotten. */
  at(nowMs: number): readonly NearAccount[] {
    for (const [key, { endMs }] of this.#byAccount) {
      if (endMs <= nowMs) this.#byAccount.delete(key);
    }
    return [...this.#byAccount.values()];
  }
}
