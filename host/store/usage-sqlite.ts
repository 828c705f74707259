/**
 * Durable usage: SQLite in a thread of its own, so that neither a large query nor a slow disk stops
 * the calls of filters. This side numbers calls and matches answers; it must never answer a report
 * that was not committed.
 */
import { Worker } from 'node:worker_threads';
import { type UsageStore, UsageStoreError } from './usage.ts';
import type { UsageMethod } from './usage-database.ts';
import type { UsageCall, UsageThreadSettings, UsageWord } from './usage-worker.ts';
import { WaitingCalls } from './waiting.ts';

/** Most calls that may wait for a commit; one more is refused with `usage_unavailable`. */
export const USAGE_CALLS_MAX = 10_000;

const GATHER_MS = 2;

/** Opens the file, made when absent, and locks it. Rejects with a {@link UsageStoreError}. */
export async function openSqliteUsage(path: string): Promise<UsageStore> {
  const workerData: UsageThreadSettings = { path, gatherMs: GATHER_MS };
  const worker = new Worker(new URL('./usage-worker.ts', import.meta.url), { workerData });
  const opened = await new Promise<UsageWord>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  if ('opened' in opened && opened.opened !== true) {
    await worker.terminate();
    throw new UsageStoreError(opened.opened.code, opened.opened.message);
  }
  worker.removeAllListeners('error');
  return connect(new UsageThread(worker));
}

/** The owner's end of the thread. */
class UsageThread {
  readonly #worker: Worker;
  readonly #waiting = new WaitingCalls();
  readonly #ended: Promise<void>;
  #refuse: UsageStoreError | undefined;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.on('message', (word: UsageWord) => this.#take(word));
    worker.on('error', ({ message }) => this.#fail(message));
    this.#ended = new Promise((resolve) => {
      worker.once('exit', () => {
        this.#fail('the thread of usage ended');
        resolve();
      });
    });
  }

  call(method: UsageMethod | 'close', args: readonly unknown[]): Promise<unknown> {
    if (this.#refuse !== undefined) return Promise.reject(this.#refuse);
    if (this.#waiting.size >= USAGE_CALLS_MAX && method !== 'close') {
      return Promise.reject(new UsageStoreError('usage_unavailable', 'too many calls wait'));
    }
    return this.#waiting.begin((call) => {
      this.#worker.postMessage({ call, method, args } satisfies UsageCall);
    });
  }

  async close(): Promise<void> {
    if (this.#refuse === undefined) {
      const closed = this.call('close', []);
      this.#refuse = new UsageStoreError('usage_unavailable', 'usage is closed');
      // A disk that fails now loses nothing: whatever was answered is committed.
      await closed.catch(() => undefined);
    }
    await this.#ended;
  }

  #take(word: UsageWord): void {
    if ('answers' in word) {
      for (const { call, value } of word.answers) this.#waiting.resolve(call, value);
    } else if ('failed' in word) {
      const { code, message } = word.fault;
      for (const call of word.failed) {
        this.#waiting.reject(call, new UsageStoreError(code, message));
      }
    }
  }

  #fail(message: string): void {
    this.#refuse ??= new UsageStoreError('usage_unavailable', message);
    this.#waiting.rejectAll(this.#refuse);
  }
}

function connect(thread: UsageThread): UsageStore {
  const method =
    <M extends UsageMethod>(name: M) =>
    (...args: Parameters<UsageStore[M]>): ReturnType<UsageStore[M]> =>
      thread.call(name, args) as ReturnType<UsageStore[M]>;
  return {
    merge: method('merge'),
    totals: method('totals'),
    gaps: method('gaps'),
    silent: method('silent'),
    end: method('end'),
    lastUsed: method('lastUsed'),
    forget: method('forget'),
    close: () => thread.close(),
  };
}
