/**
 * Declared resources in a thread of their own, which reads and writes the store by itself. Sets of
 * resources never come here: what crosses is what was asked and, as bytes, what is to be answered.
 * A thread that dies is replaced with the next call; it must never hang a caller.
 */
import { Worker } from 'node:worker_threads';
import type { SqliteStore } from '../store/sqlite.ts';
import { WaitingCalls } from '../store/waiting.ts';
import type { Resources } from './catalogue.ts';
import { bytesIn } from './handed-over.ts';
import type { ChangeProgress } from './progress.ts';
import { findIn, pageOf, type ReadableStore } from './resource-reads.ts';
import type {
  ResourceAnswer,
  ResourceCall,
  ResourceMethod,
  ResourceProgress,
} from './resource-worker.ts';

/** What the thread works with. */
export interface ResourceThreadOptions {
  /** The store, to which each thread that is started gets a way of its own. */
  readonly store: Pick<SqliteStore, 'share' | 'identity'> & ReadableStore;
  readonly nowMs: () => number;
  /** Folder that alone changes resources; undefined = the admin API does. */
  readonly folder: string | undefined;
}

/** The owner's end of the thread. */
export class ResourceThread {
  /** What the thread does, one call after another. */
  readonly resources: Resources;
  readonly #options: ResourceThreadOptions;
  readonly #waiting = new WaitingCalls();
  #worker: Worker | undefined;
  #progress: ChangeProgress | undefined;

  /** Starts the thread at once: it takes a moment to load, and there is other work meanwhile. */
  constructor(options: ResourceThreadOptions) {
    this.#options = options;
    this.#start();
    const method =
      <M extends ResourceMethod>(name: M) =>
      (...args: Parameters<Resources[M]>): ReturnType<Resources[M]> =>
        this.#call(name, args) as ReturnType<Resources[M]>;
    this.resources = {
      folder: options.folder,
      start: method('start'),
      readFolder: method('readFolder'),
      applyBatch: method('applyBatch'),
      changeOne: method('changeOne'),
      setSubscription: method('setSubscription'),
      rollback: method('rollback'),
      page: (...args) => pageOf(options.store, ...args),
      find: (...args) => findIn(options.store, ...args),
      export: method('export'),
      revisionDiff: method('revisionDiff'),
    };
  }

  /** How far a large change has come; undefined while there is none. */
  get progress(): ChangeProgress | undefined {
    return this.#progress;
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #call(method: ResourceMethod, args: readonly unknown[]): Promise<unknown> {
    const worker = this.#worker ?? this.#start();
    return this.#waiting.begin((id) => {
      const call: ResourceCall = { id, method, args, nowMs: this.#options.nowMs() };
      worker.postMessage(call, bytesIn(args));
    });
  }

  #start(): Worker {
    const { store, folder } = this.#options;
    const { identity } = store;
    const port = store.share();
    const worker = new Worker(new URL('./resource-worker.ts', import.meta.url), {
      workerData: { port, identity, folder },
      transferList: [port],
    });
    worker.on('message', (answer: ResourceAnswer | ResourceProgress) => this.#take(answer));
    worker.on('error', (error) => this.#fail(worker, error));
    worker.on('exit', () => this.#fail(worker, new Error('the thread of resources ended')));
    this.#worker = worker;
    return worker;
  }

  #take(answer: ResourceAnswer | ResourceProgress): void {
    if ('progress' in answer) {
      this.#progress = answer.progress;
      return;
    }
    if (!('fault' in answer)) this.#waiting.resolve(answer.id, answer.value);
    else {
      const { name, message } = answer.fault;
      this.#waiting.reject(answer.id, Object.assign(new Error(message), { name }));
    }
  }

  #fail(worker: Worker, error: Error): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    this.#progress = undefined;
    this.#waiting.rejectAll(error);
  }
}
