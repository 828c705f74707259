/**
 * Usage as the host takes and tells it: reports of filters into the store, silent holders ended
 * with a gap, old hours forgotten, sums and records for whoever asks. It must never keep a grant
 * waiting: a report whose commit is slow is simply not confirmed yet, and comes again.
 */

import type { UsageFilter, UsageStore, UsageTotal } from '../store/usage.ts';
import type { HolderPlace, HolderRow } from '../usage/book.ts';
import { type Grouped, groupTotals, type UsageDimension } from '../usage/group.ts';
import { reasonName } from '../usage/reasons.ts';
import {
  gapOf,
  HOUR_MS,
  hourOf,
  recordId,
  type UsageGap,
  type UsageLabels,
} from '../usage/report.ts';
import type { SyncRequest } from '../wire/sync.ts';
import { USAGE_MODES } from '../wire/usage.ts';
import { ENGINE_SILENT_MS, type Engines } from './engines.ts';
import type { UsageNames } from './usage-names.ts';

/** Longest wait of a call of a filter for the commit of its usage. */
const CONFIRM_MS = 500;
/** Longest wait for names that the store has to tell: it may be at a large change. */
const NAMES_MS = 10;
/** Silent holders looked at in one go. */
const HOLDERS_PAGE = 1_000;
/** After the end of an hour, until every holder has reported or is known to be gone. */
const FINAL_MS = 2 * ENGINE_SILENT_MS;
/** Totals read in one go. */
const TOTALS_PAGE = 5_000;

/** What the service works with. */
export interface UsageOptions {
  readonly store: UsageStore;
  readonly names: UsageNames;
  readonly engines: Engines;
  readonly nowMs: () => number;
  /** How long hours are kept. */
  readonly keepMs: number;
  readonly onFault: (error: unknown) => void;
}

/** Which usage to sum. */
export interface UsageQuestion {
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly filter: UsageFilter;
  readonly by: readonly UsageDimension[];
}

/** Sums, and whether anything may be missing in them. */
export interface UsageAnswer {
  readonly items: readonly Grouped[];
  readonly requests: number;
  readonly gaps: readonly UsageGap[];
}

/** A record for a bill: one hour of one (subscription, operation, reason, mode). */
export interface UsageRecord {
  readonly id: string;
  readonly hour: string;
  readonly group: string;
  readonly namespace: string;
  readonly consumer: string;
  readonly application: string;
  readonly plan: string;
  readonly product: string;
  readonly operation: string;
  readonly subscription: number;
  readonly reason: string;
  readonly mode: string;
  readonly requests: number;
  /** False: a holder of this proxy group went in this hour without its last report. */
  readonly complete: boolean;
  /** Longest time that such a holder may have counted unheard. */
  readonly gapMs: number;
  /** True: this record changes no more. */
  readonly final: boolean;
}

/** What is counted of usage itself. */
export interface UsageStats {
  /** Calls whose usage was not confirmed in time, or not at all; it comes again. */
  readonly unconfirmed: number;
  /** Holders that went without their last report. */
  readonly gaps: number;
}

/** Usage of all proxies. */
export class UsageService {
  readonly #options: UsageOptions;
  readonly #merging = new Set<bigint>();
  readonly #startedMs: number;
  readonly #stats = { unconfirmed: 0, gaps: 0 };

  constructor(options: UsageOptions) {
    this.#options = options;
    this.#startedMs = options.nowMs();
  }

  /** Counters since this host began, for metrics. */
  stats(): UsageStats {
    return { ...this.#stats };
  }

  /** Takes the usage of a call; answers the number that is confirmed, 0 when none is yet. */
  async take(group: string, call: SyncRequest, heartbeatMs: number): Promise<number> {
    this.#options.engines.reported(call);
    if (call.urgent || (call.usageBatch === 0 && !call.last)) return 0;
    // A disk that is slow must not gather reports that say the same.
    if (this.#merging.has(call.incarnation)) return 0;
    this.#merging.add(call.incarnation);
    const named = this.#options.names.labelsOf(group, call.usage);
    const merged = named
      .then((labels) => this.#merge(group, call, heartbeatMs, labels))
      .then((batch) => {
        this.#options.engines.confirmed(call.incarnation);
        return batch;
      })
      .catch((error) => {
        this.#options.onFault(error);
        return 0;
      })
      .finally(() => this.#merging.delete(call.incarnation));
    const settled = () => true;
    const isNamed = await within(NAMES_MS, named.then(settled, settled), false);
    const confirmed = isNamed ? await within(CONFIRM_MS, merged, 0) : 0;
    if (confirmed === 0 && call.usageBatch !== 0) this.#stats.unconfirmed += 1;
    return confirmed;
  }

  async #merge(
    group: string,
    call: SyncRequest,
    heartbeatMs: number,
    labels: readonly UsageLabels[],
  ): Promise<number> {
    const { store, nowMs } = this.#options;
    const rows = call.usage.flatMap(({ slot, generation, count, ...row }, index) => {
      const whose = labels[index];
      if (whose === undefined) return [];
      const { status, latency } = row;
      const mode = USAGE_MODES[row.mode] ?? USAGE_MODES[0];
      const kind = { reason: reasonName(row.reason), mode, status, latency };
      return [{ slot, generation, count, labels: whose, kind }];
    });
    return store.merge({
      holder: holderName(call.incarnation),
      group,
      sequence: call.sequence,
      batch: call.usageBatch,
      last: call.last,
      heartbeatMs,
      nowMs: nowMs(),
      rows,
      touched: call.touched,
    });
  }

  /**
   * Ends holders that are gone without their last report, and forgets what is old. Those whose
   * watch is open have nothing to say.
   */
  async sweep(): Promise<void> {
    const { store, nowMs, keepMs } = this.#options;
    const now = nowMs();
    await store.forget(now, now - keepMs);
    // After a start every engine that lives needs a moment to say so.
    if (now - this.#startedMs < ENGINE_SILENT_MS) return;
    let after: HolderPlace | undefined;
    do {
      const page = await store.silent(now - ENGINE_SILENT_MS, HOLDERS_PAGE, after);
      const gone = page.flatMap((row) => this.#gapOf(row, now));
      if (gone.length > 0) await store.end(gone);
      this.#stats.gaps += gone.length;
      after = page.length < HOLDERS_PAGE ? undefined : page.at(-1);
    } while (after !== undefined);
  }

  #gapOf(row: HolderRow, now: number) {
    const { engines } = this.#options;
    const engine = engines.get(BigInt(`0x${row.holder}`));
    if (engine !== undefined && engines.isThere(engine)) return [];
    const { holder, group, reportedMs } = row;
    // While its watch is open nobody knows how long it lived.
    const heard = engine?.open === true ? { ...engine, aliveMs: now } : engine;
    return [{ holder, group, reportedMs, ...gapOf(row, heard, now) }];
  }

  /** Sums by dimensions. */
  async sum({ sinceMs, untilMs, filter, by }: UsageQuestion): Promise<UsageAnswer> {
    const responses = by.includes('status') || by.includes('latency');
    const totals: UsageTotal[] = [];
    for await (const page of this.#pages(sinceMs, untilMs, filter, responses)) totals.push(...page);
    const items = groupTotals(totals, by);
    const requests = items.reduce((sum, item) => sum + item.requests, 0);
    return { items, requests, gaps: await this.#gaps(sinceMs, untilMs, filter) };
  }

  /** Records of the hours from `sinceMs` up to `untilMs`, at most `limit` after `offset`. */
  async records(
    { sinceMs, untilMs, filter }: Omit<UsageQuestion, 'by'>,
    offset: number,
    limit: number,
  ): Promise<readonly UsageRecord[]> {
    const now = this.#options.nowMs();
    const range = { fromHour: hourOf(sinceMs), toHour: hourOf(untilMs - 1) + 1 };
    const query = { ...range, filter, responses: false, offset, limit };
    const totals = await this.#options.store.totals(query);
    const gaps = await this.#gaps(sinceMs, untilMs, filter);
    return totals.map((total) => recordOf(total, gaps, now));
  }

  /** When each of these credentials was last used, for those that were. */
  async lastUsed(credentials: readonly number[]): Promise<ReadonlyMap<number, number>> {
    return new Map(await this.#options.store.lastUsed(credentials));
  }

  async *#pages(sinceMs: number, untilMs: number, filter: UsageFilter, responses: boolean) {
    const range = { fromHour: hourOf(sinceMs), toHour: hourOf(untilMs - 1) + 1 };
    for (let offset = 0; ; offset += TOTALS_PAGE) {
      const query = { ...range, filter, responses, offset, limit: TOTALS_PAGE };
      const page = await this.#options.store.totals(query);
      yield page;
      if (page.length < TOTALS_PAGE) return;
    }
  }

  /** Gaps that touch the hours of a time. */
  async #gaps(sinceMs: number, untilMs: number, { group }: UsageFilter) {
    const fromMs = hourOf(sinceMs) * HOUR_MS;
    const toMs = (hourOf(untilMs - 1) + 1) * HOUR_MS;
    const gaps = await this.#options.store.gaps(fromMs, toMs);
    return gaps.filter((gap) => group === undefined || gap.group === group);
  }
}

/** What a promise comes to, or `late` when that takes longer. */
async function within<T>(ms: number, promise: Promise<T>, late: T): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const end = new Promise<T>((resolve) => {
    timer = setTimeout(() => resolve(late), ms);
  });
  try {
    return await Promise.race([promise, end]);
  } finally {
    clearTimeout(timer);
  }
}

/** An incarnation as the store of usage names it. */
export function holderName(incarnation: bigint): string {
  return incarnation.toString(16).padStart(16, '0');
}

function recordOf(total: UsageTotal, gaps: readonly UsageGap[], nowMs: number): UsageRecord {
  const { hour, labels, kind, count } = total;
  const { group, namespace, consumer, application, plan, product, operation } = labels;
  const fromMs = hour * HOUR_MS;
  const toMs = fromMs + HOUR_MS;
  const own = gaps.filter((gap) => gap.group === group && gap.fromMs < toMs && gap.toMs >= fromMs);
  return {
    id: recordId(hour, labels, kind),
    hour: new Date(fromMs).toISOString(),
    ...{ group, namespace, consumer, application, plan, product, operation },
    subscription: labels.subscriptionId,
    reason: kind.reason,
    mode: kind.mode,
    requests: count,
    complete: own.length === 0,
    gapMs: Math.max(0, ...own.map(({ lostMs }) => lostMs)),
    final: nowMs >= toMs + FINAL_MS,
  };
}
