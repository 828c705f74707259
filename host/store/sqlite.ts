/**
 * The durable store: SQLite in a thread of its own, so that a large change or a slow disk never
 * stops the calls that the main thread answers. It carries calls and must never hold rules.
 */
import { Worker } from 'node:worker_threads';
import type { DirectoryLimits } from './directory.ts';
import { StoreError, type StoreErrorCode, type StoreHolder } from './open.ts';
import type { StoreCall, StoreMethod, StoreReply } from './sqlite-worker.ts';
import {
  type CommitEvent,
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

/**
 * Opens the store of a folder and keeps it for this process until `close` or the process's end.
 * Rejects with a {@link StoreError}: `store_locked` when another host has it.
 */
export function openSqliteStore(options: OpenOptions): Promise<Store> {
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
      else if ('failed' in reply) reject(asError(reply.failed.code, reply.failed.message));
    });
  });
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** The owner's end of the thread. */
class StoreThread {
  readonly listeners = new Set<(event: CommitEvent) => void>();
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #calls = 0;
  #ended: Error | undefined;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.on('message', (reply: StoreReply) => this.#take(reply));
    worker.on('error', (error) => this.#end(asError('store_failed', error.message)));
    worker.on('exit', () => this.#end(new Error('the store is closed')));
  }

  call(method: StoreMethod, args: readonly unknown[]): Promise<unknown> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    this.#calls += 1;
    const call = this.#calls;
    return new Promise((resolve, reject) => {
      this.#waiting.set(call, { resolve, reject });
      this.#worker.postMessage({ call, method, args } satisfies StoreCall);
    });
  }

  async close(): Promise<void> {
    if (this.#ended !== undefined) return;
    const exited = new Promise((resolve) => this.#worker.once('exit', resolve));
    const closed = this.call('close', []);
    this.#ended = new Error('the store is closed');
    await closed;
    await exited;
    this.listeners.clear();
  }

  #take(reply: StoreReply): void {
    if ('event' in reply) {
      for (const listener of this.listeners) listener(reply.event);
      return;
    }
    if (!('call' in reply)) return;
    const waiting = this.#waiting.get(reply.call);
    this.#waiting.delete(reply.call);
    if ('error' in reply) waiting?.reject(asError(reply.error.code, reply.error.message));
    else waiting?.resolve(reply.value);
  }

  #end(error: Error): void {
    this.#ended ??= error;
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}

/** The store as its owner sees it. Every call names its method once, so the types are checked. */
function connect(worker: Worker, identity: StoreIdentity): Store {
  const thread = new StoreThread(worker);
  const method =
    <M extends StoreMethod>(name: M) =>
    (...args: Parameters<Store[M]>): ReturnType<Store[M]> =>
      thread.call(name, args) as ReturnType<Store[M]>;
  return {
    identity,
    revision: method('revision'),
    resourceRevision: method('resourceRevision'),
    createAccessToken: method('createAccessToken'),
    revokeAccessToken: method('revokeAccessToken'),
    accessTokens: method('accessTokens'),
    accessTokenWithDigest: method('accessTokenWithDigest'),
    audit: method('audit'),
    note: method('note'),
    resourceRevisions: method('resourceRevisions'),
    resourceChangesAfter: method('resourceChangesAfter'),
    reserveIds: method('reserveIds'),
    applyResources: method('applyResources'),
    resources: method('resources'),
    resourcePage: method('resourcePage'),
    names: method('names'),
    resource: method('resource'),
    createCredential: method('createCredential'),
    revokeCredential: method('revokeCredential'),
    changeCredential: method('changeCredential'),
    rotateCredential: method('rotateCredential'),
    credential: method('credential'),
    credentials: method('credentials'),
    groups: method('groups'),
    group: method('group'),
    policies: method('policies'),
    directoryAfter: method('directoryAfter'),
    onCommit: (listener) => {
      thread.listeners.add(listener);
      return () => thread.listeners.delete(listener);
    },
    close: () => thread.close(),
  };
}

function asError(code: string, message: string): StoreError {
  return new StoreError(code as StoreErrorCode, message);
}
