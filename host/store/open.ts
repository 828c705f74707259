/**
 * Opens the SQLite file of a store for this process alone: lock, migrations, durability. It must
 * never leave a lock behind when it fails.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StoreCore } from './core.ts';
import type { DirectoryLimits } from './directory.ts';
import { lockFile } from './lock.ts';
import { migrate, SCHEMA_VERSION, schemaVersion } from './migrations.ts';
import { SqliteTables } from './sqlite-tables.ts';
import type { Store } from './store.ts';

/** Who holds a store, as told to whoever is refused. */
export interface StoreHolder {
  readonly pid: number;
  readonly machine: string;
  readonly sinceMs: number;
}

/** What opening needs; plain values, so that it can travel to a worker thread. */
export interface SqliteStoreOptions {
  /** Folder of the store; made when it is not there. */
  readonly folder: string;
  /** 16 random bytes, taken when the store is new. */
  readonly freshStoreId: Uint8Array;
  readonly holder: StoreHolder;
  readonly limits: DirectoryLimits;
}

/** Why a store does not open. Names are stable. */
export type StoreErrorCode = 'store_locked' | 'store_newer' | 'store_failed';

/** A store that cannot be opened or used; `code` says why. */
export class StoreError extends Error {
  readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, message: string) {
    super(message);
    this.name = 'StoreError';
    this.code = code;
  }
}

/** Opens the store of a folder in this thread. Throws a {@link StoreError}. */
export function openInThread(options: SqliteStoreOptions): Store {
  mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  const lock = lockFile(join(options.folder, 'store.lock'));
  if (lock === undefined) throw lockedError(options.folder);
  try {
    const database = openDatabase(options);
    const tables = new SqliteTables(database, options.freshStoreId);
    const close = tables.close.bind(tables);
    tables.close = () => {
      close();
      lock.release();
    };
    return new StoreCore(tables, options.limits);
  } catch (error) {
    lock.release();
    throw error;
  }
}

function openDatabase(options: SqliteStoreOptions): DatabaseSync {
  const database = new DatabaseSync(databasePath(options.folder));
  try {
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    database.exec('PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY;');
    const version = schemaVersion(database);
    if (version > SCHEMA_VERSION) {
      const message = `the store has version ${version}, this host knows up to ${SCHEMA_VERSION}`;
      throw new StoreError('store_newer', `${message}; start a newer host`);
    }
    migrate(database);
    const holder = JSON.stringify(options.holder);
    database.prepare("INSERT OR REPLACE INTO meta VALUES ('holder', ?)").run(holder);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function databasePath(folder: string): string {
  return join(folder, 'store.db');
}

/** Names the holder when its row can be read; the lock alone decides. */
function lockedError(folder: string): StoreError {
  const message = `another host is using the store in ${folder}`;
  const holder = readHolder(folder);
  const advice = 'stop it first: two hosts on one store would double every quota';
  if (holder === undefined) return new StoreError('store_locked', `${message}; ${advice}`);
  const since = new Date(holder.sinceMs).toISOString();
  const who = `process ${holder.pid} on ${holder.machine} since ${since}`;
  return new StoreError('store_locked', `${message} (${who}); ${advice}`);
}

function readHolder(folder: string): StoreHolder | undefined {
  try {
    using database = new DatabaseSync(databasePath(folder), { readOnly: true });
    const row = database.prepare("SELECT value FROM meta WHERE name = 'holder'").get();
    return row === undefined ? undefined : (JSON.parse(String(row.value)) as StoreHolder);
  } catch {
    // The holder may be making the file just now.
    return undefined;
  }
}
