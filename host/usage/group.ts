/**
 * Sums totals of usage by what somebody asks for: any of hour, day, names, reason, mode, status
 * class and latency. Pure.
 */
import { HOUR_MS, type UsageKind, type UsageLabels } from './report.ts';

/** What usage may be summed by. */
export const USAGE_DIMENSIONS = [
  'hour',
  'day',
  'group',
  'namespace',
  'consumer',
  'application',
  'plan',
  'product',
  'operation',
  'subscription',
  'reason',
  'mode',
  'status',
  'latency',
] as const;

/** One of USAGE_DIMENSIONS. */
export type UsageDimension = (typeof USAGE_DIMENSIONS)[number];

/** Upper bounds of the buckets of latency, in milliseconds; the last one has none. */
export const LATENCY_BOUNDS_MS = [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000] as const;

/** Stands for the status class of a request that got no response. */
const NO_RESPONSE = 9;

/** A total, as far as summing needs it. */
export interface Summable {
  readonly hour: number;
  readonly labels: UsageLabels;
  readonly kind: UsageKind;
  readonly count: number;
}

/** A sum: the dimensions that were asked for, and how many requests. */
export type Grouped = { readonly [D in UsageDimension]?: string } & { readonly requests: number };

/** The value of one dimension of a total. */
function textOf({ hour, labels, kind }: Summable, dimension: UsageDimension): string {
  switch (dimension) {
    case 'hour':
      return new Date(hour * HOUR_MS).toISOString().replace(':00.000Z', 'Z');
    case 'day':
      return new Date(hour * HOUR_MS).toISOString().slice(0, 10);
    case 'subscription':
      return labels.subscriptionId === 0 ? '' : String(labels.subscriptionId);
    case 'reason':
    case 'mode':
      return kind[dimension];
    case 'status':
      return kind.status === NO_RESPONSE ? 'none' : `${kind.status}xx`;
    case 'latency':
      return latencyName(kind.latency);
    default:
      return labels[dimension];
  }
}

/** How a bucket of latency is written. */
export function latencyName(bucket: number): string {
  const bound = LATENCY_BOUNDS_MS[bucket];
  if (bound !== undefined) return `<=${bound}ms`;
  return `>${LATENCY_BOUNDS_MS.at(-1)}ms`;
}

/** Sums by the dimensions, ordered by their values. */
export function groupTotals(
  totals: readonly Summable[],
  by: readonly UsageDimension[],
): readonly Grouped[] {
  const sums = new Map<string, { values: string[]; requests: number }>();
  for (const total of totals) {
    const values = by.map((dimension) => textOf(total, dimension));
    const key = values.join('\0');
    const sum = sums.get(key);
    if (sum === undefined) sums.set(key, { values, requests: total.count });
    else sum.requests += total.count;
  }
  return [...sums]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { values, requests }]) => {
      const named = Object.fromEntries(by.map((dimension, at) => [dimension, values[at] ?? '']));
      return { ...named, requests };
    });
}
