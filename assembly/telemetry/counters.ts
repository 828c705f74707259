/**
 * Counts requests by product, reason and mode in memory; the shell carries what was counted over
 * to the proxy's metrics on the tick. Rows are bounded: metrics of a proxy are never freed. No
 * consumer is ever named here.
 */

import { putReason } from '../decision/reason';
import { DECISION_WOULD_DENY, Decision } from '../decision/record';
import { METRICS_MAX } from '../limits';
import { CURRENT } from '../pipeline/current';
import { putBytes, putEntry, putLiteral, textBegin, textLength } from '../pipeline/text';
import { Product } from '../policy/layout';
import { textAt } from '../policy/policy';

/** One row: what is counted, what was counted since the last flush, and the proxy's metric. */
@unmanaged
class Row {
  product: u64;
  reason: u8;
  mode: u8;
  nameLength: u16;
  metric: u32;
  fresh: u64;
}

const NAME_MAX: u32 = 64;
const ROW_BYTES: u32 = 24 + NAME_MAX;
/** The last rows are kept for each reason with the product `other`. */
function rowsRoom(): usize {
  return memory.data(METRICS_MAX * ROW_BYTES, 8);
}
const OTHER: u64 = u64.MAX_VALUE;
const KEPT_FOR_OTHER: u32 = METRICS_MAX / 4;

const SLOTS: u32 = 1024;
function rowIndex(): usize {
  return memory.data(SLOTS * 2, 2);
}
const NAME: usize = memory.data(256, 8);

let rows: u32 = 0;
let nameLength: u32 = 0;
let uncounted: u64 = 0;

function rowAt(index: u32): Row {
  return changetype<Row>(rowsRoom() + index * ROW_BYTES);
}

/** Requests that found no row at all. */
export function requestsUncounted(): u64 {
  return uncounted;
}

/** Counts a decided request. */
export function countRequest(decision: Decision): void {
  const shadow: u8 = (decision.flags & DECISION_WOULD_DENY) != 0 ? 1 : decision.mode;
  let row = findRow(decision.product, decision.reason, shadow);
  if (row == 0 && rows < METRICS_MAX - KEPT_FOR_OTHER) {
    row = addRow(decision.product, decision.reason, shadow);
  }
  if (row == 0) row = findRow(OTHER, decision.reason, shadow);
  if (row == 0 && rows < METRICS_MAX) row = addRow(OTHER, decision.reason, shadow);
  if (row == 0) {
    uncounted++;
    return;
  }
  changetype<Row>(row).fresh++;
}

function slotOf(product: u64, reason: u8, mode: u8): u32 {
  const mixed = (product * 64 + (reason as u64)) * 4 + (mode as u64);
  return ((mixed * 0x9e3779b97f4a7c15) >> 54) as u32;
}

function findRow(product: u64, reason: u8, mode: u8): usize {
  let slot = slotOf(product, reason, mode);
  for (let i: u32 = 0; i < SLOTS; i++) {
    const index = load<u16>(rowIndex() + slot * 2) as u32;
    if (index == 0) break;
    const row = rowAt(index - 1);
    if (row.product == product && row.reason == reason && row.mode == mode) {
      return changetype<usize>(row);
    }
    slot = (slot + 1) & (SLOTS - 1);
  }
  return 0;
}

function addRow(product: u64, reason: u8, mode: u8): usize {
  const row = rowAt(rows);
  rows++;
  row.product = product;
  row.reason = reason;
  row.mode = mode;
  textBegin(changetype<usize>(row) + 24, NAME_MAX);
  if (product == OTHER) putLiteral('other');
  else if (CURRENT.product != 0) {
    const product = changetype<Product>(CURRENT.product);
    putBytes(textAt(CURRENT.policy, product.name), min(product.nameLength, NAME_MAX));
  }
  row.nameLength = textLength() as u16;
  let slot = slotOf(product, reason, mode);
  while (load<u16>(rowIndex() + slot * 2) != 0) slot = (slot + 1) & (SLOTS - 1);
  store<u16>(rowIndex() + slot * 2, rows as u16);
  return changetype<usize>(row);
}

/** Rows in use; those below are flushed one by one. */
export function counterRows(): u32 {
  return rows;
}

/** What row `index` counted since it was last asked; asking empties it. */
export function takeCount(index: u32): u64 {
  const row = rowAt(index);
  const fresh = row.fresh;
  row.fresh = 0;
  return fresh;
}

/** The proxy's number of the metric of row `index`, 0 before it was defined. */
export function metricOf(index: u32): u32 {
  return rowAt(index).metric;
}

/** Remembers the proxy's number, plus 1, of the metric of row `index`. */
export function setMetric(index: u32, metric: u32): void {
  rowAt(index).metric = metric;
}

/**
 * Writes the name of the metric of row `index` at `metricName()`; answers its length. Labels stand
 * in the name as `name=.=value;.`, the way Istio's own stats carry them.
 */
export function writeMetricName(index: u32): u32 {
  const row = rowAt(index);
  textBegin(NAME, 256);
  putLiteral('product=.=');
  if (row.nameLength == 0) putLiteral('none');
  else putBytes(changetype<usize>(row) + 24, row.nameLength);
  putLiteral(';.reason=.=');
  putReason(row.reason);
  putLiteral(';.mode=.=');
  putEntry('enforce|shadow|off|', row.mode);
  putLiteral(';.sidegate_requests_total');
  nameLength = textLength();
  return nameLength;
}

/** Where the name written last stands. */
export function metricName(): usize {
  return NAME;
}
