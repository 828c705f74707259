/**
 * Carries what was counted in memory over to the metrics of the proxy about once a second, and what
 * an operator should know to its log, each kind of event at most once in ten seconds.
 */
import { putDecimal, putLiteral, textBegin, textLength } from '../pipeline/text';
import {
  counterRows,
  metricName,
  metricOf,
  setMetric,
  takeCount,
  writeMetricName,
} from '../telemetry/counters';
import {
  EVENTS,
  eventCount,
  INVARIANTS_BROKEN,
  isNews,
  isOrdinary,
  noteEvent,
  putEvent,
} from '../telemetry/events';
import { brokenTotal } from '../util/check';
import {
  LOG_INFO,
  LOG_WARN,
  OK,
  outAt,
  proxy_define_metric,
  proxy_increment_metric,
  proxy_log,
} from './abi';

const FLUSH_MS: u64 = 1_000;
const LOG_MS: u64 = 10_000;
const COUNTER: i32 = 0;
const LINE: usize = memory.data(128, 8);
let flushedMs: u64 = 0;
let broken: u32 = 0;

/** Flushes when it is time. A metric is defined when it first counted something. */
export function flushTelemetry(nowMs: u64): void {
  if (nowMs - flushedMs < FLUSH_MS) return;
  flushedMs = nowMs;
  const rows = counterRows();
  for (let i: u32 = 0; i < rows; i++) {
    const count = takeCount(i);
    if (count == 0) continue;
    const length = metricOf(i) == 0 ? writeMetricName(i) : 0;
    setMetric(i, increment(metricOf(i), metricName(), length, count));
  }
  if (brokenTotal() != broken) {
    broken = brokenTotal();
    noteEvent(INVARIANTS_BROKEN, broken);
  }
  for (let event: u32 = 0; event < EVENTS; event++) flushEvent(event, nowMs);
}

/** Adds to a metric, defining it if it is 0; answers the metric's number plus 1. */
function increment(metric: u32, name: usize, length: u32, count: u64): u32 {
  if (metric == 0) {
    if (proxy_define_metric(COUNTER, name, length, outAt()) != OK) return 0;
    metric = load<u32>(outAt()) + 1;
  }
  proxy_increment_metric(metric - 1, count as i64);
  return metric;
}

function flushEvent(event: u32, nowMs: u64): void {
  const count = eventCount(event);
  if (count.fresh != 0) {
    textBegin(LINE, 128);
    putLiteral('sidegate_');
    putEvent(event);
    putLiteral('_total');
    count.metric = increment(count.metric, LINE, textLength(), count.fresh);
    count.fresh = 0;
  }
  const due = count.loggedMs == 0 || nowMs - count.loggedMs >= LOG_MS;
  if (count.unlogged == 0 || isOrdinary(event) || !due) return;
  count.loggedMs = nowMs;
  textBegin(LINE, 128);
  putLiteral('sidegate: ');
  putEvent(event);
  putLiteral(' ');
  putDecimal(count.unlogged);
  putLiteral(' times, newest ');
  putDecimal(count.value);
  count.unlogged = 0;
  proxy_log(isNews(event) ? LOG_INFO : LOG_WARN, LINE, textLength());
}
