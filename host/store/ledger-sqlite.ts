/**
 * The ledger of a host: SQLite in a thread of its own, so that waiting for the disk never blocks
 * a request to the host. This side numbers calls and matches answers; it must never answer a
 * merge that was not committed.
 */

import { Worker } from 'node:worker_threads';
import type { AccountState, FoldResult, MergeTime } from '../quota/book.ts';
import type { NearAccount } from '../quota/near.ts';
import type { Account, HolderId, ReplyItem, ReportItem, ResolveTerms } from '../quota/report.ts';
import { type LedgerStats, newStats } from '../quota/stats.ts';
import { type Ledger, LedgerError } from './ledger.ts';
import type {
  NumberedCall,
  WorkerAnswer,
  WorkerCall,
  WorkerOpened,
  WorkerSettings,
} from './ledger-sqlite-worker.ts';
import { WaitingCalls } from './waiting.ts';

/** Most calls that may wait for a commit; one more is refused with `ledger_unavailable`. */
export const LEDGER_CALLS_MAX = 10_000;

const GATHER_MS = 2;

/** Settings of a SQLite ledger. */
export interface SqliteLedgerOptions {
  /** The file; made when absent. Its folder must exist. */
  readonly path: string;
  readonly resolve: ResolveTerms;
  /** Seed of the jitter in denials; any 32-bit number, another one at each start. */
  readonly seed: number;
  /** How long the first call of a group commit waits for others; 2 ms when absent. */
  readonly gatherMs?: number;
}

/**
 * Opens the ledger and locks its file against every other process.
 *
 * Rejects with `ledger_locked`, `ledger_format` or `ledger_unavailable`.
 */
export async function openSqliteLedger(options: SqliteLedgerOptions): Promise<Ledger> {
  const { path, seed, gatherMs = GATHER_MS } = options;
  const workerData: WorkerSettings = { path, seed, gatherMs };
  const worker = new Worker(new URL('./ledger-sqlite-worker.ts', import.meta.url), { workerData });
  const { opened } = await new Promise<WorkerOpened>((resolve) => {
    worker.once('message', resolve);
    worker.once('error', ({ message }) =>
      resolve({ opened: { code: 'ledger_unavailable', message } }),
    );
  });
  if (opened !== true) {
    await worker.terminate();
    throw new LedgerError(opened.code, opened.message);
  }
  return new SqliteLedger(worker, options.resolve);
}

class SqliteLedger implements Ledger {
  readonly #worker: Worker;
  readonly #resolve: ResolveTerms;
  readonly #waiting = new WaitingCalls();
  readonly #ended: Promise<void>;
  #outgoing: NumberedCall[] = [];
  #stats = newStats();
  #refuse: LedgerError | undefined;

  constructor(worker: Worker, resolve: ResolveTerms) {
    this.#worker = worker;
    this.#resolve = resolve;
    worker.on('message', (answer: WorkerAnswer) => this.#take(answer));
    worker.on('error', (error) => this.#fail(`the ledger's thread failed: ${error.message}`));
    this.#ended = new Promise((resolve) => {
      worker.once('exit', () => {
        this.#fail("the ledger's thread ended");
        resolve();
      });
    });
  }

  merge(
    holder: HolderId,
    items: readonly ReportItem[],
    time: MergeTime,
  ): Promise<readonly ReplyItem[]> {
    const termed = items.map((item) => ({ item, terms: this.#resolve(item.account) }));
    return this.#call({ kind: 'merge', holder, items: termed, time });
  }

  fold(nowMs: number): Promise<FoldResult> {
    return this.#call({ kind: 'fold', nowMs });
  }

  account(account: Account, nowMs: number): Promise<AccountState | undefined> {
    return this.#call({ kind: 'account', account, nowMs });
  }

  topUp(account: Account, extra: number, nowMs: number): Promise<void> {
    return this.#call({ kind: 'topUp', account, extra, nowMs });
  }

  near(nowMs: number): Promise<readonly NearAccount[]> {
    return this.#call({ kind: 'near', nowMs });
  }

  stats(): LedgerStats {
    return { ...this.#stats };
  }

  async close(): Promise<void> {
    if (this.#refuse === undefined) {
      const closed = this.#call({ kind: 'close' });
      this.#refuse = new LedgerError('ledger_closed', 'the ledger is closed');
      // A disk that fails now loses nothing: whatever was answered is committed.
      await closed.catch(() => undefined);
    }
    await this.#ended;
  }

  #call<T>(call: WorkerCall): Promise<T> {
    if (this.#refuse) return Promise.reject(this.#refuse);
    if (this.#waiting.size >= LEDGER_CALLS_MAX && call.kind !== 'close') {
      const message = `more than ${LEDGER_CALLS_MAX} calls wait for the ledger`;
      return Promise.reject(new LedgerError('ledger_unavailable', message));
    }
    return this.#waiting.begin((id) => {
      this.#outgoing.push({ id, call });
      // Calls that came in one turn cross together: each message between threads has its price.
      if (this.#outgoing.length === 1) setImmediate(() => this.#send());
    }) as Promise<T>;
  }

  #send(): void {
    const calls = this.#outgoing;
    this.#outgoing = [];
    this.#worker.postMessage(calls);
  }

  #take({ answers, fault, stats }: WorkerAnswer): void {
    this.#stats = stats;
    for (const { id, value } of answers) {
      if (fault) this.#waiting.reject(id, new LedgerError(fault.code, fault.message));
      else this.#waiting.resolve(id, value);
    }
  }

  #fail(message: string): void {
    this.#refuse ??= new LedgerError('ledger_unavailable', message);
    this.#waiting.rejectAll(new LedgerError('ledger_unavailable', message));
  }
}
