/**
 * What a report adds to the totals. Counts are cumulative, so that a report lost, doubled or late
 * adds what it should and nothing twice. It works on rows inside a transaction that is not its
 * own, and must never forget a count that its holder may report again.
 */
import {
  hourOf,
  type UsageGap,
  type UsageKind,
  type UsageLabels,
  type UsageReport,
} from './report.ts';

/** It reports · it said its last word · it went without one · its counts are forgotten. */
export type HolderState = 'live' | 'whole' | 'gap' | 'forgotten';

/** A holder as it is kept. */
export interface HolderRow {
  readonly holder: string;
  readonly group: string;
  readonly state: HolderState;
  readonly sequence: number;
  readonly batch: number;
  readonly heartbeatMs: number;
  readonly reportedMs: number;
  /** Of a holder in state `gap`, and of one forgotten in it; else 0. */
  readonly gapFromMs: number;
  readonly gapToMs: number;
  readonly gapLostMs: number;
}

/** A place in the order of (report, holder). */
export type HolderPlace = Pick<HolderRow, 'holder' | 'reportedMs'>;

/** The newest count of a slot. */
export interface SlotCount {
  readonly generation: number;
  readonly count: number;
}

/** Rows of usage, as any medium keeps them. */
export interface UsageRows {
  holder(holder: string): HolderRow | undefined;
  putHolder(row: HolderRow): void;
  /**
   * Holders of a state that reported last before `beforeMs`, in the order of (report, holder),
   * behind `after` when it is given, at most `limit`.
   */
  holdersBefore(
    state: HolderState,
    beforeMs: number,
    limit: number,
    after?: HolderPlace,
  ): HolderRow[];
  slot(holder: string, slot: number): SlotCount | undefined;
  putSlot(holder: string, slot: number, count: SlotCount): void;
  /** Drops all slots of a holder. */
  dropSlots(holder: string): void;
  dropHolder(holder: string): void;
  add(hour: number, labels: UsageLabels, kind: UsageKind, count: number): void;
  /** Drops totals of hours before this one. */
  dropHours(before: number): void;
  /** Remembers the newest use of a credential. */
  use(credential: number, usedMs: number): void;
}

/**
 * How long the counts of a holder are kept that said its last word: longer than any call can be
 * on its way.
 */
export const WHOLE_KEPT_MS = 3_600_000;

/** How long the counts of a holder are kept that went silent: it may come back and report on. */
export const SILENT_KEPT_MS = 7 * 24 * 3_600_000;

/** Most holders that one call of `forget` looks at in each state. */
export const FORGET_HOLDERS_MAX = 200;

/** The rules of usage over rows. */
export class UsageBook {
  readonly #rows: UsageRows;

  constructor(rows: UsageRows) {
    this.#rows = rows;
  }

  /** Takes a report; answers the requests it added. Rows of a forgotten holder add nothing. */
  merge(report: UsageReport): number {
    const { holder, nowMs } = report;
    const known = this.#rows.holder(holder);
    for (const credential of report.touched) this.#rows.use(credential, nowMs);
    if (known?.state === 'forgotten') return 0;
    let added = 0;
    for (const { slot, generation, count, labels, kind } of report.rows) {
      const before = this.#rows.slot(holder, slot);
      if (before !== undefined && before.generation > generation) continue;
      const counted = before?.generation === generation ? before.count : 0;
      if (count <= counted) continue;
      this.#rows.putSlot(holder, slot, { generation, count });
      this.#rows.add(hourOf(nowMs), labels, kind, count - counted);
      added += count - counted;
    }
    // A call that was overtaken says nothing about how its holder stands now.
    if (known === undefined || report.sequence > known.sequence) {
      this.#rows.putHolder({
        ...{ holder, group: report.group, sequence: report.sequence },
        state: report.last ? 'whole' : 'live',
        batch: Math.max(known?.batch ?? 0, report.batch),
        heartbeatMs: report.heartbeatMs,
        reportedMs: nowMs,
        ...{ gapFromMs: 0, gapToMs: 0, gapLostMs: 0 },
      });
    }
    return added;
  }

  /** Ends live holders that went without their last report, unless they have reported since. */
  end(gaps: readonly (UsageGap & { readonly reportedMs: number })[]): void {
    for (const { holder, fromMs, toMs, lostMs, reportedMs } of gaps) {
      const row = this.#rows.holder(holder);
      if (row?.state !== 'live' || row.reportedMs !== reportedMs) continue;
      const gap = { gapFromMs: fromMs, gapToMs: toMs, gapLostMs: lostMs };
      this.#rows.putHolder({ ...row, ...gap, state: 'gap' });
    }
  }

  /**
   * Forgets what nobody asks for any more: hours before `keepFromMs`, the counts of holders that
   * cannot report again, and at last those holders. A bounded piece per call.
   */
  forget(nowMs: number, keepFromMs: number): void {
    this.#rows.dropHours(hourOf(keepFromMs));
    for (const [state, keptMs] of [
      ['whole', WHOLE_KEPT_MS],
      ['gap', SILENT_KEPT_MS],
    ] as const) {
      for (const row of this.#rows.holdersBefore(state, nowMs - keptMs, FORGET_HOLDERS_MAX)) {
        this.#rows.dropSlots(row.holder);
        this.#rows.putHolder({ ...row, state: 'forgotten' });
      }
    }
    const longAgo = Math.min(keepFromMs, nowMs - SILENT_KEPT_MS);
    for (const { holder } of this.#rows.holdersBefore('forgotten', longAgo, FORGET_HOLDERS_MAX)) {
      this.#rows.dropHolder(holder);
    }
  }
}
