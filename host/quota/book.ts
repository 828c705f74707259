/**
 * The book: takes reports against rows and answers them; folds; removes windows long over. It is
 * the whole behaviour of a ledger without its medium. It must never do I/O but through the rows,
 * read a clock, or keep anything in memory that a restart may not lose.
 */

import { denyForMs, grantSize, leaseMs, preGrantDue, type Supply, useByMs } from './grant.ts';
import { fold, grant, holds, isConsistent, learn, openHolding } from './holding.ts';
import { type NearAccount, NearAccounts } from './near.ts';
import type {
  Account,
  HolderId,
  LimitTerms,
  ReplyItem,
  ReplyStatus,
  ReportItem,
} from './report.ts';
import { accountKey, type HoldingRow, type LedgerRows, type WindowRow } from './rows.ts';
import type { LedgerStats } from './stats.ts';
import { type Window, windowAt, windowById, windowLengthMs } from './window.ts';

/** How long a folded holding's counters wait for their holder. */
const TRUE_UP_FOR_MS = 3_600_000;
/** An ended window is kept for true-up's time, but no longer than this many windows. */
const KEEP_WINDOWS_MAX = 60;
/** Steps of the clock backwards up to this are held still; larger ones are followed. */
const CLOCK_BACK_MAX_MS = 5_000;
/** Most holdings one call of fold looks at; a grant may have to wait for it. */
export const FOLD_HOLDINGS_MAX = 200;
/** Most windows one call of fold removes. */
export const FOLD_WINDOWS_MAX = 50;
/** Most holders counted as known; more make no difference to the size of a grant. */
const KNOWN_HOLDERS_MAX = 100_000;

/** A report with the terms the policy has for its account, undefined = no such account. */
export interface TermedItem {
  readonly item: ReportItem;
  readonly terms: LimitTerms | undefined;
}

/** Where a report belongs. */
interface Place {
  readonly window: Window;
  readonly account: string;
  readonly holder: string;
  readonly lengthMs: number;
  readonly startsInMs: number;
  readonly windowLeftMs: number;
  readonly mayGrant: boolean;
}

/** Circumstances of one merge. */
export interface MergeTime {
  /** Unix milliseconds of the host. Steps backwards of a few seconds are held still. */
  readonly nowMs: number;
  /** The heartbeat told to the holder; three of them, and at least 30 s, of silence: folded. */
  readonly heartbeatMs: number;
}

/** What one call of `fold` did. */
export interface FoldResult {
  /** Holdings counted as spent because their holder was silent for its lease. */
  readonly folded: number;
  /** Windows removed because they ended long enough ago. */
  readonly removed: number;
  /** True when the call stopped at its bound; call again soon. */
  readonly more: boolean;
}

/** An account in the window of a point of time. All but the window are units or counts. */
export interface AccountState {
  readonly windowId: number;
  /** Counted as spent because holders fell silent. */
  readonly folded: number;
  /** Granted less released, over all open holdings. */
  readonly out: number;
  /** Reported as used by holders, folded ones included. At most `folded + out`. */
  readonly used: number;
  /** Open holdings. */
  readonly open: number;
  /** Units on top of the quota, in this window alone. */
  readonly extra: number;
}

/** The behaviour of a ledger over its rows. Synchronous: whoever owns the rows makes it durable. */
export class LedgerBook {
  readonly #rows: LedgerRows;
  readonly #random: () => number;
  readonly #stats: LedgerStats;
  /** Holders heard of and until when they count; lost at a restart, which only sizes grants. */
  readonly #heard = new Map<string, number>();
  readonly #near = new NearAccounts();
  #firstMs: number | undefined;
  /** Every holder that lives has been heard since the start. */
  #knowsHolders = false;
  #latestMs = 0;

  /** `random` gives numbers in [0, 1); `stats` is counted up in place. */
  constructor(rows: LedgerRows, random: () => number, stats: LedgerStats) {
    this.#rows = rows;
    this.#random = random;
    this.#stats = stats;
  }

  /** Takes the reports of one holder and answers each, in their order. */
  merge(holder: HolderId, items: readonly TermedItem[], time: MergeTime): ReplyItem[] {
    const now = { nowMs: this.#clock(time.nowMs), heartbeatMs: time.heartbeatMs };
    const name = holder.toString(16).padStart(16, '0');
    this.#firstMs ??= now.nowMs;
    this.#knowsHolders = now.nowMs - this.#firstMs >= leaseMs(now.heartbeatMs);
    if (this.#heard.size < KNOWN_HOLDERS_MAX || this.#heard.has(name)) {
      this.#heard.set(name, now.nowMs + leaseMs(now.heartbeatMs));
    }
    return items.map((termed) => this.#answer(name, termed, now));
  }

  /** Folds what is due and removes windows long over, within bounds. */
  fold(nowMs: number): FoldResult {
    const now = this.#clock(nowMs);
    const due = this.#rows.due(now, FOLD_HOLDINGS_MAX);
    let folded = 0;
    for (const holding of due) {
      if (holding.folded) this.#rows.dropHolding(holding);
      else if (this.#foldOne(holding, now)) folded += 1;
    }
    const removed = this.#rows.removeWindows(now, FOLD_WINDOWS_MAX);
    if (removed > 0) this.#rows.saveMark(Math.max(this.#rows.mark(), now));
    for (const [holder, untilMs] of this.#heard) if (untilMs <= now) this.#heard.delete(holder);
    this.#stats.holders = this.#heard.size;
    this.near(now);
    return {
      folded,
      removed,
      more: due.length === FOLD_HOLDINGS_MAX || removed === FOLD_WINDOWS_MAX,
    };
  }

  /** The account in the window of `nowMs`; undefined when nothing was asked for in it. */
  account(account: Account, nowMs: number): AccountState | undefined {
    const lengthMs = windowLengthMs(account.windowKind);
    if (lengthMs === undefined) return undefined;
    const { windowId } = windowAt(lengthMs, nowMs);
    const window = this.#rows.window(accountKey(account), windowId);
    if (window === undefined) return undefined;
    const { folded, out, used, open, extra } = window;
    return { windowId, folded, out, used, open, extra };
  }

  /**
   * Lets the window of `nowMs` have `extra` units on top of the quota, unless it has more already:
   * then folded + out <= quota + extra. Said twice it is said once.
   */
  topUp(account: Account, extra: number, nowMs: number): void {
    const lengthMs = windowLengthMs(account.windowKind);
    if (lengthMs === undefined || !Number.isSafeInteger(extra) || extra <= 0) return;
    const window = windowAt(lengthMs, nowMs);
    const [key, { windowId, endMs }] = [accountKey(account), window];
    const keepUntilMs = this.#keepUntilMs(window, lengthMs);
    const found = this.#rows.window(key, windowId);
    const row = found ?? this.#rows.addWindow(key, windowId, endMs, keepUntilMs);
    row.extra = Math.max(row.extra, extra);
    this.#rows.saveWindow(row);
    this.#near.forget(key);
  }

  /** Accounts of which at least 80 % is used in the window of `nowMs`. */
  near(nowMs: number): readonly NearAccount[] {
    const near = this.#near.at(nowMs);
    this.#stats.near = near.length;
    return near;
  }

  #noteNear(place: Place, { account }: ReportItem, window: WindowRow, terms: LimitTerms): void {
    const { endMs } = place.window;
    this.#near.note(place.account, {
      ...{ account, endMs, used: window.used, quota: capOf(terms, window) },
    });
    this.#stats.near = this.#near.size;
  }

  #foldOne(holding: HoldingRow, nowMs: number): boolean {
    const window = this.#rows.windowOfRow(holding.window);
    if (window === undefined) return false;
    fold(window, holding);
    this.#stats.folds += 1;
    this.#stats.unitsFolded += holding.granted - holding.released;
    const forgetMs = nowMs + TRUE_UP_FOR_MS;
    holding.dueMs = forgetMs < window.endMs ? forgetMs : null;
    this.#save(window, holding);
    return true;
  }

  #clock(nowMs: number): number {
    const back = this.#latestMs - nowMs;
    if (back > 0) this.#stats.clockBehind += 1;
    if (back <= 0 || back > CLOCK_BACK_MAX_MS) this.#latestMs = nowMs;
    return this.#latestMs;
  }

  #answer(holder: string, { item, terms }: TermedItem, now: MergeTime): ReplyItem {
    this.#stats.items += 1;
    const lengthMs = windowLengthMs(item.account.windowKind);
    if (terms === undefined || lengthMs === undefined) {
      this.#stats.unknown += 1;
      return this.#unknown(item);
    }
    if (!isConsistent(item)) {
      this.#stats.contradictory += 1;
      return this.#unknown(item);
    }
    const place = this.#place(holder, item, lengthMs, now);
    return place.windowLeftMs <= 0
      ? this.#takeOver(place, item, terms)
      : this.#take(place, item, terms, now);
  }

  // A report that knows its window belongs there. One that asks for the next window may have been
  // under way while that window began: then its holding is found in the window now.
  #place(holder: string, item: ReportItem, lengthMs: number, now: MergeTime): Place {
    const current = windowAt(lengthMs, now.nowMs);
    const account = accountKey(item.account);
    let windowId = item.windowId;
    if (windowId === 0 && item.next) {
      const row = this.#rows.window(account, current.windowId);
      const begun = row && this.#rows.holding(row.row, holder, item.generation);
      windowId = begun ? current.windowId : current.windowId + 1;
    } else if (windowId === 0) {
      windowId = current.windowId;
    }
    const window = windowById(lengthMs, windowId);
    const startsInMs = Math.max(0, window.startMs - now.nowMs);
    const closed = this.#keepUntilMs(window, lengthMs) <= this.#rows.mark();
    const isNext = windowId === current.windowId + 1;
    const early = isNext && preGrantDue(startsInMs, lengthMs, now.heartbeatMs);
    return {
      window,
      account,
      holder,
      lengthMs,
      startsInMs,
      windowLeftMs: window.endMs - now.nowMs,
      mayGrant: !closed && (windowId === current.windowId || early),
    };
  }

  #keepUntilMs(window: Window, lengthMs: number): number {
    return window.endMs + Math.min(TRUE_UP_FOR_MS, KEEP_WINDOWS_MAX * lengthMs);
  }

  // The window is over: what the holder reports is kept for the record, nothing is granted.
  #takeOver(place: Place, item: ReportItem, terms: LimitTerms): ReplyItem {
    this.#stats.windowsOver += 1;
    const window = this.#rows.window(place.account, place.window.windowId);
    const holding = window && this.#rows.holding(window.row, place.holder, item.generation);
    if (window && holding && !holding.folded) {
      if (!this.#learn(window, holding, item, terms)) return this.#unknown(item);
      this.#save(window, holding);
    }
    return this.#reply(place, item, terms, 'windowOver', window, holding, 0);
  }

  #take(place: Place, item: ReportItem, terms: LimitTerms, now: MergeTime): ReplyItem {
    const window = this.#windowFor(place, item);
    const known = window && this.#rows.holding(window.row, place.holder, item.generation);
    // Too early, or the window it meant has begun: the holder asks anew for the window now.
    if (!known && item.next && !place.mayGrant) {
      this.#stats.windowsOver += 1;
      return this.#reply(place, item, terms, 'windowOver', window, undefined, 0);
    }
    // A holder that reports nothing and wants nothing opens nothing.
    if (window === undefined || (!known && item.want === 0 && item.granted === 0)) {
      const status = item.want > 0 ? this.#exhausted() : 'ok';
      return this.#reply(place, item, terms, status, window, undefined, 1);
    }
    const holding = known ?? openHolding(window, place.holder, item.generation);
    const foldMs = Math.max(now.nowMs, place.window.startMs) + leaseMs(now.heartbeatMs);
    holding.dueMs = foldMs < window.endMs ? foldMs : null;
    if (!this.#learn(window, holding, item, terms)) return this.#unknown(item);
    const status = this.#grant(place, window, holding, item, terms);
    this.#save(window, holding);
    this.#noteNear(place, item, window, terms);
    return this.#reply(place, item, terms, status, window, holding, holding.denials);
  }

  #save(window: WindowRow, holding: HoldingRow): void {
    this.#rows.saveHolding(holding);
    this.#rows.saveWindow(window);
  }

  #windowFor(place: Place, item: ReportItem): WindowRow | undefined {
    const { account, window, lengthMs, mayGrant } = place;
    const found = this.#rows.window(account, window.windowId);
    if (found || !mayGrant || (item.want === 0 && item.granted === 0)) return found;
    const keepUntilMs = this.#keepUntilMs(window, lengthMs);
    return this.#rows.addWindow(account, window.windowId, window.endMs, keepUntilMs);
  }

  // False when the report contradicts an earlier one, or the sums no longer hold; then nothing
  // of the report is saved.
  #learn(window: WindowRow, holding: HoldingRow, item: ReportItem, terms: LimitTerms): boolean {
    const learned = learn(window, holding, item, capOf(terms, window));
    if (learned === undefined) {
      this.#stats.contradictory += 1;
      return false;
    }
    if (!holds(window, holding)) {
      this.#stats.invariantBroken += 1;
      return false;
    }
    this.#stats.trueUps += learned.trueUp ? 1 : 0;
    this.#stats.unitsReleased += learned.released;
    this.#stats.unitsBelieved += learned.believed;
    this.#stats.unitsBeyondQuota += learned.beyondQuota;
    return true;
  }

  // Grants only to a holder that has seen every unit granted so far: one whose reply was lost
  // learns of those units first, instead of leaving them to lie.
  #grant(
    place: Place,
    window: WindowRow,
    holding: HoldingRow,
    item: ReportItem,
    terms: LimitTerms,
  ): ReplyStatus {
    if (item.want === 0 || item.granted < holding.granted) return 'ok';
    const supply = this.#supply(window, terms);
    const units = place.mayGrant ? grantSize(item.want, item.need, supply) : 0;
    if (units === 0) {
      holding.denials += 1;
      return this.#exhausted();
    }
    grant(window, holding, units);
    holding.denials = 0;
    this.#stats.grants += 1;
    this.#stats.unitsGranted += units;
    return 'ok';
  }

  #exhausted(): ReplyStatus {
    this.#stats.exhausted += 1;
    return 'exhausted';
  }

  #supply(window: WindowRow | undefined, terms: LimitTerms): Supply {
    const { folded, out, open } = window ?? { folded: 0, out: 0, open: 0 };
    const quota = capOf(terms, window);
    return { quota, free: quota - folded - out, open, known: Math.max(open, this.#heard.size) };
  }

  #reply(
    place: Place,
    item: ReportItem,
    terms: LimitTerms,
    status: ReplyStatus,
    window: WindowRow | undefined,
    holding: HoldingRow | undefined,
    denials: number,
  ): ReplyItem {
    const supply = this.#supply(window, terms);
    const windowLeftMs = Math.max(0, place.windowLeftMs);
    const denied = status === 'exhausted';
    return {
      account: item.account,
      generation: item.generation,
      windowId: place.window.windowId,
      status,
      granted: holding?.granted ?? 0,
      remaining: Math.max(0, supply.free),
      quota: terms.quota,
      windowLeftMs,
      startsInMs: place.startsInMs,
      useByMs: useByMs(supply),
      holders: this.#knowsHolders ? supply.known : 0,
      denyForMs: denied ? denyForMs(Math.max(1, denials), windowLeftMs, this.#random()) : 0,
    };
  }

  #unknown(item: ReportItem): ReplyItem {
    return {
      account: item.account,
      generation: item.generation,
      windowId: 0,
      status: 'unknown',
      granted: 0,
      remaining: 0,
      quota: 0,
      windowLeftMs: 0,
      startsInMs: 0,
      useByMs: 0,
      holders: 0,
      denyForMs: denyForMs(1, Number.MAX_SAFE_INTEGER, this.#random()),
    };
  }
}

/** Units that a window may have out and folded. */
function capOf({ quota }: LimitTerms, window: WindowRow | undefined): number {
  return quota + (window?.extra ?? 0);
}
