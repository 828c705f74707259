/**
 * Metrics with Envoy's rules: values belong to the process and are found by name, ids belong to the
 * VM, defining a name again gives a new id of the same metric, and nothing is ever freed.
 */
import { MetricType, Result } from './abi.ts';

const U64 = 0xffff_ffff_ffff_ffffn;

interface Metric {
  type: number;
  name: string;
  value: bigint;
  /** Values recorded in a histogram; their sum is `value`. */
  samples: number;
}

/** The metrics of one process. */
export class MetricStore {
  readonly #byName = new Map<string, Metric>();

  /** The metric of that type and name, made if it is new. */
  metric(type: number, name: string): Metric {
    const key = `${type}:${name}`;
    let metric = this.#byName.get(key);
    if (!metric) {
      metric = { type, name, value: 0n, samples: 0 };
      this.#byName.set(key, metric);
    }
    return metric;
  }

  /** The number of metrics defined by name. */
  get size(): number {
    return this.#byName.size;
  }

  /** All values of one type by name. */
  values(type: number): Record<string, bigint> {
    const values: Record<string, bigint> = {};
    for (const metric of this.#byName.values()) {
      if (metric.type === type) values[metric.name] = metric.value;
    }
    return values;
  }
}

/** One VM's view of the metrics: its ids. */
export class VmMetrics {
  readonly #store: MetricStore;
  readonly #byId = new Map<number, Metric>();
  readonly #lastId = [MetricType.counter, MetricType.gauge, MetricType.histogram] as number[];

  constructor(store: MetricStore) {
    this.#store = store;
  }

  /** Gives a new id for a metric, or `undefined` for an unknown type. */
  define(type: number, name: string): number | undefined {
    const last = this.#lastId[type];
    if (last === undefined) return undefined;
    const id = last + 4;
    this.#lastId[type] = id;
    this.#byId.set(id, this.#store.metric(type, name));
    return id;
  }

  /** Adds `offset`; a counter takes only more than 0, a gauge wraps, a histogram takes none. */
  increment(id: number, offset: bigint): number {
    const type = id & 3;
    if (type !== MetricType.counter && type !== MetricType.gauge) return Result.badArgument;
    const metric = this.#byId.get(id);
    if (!metric) return Result.notFound;
    if (type === MetricType.counter && offset <= 0n) return Result.badArgument;
    metric.value = (metric.value + offset) & U64;
    return Result.ok;
  }

  /** Sets a gauge, adds to a counter, records in a histogram. */
  record(id: number, value: bigint): number {
    const metric = this.#byId.get(id);
    if (!metric) return Result.notFound;
    const unsigned = value & U64;
    if (metric.type === MetricType.gauge) metric.value = unsigned;
    else metric.value = (metric.value + unsigned) & U64;
    metric.samples++;
    return Result.ok;
  }

  /** The value of a counter or gauge, or the result code that stands against it. */
  read(id: number): bigint | { result: number } {
    const type = id & 3;
    if (type !== MetricType.counter && type !== MetricType.gauge) {
      return { result: Result.badArgument };
    }
    return this.#byId.get(id)?.value ?? { result: Result.notFound };
  }
}
