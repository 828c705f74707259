/**
 * Audit trail and access tokens in the SQLite file of the store. It turns rows into statements
 * and must never decide anything.
 */
import type { SQLInputValue, SQLOutputValue } from 'node:sqlite';
import type { AccessTables, AccessToken, DoneOnce, NewAccessToken, Role } from './access.ts';
import type {
  AuditAction,
  AuditEntry,
  AuditFacts,
  AuditOrigin,
  AuditQuery,
  AuditTables,
  ResourceRevision,
} from './audit.ts';

type Row = Record<string, SQLOutputValue>;

/** The statements of the store, prepared once each. */
export interface Statements {
  /** Runs a statement and answers how many rows it changed. */
  run(sql: string, ...values: SQLInputValue[]): number;
  all(sql: string, ...values: SQLInputValue[]): Row[];
}

/** The trail in a table. */
export class SqliteAudit implements AuditTables {
  readonly #db: Statements;

  constructor(db: Statements) {
    this.#db = db;
  }

  addEntry(revision: number, origin: AuditOrigin, facts: AuditFacts): void {
    const { actor, atMs, cause } = origin;
    const { action, kind, namespace, name, before, after } = facts;
    const sql = `INSERT INTO audit (revision, at_ms, actor, cause, action, kind, namespace, name,
      before, after) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;
    this.#db.run(sql, revision, atMs, actor, cause, action, kind, namespace, name, before, after);
  }

  forgetEntries(kept: number): void {
    // Each end is one step down the tree; asked for together they would take a walk of all rows.
    const [ends] = this.#db.all(`SELECT (SELECT min(seq) FROM audit) AS first,
      (SELECT max(seq) FROM audit) AS last`);
    const last = Number(ends?.last ?? 0);
    if (last - Number(ends?.first ?? 0) + 1 <= kept * 1.25) return;
    const [newest] = this.#db.all('SELECT revision FROM audit WHERE seq = ?', last - kept);
    this.#db.run('DELETE FROM audit WHERE seq <= ?', last - kept);
    const sql = "UPDATE meta SET value = ? WHERE name = 'audit_forgotten'";
    this.#db.run(sql, newest?.revision ?? 0);
  }

  entries(query: AuditQuery): AuditEntry[] {
    const { beforeSeq = Number.MAX_SAFE_INTEGER, namespaces, limit } = query;
    const clauses = ['seq < ?'];
    const values: SQLInputValue[] = [beforeSeq];
    for (const field of ['kind', 'name', 'actor', 'revision'] as const) {
      const value = query[field];
      if (value === undefined) continue;
      clauses.push(`${field} = ?`);
      values.push(value);
    }
    if (namespaces !== undefined) {
      clauses.push('namespace IN (SELECT value FROM json_each(?))');
      values.push(JSON.stringify(namespaces));
    }
    const sql = `SELECT * FROM audit WHERE ${clauses.join(' AND ')} ORDER BY seq DESC LIMIT ?`;
    return this.#db.all(sql, ...values, limit).map(asEntry);
  }

  resourceRevisions(limit: number, before: number): ResourceRevision[] {
    const sql = `SELECT revision, min(at_ms) AS at_ms, min(actor) AS actor, min(cause) AS cause,
      count(*) AS changes FROM audit WHERE action LIKE 'resource.%' AND revision < ?
      GROUP BY revision ORDER BY revision DESC LIMIT ?`;
    return this.#db.all(sql, before, limit).map((row) => ({
      revision: Number(row.revision),
      atMs: Number(row.at_ms),
      actor: String(row.actor),
      cause: String(row.cause),
      changes: Number(row.changes),
    }));
  }

  resourceEntriesAfter(revision: number): AuditEntry[] {
    const sql = `SELECT * FROM audit WHERE action LIKE 'resource.%' AND revision > ?
      ORDER BY seq DESC`;
    return this.#db.all(sql, revision).map(asEntry);
  }

  forgottenRevision(): number {
    const [row] = this.#db.all("SELECT value FROM meta WHERE name = 'audit_forgotten'");
    return Number(row?.value ?? 0);
  }
}

/** Access tokens in a table. */
export class SqliteAccess implements AccessTables {
  readonly #db: Statements;

  constructor(db: Statements) {
    this.#db = db;
  }

  doneOnce(actor: string, idempotencyKey: string): DoneOnce | undefined {
    const sql = 'SELECT * FROM done_once WHERE actor = ? AND idempotency_key = ?';
    const [row] = this.#db.all(sql, actor, idempotencyKey);
    if (row === undefined) return undefined;
    const led = JSON.parse(String(row.led)) as DoneOnce['led'];
    return { actor, idempotencyKey, request: String(row.request), atMs: Number(row.at_ms), led };
  }

  addDoneOnce(done: DoneOnce, forgetBeforeMs: number): void {
    const { actor, idempotencyKey, request, atMs, led } = done;
    this.#db.run('DELETE FROM done_once WHERE at_ms < ?', forgetBeforeMs);
    const sql = 'INSERT OR REPLACE INTO done_once VALUES (?, ?, ?, ?, ?)';
    this.#db.run(sql, actor, idempotencyKey, request, atMs, JSON.stringify(led));
  }

  addToken(token: NewAccessToken): AccessToken {
    const { digest, ...rest } = token;
    const { name, role, displayPrefix, createdAtMs, createdBy, notAfterMs } = rest;
    const namespaces = JSON.stringify(rest.namespaces);
    const sql = `INSERT INTO access_tokens (name, role, namespaces, display_prefix, digest,
      created_at_ms, created_by, not_after_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`;
    const times = [createdAtMs, createdBy, notAfterMs];
    const [row] = this.#db.all(sql, name, role, namespaces, displayPrefix, digest, ...times);
    return { ...rest, id: Number(row?.id), revokedAtMs: null };
  }

  livingTokens(): AccessToken[] {
    const sql = 'SELECT * FROM access_tokens WHERE revoked_at_ms IS NULL ORDER BY name';
    return this.#db.all(sql).map(asToken);
  }

  tokenWithDigest(digest: Uint8Array): AccessToken | undefined {
    const [row] = this.#db.all('SELECT * FROM access_tokens WHERE digest = ?', digest);
    return row === undefined ? undefined : asToken(row);
  }

  endToken(id: number, revokedAtMs: number): void {
    this.#db.run('UPDATE access_tokens SET revoked_at_ms = ? WHERE id = ?', revokedAtMs, id);
  }
}

function asEntry(row: Row): AuditEntry {
  return {
    seq: Number(row.seq),
    revision: Number(row.revision),
    atMs: Number(row.at_ms),
    actor: String(row.actor),
    cause: String(row.cause),
    action: String(row.action) as AuditAction,
    kind: String(row.kind),
    namespace: String(row.namespace),
    name: String(row.name),
    before: asText(row.before),
    after: asText(row.after),
  };
}

function asToken(row: Row): AccessToken {
  return {
    id: Number(row.id),
    name: String(row.name),
    role: String(row.role) as Role,
    namespaces: JSON.parse(String(row.namespaces)) as string[],
    displayPrefix: String(row.display_prefix),
    createdAtMs: Number(row.created_at_ms),
    createdBy: String(row.created_by),
    notAfterMs: asNumber(row.not_after_ms),
    revokedAtMs: asNumber(row.revoked_at_ms),
  };
}

function asText(value: SQLOutputValue | undefined): string | null {
  return value === null || value === undefined ? null : String(value);
}

function asNumber(value: SQLOutputValue | undefined): number | null {
  return value === null || value === undefined ? null : Number(value);
}
