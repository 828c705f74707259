/**
 * The quota of one holder that has every window to itself: units used so far by account. Time does
 * not pass in it; a scene is over before its shortest window is.
 */
import type { PolicyLimit } from '../../../host/wire/policy.ts';

/** Mode of a limit that is not asked. */
const OFF = 2;

/** Units used by account. */
export class Accounts {
  readonly #used = new Map<string, number>();
  readonly #blurred = new Set<number>();

  /** Gives up following what a subscription uses. */
  blur(owner: number): void {
    this.#blurred.add(owner);
  }

  /** Whether nobody knows what a subscription has left. */
  isBlurred(owner: number): boolean {
    return this.#blurred.has(owner);
  }

  /**
   * Takes `cost` from every limit, or from none and answers the first that does not have it.
   */
  take(owner: number, limits: readonly PolicyLimit[], cost: number): PolicyLimit | undefined {
    const counted = limits.filter(({ mode }) => mode !== OFF);
    const denies = counted.find((limit) => this.used(owner, limit) + cost > limit.quota);
    if (denies !== undefined) return denies;
    for (const limit of counted) {
      this.#used.set(accountOf(owner, limit), this.used(owner, limit) + cost);
    }
    return undefined;
  }

  /** Units used of a limit. */
  used(owner: number, limit: PolicyLimit): number {
    return this.#used.get(accountOf(owner, limit)) ?? 0;
  }
}

function accountOf(owner: number, { id, windowKind }: PolicyLimit): string {
  return `${owner}/${id}/${windowKind}`;
}
