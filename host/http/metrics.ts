/**
 * Metrics of the host for Prometheus. Names are stable; no consumer, application or key ever
 * becomes a label.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from '@prometheus-io/client';
import type { ShareStats } from '../quota/share.ts';
import type { LedgerStats } from '../quota/stats.ts';
import type { Engines } from '../service/engines.ts';
import type { Heads } from '../service/heads.ts';
import type { UsageStats } from '../service/usage.ts';
import { STATE_FIELDS } from '../wire/watch.ts';

/** What metrics are read from at the time of a scrape. */
export interface MetricSources {
  readonly heads: Heads;
  readonly watchesOf: (group: string) => number;
  readonly ledgerStats: () => LedgerStats;
  readonly shareStats: () => ShareStats;
  readonly engines: Engines;
  readonly usageStats: () => UsageStats;
}

/** Outcome of one reload of the resource folder. */
export type ReloadOutcome = 'applied' | 'unchanged' | 'refused';

/** Counters and gauges of one host. */
export class HostMetrics {
  readonly registry = new Registry();
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
    for (const [field, name, help] of SHARE_METRICS) {
      this.#gaugeOf(name, help, () => sources.shareStats()[field]);
    }
    this.#ledger(sources);
    this.#usage(sources);
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
      if (field === 'holders' || field === 'near') {
        this.#gaugeOf(`sidegate_ledger_${suffix}`, help, read);
        continue;
      }
      this.#counterOf(`sidegate_ledger_${suffix}_total`, help, read);
    }
  }

  #usage({ usageStats }: MetricSources): void {
    for (const [field, name, help] of USAGE_METRICS) {
      this.#counterOf(name, help, () => usageStats()[field]);
    }
  }

  /** A counter whose value somebody else counts. */
  #counterOf(name: string, help: string, read: () => number): void {
    let told = 0;
    new Counter({
      name,
      help,
      registers: [this.registry],
      collect() {
        const now = read();
        this.inc(Math.max(0, now - told));
        told = now;
      },
    });
  }

  /** Engines by whether they hold the newest policy, and what they say of themselves. */
  #engineGauges({ heads, engines }: MetricSources): void {
    new Gauge({
      name: 'sidegate_engines',
      help: 'Engines heard of in the last minute, by whether they hold the newest policy.',
      labelNames: ['group', 'current'],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const engine of engines.list()) {
          if (!engines.isThere(engine)) continue;
          const { group } = engine;
          const current = engine.policyRevision >= (heads.get(group)?.policyRevision ?? 0);
          this.inc({ group, current: String(current) });
        }
      },
    });
    for (const [field, name, help] of ENGINE_METRICS) {
      const at = STATE_FIELDS.indexOf(field);
      const scale = name.endsWith('_seconds') ? 1_000 : 1;
      new Gauge({
        name,
        help: `${help} Largest of a group, as said when watches were opened.`,
        labelNames: ['group'],
        registers: [this.registry],
        collect() {
          this.reset();
          const most = new Map<string, number>();
          for (const engine of engines.list()) {
            if (!engines.isThere(engine)) continue;
            const { group, request } = engine;
            const value = (request.state?.[at] ?? 0) / scale;
            most.set(group, Math.max(most.get(group) ?? 0, value));
          }
          for (const [group, value] of most) this.set({ group }, value);
        },
      });
    }
  }
}

/** What engines say of themselves and is worth a graph: place, name, meaning. */
const ENGINE_METRICS: readonly (readonly [(typeof STATE_FIELDS)[number], string, string])[] = [
  ['credentials', 'sidegate_engine_credentials', 'Credentials an engine holds.'],
  ['applications', 'sidegate_engine_applications', 'Applications an engine holds.'],
  ['subscriptions', 'sidegate_engine_subscriptions', 'Subscriptions an engine holds.'],
  ['holdings', 'sidegate_engine_holdings', 'Accounts an engine holds units of.'],
  ['heldRequests', 'sidegate_engine_held_requests', 'Requests that wait in an engine.'],
  ['streams', 'sidegate_engine_streams', 'Streams open in the VM of an engine.'],
  ['usageRows', 'sidegate_engine_usage_rows', 'Rows of usage an engine counts.'],
  ['memoryBytes', 'sidegate_engine_memory_bytes', 'Memory of the VM of an engine.'],
  ['policyAgeMs', 'sidegate_engine_policy_age_seconds', 'Age of the last word of a host.'],
];

const USAGE_METRICS: readonly (readonly [keyof UsageStats, string, string])[] = [
  ['unconfirmed', 'sidegate_usage_unconfirmed_total', 'Reports of usage not confirmed in time.'],
  ['gaps', 'sidegate_usage_gaps_total', 'Holders that went without their last report of usage.'],
];

const SHARE_METRICS: readonly (readonly [keyof ShareStats, string, string])[] = [
  ['accounts', 'sidegate_share_accounts', 'Accounts of rate and approximate limits in use.'],
  ['approximate', 'sidegate_share_accounts_approximate', 'Those whose shares are statistical.'],
  ['holders', 'sidegate_share_holders', 'Shares that are out.'],
];

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
  ['near', 'accounts_near_exhaustion', 'Accounts with 80 % of the quota used in their window.'],
];
