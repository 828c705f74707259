/**
 * Usage in the sync call (docs/wire.md §6): the rows that count more than the host has confirmed,
 * the credentials used, and what its confirmation means. Counts are cumulative, so a report that is
 * lost, doubled or late changes nothing.
 */
import { USAGE_ROWS_PER_CALL_MAX } from '../limits';
import { beginSection, takeBytes } from '../sync/write';
import { touchedAt, USAGE_OTHER, Usage, UsageRow, usageRow } from './table';

const USAGE: u32 = 3;
const TOUCHED: u32 = 4;
const ROW_BYTES: u32 = 48;
const FLAG_OTHER: u8 = 1;

/** True when there is something to report. */
export function hasUsage(at: usize): bool {
  const usage = changetype<Usage>(at);
  return usage.pending != 0 || usage.touched != 0;
}

/**
 * Writes both sections and answers the number of this report, 0 when it carries nothing. Rows that
 * found no room (`usageLeft`) come first in the next one.
 */
export function writeUsage(at: usize): u32 {
  const usage = changetype<Usage>(at);
  usage.left = 0;
  if (!hasUsage(at)) return 0;
  usage.batch++;
  beginSection(USAGE, true);
  const table = takeBytes(8);
  let written: u32 = 0;
  const start = usage.fresh == 0 ? 0 : usage.scan % usage.fresh;
  for (let i: u32 = 0; i < usage.fresh; i++) {
    const index = (start + i) % usage.fresh;
    const row = usageRow(usage, index);
    if (row.count == row.confirmed) continue;
    if (written >= USAGE_ROWS_PER_CALL_MAX) {
      usage.scan = index;
      usage.left = 1;
      break;
    }
    writeRow(row, index, usage.batch);
    written++;
  }
  store<u16>(table, ROW_BYTES as u16);
  store<u32>(table, written, 4);
  if (usage.touched != 0) {
    beginSection(TOUCHED, true);
    const touched = takeBytes(8 + usage.touched * 8);
    store<u16>(touched, 8);
    store<u32>(touched, usage.touched, 4);
    memory.copy(touched + 8, touchedAt(usage), usage.touched * 8);
  }
  usage.touchedSent = usage.touched;
  return usage.batch;
}

/** Whether the newest report had no room for every row. */
export function usageLeft(at: usize): bool {
  return changetype<Usage>(at).left != 0;
}

function writeRow(row: UsageRow, index: u32, batch: u32): void {
  const more = min<u64>(row.count - row.confirmed, 0xffffffff) as u32;
  row.sentMore = more;
  row.sentBatch = batch;
  const at = takeBytes(ROW_BYTES);
  const isOther = row.product == USAGE_OTHER;
  store<u64>(at, row.subscription);
  if (!isOther) store<u64>(at, row.product, 8);
  store<u64>(at, row.operation, 16);
  store<u64>(at, row.confirmed + more, 24);
  store<u32>(at, index, 32);
  store<u32>(at, row.generation, 36);
  store<u32>(at, row.what, 40);
  if (isOther) store<u8>(at, FLAG_OTHER, 44);
}

/** The host has the report of this number: what it carried is confirmed. */
export function usageConfirmed(at: usize, batch: u64): void {
  const usage = changetype<Usage>(at);
  if (batch == 0 || batch != (usage.batch as u64)) return;
  let pending: u32 = 0;
  for (let i: u32 = 0; i < usage.fresh; i++) {
    const row = usageRow(usage, i);
    if (row.sentBatch == (batch as u32)) {
      row.confirmed += row.sentMore;
      row.sentBatch = 0;
      row.sentMore = 0;
    }
    if (row.count != row.confirmed) pending = 1;
  }
  usage.pending = pending;
  const rest = usage.touched - usage.touchedSent;
  memory.copy(touchedAt(usage), touchedAt(usage) + usage.touchedSent * 8, rest * 8);
  usage.touched = rest;
  usage.touchedSent = 0;
}
