/**
 * A database of usage in this thread: opens and locks it, and carries calls to the book and the
 * rows. Whoever owns it begins and ends the transactions; it must never answer from half of one.
 */
import { DatabaseSync } from 'node:sqlite';
import { UsageBook } from '../usage/book.ts';
import type { UsageStore } from './usage.ts';
import { UsageStoreError } from './usage.ts';
import { SqliteUsageRows, USAGE_STEPS } from './usage-rows.ts';

/** Stands in the file's header: "SGUS". */
const APPLICATION_ID = 0x53475553;
/** SQLite's primary result code for a lock that another connection holds. */
const SQLITE_BUSY = 5;

/** A method of the store of usage but `close`. */
export type UsageMethod = Exclude<keyof UsageStore, 'close'>;

/** What every method answers, without the promise. */
type Answers = { [M in UsageMethod]: Awaited<ReturnType<UsageStore[M]>> };
type Handlers = { [M in UsageMethod]: (...args: Parameters<UsageStore[M]>) => Answers[M] };

/** An open database of usage. */
export class UsageDatabase {
  readonly #database: DatabaseSync;
  readonly #rows: SqliteUsageRows;
  readonly #handlers: Handlers;

  /** `:memory:` is a database of its own. Throws a {@link UsageStoreError}. */
  constructor(path: string) {
    this.#database = openDatabase(path);
    const rows = new SqliteUsageRows(this.#database);
    const book = new UsageBook(rows);
    this.#rows = rows;
    this.#handlers = {
      merge: (report) => {
        book.merge(report);
        return report.batch;
      },
      end: (gaps) => book.end(gaps),
      forget: (nowMs, keepFromMs) => book.forget(nowMs, keepFromMs),
      silent: (beforeMs, limit, after) => rows.holdersBefore('live', beforeMs, limit, after),
      totals: (query) => rows.totals(query),
      gaps: (fromMs, toMs) => rows.gaps(fromMs, toMs),
      lastUsed: (credentials) => rows.lastUsed(credentials),
    };
  }

  /** Runs `work` whole or, when it throws, not at all. Durable on return. */
  transact<T>(work: () => T): T {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#database.exec('COMMIT');
      return result;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      this.#rows.rolledBack();
      throw error;
    }
  }

  /** Answers one call, inside a transaction. */
  run(method: UsageMethod, args: readonly unknown[]): unknown {
    const handle = this.#handlers[method] as (...values: readonly unknown[]) => unknown;
    return handle(...args);
  }

  close(): void {
    this.#database.close();
  }
}

function openDatabase(path: string): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: 0 });
    database.exec(`
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA journal_size_limit = 16777216;
    `);
    migrate(database, path);
    return database;
  } catch (cause) {
    database?.close();
    if (cause instanceof UsageStoreError) throw cause;
    const { message, errcode = 0 } = cause as Error & { errcode?: number };
    const locked = (errcode & 0xff) === SQLITE_BUSY;
    if (locked) throw new UsageStoreError('usage_locked', `another host is using ${path}`);
    throw new UsageStoreError('usage_unavailable', `${path}: ${message}`);
  }
}

function migrate(database: DatabaseSync, path: string): void {
  const read = (name: string) =>
    Number(Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0]);
  const id = read('application_id');
  const version = read('user_version');
  if ((id !== 0 && id !== APPLICATION_ID) || version > USAGE_STEPS.length) {
    const message = `${path} is no usage of a version up to ${USAGE_STEPS.length}`;
    throw new UsageStoreError('usage_format', message);
  }
  for (const [step, statements] of USAGE_STEPS.entries()) {
    if (step < version) continue;
    const mark = `PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${step + 1};`;
    database.exec(`BEGIN IMMEDIATE; ${statements} ${mark} COMMIT;`);
  }
}
