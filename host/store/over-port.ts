/**
 * A store that lives in another thread, as any thread calls it over a port. It carries calls and
 * must never hold rules.
 */
import { StoreError, type StoreErrorCode } from './open.ts';
import type { StoreCall, StoreMethod, StoreReply } from './sqlite-worker.ts';
import type { CommitEvent, Store, StoreIdentity } from './store.ts';

/** An end of a way between two threads. */
export interface StorePort {
  postMessage(call: StoreCall): void;
  on(event: 'message', listener: (reply: StoreReply) => void): unknown;
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** Calls to a store over a port, each matched with its answer. */
export class StoreCalls {
  readonly listeners = new Set<(event: CommitEvent) => void>();
  readonly #port: StorePort;
  readonly #waiting = new Map<number, Waiting>();
  #calls = 0;
  #ended: Error | undefined;

  constructor(port: StorePort) {
    this.#port = port;
    port.on('message', (reply) => this.#take(reply));
  }

  /** Whether no call is taken any more. */
  get isEnded(): boolean {
    return this.#ended !== undefined;
  }

  call(method: StoreMethod, args: readonly unknown[]): Promise<unknown> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    this.#calls += 1;
    const call = this.#calls;
    return new Promise((resolve, reject) => {
      this.#waiting.set(call, { resolve, reject });
      this.#port.postMessage({ call, method, args } satisfies StoreCall);
    });
  }

  /** Refuses calls from now on; those under way are still answered. */
  refuse(error: Error): void {
    this.#ended ??= error;
  }

  /** Refuses all calls, those under way included. */
  end(error: Error): void {
    this.#ended ??= error;
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }

  #take(reply: StoreReply): void {
    if ('event' in reply) {
      for (const listener of this.listeners) listener(reply.event);
      return;
    }
    if (!('call' in reply)) return;
    const waiting = this.#waiting.get(reply.call);
    this.#waiting.delete(reply.call);
    if ('error' in reply) waiting?.reject(storeError(reply.error.code, reply.error.message));
    else waiting?.resolve(reply.value);
  }
}

/** The store behind calls. Every call names its method once, so the types are checked. */
export function storeOver(
  calls: StoreCalls,
  identity: StoreIdentity,
  close: () => Promise<void>,
): Store {
  const method =
    <M extends StoreMethod>(name: M) =>
    (...args: Parameters<Store[M]>): ReturnType<Store[M]> =>
      calls.call(name, args) as ReturnType<Store[M]>;
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
      calls.listeners.add(listener);
      return () => calls.listeners.delete(listener);
    },
    close,
  };
}

/** A fault of the store after it crossed the threads. */
export function storeError(code: string, message: string): StoreError {
  return new StoreError(code as StoreErrorCode, message);
}
