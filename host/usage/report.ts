/**
 * Usage in words of the host: what a holder reports, whose it is, and what is kept of it. Types
 * and the arithmetic of hours; it must never read a clock.
 */

/** Whose requests a row counts. Names are those at the time of the report; ids never change. */
export interface UsageLabels {
  readonly group: string;
  readonly namespace: string;
  readonly consumer: string;
  readonly application: string;
  readonly plan: string;
  readonly product: string;
  readonly operation: string;
  /** 0 = none, as for the next two. */
  readonly subscriptionId: number;
  readonly productId: number;
  readonly operationId: number;
  /** The holder's table was full: nobody's in particular. */
  readonly other: boolean;
}

/** How they were decided, or, with a status class, how they were answered. */
export interface UsageKind {
  readonly reason: string;
  readonly mode: string;
  /** 0 = the row counts decisions; 1-5 = responses of that class. */
  readonly status: number;
  /** Bucket of the latency of responses. */
  readonly latency: number;
}

/** A row as a holder reports it; `count` is cumulative for (holder, slot, generation). */
export interface ReportedRow {
  readonly slot: number;
  readonly generation: number;
  readonly count: number;
  readonly labels: UsageLabels;
  readonly kind: UsageKind;
}

/** One report of a holder. */
export interface UsageReport {
  /** The incarnation, 16 hexadecimal digits. */
  readonly holder: string;
  readonly group: string;
  /** Number of the call; later calls have higher ones. */
  readonly sequence: number;
  /** Number of the usage in it, 0 = none. */
  readonly batch: number;
  /** Nothing is left to report, and nothing more will come. */
  readonly last: boolean;
  readonly heartbeatMs: number;
  readonly nowMs: number;
  readonly rows: readonly ReportedRow[];
  /** Ids of credentials that were used. */
  readonly touched: readonly number[];
}

/**
 * What a holder may have counted and never told: at most `lostMs` of its last time, which lies
 * between `fromMs` and `toMs`.
 */
export interface UsageGap {
  readonly holder: string;
  readonly group: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly lostMs: number;
}

/** Milliseconds of an hour; usage is kept by hours of UTC. */
export const HOUR_MS = 3_600_000;

/** The hour a moment lies in, counted from 1970. */
export function hourOf(ms: number): number {
  return Math.floor(ms / HOUR_MS);
}

/** How a holder was heard of beside its reports. */
export interface Heard {
  /** When it surely lived, and until when it may have. */
  readonly provenMs: number;
  readonly aliveMs: number;
  /** It reported what was not confirmed. */
  readonly unconfirmed: boolean;
}

/**
 * The gap of a holder that went without its last report. While it lived and could report, it had
 * told everything older than a heartbeat. Of one not heard since this host began (`undefined`), or
 * whose reports were not confirmed, that is not known.
 */
export function gapOf(
  holder: { readonly reportedMs: number; readonly heartbeatMs: number },
  heard: Heard | undefined,
  nowMs: number,
): Pick<UsageGap, 'fromMs' | 'toMs' | 'lostMs'> {
  const { reportedMs, heartbeatMs } = holder;
  const toMs = Math.max(reportedMs, heard?.aliveMs ?? nowMs);
  if (heard === undefined || heard.unconfirmed) {
    return { fromMs: reportedMs, toMs, lostMs: toMs - reportedMs };
  }
  const fromMs = Math.max(reportedMs, heard.provenMs - heartbeatMs);
  return { fromMs, toMs: Math.max(fromMs, toMs), lostMs: Math.min(heartbeatMs, toMs - fromMs) };
}

/** What makes the record of one hour unique, for ever: bills may be made from it twice. */
export function recordId(hour: number, labels: UsageLabels, kind: UsageKind): string {
  const at = new Date(hour * HOUR_MS).toISOString().slice(0, 13);
  const { group, plan, subscriptionId, productId, operationId, other } = labels;
  const who = other ? 'other' : `s${subscriptionId}.p${productId}.o${operationId}`;
  const answered = kind.status === 0 ? '' : `.${kind.status}xx.${kind.latency}`;
  return `${at}Z.${group}.${who}.${plan || '-'}.${kind.reason}.${kind.mode}${answered}`;
}
