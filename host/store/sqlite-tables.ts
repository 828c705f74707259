/**
 * The tables of a store in one SQLite file. It turns rows into statements and must never decide
 * anything: the rules are in `core.ts`.
 */
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite';
import {
  type CompiledRecord,
  type NamedKind,
  type NameKey,
  RecordKind,
} from '../compile/output.ts';
import { SqliteAccess, SqliteAudit, type Statements } from './audit-sqlite.ts';
import { type BulkStatements, declaredFacts, enterRows, giveIds, idsOf } from './sqlite-bulk.ts';
import {
  asCredential,
  asDirectoryRow,
  asFacts,
  asGroup,
  asResource,
  type Row,
} from './sqlite-columns.ts';
import type { CredentialQuery, PolicyVersion, ResourceQuery, StoredResource } from './store.ts';
import {
  type CredentialFacts,
  type CredentialRow,
  type DeclaredFacts,
  type DirectoryPlace,
  type DirectoryRow,
  type GroupRow,
  rulesText,
  type Tables,
} from './tables.ts';

/** Tables over an open, migrated database, which they own. */
export class SqliteTables implements Tables {
  readonly storeId: Uint8Array;
  readonly epoch: number;
  readonly audit: SqliteAudit;
  readonly access: SqliteAccess;
  readonly #database: DatabaseSync;
  readonly #bulk: BulkStatements;
  readonly #statements = new Map<string, StatementSync>();
  /** Last id given; read when a transaction begins and written when it ends. */
  #lastId = 0;

  /** `freshStoreId` is taken only when the file has no store id yet. */
  constructor(database: DatabaseSync, freshStoreId: Uint8Array) {
    this.#database = database;
    this.#run("INSERT OR IGNORE INTO meta VALUES ('store_id', ?)", freshStoreId);
    this.#run("INSERT OR IGNORE INTO meta VALUES ('epoch', 1), ('revision', 0), ('last_id', 0)");
    this.#run("INSERT OR IGNORE INTO meta VALUES ('resource_revision', 0), ('audit_forgotten', 0)");
    this.storeId = this.#meta('store_id') as Uint8Array;
    this.epoch = Number(this.#meta('epoch'));
    const run: Statements['run'] = (sql, ...values) => this.#run(sql, ...values);
    const all: Statements['all'] = (sql, ...values) => this.#all(sql, ...values);
    const statements = { run, all };
    this.#bulk = { run, lists: (sql, ...values) => this.#lists(sql, ...values) };
    this.audit = new SqliteAudit(statements);
    this.access = new SqliteAccess(statements);
  }

  transact<T>(change: () => T): T {
    this.#run('BEGIN IMMEDIATE');
    const lastId = Number(this.#meta('last_id'));
    this.#lastId = lastId;
    try {
      const result = change();
      if (this.#lastId > lastId) this.#setMeta('last_id', this.#lastId);
      this.#run('COMMIT');
      return result;
    } catch (error) {
      // SQLite ends the transaction itself on some faults, such as a full disk.
      if (this.#database.isTransaction) this.#run('ROLLBACK');
      throw error;
    }
  }

  revision(): number {
    return Number(this.#meta('revision'));
  }

  setRevision(revision: number): void {
    this.#setMeta('revision', revision);
  }

  resourceRevision(): number {
    return Number(this.#meta('resource_revision'));
  }

  setResourceRevision(revision: number): void {
    this.#setMeta('resource_revision', revision);
  }

  compiledBy(): string {
    return String(this.#meta('compiled_by'));
  }

  setCompiledBy(mark: string): void {
    this.#setMeta('compiled_by', mark);
  }

  idOf(key: NameKey): number | undefined {
    const sql = 'SELECT id FROM ids WHERE kind = ? AND namespace = ? AND name = ?';
    const row = this.#get(sql, key.kind, key.namespace, key.name);
    return row === undefined ? undefined : Number(row.id);
  }

  idsOf(keys: readonly NameKey[]): readonly (number | undefined)[] {
    return idsOf(this.#bulk, keys);
  }

  nameOf(id: number): NameKey | undefined {
    const row = this.#get('SELECT kind, namespace, name FROM ids WHERE id = ?', id);
    if (row === undefined) return undefined;
    const kind = String(row.kind) as NamedKind;
    return { kind, namespace: String(row.namespace), name: String(row.name) };
  }

  giveId(key: NameKey): number {
    this.#lastId += 1;
    const { kind, namespace, name } = key;
    this.#run('INSERT INTO ids VALUES (?, ?, ?, ?)', kind, namespace, name, this.#lastId);
    return this.#lastId;
  }

  giveIds(keys: readonly NameKey[]): number {
    const first = this.#lastId + 1;
    giveIds(this.#bulk, keys, first);
    this.#lastId += keys.length;
    return first;
  }

  resource(kind: string, namespace: string, name: string): string | undefined {
    const sql = 'SELECT text FROM resources WHERE kind = ? AND namespace = ? AND name = ?';
    const row = this.#get(sql, kind, namespace, name);
    return row === undefined ? undefined : String(row.text);
  }

  resources(kind?: string): StoredResource[] {
    const all = 'SELECT kind, namespace, name, text FROM resources';
    const order = 'ORDER BY kind, namespace, name';
    if (kind === undefined) return this.#lists(`${all} ${order}`).map(asResource);
    return this.#lists(`${all} WHERE kind = ? ${order}`, kind).map(asResource);
  }

  resourcePage({ kind, after, namespaces, search = '', limit }: ResourceQuery): StoredResource[] {
    const only = namespaces === undefined ? null : JSON.stringify(namespaces);
    const sql = `SELECT kind, namespace, name, text FROM resources
      WHERE kind = ? AND (namespace, name) > (?, ?)
      AND (? IS NULL OR namespace IN (SELECT value FROM json_each(?)))
      AND (? = '' OR instr(name, ?) > 0) ORDER BY namespace, name LIMIT ?`;
    const { namespace = '', name = '' } = after ?? {};
    const chosen = [kind, namespace, name, only, only, search, search, limit];
    return this.#lists(sql, ...chosen).map(asResource);
  }

  putResource(resource: StoredResource): void {
    const { kind, namespace, name, text } = resource;
    this.#run('INSERT OR REPLACE INTO resources VALUES (?, ?, ?, ?)', kind, namespace, name, text);
  }

  deleteResource(kind: string, namespace: string, name: string): void {
    const sql = 'DELETE FROM resources WHERE kind = ? AND namespace = ? AND name = ?';
    this.#run(sql, kind, namespace, name);
  }

  credential(id: number): CredentialRow | undefined {
    return asCredential(this.#get('SELECT * FROM credentials WHERE id = ?', id));
  }

  credentialNamed(namespace: string, name: string): CredentialRow | undefined {
    const sql = 'SELECT * FROM credentials WHERE namespace = ? AND name = ?';
    return asCredential(this.#get(sql, namespace, name));
  }

  credentialWithDigest(digest: Uint8Array): CredentialRow | undefined {
    return asCredential(this.#get('SELECT * FROM credentials WHERE digest = ?', digest));
  }

  credentialsOf(applications: readonly number[], origin?: 'key'): CredentialFacts[] {
    const sql = `SELECT id, application_id, digest, state, not_before_ms, not_after_ms, rules
      FROM credentials WHERE application_id IN (SELECT value FROM json_each(?))
      ${origin === undefined ? '' : "AND origin = 'key'"} ORDER BY id`;
    return this.#all(sql, JSON.stringify(applications)).map(asFacts);
  }

  declaredFacts(): readonly DeclaredFacts[] {
    return declaredFacts(this.#bulk);
  }

  listCredentials(query: CredentialQuery): CredentialRow[] {
    const sql = `SELECT * FROM credentials WHERE id > ?
      AND (? IS NULL OR namespace = ?) AND (? IS NULL OR application = ?) ORDER BY id LIMIT ?`;
    const namespace = query.namespace ?? null;
    const application = query.application ?? null;
    const chosen = [namespace, namespace, application, application, query.limit];
    return this.#all(sql, query.afterId ?? 0, ...chosen).flatMap((row) => asCredential(row) ?? []);
  }

  putCredential(row: CredentialRow): void {
    const values = [row.id, row.namespace, row.application, row.applicationId, row.name];
    const key = [row.origin, row.brand, row.displayPrefix, row.digest, row.state];
    const times = [row.notBeforeMs, row.notAfterMs, row.createdAtMs, row.revokedAtMs];
    const sql = `INSERT OR REPLACE INTO credentials (id, namespace, application, application_id,
      name, origin, brand, display_prefix, digest, state, not_before_ms, not_after_ms,
      created_at_ms, revoked_at_ms, rules)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;
    this.#run(sql, ...values, ...key, ...times, rulesText(row.rules));
  }

  deleteCredential(id: number): void {
    this.#run('DELETE FROM credentials WHERE id = ?', id);
  }

  groupNamed(name: string): GroupRow | undefined {
    const row = this.#get('SELECT * FROM proxy_groups WHERE name = ?', name);
    return row === undefined ? undefined : asGroup(row);
  }

  groups(): GroupRow[] {
    return this.#all('SELECT * FROM proxy_groups ORDER BY name').map(asGroup);
  }

  putGroup(row: GroupRow): void {
    const counts = [row.credentials, row.removals, row.forgotten];
    const sql = `INSERT OR REPLACE INTO proxy_groups (id, name, policy_revision,
      directory_revision, credentials, removals, forgotten) VALUES (?, ?, ?, ?, ?, ?, ?)`;
    this.#run(sql, row.id, row.name, row.policyRevision, row.directoryRevision, ...counts);
  }

  directoryRow(group: number, kind: RecordKind, id: number): DirectoryRow | undefined {
    const sql = 'SELECT * FROM directory WHERE proxy_group = ? AND kind = ? AND id = ?';
    const row = this.#get(sql, group, kind, id);
    return row === undefined ? undefined : asDirectoryRow(row);
  }

  *presentRecords(group: number): Iterable<DirectoryRow> {
    const sql = 'SELECT * FROM directory WHERE proxy_group = ? AND kind = ? AND present = 1';
    for (const kind of [RecordKind.application, RecordKind.subscription]) {
      for (const row of this.#statement(sql).iterate(group, kind)) yield asDirectoryRow(row as Row);
    }
  }

  groupsOf(applicationId: number): number[] {
    const sql = `SELECT proxy_group FROM directory
      WHERE id = ? AND kind = 2 AND present = 1 ORDER BY proxy_group`;
    return this.#all(sql, applicationId).map((row) => Number(row.proxy_group));
  }

  changeRow(row: DirectoryRow): void {
    const sql = `UPDATE directory SET revision = ?, present = 1, body = ?
      WHERE proxy_group = ? AND kind = ? AND id = ?`;
    this.#run(sql, row.revision, row.body, row.group, row.kind, row.id);
  }

  enterRows(group: number, revision: number, records: readonly CompiledRecord[]): number {
    return enterRows(this.#bulk, group, revision, records);
  }

  leaveRow(group: number, kind: RecordKind, id: number, revision: number): boolean {
    const sql = `UPDATE directory SET revision = ?, present = 0, body = x''
      WHERE proxy_group = ? AND kind = ? AND id = ? AND present = 1`;
    return this.#run(sql, revision, group, kind, id) === 1;
  }

  *rowsAfter(group: number, place: DirectoryPlace): Iterable<DirectoryRow> {
    const sql = `SELECT * FROM directory INDEXED BY directory_in_order
      WHERE proxy_group = ? AND (revision, kind, id) > (?, ?, ?) ORDER BY revision, kind, id`;
    const rows = this.#statement(sql).iterate(group, place.revision, place.kind, place.id);
    for (const row of rows) yield asDirectoryRow(row as Row);
  }

  forgetRemovals(group: number, keep: number): { removals: number; forgotten: number } {
    const oldest = `SELECT revision FROM directory WHERE proxy_group = ? AND present = 0
      ORDER BY revision DESC LIMIT 1 OFFSET ?`;
    const forgotten = Number(this.#get(oldest, group, keep)?.revision ?? 0);
    const drop = 'DELETE FROM directory WHERE proxy_group = ? AND present = 0 AND revision <= ?';
    this.#run(drop, group, forgotten);
    const count = 'SELECT count(*) AS n FROM directory WHERE proxy_group = ? AND present = 0';
    return { removals: Number(this.#get(count, group)?.n ?? 0), forgotten };
  }

  policies(group: number): PolicyVersion[] {
    const sql = 'SELECT * FROM policies WHERE proxy_group = ? ORDER BY revision DESC';
    return this.#all(sql, group).map((row) => ({
      revision: Number(row.revision),
      bytes: row.bytes as Uint8Array,
    }));
  }

  putPolicy(group: number, policy: PolicyVersion, keep: number): void {
    this.#run('INSERT INTO policies VALUES (?, ?, ?)', group, policy.revision, policy.bytes);
    const drop = `DELETE FROM policies WHERE proxy_group = ? AND revision NOT IN
      (SELECT revision FROM policies WHERE proxy_group = ? ORDER BY revision DESC LIMIT ?)`;
    this.#run(drop, group, group, keep);
  }

  close(): void {
    this.#statements.clear();
    this.#database.close();
  }

  #meta(name: string): SQLOutputValue {
    return this.#get('SELECT value FROM meta WHERE name = ?', name)?.value ?? null;
  }

  #setMeta(name: string, value: SQLInputValue): void {
    this.#run('UPDATE meta SET value = ? WHERE name = ?', value, name);
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  /** Runs a statement and answers how many rows it changed. */
  #run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#statement(sql).run(...values).changes);
  }

  #get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#statement(sql).get(...values);
  }

  #all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#statement(sql).all(...values);
  }

  /** Rows as lists; a text is asked for in this way alone, never as rows besides. */
  #lists(sql: string, ...values: SQLInputValue[]): SQLOutputValue[][] {
    const statement = this.#statement(sql);
    statement.setReturnArrays(true);
    return statement.all(...values) as unknown as SQLOutputValue[][];
  }
}
