/**
 * Carries what was counted in memory over to the metrics of the proxy, about once a second.
 */
import {
  counterRows,
  metricName,
  metricOf,
  setMetric,
  takeCount,
  writeMetricName,
} from '../telemetry/counters';
import { OK, outAt, proxy_define_metric, proxy_increment_metric } from './abi';

const FLUSH_MS: u64 = 1_000;
const COUNTER: i32 = 0;
let flushedMs: u64 = 0;

/** Flushes when it is time. A metric is defined when it first counted something. */
export function flushCounters(nowMs: u64): void {
  if (nowMs - flushedMs < FLUSH_MS) return;
  flushedMs = nowMs;
  const rows = counterRows();
  for (let i: u32 = 0; i < rows; i++) {
    const count = takeCount(i);
    if (count == 0) continue;
    if (metricOf(i) == 0) {
      const length = writeMetricName(i);
      if (proxy_define_metric(COUNTER, metricName(), length, outAt()) != OK) continue;
      setMetric(i, load<u32>(outAt()) + 1);
    }
    proxy_increment_metric(metricOf(i) - 1, count as i64);
  }
}
