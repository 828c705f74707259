/**
 * The tables of the SQLite store and the steps that bring an older file up to them. A step that
 * was released is never edited: a change of the tables is a further step.
 */
import type { DatabaseSync } from 'node:sqlite';

/** Steps in order; a file's `user_version` counts those it has taken. */
const STEPS: readonly string[] = [
  `CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
   CREATE TABLE ids (
     kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, id INTEGER NOT NULL,
     PRIMARY KEY (kind, namespace, name)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE resources (
     kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL,
     PRIMARY KEY (kind, namespace, name)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE credentials (
     id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, application TEXT NOT NULL,
     application_id INTEGER NOT NULL, name TEXT NOT NULL, origin TEXT NOT NULL,
     brand TEXT NOT NULL, display_prefix TEXT NOT NULL, digest BLOB NOT NULL UNIQUE,
     state TEXT NOT NULL, not_before_ms INTEGER, not_after_ms INTEGER,
     created_at_ms INTEGER NOT NULL, revoked_at_ms INTEGER
   ) STRICT;
   CREATE INDEX credentials_by_name ON credentials (namespace, name);
   CREATE INDEX credentials_by_application ON credentials (application_id);
   CREATE INDEX credentials_declared ON credentials (id) WHERE origin = 'resource';
   CREATE TABLE proxy_groups (
     id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, policy_revision INTEGER NOT NULL,
     directory_revision INTEGER NOT NULL, credentials INTEGER NOT NULL,
     removals INTEGER NOT NULL, forgotten INTEGER NOT NULL
   ) STRICT;
   CREATE TABLE directory (
     proxy_group INTEGER NOT NULL, kind INTEGER NOT NULL, id INTEGER NOT NULL,
     revision INTEGER NOT NULL, present INTEGER NOT NULL, body BLOB NOT NULL,
     PRIMARY KEY (proxy_group, kind, id)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX directory_in_order ON directory (proxy_group, revision, kind, id);
   CREATE INDEX directory_applications ON directory (id) WHERE kind = 2 AND present = 1;
   CREATE INDEX directory_removals ON directory (proxy_group, revision) WHERE present = 0;
   CREATE TABLE policies (
     proxy_group INTEGER NOT NULL, revision INTEGER NOT NULL, bytes BLOB NOT NULL,
     PRIMARY KEY (proxy_group, revision)
   ) STRICT, WITHOUT ROWID;`,
  // What an older store did was written down nowhere: it counts as forgotten.
  `INSERT INTO meta SELECT 'audit_forgotten', value FROM meta WHERE name = 'revision';
   INSERT INTO meta SELECT 'resource_revision', value FROM meta WHERE name = 'revision';
   CREATE TABLE audit (
     seq INTEGER PRIMARY KEY AUTOINCREMENT, revision INTEGER NOT NULL, at_ms INTEGER NOT NULL,
     actor TEXT NOT NULL, cause TEXT NOT NULL, action TEXT NOT NULL, kind TEXT NOT NULL,
     namespace TEXT NOT NULL, name TEXT NOT NULL, before TEXT, after TEXT
   ) STRICT;
   CREATE INDEX audit_by_revision ON audit (revision);
   CREATE INDEX audit_by_name ON audit (kind, namespace, name);
   CREATE TABLE access_tokens (
     id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, role TEXT NOT NULL,
     namespaces TEXT NOT NULL, display_prefix TEXT NOT NULL, digest BLOB NOT NULL UNIQUE,
     created_at_ms INTEGER NOT NULL, created_by TEXT NOT NULL, not_after_ms INTEGER,
     revoked_at_ms INTEGER
   ) STRICT;
   CREATE UNIQUE INDEX access_tokens_by_name ON access_tokens (name)
     WHERE revoked_at_ms IS NULL;`,
  'CREATE INDEX ids_by_id ON ids (id);',
  // Rules as JSON; without them null.
  'ALTER TABLE credentials ADD COLUMN rules TEXT;',
  `CREATE TABLE creations (
     actor TEXT NOT NULL, idempotency_key TEXT NOT NULL, credential_id INTEGER NOT NULL,
     at_ms INTEGER NOT NULL, PRIMARY KEY (actor, idempotency_key)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX creations_by_time ON creations (at_ms);`,
  `CREATE TABLE notes (
     actor TEXT NOT NULL, idempotency_key TEXT NOT NULL, at_ms INTEGER NOT NULL,
     noted TEXT NOT NULL, PRIMARY KEY (actor, idempotency_key)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX notes_by_time ON notes (at_ms);`,
  // An older version did not know by which request a key was used: none is the same as that one.
  `CREATE TABLE done_once (
     actor TEXT NOT NULL, idempotency_key TEXT NOT NULL, request TEXT NOT NULL,
     at_ms INTEGER NOT NULL, led TEXT NOT NULL, PRIMARY KEY (actor, idempotency_key)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX done_once_by_time ON done_once (at_ms);
   INSERT INTO done_once
     SELECT actor, idempotency_key, '', at_ms, CAST(credential_id AS TEXT) FROM creations;
   INSERT OR IGNORE INTO done_once SELECT actor, idempotency_key, '', at_ms, noted FROM notes;
   DROP TABLE creations;
   DROP TABLE notes;`,
  // What compiled the set of an older store was written down nowhere: it is compiled anew.
  `INSERT INTO meta VALUES ('compiled_by', '');
   CREATE INDEX credentials_made ON credentials (application_id) WHERE origin = 'key';`,
];

/** The version a file has after all steps. */
export const SCHEMA_VERSION = STEPS.length;

/** The version of an open file: the number of steps it has taken. */
export function schemaVersion(database: DatabaseSync): number {
  const row = database.prepare('PRAGMA user_version').get();
  return Number(row?.user_version ?? 0);
}

/** Takes the steps a file lacks, each whole or not at all. The file is of a known version. */
export function migrate(database: DatabaseSync): void {
  for (let version = schemaVersion(database); version < SCHEMA_VERSION; version++) {
    database.exec(
      `BEGIN IMMEDIATE; ${STEPS[version]} PRAGMA user_version = ${version + 1}; COMMIT;`,
    );
  }
}
