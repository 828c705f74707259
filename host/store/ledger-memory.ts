/**
 * The ledger in memory, for tests and simulations. It forgets everything when the process ends,
 * so it must never serve a real proxy: what a holder still holds would be granted again.
 */

import { LedgerBook } from '../quota/book.ts';
import type { ResolveTerms } from '../quota/report.ts';
import type { HoldingRow, LedgerRows, WindowRow } from '../quota/rows.ts';
import { newStats } from '../quota/stats.ts';
import { type Ledger, LedgerError } from './ledger.ts';

/** Rows in maps. Looking for due rows reads all of them: fit for tests only. */
export class MemoryRows implements LedgerRows {
  readonly #windows = new Map<number, WindowRow>();
  readonly #rowOf = new Map<string, number>();
  readonly #holdings = new Map<number, Map<string, HoldingRow>>();
  #lastRow = 0;
  #mark = 0;

  window(account: string, windowId: number): WindowRow | undefined {
    const row = this.#rowOf.get(`${account}#${windowId}`);
    return row === undefined ? undefined : this.windowOfRow(row);
  }

  windowOfRow(row: number): WindowRow | undefined {
    const window = this.#windows.get(row);
    return window && { ...window };
  }

  addWindow(account: string, windowId: number, endMs: number, keepUntilMs: number): WindowRow {
    this.#lastRow += 1;
    const row = this.#lastRow;
    const counts = { folded: 0, out: 0, open: 0, used: 0, extra: 0 };
    const window = { row, account, windowId, endMs, keepUntilMs, ...counts };
    this.#rowOf.set(`${account}#${windowId}`, row);
    this.#holdings.set(row, new Map());
    this.saveWindow(window);
    return window;
  }

  saveWindow(window: WindowRow): void {
    this.#windows.set(window.row, { ...window });
  }

  holding(window: number, holder: string, generation: number): HoldingRow | undefined {
    const holding = this.#holdings.get(window)?.get(`${holder}#${generation}`);
    return holding && { ...holding };
  }

  saveHolding(holding: HoldingRow): void {
    const name = `${holding.holder}#${holding.generation}`;
    this.#holdings.get(holding.window)?.set(name, { ...holding });
  }

  dropHolding(holding: HoldingRow): void {
    this.#holdings.get(holding.window)?.delete(`${holding.holder}#${holding.generation}`);
  }

  due(nowMs: number, most: number): readonly HoldingRow[] {
    const due = [...this.#holdings.values()]
      .flatMap((holdings) => [...holdings.values()])
      .filter((holding) => holding.dueMs !== null && holding.dueMs <= nowMs);
    due.sort((a, b) => (a.dueMs ?? 0) - (b.dueMs ?? 0));
    return due.slice(0, most).map((holding) => ({ ...holding }));
  }

  removeWindows(nowMs: number, most: number): number {
    const over = [...this.#windows.values()].filter((window) => window.keepUntilMs <= nowMs);
    for (const window of over.slice(0, most)) {
      this.#windows.delete(window.row);
      this.#holdings.delete(window.row);
      this.#rowOf.delete(`${window.account}#${window.windowId}`);
    }
    return Math.min(over.length, most);
  }

  mark(): number {
    return this.#mark;
  }

  saveMark(mark: number): void {
    this.#mark = mark;
  }

  /** Every window, for tests that check the sums. */
  windows(): readonly WindowRow[] {
    return [...this.#windows.values()];
  }

  /** Every holding of a window, for tests that check the sums. */
  holdingsOf(row: number): readonly HoldingRow[] {
    return [...(this.#holdings.get(row)?.values() ?? [])];
  }
}

/** Settings of a ledger in memory. */
export interface MemoryLedgerOptions {
  readonly resolve: ResolveTerms;
  /** Random numbers in [0, 1); only denials use them. */
  readonly random: () => number;
  /** Rows to go on with; fresh ones when absent. */
  readonly rows?: LedgerRows;
}

/** Opens a ledger in memory. */
export function openMemoryLedger(options: MemoryLedgerOptions): Ledger {
  const { resolve, random, rows = new MemoryRows() } = options;
  const stats = newStats();
  const book = new LedgerBook(rows, random, stats);
  let closed = false;
  const answer = async <T>(call: () => T): Promise<T> => {
    if (closed) throw new LedgerError('ledger_closed', 'the ledger is closed');
    return call();
  };
  return {
    merge: (holder, items, time) =>
      answer(() => {
        stats.commits += 1;
        const termed = items.map((item) => ({ item, terms: resolve(item.account) }));
        return book.merge(holder, termed, time);
      }),
    fold: (nowMs) => answer(() => book.fold(nowMs)),
    account: (account, nowMs) => answer(() => book.account(account, nowMs)),
    topUp: (account, extra, nowMs) => answer(() => book.topUp(account, extra, nowMs)),
    near: (nowMs) => answer(() => book.near(nowMs)),
    stats: () => ({ ...stats }),
    close: async () => {
      closed = true;
    },
  };
}
