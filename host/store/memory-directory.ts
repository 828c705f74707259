/**
 * One directory of the store in memory, in the order it is read in. It must never decide who is in.
 */
import type { DirectoryPlace, DirectoryRow } from './tables.ts';

/** The directory of one proxy group: rows by (kind, id), and places in the order they were put. */
export interface MemoryDirectory {
  readonly rows: Map<string, DirectoryRow>;
  /** Every place a row ever had; stale ones are skipped and swept now and then. */
  log: DirectoryRow[];
  sorted: boolean;
}

/** Stale places that are kept before a log is swept. */
const STALE_KEPT_MIN = 1024;

function compareRows(a: DirectoryPlace, b: DirectoryPlace): number {
  return a.revision - b.revision || a.kind - b.kind || a.id - b.id;
}

/** Whether a place is the one that a row has now. */
export function isNewest(directory: MemoryDirectory, row: DirectoryRow): boolean {
  return directory.rows.get(`${row.kind}/${row.id}`) === row;
}

/** Brings the log into order and drops stale places once they are more than the live ones. */
export function sweep(directory: MemoryDirectory): void {
  if (directory.log.length > STALE_KEPT_MIN + 2 * directory.rows.size) {
    directory.log = directory.log.filter((row) => isNewest(directory, row));
  }
  if (directory.sorted) return;
  directory.log.sort(compareRows);
  directory.sorted = true;
}

/** Index of the first row behind a place in a sorted log. */
export function firstBehind(log: readonly DirectoryRow[], place: DirectoryPlace): number {
  let low = 0;
  let high = log.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const row = log[middle];
    if (row !== undefined && compareRows(row, place) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
