/**
 * The interface of the store of usage: totals by hour, what holders have reported, when a
 * credential was last used. It says what such a store promises and must never know how one keeps
 * it; the arithmetic is in `host/usage`.
 *
 * The promise: every request a holder reported is in exactly one total, whatever is lost, doubled
 * or late; a holder that went without its last report has a gap that says so.
 */
import type { HolderPlace, HolderRow } from '../usage/book.ts';
import type { UsageGap, UsageKind, UsageLabels, UsageReport } from '../usage/report.ts';

/** The fault with which promises of the store reject; nothing that was told has taken effect. */
export class UsageStoreError extends Error {
  readonly code: UsageStoreErrorCode;

  constructor(code: UsageStoreErrorCode, message: string) {
    super(message);
    this.name = 'UsageStoreError';
    this.code = code;
  }
}

/** Why usage cannot be opened or does not answer. Names are stable. */
export type UsageStoreErrorCode = 'usage_locked' | 'usage_format' | 'usage_unavailable';

/** Chooses totals. Absent = any. */
export interface UsageFilter {
  readonly group?: string;
  readonly namespace?: string;
  /** Any of these. */
  readonly namespaces?: readonly string[];
  readonly consumer?: string;
  readonly application?: string;
  readonly plan?: string;
  readonly product?: string;
  readonly operation?: string;
  readonly subscriptionId?: number;
  readonly reason?: string;
  readonly mode?: string;
}

/** Which totals to read, in the order of (hour, label, kind). */
export interface UsageQuery {
  /** First hour, and the first one that is not asked for. */
  readonly fromHour: number;
  readonly toHour: number;
  readonly filter: UsageFilter;
  /** False: decisions; true: responses by status class and latency. */
  readonly responses: boolean;
  /** Totals to skip. */
  readonly offset: number;
  readonly limit: number;
}

/** The total of one hour. */
export interface UsageTotal {
  readonly hour: number;
  readonly labels: UsageLabels;
  readonly kind: UsageKind;
  readonly count: number;
}

/** The store of usage. What was told is durable before the promise resolves. */
export interface UsageStore {
  /** Takes a report whole or not at all; answers the number of its usage: that is confirmed. */
  merge(report: UsageReport): Promise<number>;

  totals(query: UsageQuery): Promise<readonly UsageTotal[]>;

  /** Gaps that touch the time from `fromMs` up to `toMs`. */
  gaps(fromMs: number, toMs: number): Promise<readonly UsageGap[]>;

  /**
   * Live holders that reported last before `beforeMs`, in the order of (report, holder), behind
   * `after` when it is given.
   */
  silent(beforeMs: number, limit: number, after?: HolderPlace): Promise<readonly HolderRow[]>;

  /** Ends holders that went without their last report. */
  end(gaps: readonly (UsageGap & { readonly reportedMs: number })[]): Promise<void>;

  /** Unix milliseconds of the newest use of those of these credentials that were ever used. */
  lastUsed(credentials: readonly number[]): Promise<readonly (readonly [number, number])[]>;

  /** Forgets what is older than `keepFromMs`, a bounded piece per call. */
  forget(nowMs: number, keepFromMs: number): Promise<void>;

  /** Finishes what was begun and lets the medium go. */
  close(): Promise<void>;
}
