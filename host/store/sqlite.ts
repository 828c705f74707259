/**
 * The durable store: SQLite in a thread of its own, so that a large change or a slow disk never
 * stops the calls that the main thread answers. It carries calls and must never hold rules.
 */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import type { DirectoryLimits } from './directory.ts';
import type { StoreHolder } from './open.ts';
import { StoreCalls, storeError, storeOver } from './over-port.ts';
import type { StoreReply, StoreShare } from './sqlite-worker.ts';
import {
  DIRECTORY_CREDENTIALS_MAX,
  REMOVALS_KEPT_MAX,
  type Store,
  type StoreIdentity,
} from './store.ts';

/** How to open a durable store. */
export interface OpenOptions {
  /** Folder of the store; made when it is not there. Not on a network file system. */
  readonly folder: string;
  /** 16 random bytes, taken when the store is new. */
  readonly freshStoreId: Uint8Array;
  /** Told to a second host that is refused. */
  readonly holder: StoreHolder;
  readonly limits?: Partial<DirectoryLimits>;
}

/** A durable store. */
export interface SqliteStore extends Store {
  /**
   * A way to the store for another thread: sets go from there to the store and back without a
   * copy in between. It ends with the store.
   */
  share(): MessagePort;
}

/**
 * Opens the store of a folder and keeps it for this process until `close` or the process's end.
 * Rejects with a {@link StoreError}: `store_locked` when another host has it.
 */
export function openSqliteStore(options: OpenOptions): Promise<SqliteStore> {
  const limits: DirectoryLimits = {
    credentialsMax: DIRECTORY_CREDENTIALS_MAX,
    removalsKeptMax: REMOVALS_KEPT_MAX,
    ...options.limits,
  };
  const worker = new Worker(new URL('./sqlite-worker.ts', import.meta.url), {
    workerData: { ...options, limits },
  });
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('message', (reply: StoreReply) => {
      worker.removeAllListeners('error');
      if ('opened' in reply) resolve(connect(worker, reply.opened));
      else if ('failed' in reply) reject(storeError(reply.failed.code, reply.failed.message));
    });
  });
}

/** The store as its owner sees it, who closes it and lets other threads in. */
function connect(worker: Worker, identity: StoreIdentity): SqliteStore {
  const calls = new StoreCalls(worker);
  worker.on('error', (error) => calls.end(storeError('store_failed', error.message)));
  worker.on('exit', () => calls.end(new Error('the store is closed')));
  const close = async () => {
    if (calls.isEnded) return;
    const exited = new Promise((resolve) => worker.once('exit', resolve));
    const closed = calls.call('close', []);
    calls.refuse(new Error('the store is closed'));
    await closed;
    await exited;
    calls.listeners.clear();
  };
  const share = () => {
    const { port1, port2 } = new MessageChannel();
    worker.postMessage({ port: port1 } satisfies StoreShare, [port1]);
    return port2;
  };
  return { ...storeOver(calls, identity, close), share };
}
