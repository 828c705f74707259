/**
 * Rows of the SQLite store by the thousand: what a statement for each row would do in seconds takes
 * a statement for a thousand of them a tenth of that, because most of it is the way in and out. It
 * turns rows into statements and must never decide anything.
 */
import type { SQLInputValue, SQLOutputValue } from 'node:sqlite';
import type { CompiledRecord, NameKey } from '../compile/output.ts';
import type { DeclaredFacts } from './tables.ts';

/** Rows of one statement: their values are some 64 KiB. */
const ROWS = 1_000;

/** The statements of the store, prepared once each. */
export interface BulkStatements {
  /** Runs a statement and answers how many rows it changed. */
  run(sql: string, ...values: SQLInputValue[]): number;
  /** Rows as lists of their columns. */
  lists(sql: string, ...values: SQLInputValue[]): SQLOutputValue[][];
}

/** Ids of names, in the order asked. */
export function idsOf(db: BulkStatements, keys: readonly NameKey[]): (number | undefined)[] {
  const sql = `SELECT j.key, i.id FROM json_each(?) j CROSS JOIN ids i
    ON i.kind = ? AND i.namespace = ? AND i.name = j.value`;
  const ids = new Array<number | undefined>(keys.length).fill(undefined);
  for (const { from, until, kind, namespace } of runsOf(keys)) {
    const names = JSON.stringify(keys.slice(from, until).map(({ name }) => name));
    for (const [at, id] of db.lists(sql, names, kind, namespace))
      ids[from + Number(at)] = Number(id);
  }
  return ids;
}

/** Gives ids from `first` on to names that have none, in their order. */
export function giveIds(db: BulkStatements, keys: readonly NameKey[], first: number): void {
  const sql = 'INSERT INTO ids SELECT ?, ?, value, ? + key FROM json_each(?)';
  for (const { from, until, kind, namespace } of runsOf(keys)) {
    const names = JSON.stringify(keys.slice(from, until).map(({ name }) => name));
    db.run(sql, kind, namespace, first + from, names);
  }
}

/** Names of one kind and namespace that stand side by side, a thousand at most. */
function* runsOf(keys: readonly NameKey[]) {
  for (let from = 0, until = 0; from < keys.length; from = until) {
    const { kind = 'ProxyGroup', namespace = '' } = keys[from] ?? {};
    const most = Math.min(keys.length, from + ROWS);
    until = from + 1;
    while (until < most && keys[until]?.kind === kind && keys[until]?.namespace === namespace) {
      until += 1;
    }
    yield { from, until, kind, namespace };
  }
}

/** As {@link declaredText} has it, in the words of the database. */
const DECLARED_TEXT = `concat_ws(' ', namespace, application, name, state,
  ifnull(not_before_ms, ''), ifnull(not_after_ms, ''), ifnull(rules, ''))`;

/**
 * All declared credentials in the order of ids. A row of the database costs ten times as much in
 * JavaScript as in SQLite, so that a thousand of them come as one.
 */
export function declaredFacts(db: BulkStatements): DeclaredFacts[] {
  // The plus keeps the index of declared ones out: mostly all are, and it costs a second look-up.
  const sql = `SELECT max(id), CAST(group_concat(digest, '') AS BLOB),
    group_concat(id || ' ' || application_id, ' '), group_concat(text, char(10))
    FROM (SELECT id, application_id, digest, ${DECLARED_TEXT} AS text FROM credentials
      WHERE +origin = 'resource' AND id > ? ORDER BY id LIMIT ${ROWS})`;
  const facts: DeclaredFacts[] = [];
  for (let last = 0; ; ) {
    const [[id, digests, ids, texts] = []] = db.lists(sql, last);
    if (typeof id !== 'number') return facts;
    last = id;
    const numbers = String(ids).split(' ');
    let at = 0;
    for (const text of String(texts).split('\n')) {
      const digest = (digests as Uint8Array).subarray(32 * at, 32 * at + 32);
      const [id, applicationId] = [Number(numbers[2 * at]), Number(numbers[2 * at + 1])];
      facts.push({ id, applicationId, digest, text });
      at += 1;
    }
  }
}

/** Enters records into a directory; answers how many removals stood in their places. */
export function enterRows(
  db: BulkStatements,
  group: number,
  revision: number,
  records: readonly CompiledRecord[],
): number {
  const source = `substr(?4, 1 + ?5 * key, ?5)`;
  const insert = `INSERT INTO directory (proxy_group, kind, id, revision, present, body)
    SELECT ?1, ?2, value, ?3, 1, ${source} FROM json_each(?6) WHERE true ON CONFLICT DO NOTHING`;
  const replace = `UPDATE directory SET revision = ?3, present = 1, body = ${source}
    FROM json_each(?6) j WHERE proxy_group = ?1 AND kind = ?2 AND directory.id = j.value
    AND present = 0`;
  let replaced = 0;
  for (const { kind, length, rows } of alike(records)) {
    const bodies = new Uint8Array(length * rows.length);
    for (const [at, { body }] of rows.entries()) bodies.set(body, at * length);
    const ids = JSON.stringify(rows.map(({ id }) => id));
    const values = [group, kind, revision, bodies, length, ids] as const;
    if (db.run(insert, ...values) < rows.length) replaced += db.run(replace, ...values);
  }
  return replaced;
}

/** Records of one kind whose bodies are equally long, a thousand at most, in their order. */
function* alike(records: readonly CompiledRecord[]) {
  const open = new Map<number, CompiledRecord[]>();
  const of = (rows: CompiledRecord[]) => {
    const [first] = rows;
    return { kind: first?.kind ?? 0, length: first?.body.length ?? 0, rows };
  };
  for (const record of records) {
    const key = record.kind + 4 * record.body.length;
    const rows = open.get(key);
    if (rows === undefined) open.set(key, [record]);
    else if (rows.push(record) === ROWS) {
      open.delete(key);
      yield of(rows);
    }
  }
  for (const rows of open.values()) yield of(rows);
}
