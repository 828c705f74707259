/**
 * A store that lives in another thread, as any thread calls it over a port. It carries calls and
 * must never hold rules.
 */
import { StoreError, type StoreErrorCode } from './open.ts';
import { memoryOf, packChange } from './packed-change.ts';
import type { StoreCall, StoreMethod, StoreReply } from './sqlite-worker.ts';
import type { CommitEvent, Store, StoreIdentity } from './store.ts';
import { WaitingCalls } from './waiting.ts';

/** An end of a way between two threads. */
export interface StorePort {
  postMessage(call: StoreCall, memory: readonly ArrayBuffer[]): void;
  on(event: 'message', listener: (reply: StoreReply) => void): unknown;
}

/** Calls to a store over a port, each matched with its answer. */
export class StoreCalls {
  readonly listeners = new Set<(event: CommitEvent) => void>();
  readonly #port: StorePort;
  readonly #waiting = new WaitingCalls();
  #ended: Error | undefined;

  constructor(port: StorePort) {
    this.#port = port;
    port.on('message', (reply) => this.#take(reply));
  }

  /** Whether no call is taken any more. */
  get isEnded(): boolean {
    return this.#ended !== undefined;
  }

  /** Calls a method. The memory that is named is handed over with the arguments it is part of. */
  call(
    method: StoreMethod,
    args: readonly unknown[],
    memory: readonly ArrayBuffer[] = [],
  ): Promise<unknown> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return this.#waiting.begin((call) => this.#port.postMessage({ call, method, args }, memory));
  }

  /** Refuses calls from now on; those under way are still answered. */
  refuse(error: Error): void {
    this.#ended ??= error;
  }

  /** Refuses all calls, those under way included. */
  end(error: Error): void {
    this.#ended ??= error;
    this.#waiting.rejectAll(error);
  }

  #take(reply: StoreReply): void {
    if ('event' in reply) {
      for (const listener of this.listeners) listener(reply.event);
      return;
    }
    if (!('call' in reply)) return;
    const { call } = reply;
    if (!('error' in reply)) this.#waiting.resolve(call, reply.value);
    else this.#waiting.reject(call, storeError(reply.error.code, reply.error.message));
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
    doneOnce: method('doneOnce'),
    audit: method('audit'),
    note: method('note'),
    resourceRevisions: method('resourceRevisions'),
    resourceChangesAfter: method('resourceChangesAfter'),
    compiledBy: method('compiledBy'),
    reserveIds: method('reserveIds'),
    applyResources: (change) => {
      const packed = packChange(change);
      const answer = calls.call('applyResources', [packed], memoryOf(packed));
      return answer as ReturnType<Store['applyResources']>;
    },
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
