/**
 * The rows of the ledger in one SQLite file that this process alone may open. It stores and finds
 * rows; transactions are the worker's, arithmetic is the book's.
 */

import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { HoldingRow, LedgerRows, WindowRow } from '../quota/rows.ts';
import { LedgerError } from './ledger.ts';

/** Stands in the file's header: "SGLE". */
const APPLICATION_ID = 0x53474c45;
const FORMAT = 2;
/** Leads from format 1, in which no window had anything on top of its quota. */
const FROM_FORMAT_1 = `
  ALTER TABLE windows ADD COLUMN extra INTEGER NOT NULL DEFAULT 0;
  PRAGMA user_version = 2;
`;

const SCHEMA = `
  CREATE TABLE windows (
    row INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    windowId INTEGER NOT NULL,
    endMs INTEGER NOT NULL,
    keepUntilMs INTEGER NOT NULL,
    folded INTEGER NOT NULL,
    out INTEGER NOT NULL,
    open INTEGER NOT NULL,
    used INTEGER NOT NULL,
    extra INTEGER NOT NULL DEFAULT 0,
    UNIQUE (account, windowId)
  ) STRICT;
  CREATE INDEX windowsByEnd ON windows (keepUntilMs);
  CREATE TABLE holdings (
    window INTEGER NOT NULL,
    holder TEXT NOT NULL,
    generation INTEGER NOT NULL,
    granted INTEGER NOT NULL,
    used INTEGER NOT NULL,
    released INTEGER NOT NULL,
    denials INTEGER NOT NULL,
    folded INTEGER NOT NULL,
    dueMs INTEGER,
    PRIMARY KEY (window, holder, generation)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX holdingsDue ON holdings (dueMs) WHERE dueMs IS NOT NULL;
  CREATE TABLE mark (one INTEGER PRIMARY KEY CHECK (one = 1), mark INTEGER NOT NULL) STRICT;
  INSERT INTO mark VALUES (1, 0);
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${FORMAT};
`;

/**
 * Opens the file, makes its tables when it is new, and locks it against every other process.
 *
 * The lock is SQLite's own, so it falls with the process however that ends. Throws a LedgerError
 * `ledger_locked`, `ledger_format` (not a ledger, or of a newer version) or `ledger_unavailable`.
 */
export function openLedgerFile(path: string): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path);
    db.exec(`
      PRAGMA busy_timeout = 0;
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA journal_size_limit = 16777216;
      BEGIN IMMEDIATE;
    `);
    prepareFormat(db, path);
    db.exec('COMMIT');
    return db;
  } catch (cause) {
    db?.close();
    throw openingError(cause, path);
  }
}

function prepareFormat(db: DatabaseSync, path: string): void {
  const { application_id: id } = db.prepare('PRAGMA application_id').get() ?? {};
  const { user_version: format } = db.prepare('PRAGMA user_version').get() ?? {};
  const { tables } = db.prepare('SELECT count(*) AS tables FROM sqlite_schema').get() ?? {};
  if (id === 0 && format === 0 && tables === 0) {
    db.exec(SCHEMA);
  } else if (id === APPLICATION_ID && format === 1) {
    db.exec(FROM_FORMAT_1);
  } else if (id !== APPLICATION_ID || format !== FORMAT) {
    throw new LedgerError('ledger_format', `${path} is not a ledger of format ${FORMAT}`);
  }
}

const SQLITE_BUSY = 5;
const SQLITE_NOTADB = 26;

function openingError(cause: unknown, path: string): LedgerError {
  if (cause instanceof LedgerError) return cause;
  const errcode = cause instanceof Error && 'errcode' in cause ? Number(cause.errcode) & 0xff : 0;
  if (errcode === SQLITE_BUSY) {
    return new LedgerError('ledger_locked', `${path} is in use by another process`);
  }
  if (errcode === SQLITE_NOTADB) {
    return new LedgerError('ledger_format', `${path} is not a ledger of format ${FORMAT}`);
  }
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new LedgerError('ledger_unavailable', `${path} cannot be opened: ${reason}`);
}

/** Rows over an open file. */
export class SqliteRows implements LedgerRows {
  readonly #window: StatementSync;
  readonly #windowOfRow: StatementSync;
  readonly #addWindow: StatementSync;
  readonly #saveWindow: StatementSync;
  readonly #holding: StatementSync;
  readonly #saveHolding: StatementSync;
  readonly #dropHolding: StatementSync;
  readonly #due: StatementSync;
  readonly #ended: StatementSync;
  readonly #dropHoldings: StatementSync;
  readonly #dropWindow: StatementSync;
  readonly #saveMark: StatementSync;
  readonly #mark: StatementSync;

  constructor(db: DatabaseSync) {
    this.#window = db.prepare('SELECT * FROM windows WHERE account = ? AND windowId = ?');
    this.#windowOfRow = db.prepare('SELECT * FROM windows WHERE row = ?');
    this.#addWindow = db.prepare(
      'INSERT INTO windows VALUES (NULL, ?, ?, ?, ?, 0, 0, 0, 0, 0) RETURNING *',
    );
    this.#saveWindow = db.prepare(
      'UPDATE windows SET folded = ?, out = ?, open = ?, used = ?, extra = ? WHERE row = ?',
    );
    this.#holding = db.prepare(
      'SELECT * FROM holdings WHERE window = ? AND holder = ? AND generation = ?',
    );
    this.#saveHolding = db.prepare(
      'INSERT OR REPLACE INTO holdings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
    );
    this.#dropHolding = db.prepare(
      'DELETE FROM holdings WHERE window = ? AND holder = ? AND generation = ?',
    );
    this.#due = db.prepare('SELECT * FROM holdings WHERE dueMs <= ? ORDER BY dueMs LIMIT ?');
    this.#ended = db.prepare('SELECT row FROM windows WHERE keepUntilMs <= ? LIMIT ?');
    this.#dropHoldings = db.prepare('DELETE FROM holdings WHERE window = ?');
    this.#dropWindow = db.prepare('DELETE FROM windows WHERE row = ?');
    this.#mark = db.prepare('SELECT mark FROM mark');
    this.#saveMark = db.prepare('UPDATE mark SET mark = ?');
  }

  window(account: string, windowId: number): WindowRow | undefined {
    return this.#window.get(account, windowId) as WindowRow | undefined;
  }

  windowOfRow(row: number): WindowRow | undefined {
    return this.#windowOfRow.get(row) as WindowRow | undefined;
  }

  addWindow(account: string, windowId: number, endMs: number, keepUntilMs: number): WindowRow {
    const window = this.#addWindow.get(account, windowId, endMs, keepUntilMs);
    return window as unknown as WindowRow;
  }

  saveWindow({ folded, out, open, used, extra, row }: WindowRow): void {
    this.#saveWindow.run(folded, out, open, used, extra, row);
  }

  holding(window: number, holder: string, generation: number): HoldingRow | undefined {
    const found = this.#holding.get(window, holder, generation);
    return found && holdingOf(found);
  }

  saveHolding(holding: HoldingRow): void {
    const { window, holder, generation, granted, used, released, denials, dueMs } = holding;
    const folded = holding.folded ? 1 : 0;
    this.#saveHolding.run(
      window,
      holder,
      generation,
      granted,
      used,
      released,
      denials,
      folded,
      dueMs,
    );
  }

  dropHolding({ window, holder, generation }: HoldingRow): void {
    this.#dropHolding.run(window, holder, generation);
  }

  due(nowMs: number, most: number): readonly HoldingRow[] {
    return this.#due.all(nowMs, most).map(holdingOf);
  }

  removeWindows(nowMs: number, most: number): number {
    const rows = this.#ended.all(nowMs, most).map(({ row }) => Number(row));
    for (const row of rows) {
      this.#dropHoldings.run(row);
      this.#dropWindow.run(row);
    }
    return rows.length;
  }

  mark(): number {
    return Number(this.#mark.get()?.mark ?? 0);
  }

  saveMark(mark: number): void {
    this.#saveMark.run(mark);
  }
}

function holdingOf(row: object): HoldingRow {
  const holding = row as HoldingRow;
  holding.folded = Boolean(holding.folded);
  return holding;
}
