/**
 * Shares of rate limits: who may admit which part of a rate now. Pure memory and arithmetic; the
 * clock is a parameter and monotonic. It must never let the parts of one account sum up to more
 * than one, nor make up units: levels only move between holders and the host.
 *
 * The host counts as a holder of what is not given out: that part of the rate fills its `spare`,
 * up to its part of the burst. So all levels together are never above the burst and grow by the
 * rate at most, whoever joins, leaves or falls silent; from which follows the promise: in any
 * interval at most burst + rate × its length.
 */
import type { Account, AccountTerms, HolderId, ShareReply, ShareReport } from './report.ts';
import { accountKey } from './rows.ts';

/** A whole account in parts. A power of two, so that halves and quarters are exact. */
export const SHARE_PARTS = 2 ** 30;
/** One unit of a limit in the measure of bursts and levels. */
export const LEVEL_UNIT = 2 ** 20;
/** One unit of a limit in the measure of rates, which are per millisecond. */
export const RATE_UNIT = 2 ** 30;
/** How long a holder may act on a share, from the sending of its report. */
export const SHARE_VALID_MS = 6_000;
/** Clocks run at rates that differ by less than this; a lease is kept so much longer here. */
const CLOCK_RATE_ERROR = 0.002;
/** When a holder asks again that has to wait for others; a prompt mostly comes first. */
const WAIT_MS = 100;
/** When a holder asks again that the host has nothing for. */
const UNAVAILABLE_MS = 1_000;
/** A share of less than so many units a second is approximate. */
const LEAST_PER_SECOND = 1;
/** With more holders than this nobody is prompted: each renews its share soon enough. */
const PROMPTED_MAX = 16;
/** Most accounts; beyond them a holder is told that the host is not available. */
const ACCOUNTS_MAX = 200_000;

interface ShareHolder {
  generation: number;
  /** Number of the newest call that carried the account; older ones teach nothing. */
  sequence: number;
  /** The share told last, and the most that the holder may be acting on; in parts. */
  number: number;
  told: number;
  bound: number;
  /** What the share told last comes to, so that other terms are another share. */
  rate: number;
  burst: number;
  /** Level that goes with the share told last, until the holder has it. */
  start: number;
  /** Level it has given back so far. */
  given: number;
  untilMs: number;
  prompted: boolean;
}

interface ShareAccount {
  readonly holders: Map<HolderId, ShareHolder>;
  /** Level of the part nobody holds, as of `spareAtMs`. */
  spare: number;
  spareAtMs: number;
  /** Dearest request that a holder has met. */
  need: number;
  approximate: boolean;
  /** From then on a fresh account could not be fuller than this one. */
  fullAtMs: number;
}

/** Settings of the shares of a host. */
export interface SharesOptions {
  /** Monotonic milliseconds. */
  readonly clockMs: () => number;
  /**
   * True when an earlier process may have told shares that are still in force: then nothing new is
   * given until the last of them has run out, and holders keep what they report.
   */
  readonly learn: boolean;
  /** Above the number of every share that an earlier process told. */
  readonly firstNumber: number;
  /** A holder should report now: it holds too much, or it waits and there is something for it. */
  readonly onPrompt: (holder: HolderId) => void;
}

/** What a host has shared out, now, but for `waits`, which only grows. */
export interface ShareStats {
  readonly accounts: number;
  /** Accounts whose shares are statistical: by their class, or because they are so small. */
  readonly approximate: number;
  readonly holders: number;
  /** Answers that made a holder wait for others. */
  readonly waits: number;
}

/** All shares of one host. */
export class Shares {
  readonly #options: SharesOptions;
  readonly #accounts = new Map<string, ShareAccount>();
  readonly #learnUntilMs: number;
  #number: number;
  #waits = 0;

  constructor(options: SharesOptions) {
    this.#options = options;
    this.#number = options.firstNumber;
    this.#learnUntilMs = options.learn ? options.clockMs() + leaseMs() : -Infinity;
  }

  /** Takes what a holder reports of one account and answers the share it may act on. */
  answer(holder: HolderId, account: Account, terms: AccountTerms, report: ShareReport): ShareReply {
    const now = this.#options.clockMs();
    const at = this.#accountOf(account, terms, now);
    if (at === undefined) return nothing('unavailable', UNAVAILABLE_MS, 0);
    at.need = Math.max(at.need, report.need);
    const known = at.holders.get(holder);
    if (!report.want) {
      if (known !== undefined && report.sequence > known.sequence) {
        at.spare += credit(known, report);
        at.holders.delete(holder);
      }
      this.#prompt(at, holder);
      return nothing('ok', 0, at.holders.size);
    }
    const held = known ?? this.#join(at, holder, report, now);
    if (held === undefined) return nothing('unavailable', UNAVAILABLE_MS, at.holders.size);
    learn(at, held, report);
    capSpare(at, terms);
    held.untilMs = now + leaseMs();
    held.prompted = false;
    const target = targetOf(at);
    at.approximate = isApproximate(at, account, terms, target);
    this.#tell(at, held, account, terms, this.#partsFor(at, held, target, now));
    this.#prompt(at, holder);
    const holders = at.holders.size;
    if (held.told === 0) {
      this.#waits += 1;
      return nothing('exhausted', WAIT_MS, holders);
    }
    const { number, told: parts, rate, burst, start } = held;
    const share = { number, parts, rate, burst, start, approximate: at.approximate };
    return { status: 'ok', ...share, validMs: SHARE_VALID_MS, holders, denyForMs: 0 };
  }

  /** Forgets what ran out; called now and then, so that memory does not grow. */
  sweep(): void {
    const now = this.#options.clockMs();
    for (const [key, at] of this.#accounts) {
      if (now < at.fullAtMs) continue;
      expire(at, now);
      if (at.holders.size === 0) this.#accounts.delete(key);
    }
  }

  /** Figures for metrics. */
  stats(): ShareStats {
    const all = [...this.#accounts.values()];
    return {
      accounts: all.length,
      approximate: all.filter(({ approximate }) => approximate).length,
      holders: all.reduce((sum, { holders }) => sum + holders.size, 0),
      waits: this.#waits,
    };
  }

  /** The account with its spare level as of now, and without holders whose lease is over. */
  #accountOf(account: Account, terms: AccountTerms, now: number): ShareAccount | undefined {
    const key = accountKey(account);
    const fillMs = (terms.burst / terms.quota) * account.windowKind * 1000;
    let at = this.#accounts.get(key);
    if (at === undefined) {
      if (this.#accounts.size >= ACCOUNTS_MAX) return undefined;
      // Nobody holds anything and nobody did: the first shares are full. After a restart they are
      // as full as they can have become since the last share of before ran out.
      const spareAtMs = Math.max(this.#learnUntilMs, now - fillMs);
      at = {
        ...{ holders: new Map(), spare: 0, spareAtMs },
        ...{ need: 1, approximate: false, fullAtMs: 0 },
      };
      this.#accounts.set(key, at);
    }
    const perMs = (terms.quota / (account.windowKind * 1000)) * LEVEL_UNIT;
    const sinceMs = Math.max(0, now - at.spareAtMs);
    at.spare += sinceMs * perMs * (freeParts(at) / SHARE_PARTS);
    at.spareAtMs = Math.max(at.spareAtMs, now);
    at.fullAtMs = at.spareAtMs + fillMs + leaseMs();
    expire(at, now);
    capSpare(at, terms);
    return at;
  }

  #join(
    at: ShareAccount,
    holder: HolderId,
    report: ShareReport,
    now: number,
  ): ShareHolder | undefined {
    const learning = now < this.#learnUntilMs;
    // While learning, a share told by an earlier process stays where it is; there is no other.
    const kept = learning && report.number !== 0 ? Math.min(report.parts, freeParts(at)) : 0;
    if (learning && kept === 0) return undefined;
    const { generation, given } = report;
    const joined: ShareHolder = {
      ...{ generation, sequence: -1, number: kept > 0 ? report.number : 0 },
      ...{ told: kept, bound: kept, rate: -1, burst: -1, start: 0 },
      ...{ given, untilMs: 0, prompted: false },
    };
    at.holders.set(holder, joined);
    return joined;
  }

  #partsFor(at: ShareAccount, held: ShareHolder, target: number, now: number): number {
    if (now < this.#learnUntilMs) return held.told;
    if (at.approximate) return target;
    const parts = Math.min(target, freeParts(at, held));
    // A crumb is worth less than the wait for a share that others are about to give back.
    return held.told === 0 && parts < target / 2 ? 0 : parts;
  }

  #tell(
    at: ShareAccount,
    held: ShareHolder,
    account: Account,
    terms: AccountTerms,
    parts: number,
  ): void {
    const part = parts / SHARE_PARTS;
    const rate = Math.floor((terms.quota / (account.windowKind * 1000)) * part * RATE_UNIT);
    const least = at.approximate ? at.need * LEVEL_UNIT : 0;
    const burst = Math.max(least, Math.floor(terms.burst * part * LEVEL_UNIT));
    if (parts === held.told && (parts === 0 || (rate === held.rate && burst === held.burst)))
      return;
    const larger = burst - (held.told === 0 ? 0 : Math.max(0, held.burst));
    this.#number += 1;
    held.number = this.#number;
    held.told = parts;
    held.bound = at.approximate ? parts : Math.max(held.bound, parts);
    held.rate = rate;
    held.burst = burst;
    held.start = Math.floor(Math.min(Math.max(0, larger), at.spare));
    at.spare -= held.start;
    capSpare(at, terms);
  }

  /** Asks others to report at once: those who hold too much, and those who may have something. */
  #prompt(at: ShareAccount, asker: HolderId): void {
    if (at.approximate || at.holders.size > PROMPTED_MAX) return;
    const target = targetOf(at);
    const free = freeParts(at);
    for (const [id, held] of at.holders) {
      const waits = held.told === 0 && free >= target / 2;
      if (id === asker || held.prompted || (held.told <= target && !waits)) continue;
      held.prompted = true;
      this.#options.onPrompt(id);
    }
  }
}

function leaseMs(): number {
  return Math.ceil(SHARE_VALID_MS * (1 + CLOCK_RATE_ERROR));
}

/** What a report proves: which share the holder acts on, and what it gave back. */
function learn(at: ShareAccount, held: ShareHolder, report: ShareReport): void {
  if (report.sequence <= held.sequence) return;
  held.sequence = report.sequence;
  at.spare += credit(held, report);
  if (report.number !== held.number || held.number === 0) return;
  held.bound = held.told;
  held.start = 0;
}

/** Level that a report gives back beyond what earlier ones did. */
function credit(held: ShareHolder, { generation, given }: ShareReport): number {
  const more = generation === held.generation ? Math.max(0, given - held.given) : 0;
  held.generation = generation;
  held.given = given;
  return more;
}

/** An equal split over the holders. */
function targetOf(at: ShareAccount): number {
  return Math.floor(SHARE_PARTS / Math.max(1, at.holders.size));
}

function isApproximate(
  at: ShareAccount,
  account: Account,
  terms: AccountTerms,
  target: number,
): boolean {
  const part = target / SHARE_PARTS;
  return (
    terms.class === 'approximate' ||
    (terms.quota / account.windowKind) * part < LEAST_PER_SECOND ||
    terms.burst * part < at.need
  );
}

/** Parts that no holder but perhaps `but` may be acting on. */
function freeParts(at: ShareAccount, but?: ShareHolder): number {
  let free = SHARE_PARTS;
  for (const held of at.holders.values()) if (held !== but) free -= held.bound;
  return Math.max(0, free);
}

function expire(at: ShareAccount, now: number): void {
  for (const [id, { untilMs }] of at.holders) if (untilMs <= now) at.holders.delete(id);
}

function capSpare(at: ShareAccount, { burst }: AccountTerms): void {
  at.spare = Math.min(at.spare, burst * LEVEL_UNIT * (freeParts(at) / SHARE_PARTS));
}

function nothing(
  status: 'ok' | 'exhausted' | 'unavailable',
  denyForMs: number,
  holders: number,
): ShareReply {
  const share = { number: 0, parts: 0, rate: 0, burst: 0, start: 0, approximate: false };
  return { status, ...share, validMs: 0, holders, denyForMs };
}
