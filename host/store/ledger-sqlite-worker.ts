/**
 * The thread of the SQLite ledger: it alone touches the file. Calls that arrive within a few
 * milliseconds become one durable commit, and no answer leaves before the commit it depends on.
 */

import { parentPort, workerData } from 'node:worker_threads';
import { LedgerBook, type MergeTime, type TermedItem } from '../quota/book.ts';
import { seededRandom } from '../quota/random.ts';
import type { Account, HolderId } from '../quota/report.ts';
import { type LedgerStats, newStats } from '../quota/stats.ts';
import { LedgerError, type LedgerErrorCode } from './ledger.ts';
import { openLedgerFile, SqliteRows } from './ledger-sqlite-rows.ts';

/** What the thread is started with. */
export interface WorkerSettings {
  readonly path: string;
  readonly seed: number;
  /** How long the first call of a group waits for others; 0 = only for what is there already. */
  readonly gatherMs: number;
}

/** What can be asked of the thread. */
export type WorkerCall =
  | { readonly kind: 'merge'; holder: HolderId; items: readonly TermedItem[]; time: MergeTime }
  | { readonly kind: 'fold'; nowMs: number }
  | { readonly kind: 'account'; account: Account; nowMs: number }
  | { readonly kind: 'topUp'; account: Account; extra: number; nowMs: number }
  | { readonly kind: 'near'; nowMs: number }
  | { readonly kind: 'close' };

/** A call with the number its answer will carry. */
export interface NumberedCall {
  readonly id: number;
  readonly call: WorkerCall;
}

/** A fault as it crosses the threads. */
export interface WorkerFault {
  readonly code: LedgerErrorCode;
  readonly message: string;
}

/** The answers of one commit. `fault` = none of them took effect. */
export interface WorkerAnswer {
  readonly answers: readonly { readonly id: number; readonly value: unknown }[];
  readonly fault?: WorkerFault;
  readonly stats: LedgerStats;
}

/** First word of the thread: the file is open and locked, or why not. */
export interface WorkerOpened {
  readonly opened: WorkerFault | true;
}

function faultOf(error: unknown): WorkerFault {
  if (error instanceof LedgerError) return { code: error.code, message: error.message };
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'ledger_unavailable', message };
}

function serve(settings: WorkerSettings, post: (message: WorkerAnswer | WorkerOpened) => void) {
  const db = openLedgerFile(settings.path);
  const stats = newStats();
  const book = new LedgerBook(new SqliteRows(db), seededRandom(settings.seed), stats);
  let waiting: NumberedCall[] = [];
  let gathering = false;

  const run = (call: WorkerCall): unknown => {
    if (call.kind === 'merge') return book.merge(call.holder, call.items, call.time);
    if (call.kind === 'fold') return book.fold(call.nowMs);
    if (call.kind === 'near') return book.near(call.nowMs);
    if (call.kind === 'topUp') return book.topUp(call.account, call.extra, call.nowMs);
    return call.kind === 'account' ? book.account(call.account, call.nowMs) : undefined;
  };

  const commit = (): void => {
    const calls = waiting;
    waiting = [];
    gathering = false;
    const before = { ...stats };
    try {
      db.exec('BEGIN IMMEDIATE');
      const answers = calls.map(({ id, call }) => ({ id, value: run(call) }));
      db.exec('COMMIT');
      stats.commits += 1;
      post({ answers, stats });
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK');
      Object.assign(stats, before);
      const answers = calls.map(({ id }) => ({ id, value: undefined }));
      post({ answers, fault: faultOf(error), stats });
    }
    if (calls.some(({ call }) => call.kind === 'close')) {
      db.close();
      parentPort?.close();
    }
  };

  parentPort?.on('message', (calls: readonly NumberedCall[]) => {
    waiting.push(...calls);
    if (gathering) return;
    gathering = true;
    setTimeout(commit, settings.gatherMs);
  });
}

if (parentPort) {
  const port = parentPort;
  const post = (message: WorkerAnswer | WorkerOpened) => port.postMessage(message);
  try {
    serve(workerData as WorkerSettings, post);
    post({ opened: true });
  } catch (error) {
    post({ opened: faultOf(error) });
  }
}
