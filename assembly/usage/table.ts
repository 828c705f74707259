/**
 * What an engine counts for the bill: requests by subscription, product, operation, reason and
 * mode, cumulative for its incarnation. A row that the host has confirmed may leave; its slot comes
 * back under another generation, so that a count never falls. It never calls anybody.
 */
import { freeBlock, takeBlock } from '../engine/blocks';
import { USAGE_OTHER_KEPT, USAGE_ROWS_MAX, USAGE_ROWS_MIN, USAGE_TOUCHED_MAX } from '../limits';
import { noteEvent, USAGE_FULL } from '../telemetry/events';

/** One row. `what` packs reason, mode, status class and latency bucket, a byte each. */
@unmanaged
export class UsageRow {
  subscription: u64;
  product: u64;
  operation: u64;
  what: u32;
  generation: u32;
  count: u64;
  /** What the host has confirmed, and how much more the newest report carried. */
  confirmed: u64;
  sentMore: u32;
  sentBatch: u32;
  /** Count when rows were last looked through for idle ones; its low bits. */
  seen: u32;
  /** Next row of the bucket or of the free list, as index + 1. */
  chain: u32;
}

/** Bytes of a row. */
export const USAGE_ROW_BYTES: usize = offsetof<UsageRow>();

/** Stands for the product of rows that count what found no row of its own. */
export const USAGE_OTHER: u64 = u64.MAX_VALUE;

/** The table of an engine; the credentials touched since the last report stand behind it. */
@unmanaged
export class Usage {
  rows: usize;
  buckets: usize;
  capacity: u32;
  count: u32;
  /** Slots in use or once used. */
  fresh: u32;
  freeList: u32;
  /** 1 = some row counts more than the host has confirmed. */
  pending: u32;
  /** Number of the newest report with usage, and the row at which the next one begins. */
  batch: u32;
  scan: u32;
  touched: u32;
  touchedSent: u32;
  /** 1 = the newest report had no room for every row. */
  left: u32;
  sweptMs: u64;
}

const TOUCHED: usize = 128;
const USAGE_BLOCK: usize = TOUCHED + (USAGE_TOUCHED_MAX as usize) * 8;
/** While the table is nearly full it is looked through for idle rows this often. */
const SWEEP_MS: u64 = 10_000;

/** An empty table, or 0 without memory. */
export function newUsage(): usize {
  const at = takeBlock(USAGE_BLOCK);
  if (at == 0) return 0;
  if (layOut(changetype<Usage>(at), USAGE_ROWS_MIN)) return at;
  freeBlock(at, USAGE_BLOCK);
  return 0;
}

/** Gives the memory of a table back; 0 is ignored. */
export function freeUsage(at: usize): void {
  if (at == 0) return;
  freeRows(changetype<Usage>(at));
  freeBlock(at, USAGE_BLOCK);
}

function freeRows(usage: Usage): void {
  freeBlock(usage.rows, (usage.capacity as usize) * USAGE_ROW_BYTES);
  freeBlock(usage.buckets, (usage.capacity as usize) * 4);
}

/** Moves the table to room for `capacity` rows, a power of two; false without memory. */
function layOut(usage: Usage, capacity: u32): bool {
  const rows = takeBlock((capacity as usize) * USAGE_ROW_BYTES);
  const buckets = takeBlock((capacity as usize) * 4);
  if (rows == 0 || buckets == 0) {
    freeBlock(rows, (capacity as usize) * USAGE_ROW_BYTES);
    freeBlock(buckets, (capacity as usize) * 4);
    return false;
  }
  if (usage.rows != 0) {
    memory.copy(rows, usage.rows, (usage.fresh as usize) * USAGE_ROW_BYTES);
    freeRows(usage);
  }
  usage.rows = rows;
  usage.buckets = buckets;
  usage.capacity = capacity;
  for (let i: u32 = 0; i < usage.fresh; i++) {
    const row = usageRow(usage, i);
    if (row.count != 0) link(usage, row, i + 1);
  }
  return true;
}

/** The row `index` of those below `fresh`; a free one counts 0. */
export function usageRow(usage: Usage, index: u32): UsageRow {
  return changetype<UsageRow>(usage.rows + (index as usize) * USAGE_ROW_BYTES);
}

/** Ids are the store's own, so that no caller chooses where rows collide. */
function bucketOf(usage: Usage, sub: u64, product: u64, operation: u64, what: u32): usize {
  const mixed = (sub * 0x9e3779b97f4a7c15) ^ (operation * 0xc2b2ae3d27d4eb4f) ^ (product + what);
  const hash = ((mixed * 0x9e3779b97f4a7c15) >> 40) as u32;
  return usage.buckets + (((hash & (usage.capacity - 1)) as usize) << 2);
}

function link(usage: Usage, row: UsageRow, index: u32): void {
  const bucket = bucketOf(usage, row.subscription, row.product, row.operation, row.what);
  row.chain = load<u32>(bucket);
  store<u32>(bucket, index);
}

/** Counts one request; without room for a row of its own in one for the same `what` of all. */
export function countUsage(at: usize, sub: u64, product: u64, operation: u64, what: u32): void {
  const usage = changetype<Usage>(at);
  let index = load<u32>(bucketOf(usage, sub, product, operation, what));
  while (index != 0) {
    const row = usageRow(usage, index - 1);
    if (
      row.operation == operation &&
      row.what == what &&
      row.subscription == sub &&
      row.product == product
    ) {
      row.count++;
      usage.pending = 1;
      return;
    }
    index = row.chain;
  }
  addRow(usage, sub, product, operation, what);
}

function addRow(usage: Usage, sub: u64, product: u64, operation: u64, what: u32): void {
  const isOther = product == USAGE_OTHER;
  const room = isOther ? usage.capacity : usage.capacity - USAGE_OTHER_KEPT;
  if (usage.count >= room) {
    noteEvent(USAGE_FULL, sub);
    if (!isOther) countUsage(changetype<usize>(usage), 0, USAGE_OTHER, 0, what & 0xffff);
    return;
  }
  let index = usage.freeList;
  if (index != 0) usage.freeList = usageRow(usage, index - 1).chain;
  else index = ++usage.fresh;
  usage.count++;
  usage.pending = 1;
  const row = usageRow(usage, index - 1);
  const generation = row.generation + 1;
  memory.fill(changetype<usize>(row), 0, USAGE_ROW_BYTES);
  row.subscription = sub;
  row.product = product;
  row.operation = operation;
  row.what = what;
  row.generation = generation;
  row.count = 1;
  link(usage, row, index);
}

/** Frees a row; its slot keeps the generation, so that the next one is another. */
function freeRow(usage: Usage, index: u32): void {
  const row = usageRow(usage, index);
  let from = bucketOf(usage, row.subscription, row.product, row.operation, row.what);
  while (load<u32>(from) != index + 1) {
    if (load<u32>(from) == 0) return;
    from = changetype<usize>(usageRow(usage, load<u32>(from) - 1)) + offsetof<UsageRow>('chain');
  }
  store<u32>(from, row.chain);
  row.count = 0;
  row.confirmed = 0;
  row.chain = usage.freeList;
  usage.freeList = index + 1;
  usage.count--;
}

/**
 * Keeps room for new rows: the table grows when half full; at its bound rows leave that counted
 * nothing since the last look and whose count the host has confirmed. Not on the request path.
 */
export function usageTick(at: usize, nowMs: u64): void {
  const usage = changetype<Usage>(at);
  if (usage.count < usage.capacity / 2) return;
  if (usage.capacity < USAGE_ROWS_MAX && layOut(usage, usage.capacity * 2)) return;
  if (nowMs - usage.sweptMs < SWEEP_MS) return;
  usage.sweptMs = nowMs;
  for (let i: u32 = 0; i < usage.fresh; i++) {
    const row = usageRow(usage, i);
    if (row.count == 0) continue;
    if (row.count == row.confirmed && (row.count as u32) == row.seen) freeRow(usage, i);
    else row.seen = row.count as u32;
  }
}

/** Forgets everything: the ids of another store mean something else. */
export function forgetUsage(at: usize): void {
  const usage = changetype<Usage>(at);
  for (let i: u32 = 0; i < usage.fresh; i++) {
    if (usageRow(usage, i).count != 0) freeRow(usage, i);
  }
  usage.pending = 0;
  usage.touched = 0;
  usage.touchedSent = 0;
}

/** Remembers that a credential was used; false when there is no room before the next report. */
export function touchCredential(at: usize, credential: u64): bool {
  const usage = changetype<Usage>(at);
  if (usage.touched >= USAGE_TOUCHED_MAX) return false;
  store<u64>(touchedAt(usage) + usage.touched * 8, credential);
  usage.touched++;
  return true;
}

/** Where the touched credentials stand, oldest first. */
export function touchedAt(usage: Usage): usize {
  return changetype<usize>(usage) + TOUCHED;
}
