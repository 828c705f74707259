/**
 * What was admitted under rates, held against their promise: in any interval at most burst + rate ×
 * its length, by the filter's own times. It follows no share: a fault of the host shows too.
 */
import type { PolicyLimit } from '../../../host/wire/policy.ts';
import { type Admission, excessOf } from '../../support/interval.ts';

const RATE = 2;
const ENFORCE = 0;

/** Admissions by account. */
export class Admissions {
  readonly #accounts = new Map<string, { limit: PolicyLimit; admitted: Admission[] }>();
  readonly #forgiven = new Set<string>();

  /** A request was admitted under a limit of this owner. */
  note(owner: number, limit: PolicyLimit, admission: Admission): void {
    if (limit.class !== RATE || limit.mode !== ENFORCE) return;
    const key = `${owner}/${limit.id}`;
    const account = this.#accounts.get(key) ?? { limit, admitted: [] };
    account.admitted.push(admission);
    this.#accounts.set(key, account);
  }

  /** The share of an account is statistical: nothing is promised of it. */
  forgive(owner: number, limit: number): void {
    this.#forgiven.add(`${owner}/${limit}`);
  }

  /** What is above the promise, in words; undefined if nothing is. */
  excess(): string | undefined {
    for (const [key, { limit, admitted }] of this.#accounts) {
      if (this.#forgiven.has(key)) continue;
      const excess = excessOf(admitted, limit.quota / limit.windowKind, limit.burst);
      if (excess > 1e-6) return `${excess} units of ${limit.name} above burst + rate × time`;
    }
    return undefined;
  }
}
