/**
 * Metrics of the host for Prometheus. Names are stable; no consumer, application or key ever
 * becomes a label.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from '@prometheus-io/client';
import type { LedgerStats } from '../quota/stats.ts';
import type { Heads } from '../service/heads.ts';
import type { WatchRequest } from '../wire/watch.ts';

/** Most engines remembered; the longest silent go first. */
export const ENGINES_MAX = 40_000;

/** An engine not heard of for so long is gone: longer than a watch is held. */
const ENGINE_SILENT_MS = 60_000;

/** What metrics are read from at the time of a scrape. */
export interface MetricSources {
  readonly heads: Heads;
  readonly watchesOf: (group: string) => number;
  readonly ledgerStats: () => LedgerStats;
  readonly nowMs: () => number;
}

interface Engine {
  readonly group: string;
  readonly seenMs: number;
  readonly request: WatchRequest;
}

/** Outcome of one reload of the resource folder. */
export type ReloadOutcome = 'applied' | 'unchanged' | 'refused';

/** Counters and gauges of one host. */
export class HostMetrics {
  readonly registry = new Registry();
  readonly #engines = new Map<bigint, Engine>();
  readonly #calls: Counter<'route' | 'status'>;
  readonly #callSeconds: Histogram<'route'>;
  readonly #reloads: Counter<'outcome'>;
  readonly #reloadSeconds: Histogram;
  readonly #problems: Gauge;

  constructor() {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    this.#calls = new Counter({
      name: 'sidegate_host_calls_total',
      help: 'Calls answered on the sync port.',
      labelNames: ['route', 'status'],
      registers,
    });
    this.#callSeconds = new Histogram({
      name: 'sidegate_host_call_seconds',
      help: 'Time to answer a call on the sync port; watches are held on purpose.',
      labelNames: ['route'],
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 30],
      registers,
    });
    this.#reloads = new Counter({
      name: 'sidegate_host_reloads_total',
      help: 'Readings of the resource folder by outcome: applied, unchanged, refused.',
      labelNames: ['outcome'],
      registers,
    });
    this.#reloadSeconds = new Histogram({
      name: 'sidegate_host_reload_seconds',
      help: 'Time to read, check, compile and apply the resource folder.',
      buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
      registers,
    });
    this.#problems = new Gauge({
      name: 'sidegate_host_resource_problems',
      help: 'Problems in the resource folder as last read; 0 = what is there is in force.',
      registers,
    });
  }

  /** Counts a call on the sync port. */
  call(route: string, status: number, seconds: number): void {
    this.#calls.inc({ route, status });
    this.#callSeconds.observe({ route }, seconds);
  }

  /** Remembers what an engine said about itself when it opened a watch. */
  engine(group: string, request: WatchRequest, seenMs: number): void {
    this.#engines.delete(request.incarnation);
    this.#engines.set(request.incarnation, { group, seenMs, request });
    if (this.#engines.size > ENGINES_MAX) {
      const [oldest] = this.#engines.keys();
      if (oldest !== undefined) this.#engines.delete(oldest);
    }
  }

  /** Counts a reading of the resource folder. */
  reload(outcome: ReloadOutcome, seconds: number, problems: number): void {
    this.#reloads.inc({ outcome });
    this.#reloadSeconds.observe(seconds);
    this.#problems.set(problems);
  }

  /** Adds the gauges that are read when scraped. */
  observe(sources: MetricSources): void {
    this.#gaugeOf('sidegate_host_revision', 'Head of the store.', () => sources.heads.revision);
    this.#perGroup(
      'sidegate_host_policy_revision',
      'Revision of the newest policy.',
      (group) => {
        return sources.heads.get(group)?.policyRevision ?? 0;
      },
      sources,
    );
    this.#perGroup('sidegate_host_watches', 'Watches held now.', sources.watchesOf, sources);
    this.#ledger(sources);
    this.#engineGauges(sources);
  }

  #gaugeOf(name: string, help: string, read: () => number): void {
    const registers = [this.registry];
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  }

  #perGroup(
    name: string,
    help: string,
    read: (group: string) => number,
    { heads }: MetricSources,
  ): void {
    new Gauge({
      name,
      help,
      labelNames: ['group'],
      registers: [this.registry],
      collect() {
        for (const group of heads.groups()) this.set({ group }, read(group));
      },
    });
  }

  #ledger({ ledgerStats }: MetricSources): void {
    for (const [field, suffix, help] of LEDGER_METRICS) {
      const read = () => ledgerStats()[field];
      if (field === 'holders') {
        this.#gaugeOf('sidegate_ledger_holders', help, read);
        continue;
      }
      let told = 0;
      new Counter({
        name: `sidegate_ledger_${suffix}_total`,
        help,
        registers: [this.registry],
        collect() {
          const now = read();
          this.inc(Math.max(0, now - told));
          told = now;
        },
      });
    }
  }

  /**
   * Engines by whether they hold the newest policy, and the fill of the fullest of their tables.
   */
  #engineGauges({ heads, nowMs }: MetricSources): void {
    const engines = this.#engines;
    new Gauge({
      name: 'sidegate_engines',
      help: 'Engines heard of in the last minute, by whether they hold the newest policy.',
      labelNames: ['group', 'current'],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [incarnation, { group, seenMs, request }] of engines) {
          if (nowMs() - seenMs > ENGINE_SILENT_MS) {
            engines.delete(incarnation);
            continue;
          }
          const current = request.policyRevision >= (heads.get(group)?.policyRevision ?? 0);
          this.inc({ group, current: String(current) });
        }
      },
    });
  }
}

const LEDGER_METRICS: readonly (readonly [keyof LedgerStats, string, string])[] = [
  ['items', 'items', 'Items merged.'],
  ['grants', 'grants', 'Items that got units.'],
  ['unitsGranted', 'units_granted', 'Units granted.'],
  ['unitsReleased', 'units_released', 'Units given back.'],
  ['exhausted', 'exhausted', 'Items that wanted units when too few were free.'],
  ['windowsOver', 'windows_over', 'Items about windows that were over.'],
  ['unknown', 'unknown', 'Items about accounts the policy does not know.'],
  ['contradictory', 'contradictory', 'Items whose counters contradict each other.'],
  ['folds', 'folds', 'Holdings counted as spent because their holder was silent.'],
  ['unitsFolded', 'units_folded', 'Units in them.'],
  ['trueUps', 'true_ups', 'Folded holdings whose holder came back.'],
  ['unitsBelieved', 'units_believed', 'Units a holder knew of and the ledger did not.'],
  ['unitsBeyondQuota', 'units_beyond_quota', 'The same beyond the quota.'],
  ['invariantBroken', 'invariant_broken', "Items refused because the ledger's sums did not hold."],
  ['clockBehind', 'clock_behind', 'Merges in which the clock had gone back.'],
  ['commits', 'commits', 'Durable commits.'],
  ['holders', 'holders', 'Holders heard within their lease.'],
];
