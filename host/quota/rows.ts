/**
 * The rows a ledger keeps, and the few operations the arithmetic needs on them. Implementations
 * only store; they must never compute with what they store.
 */

import type { Account } from './report.ts';

/** One account in one window. All but the times are units or counts. */
export interface WindowRow {
  /** Number of the row, given by `addWindow`. */
  readonly row: number;
  readonly account: string;
  readonly windowId: number;
  /** Frozen when the row is added. */
  readonly endMs: number;
  /** From then on the row may be removed. */
  readonly keepUntilMs: number;
  /** Counted as spent because holders fell silent. */
  folded: number;
  /** Sum of granted - released over the open holdings. */
  out: number;
  /** Open holdings. */
  open: number;
  /** Sum of `used` over all holdings, folded ones included. */
  used: number;
  /** Granted by people on top of the quota, in this window alone. Never falls. */
  extra: number;
}

/** One holding: a holder in one account and window under one generation. */
export interface HoldingRow {
  /** `row` of its window. */
  readonly window: number;
  readonly holder: string;
  readonly generation: number;
  granted: number;
  used: number;
  released: number;
  /** Answers `exhausted` in a row. */
  denials: number;
  /** A tombstone: its units are in the window's `folded`, its counters wait for the holder. */
  folded: boolean;
  /** When an open holding is folded, a folded one forgotten; null = it goes with its window. */
  dueMs: number | null;
}

/**
 * Storage of the rows. A row that is handed out belongs to the caller: changes count only once
 * they are saved.
 */
export interface LedgerRows {
  window(account: string, windowId: number): WindowRow | undefined;
  windowOfRow(row: number): WindowRow | undefined;
  addWindow(account: string, windowId: number, endMs: number, keepUntilMs: number): WindowRow;
  saveWindow(window: WindowRow): void;
  holding(window: number, holder: string, generation: number): HoldingRow | undefined;
  saveHolding(holding: HoldingRow): void;
  dropHolding(holding: HoldingRow): void;
  /** At most `most` holdings with `dueMs <= nowMs`, the earliest first. */
  due(nowMs: number, most: number): readonly HoldingRow[];
  /** Removes at most `most` windows with `keepUntilMs <= nowMs` and their holdings. */
  removeWindows(nowMs: number, most: number): number;
  /** Windows with `keepUntilMs <= mark` are closed for good; 0 at first. */
  mark(): number;
  saveMark(mark: number): void;
}

/** The name rows know an account by; equal for equal accounts only. */
export function accountKey(account: Account): string {
  const { owner, limit, windowKind, partition } = account;
  return `${owner.toString(16)}.${limit.toString(16)}.${windowKind}.${partition.toString(16)}`;
}
