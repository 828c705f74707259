/**
 * Holds the table of usage and its reports to docs/wire.md, section 6: counts never fall, a slot
 * comes back under another generation, and only what was confirmed may be forgotten.
 */
import {
  USAGE_OTHER_KEPT,
  USAGE_ROWS_MAX,
  USAGE_ROWS_MIN,
  USAGE_ROWS_PER_CALL_MAX,
  USAGE_TOUCHED_MAX,
} from '../../../assembly/limits';
import { beginMessage, endMessage, messageBytes } from '../../../assembly/sync/write';
import { hasUsage, usageConfirmed, usageLeft, writeUsage } from '../../../assembly/usage/report';
import {
  countUsage,
  forgetUsage,
  freeUsage,
  newUsage,
  touchCredential,
  Usage,
  usageRow,
  usageTick,
} from '../../../assembly/usage/table';

const ROWS: u32 = 16 + 8 + 8;

/** Writes a report; answers its number. */
function told(usage: usize): u32 {
  beginMessage(1);
  const batch = writeUsage(usage);
  endMessage();
  return batch;
}

/** Field of row `index` of the report written last. */
function field(index: u32, offset: u32): u64 {
  return load<u64>(messageBytes() + ROWS + index * 48 + offset);
}

function rowsTold(): u32 {
  return load<u32>(messageBytes() + ROWS - 4);
}

/** Counts `n` requests in row `row`. */
function count(usage: usize, row: u64, n: u32 = 1): void {
  for (let i: u32 = 0; i < n; i++) countUsage(usage, row, 5, 6, 0);
}

describe('usage', () => {
  test('is told as docs/wire.md says it is', () => {
    const usage = newUsage();
    expect(hasUsage(usage)).toBe(false);
    expect(told(usage)).toBe(0);
    countUsage(usage, 7, 5, 6, 28 | (1 << 8));
    countUsage(usage, 7, 5, 6, 28 | (1 << 8));
    expect(hasUsage(usage)).toBe(true);
    expect(told(usage)).toBe(1);
    expect(rowsTold()).toBe(1);
    expect(field(0, 0)).toBe(7);
    expect(field(0, 8)).toBe(5);
    expect(field(0, 16)).toBe(6);
    expect(field(0, 24)).toBe(2);
    expect(field(0, 32)).toBe((<u64>1) << 32);
    expect(field(0, 40)).toBe(28 | (1 << 8));
    freeUsage(usage);
  });

  test('that is not confirmed is told again, with all that came since', () => {
    const usage = newUsage();
    count(usage, 1, 3);
    expect(told(usage)).toBe(1);
    count(usage, 1, 2);
    expect(told(usage)).toBe(2);
    expect(field(0, 24)).toBe(5);
    // The answer to the first report, late: it is not the newest any more.
    usageConfirmed(usage, 1);
    expect(told(usage)).toBe(3);
    usageConfirmed(usage, 3);
    expect(hasUsage(usage)).toBe(false);
    expect(told(usage)).toBe(0);
    count(usage, 1);
    told(usage);
    expect(field(0, 24)).toBe(6);
    freeUsage(usage);
  });

  test('counted while a report is under way is not confirmed by it', () => {
    const usage = newUsage();
    count(usage, 1);
    const batch = told(usage);
    count(usage, 1);
    count(usage, 2);
    usageConfirmed(usage, batch);
    expect(hasUsage(usage)).toBe(true);
    told(usage);
    expect(rowsTold()).toBe(2);
    freeUsage(usage);
  });

  test('beyond what one call holds follows in the next', () => {
    const usage = newUsage();
    for (let row: u64 = 1; row <= USAGE_ROWS_PER_CALL_MAX + 2; row++) count(usage, row);
    let batch = told(usage);
    expect(rowsTold()).toBe(USAGE_ROWS_PER_CALL_MAX);
    expect(usageLeft(usage)).toBe(true);
    usageConfirmed(usage, batch);
    batch = told(usage);
    expect(rowsTold()).toBe(2);
    expect(usageLeft(usage)).toBe(false);
    usageConfirmed(usage, batch);
    expect(hasUsage(usage)).toBe(false);
    freeUsage(usage);
  });

  test('of more rows than there is room for is counted without its subscription', () => {
    const usage = newUsage();
    const own = USAGE_ROWS_MIN - USAGE_OTHER_KEPT;
    for (let row: u64 = 1; row <= USAGE_ROWS_MIN; row++) count(usage, row);
    let told: u32 = 0;
    for (let i: u32 = 0; i < changetype<Usage>(usage).fresh; i++) {
      told += usageRow(changetype<Usage>(usage), i).count as u32;
    }
    expect(told).toBe(USAGE_ROWS_MIN);
    expect(changetype<Usage>(usage).fresh).toBe(own + 1);
    const other = usageRow(changetype<Usage>(usage), own);
    expect(other.product).toBe(u64.MAX_VALUE);
    expect(other.count).toBe(USAGE_OTHER_KEPT);
    freeUsage(usage);
  });

  test('keeps its counts when the table grows', () => {
    const usage = newUsage();
    const rows = USAGE_ROWS_MIN / 2 + 1;
    for (let row: u32 = 1; row <= rows; row++) count(usage, row, 1 + (row % 7));
    usageTick(usage, 1000);
    expect(changetype<Usage>(usage).capacity).toBe(USAGE_ROWS_MIN * 2);
    let kept: u32 = 0;
    for (let row: u32 = 1; row <= rows; row++) {
      count(usage, row);
      if (usageRow(changetype<Usage>(usage), row - 1).count == 2 + (row % 7)) kept++;
    }
    expect(kept).toBe(rows);
    freeUsage(usage);
  });

  test('that is idle leaves only after its last count was confirmed, for another generation', () => {
    const usage = newUsage();
    const rows = USAGE_ROWS_MAX - USAGE_OTHER_KEPT;
    for (let row: u32 = 1; row <= rows; row++) {
      count(usage, row);
      usageTick(usage, 1000);
    }
    usageTick(usage, 20000);
    usageTick(usage, 40000);
    expect(changetype<Usage>(usage).count).toBe(rows);
    for (let i: u32 = 0; i <= rows / USAGE_ROWS_PER_CALL_MAX; i++) {
      usageConfirmed(usage, told(usage));
    }
    usageTick(usage, 60000);
    expect(changetype<Usage>(usage).count).toBe(0);
    count(usage, 99);
    told(usage);
    expect(field(0, 0)).toBe(99);
    expect(field(0, 32) >> 32).toBe(2);
    freeUsage(usage);
  });

  test('of another store is forgotten, and its slots come back as others', () => {
    const usage = newUsage();
    count(usage, 1, 5);
    told(usage);
    forgetUsage(usage);
    expect(hasUsage(usage)).toBe(false);
    count(usage, 1);
    told(usage);
    expect(field(0, 24)).toBe(1);
    expect(field(0, 32) >> 32).toBe(2);
    freeUsage(usage);
  });

  test('names credentials until it was confirmed, and those that found no room later', () => {
    const usage = newUsage();
    const most: u64 = USAGE_TOUCHED_MAX;
    for (let id: u64 = 1; id <= most; id++) expect(touchCredential(usage, id)).toBe(true);
    expect(touchCredential(usage, most + 1)).toBe(false);
    const batch = told(usage);
    usageConfirmed(usage, batch);
    expect(hasUsage(usage)).toBe(false);
    expect(touchCredential(usage, most + 1)).toBe(true);
    expect(told(usage)).toBe(batch + 1);
    expect(rowsTold()).toBe(0);
    expect(load<u64>(messageBytes() + ROWS + 8 + 8)).toBe(most + 1);
    freeUsage(usage);
  });
});
