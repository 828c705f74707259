/**
 * Reads one page of a directory from the tables. What a page holds depends on the tables and the
 * query alone, so any host of the same store can go on with a walk that another began.
 */
import type { DirectoryPage, DirectoryQuery, DirectoryRecord } from './store.ts';
import type { DirectoryPlace, DirectoryRow, GroupRow, Tables } from './tables.ts';

/** The page behind the query's place. See docs/wire.md, section 4. */
export function readPage(tables: Tables, query: DirectoryQuery): DirectoryPage {
  const head = tables.revision();
  const group = tables.groupNamed(query.group);
  if (group === undefined) return { outcome: 'no_group', head };
  // A walk from 0 has seen no removal; whether it lags is for the filter to tell by `forgotten`.
  if (query.after > 0 && query.after < group.forgotten) return { outcome: 'start_over', head };
  const { records, next } = take(tables, group, query);
  return {
    outcome: 'page',
    records,
    head,
    policyRevision: group.policyRevision,
    complete: next === undefined,
    upTo: next === undefined ? head : next.revision - 1,
    forgotten: group.forgotten,
  };
}

/** The rows that fit, and the first that does not. */
function take(
  tables: Tables,
  group: GroupRow,
  query: DirectoryQuery,
): { records: DirectoryRecord[]; next: DirectoryRow | undefined } {
  const records: DirectoryRecord[] = [];
  // Nothing was put before the first page of a fill, so nothing has to be removed.
  const skipRemovals = query.after === 0 && query.cursor === undefined;
  let bytes = 0;
  for (const row of tables.rowsAfter(group.id, placeOf(query))) {
    if (skipRemovals && !row.present) continue;
    bytes += row.body.length + query.overheadBytes;
    if (bytes > query.maxBytes && records.length > 0) return { records, next: row };
    const { group: _, ...record } = row;
    records.push(record);
  }
  return { records, next: undefined };
}

function placeOf(query: DirectoryQuery): DirectoryPlace {
  if (query.cursor !== undefined) return query.cursor;
  return { revision: query.after, kind: Number.MAX_SAFE_INTEGER, id: Number.MAX_SAFE_INTEGER };
}
