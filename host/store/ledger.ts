/**
 * The interface of the ledger: the one place that decides how much of every account's quota is
 * out. It says what a ledger promises and must never know how one keeps it: implementations are
 * in `ledger-memory.ts` and `ledger-sqlite.ts`, the arithmetic they share is in `host/quota`,
 * and one contract suite runs on both.
 *
 * The promise, per account and window: folded + sum of (granted - released) <= quota whenever
 * something is granted. So the units admitted are never more than the quota, whatever messages
 * are lost, doubled, delayed or reordered and whichever holders crash.
 */

import type { AccountState, FoldResult, MergeTime } from '../quota/book.ts';
import type { NearAccount } from '../quota/near.ts';
import type { Account, HolderId, ReplyItem, ReportItem } from '../quota/report.ts';
import type { LedgerStats } from '../quota/stats.ts';

export type { AccountState, FoldResult, MergeTime, NearAccount };

/** Why a ledger cannot be opened or does not answer. Names are stable. */
export type LedgerErrorCode =
  | 'ledger_locked'
  | 'ledger_missing'
  | 'ledger_format'
  | 'ledger_unavailable'
  | 'ledger_closed';

/** The fault with which a ledger's promises reject; nothing that was told has taken effect. */
export class LedgerError extends Error {
  readonly code: LedgerErrorCode;

  constructor(code: LedgerErrorCode, message: string) {
    super(message);
    this.name = 'LedgerError';
    this.code = code;
  }
}

/**
 * The ledger. A grant is durable before the promise of its merge resolves. Methods reject with a
 * {@link LedgerError} for faults of the medium or after `close`; a caller that got no answer may
 * simply ask again, because all counters are cumulative.
 */
export interface Ledger {
  /**
   * Takes a holder's reports and answers each, in their order.
   *
   * Items of one call are atomic each, not together. The terms of every account come from the
   * resolver that the ledger was opened with, asked once per item at the time of the call.
   */
  merge(
    holder: HolderId,
    items: readonly ReportItem[],
    time: MergeTime,
  ): Promise<readonly ReplyItem[]>;

  /** Folds holdings of silent holders and removes windows long over, a bounded piece per call. */
  fold(nowMs: number): Promise<FoldResult>;

  /** The account in the window of `nowMs`, or undefined when nothing was ever granted in it. */
  account(account: Account, nowMs: number): Promise<AccountState | undefined>;

  /**
   * Lets the account have `extra` units on top of its quota in the window of `nowMs`, unless it has
   * more already; durable when the promise resolves. From then on
   * folded + sum of (granted - released) <= quota + extra in that window, and in no other.
   */
  topUp(account: Account, extra: number, nowMs: number): Promise<void>;

  /**
   * Accounts near exhaustion in the window of `nowMs`: at least 80 % of the quota used, as far as
   * holders have said. After a restart an account is there again with its next report.
   */
  near(nowMs: number): Promise<readonly NearAccount[]>;

  /** Counters since the ledger was opened, for metrics; as of the last finished call. */
  stats(): LedgerStats;

  /** Finishes what was begun and lets the medium go. Later calls reject with `ledger_closed`. */
  close(): Promise<void>;
}
