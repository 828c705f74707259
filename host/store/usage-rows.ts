/**
 * Usage in one SQLite database, in a file or in memory. It turns rows into statements and must
 * never decide anything: the rules are in `host/usage/book.ts`.
 */
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite';
import type { HolderPlace, HolderRow, HolderState, SlotCount, UsageRows } from '../usage/book.ts';
import type { UsageGap, UsageKind, UsageLabels } from '../usage/report.ts';
import type { UsageFilter, UsageQuery, UsageTotal } from './usage.ts';

/** Steps that bring an older file up to date; one that was released is never edited. */
export const USAGE_STEPS: readonly string[] = [
  `CREATE TABLE holders (
     holder TEXT PRIMARY KEY, grp TEXT NOT NULL, state TEXT NOT NULL, sequence INTEGER NOT NULL,
     batch INTEGER NOT NULL, heartbeat_ms INTEGER NOT NULL, reported_ms INTEGER NOT NULL,
     gap_from_ms INTEGER NOT NULL, gap_to_ms INTEGER NOT NULL, gap_lost_ms INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX holders_by_report ON holders (state, reported_ms, holder);
   CREATE INDEX holders_with_gap ON holders (gap_to_ms) WHERE gap_to_ms > 0;
   CREATE TABLE slots (
     holder TEXT NOT NULL, slot INTEGER NOT NULL, generation INTEGER NOT NULL,
     count INTEGER NOT NULL, PRIMARY KEY (holder, slot)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE labels (
     id INTEGER PRIMARY KEY, grp TEXT NOT NULL, namespace TEXT NOT NULL, consumer TEXT NOT NULL,
     application TEXT NOT NULL, plan TEXT NOT NULL, product TEXT NOT NULL,
     operation TEXT NOT NULL, subscription_id INTEGER NOT NULL, product_id INTEGER NOT NULL,
     operation_id INTEGER NOT NULL, other INTEGER NOT NULL,
     UNIQUE (subscription_id, product_id, operation_id, grp, namespace, consumer, application,
       plan, product, operation, other)
   ) STRICT;
   CREATE TABLE totals (
     hour INTEGER NOT NULL, label INTEGER NOT NULL, reason TEXT NOT NULL, mode TEXT NOT NULL,
     status INTEGER NOT NULL, latency INTEGER NOT NULL, count INTEGER NOT NULL,
     PRIMARY KEY (hour, label, reason, mode, status, latency)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE uses (credential INTEGER PRIMARY KEY, used_ms INTEGER NOT NULL) STRICT;`,
];

type Row = Record<string, SQLOutputValue>;

/** Labels whose ids are kept at hand. */
const LABELS_KEPT = 20_000;

const FILTERS: Record<Exclude<keyof UsageFilter, 'namespaces'>, string> = {
  group: 'grp',
  namespace: 'namespace',
  consumer: 'consumer',
  application: 'application',
  plan: 'plan',
  product: 'product',
  operation: 'operation',
  subscriptionId: 'subscription_id',
  reason: 'reason',
  mode: 'mode',
};

/** Rows over an open database whose steps are taken; it does not own the database. */
export class SqliteUsageRows implements UsageRows {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #labels = new Map<string, number>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Forgets ids that a transaction which was rolled back gave. */
  rolledBack(): void {
    this.#labels.clear();
  }

  holder(holder: string): HolderRow | undefined {
    const [row] = this.#all('SELECT * FROM holders WHERE holder = ?', holder);
    return row === undefined ? undefined : asHolder(row);
  }

  putHolder(row: HolderRow): void {
    const { holder, group, state, sequence, batch } = row;
    const times = [row.heartbeatMs, row.reportedMs, row.gapFromMs, row.gapToMs, row.gapLostMs];
    const sql = 'INSERT OR REPLACE INTO holders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)';
    this.#run(sql, holder, group, state, sequence, batch, ...times);
  }

  holdersBefore(
    state: HolderState,
    beforeMs: number,
    limit: number,
    after: HolderPlace = { holder: '', reportedMs: -1 },
  ): HolderRow[] {
    const sql = `SELECT * FROM holders WHERE state = ? AND reported_ms < ?
      AND (reported_ms, holder) > (?, ?) ORDER BY reported_ms, holder LIMIT ?`;
    return this.#all(sql, state, beforeMs, after.reportedMs, after.holder, limit).map(asHolder);
  }

  dropHolder(holder: string): void {
    this.#run('DELETE FROM holders WHERE holder = ?', holder);
  }

  slot(holder: string, slot: number): SlotCount | undefined {
    const sql = 'SELECT generation, count FROM slots WHERE holder = ? AND slot = ?';
    const [row] = this.#all(sql, holder, slot);
    if (row === undefined) return undefined;
    return { generation: Number(row.generation), count: Number(row.count) };
  }

  putSlot(holder: string, slot: number, { generation, count }: SlotCount): void {
    this.#run('INSERT OR REPLACE INTO slots VALUES (?, ?, ?, ?)', holder, slot, generation, count);
  }

  dropSlots(holder: string): void {
    this.#run('DELETE FROM slots WHERE holder = ?', holder);
  }

  add(hour: number, labels: UsageLabels, kind: UsageKind, count: number): void {
    const { reason, mode, status, latency } = kind;
    const sql = `INSERT INTO totals VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT
      (hour, label, reason, mode, status, latency) DO UPDATE SET count = count + excluded.count`;
    this.#run(sql, hour, this.#labelId(labels), reason, mode, status, latency, count);
  }

  dropHours(before: number): void {
    this.#run('DELETE FROM totals WHERE hour < ?', before);
  }

  use(credential: number, usedMs: number): void {
    const sql = `INSERT INTO uses VALUES (?, ?) ON CONFLICT (credential)
      DO UPDATE SET used_ms = max(used_ms, excluded.used_ms)`;
    this.#run(sql, credential, usedMs);
  }

  /** As `UsageStore.lastUsed`. */
  lastUsed(credentials: readonly number[]): (readonly [number, number])[] {
    return credentials.flatMap((id) => {
      const [row] = this.#all('SELECT used_ms FROM uses WHERE credential = ?', id);
      return row === undefined ? [] : [[id, Number(row.used_ms)] as const];
    });
  }

  /** As `UsageStore.totals`. */
  totals(query: UsageQuery): UsageTotal[] {
    const { namespaces = [], ...filter } = query.filter;
    const chosen = Object.entries(filter).filter(([, value]) => value !== undefined);
    const where = chosen.map(([name]) => ` AND ${FILTERS[name as keyof typeof FILTERS]} = ?`);
    if (namespaces.length > 0) {
      where.push(` AND namespace IN (${namespaces.map(() => '?').join(', ')})`);
    }
    const sql = `SELECT * FROM totals JOIN labels ON labels.id = totals.label
      WHERE hour >= ? AND hour < ? AND (status > 0) = ?${where.join('')}
      ORDER BY hour, label, reason, mode, status, latency LIMIT ? OFFSET ?`;
    const values = [...chosen.map(([, value]) => value as string | number), ...namespaces];
    const { fromHour, toHour, limit, offset } = query;
    const responses = query.responses ? 1 : 0;
    return this.#all(sql, fromHour, toHour, responses, ...values, limit, offset).map(asTotal);
  }

  /** As `UsageStore.gaps`. */
  gaps(fromMs: number, toMs: number): UsageGap[] {
    const sql = `SELECT * FROM holders WHERE gap_to_ms > 0 AND gap_to_ms >= ? AND gap_from_ms < ?
      ORDER BY gap_from_ms, holder`;
    return this.#all(sql, fromMs, toMs).map((row) => ({
      holder: String(row.holder),
      group: String(row.grp),
      fromMs: Number(row.gap_from_ms),
      toMs: Number(row.gap_to_ms),
      lostMs: Number(row.gap_lost_ms),
    }));
  }

  #labelId(labels: UsageLabels): number {
    const { group, namespace, consumer, application, plan, product, operation } = labels;
    const ids = [labels.subscriptionId, labels.productId, labels.operationId];
    const names = [group, namespace, consumer, application, plan, product, operation];
    const other = labels.other ? 1 : 0;
    const key = JSON.stringify([...ids, ...names, other]);
    const known = this.#labels.get(key);
    if (known !== undefined) return known;
    const columns = `subscription_id, product_id, operation_id, grp, namespace, consumer,
      application, plan, product, operation, other`;
    const marks = 'VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)';
    this.#run(`INSERT OR IGNORE INTO labels (${columns}) ${marks}`, ...ids, ...names, other);
    const find = `SELECT id FROM labels WHERE (${columns}) = ${marks.slice(7)}`;
    const [row] = this.#all(find, ...ids, ...names, other);
    const id = Number(row?.id);
    if (this.#labels.size >= LABELS_KEPT) this.#labels.clear();
    this.#labels.set(key, id);
    return id;
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  #run(sql: string, ...values: SQLInputValue[]): void {
    this.#statement(sql).run(...values);
  }

  #all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#statement(sql).all(...values);
  }
}

function asHolder(row: Row): HolderRow {
  return {
    holder: String(row.holder),
    group: String(row.grp),
    state: String(row.state) as HolderState,
    sequence: Number(row.sequence),
    batch: Number(row.batch),
    heartbeatMs: Number(row.heartbeat_ms),
    reportedMs: Number(row.reported_ms),
    gapFromMs: Number(row.gap_from_ms),
    gapToMs: Number(row.gap_to_ms),
    gapLostMs: Number(row.gap_lost_ms),
  };
}

function asTotal(row: Row): UsageTotal {
  return {
    hour: Number(row.hour),
    labels: {
      group: String(row.grp),
      namespace: String(row.namespace),
      consumer: String(row.consumer),
      application: String(row.application),
      plan: String(row.plan),
      product: String(row.product),
      operation: String(row.operation),
      subscriptionId: Number(row.subscription_id),
      productId: Number(row.product_id),
      operationId: Number(row.operation_id),
      other: row.other === 1,
    },
    kind: {
      reason: String(row.reason),
      mode: String(row.mode),
      status: Number(row.status),
      latency: Number(row.latency),
    },
    count: Number(row.count),
  };
}
