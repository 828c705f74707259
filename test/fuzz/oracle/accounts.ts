/**
 * What one holder may admit that has every account to itself: of exact limits what is left of the
 * quota, of rates what its share comes to. No window ends while a scene is played.
 */
import type { PolicyLimit } from '../../../host/wire/policy.ts';
import { Share, type ToldShare } from './share.ts';

/** Mode of a limit that is not asked. */
const OFF = 2;
/** Class of a limit that counts units of a quota. */
const EXACT = 1;

/** A reply about one share. */
export interface Told extends ToldShare {
  readonly owner: number;
  readonly limit: number;
  readonly class: number;
  /** Requests that had begun by then, and those that were decided. */
  readonly begun: number;
  readonly decided: number;
}

/** When a request was decided, and when first, if it had to wait. Milliseconds of the filter. */
export interface AskedAt {
  /** Number of the request, so that what came before it is told from what it waited for. */
  readonly request: number;
  readonly firstMs: number;
  readonly nowMs: number;
}

/** How a limit stands: units left, and which part of all there may be. */
export interface Standing {
  readonly units: number;
  readonly part: number;
}

/** Units used by account. */
export class Accounts {
  readonly #used = new Map<string, number>();
  readonly #shares = new Map<string, { share: Share; dearest: number; told: Told[] }>();
  readonly #blurred = new Set<number>();

  /** Gives up following what a subscription uses. */
  blur(owner: number): void {
    this.#blurred.add(owner);
  }

  /** Whether nobody knows what a subscription has left. */
  isBlurred(owner: number): boolean {
    return this.#blurred.has(owner);
  }

  /** A reply has told the filter of a share; in the order of time. */
  hear(told: Told): void {
    this.#shareOf(told.owner, told.limit, told.class).told.push(told);
  }

  /**
   * Takes `cost` from every limit, or from none and answers the first that does not have it. Every
   * limit is asked, also when an earlier one refuses.
   */
  take(
    owner: number,
    limits: readonly PolicyLimit[],
    cost: number,
    at: AskedAt,
  ): PolicyLimit | undefined {
    const counted = limits.filter(({ mode }) => mode !== OFF);
    for (const limit of counted) if (limit.class !== EXACT) this.#ask(owner, limit, cost, at);
    const denies = counted.find((limit) => this.#denies(owner, limit, cost));
    if (denies !== undefined) return denies;
    for (const limit of counted) {
      if (limit.class !== EXACT) this.#shareOf(owner, limit.id, limit.class).share.take(cost);
      else this.#used.set(keyOf(owner, limit), this.#usedOf(owner, limit) + cost);
    }
    return undefined;
  }

  /** How a limit stands since it was asked last; undefined while nothing is known of it. */
  standing(owner: number, limit: PolicyLimit): Standing | undefined {
    if (limit.class !== EXACT) {
      const { share } = this.#shareOf(owner, limit.id, limit.class);
      return share.isKnown ? { units: share.units, part: share.part } : undefined;
    }
    const units = limit.quota - this.#usedOf(owner, limit);
    return { units, part: units / limit.quota };
  }

  #ask(owner: number, limit: PolicyLimit, cost: number, by: AskedAt): void {
    const at = this.#shareOf(owner, limit.id, limit.class);
    at.dearest = Math.max(at.dearest, cost);
    const { told, share } = at;
    for (const one of told.filter(({ begun }) => begun < by.request)) share.hear(one);
    share.ask(limit, at.dearest, by.firstMs);
    const isDuring = ({ begun, decided }: Told) => begun >= by.request && decided < by.request;
    for (const one of told.filter(isDuring)) share.hear(one);
    share.ask(limit, at.dearest, by.nowMs);
    at.told = told.filter(({ decided }) => decided >= by.request);
  }

  #denies(owner: number, limit: PolicyLimit, cost: number): boolean {
    if (limit.class === EXACT) return this.#usedOf(owner, limit) + cost > limit.quota;
    return this.#shareOf(owner, limit.id, limit.class).share.denies(cost);
  }

  #usedOf(owner: number, limit: PolicyLimit): number {
    return this.#used.get(keyOf(owner, limit)) ?? 0;
  }

  /** An account of one class is never that of another. */
  #shareOf(owner: number, limit: number, of: number) {
    const key = `${owner}/${limit}/${of}`;
    const known = this.#shares.get(key) ?? { share: new Share(), dearest: 0, told: [] };
    this.#shares.set(key, known);
    return known;
  }
}

function keyOf(owner: number, { id, windowKind }: PolicyLimit): string {
  return `${owner}/${id}/${windowKind}`;
}
