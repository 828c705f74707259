/**
 * The thread that owns a SQLite store: takes calls one after another and answers them. It must
 * never hold a rule of its own; it carries calls to the store and outcomes back.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { BEHIND, goBehind } from '../threads.ts';
import { openInThread, type SqliteStoreOptions, StoreError } from './open.ts';
import { type PackedChange, unpackChange } from './packed-change.ts';
import type { Store } from './store.ts';

/** A method of the store that answers a promise. */
export type StoreMethod = {
  [K in keyof Store]: Store[K] extends (...args: never[]) => Promise<unknown> ? K : never;
}[keyof Store];

/** What the owner sends. */
export interface StoreCall {
  readonly call: number;
  readonly method: StoreMethod;
  readonly args: readonly unknown[];
}

/** Lets another thread call the store over a port. */
export interface StoreShare {
  readonly port: MessagePort;
}

/** What an error is after it crossed the threads. */
export interface CarriedError {
  readonly message: string;
  readonly code: string;
}

/** What the thread sends: opened, failed to open, an event, an answer or an error. */
export type StoreReply =
  | { readonly opened: Store['identity'] }
  | { readonly failed: CarriedError }
  | { readonly event: Parameters<Parameters<Store['onCommit']>[0]>[0] }
  | { readonly call: number; readonly value: unknown }
  | { readonly call: number; readonly error: CarriedError };

const port = parentPort;
if (port === null) throw new Error('the store thread has no owner');
const send = (reply: StoreReply): void => port.postMessage(reply);

function carry(error: unknown): CarriedError {
  const code = error instanceof StoreError ? error.code : 'store_failed';
  return { message: error instanceof Error ? error.message : String(error), code };
}

function run(store: Store, method: StoreMethod, args: readonly unknown[]): Promise<unknown> {
  if (method === 'applyResources') return store[method](unpackChange(args[0] as PackedChange));
  const call = store[method] as (...values: unknown[]) => Promise<unknown>;
  return call.apply(store, [...args]);
}

/** Answers the calls that come over a port, one after another in the order they come. */
function serve(store: Store, way: Pick<MessagePort, 'on' | 'postMessage'>): void {
  way.on('message', async (message: StoreCall | StoreShare) => {
    if ('port' in message) {
      shared.push(message.port);
      return serve(store, message.port);
    }
    const { call, method, args } = message;
    try {
      const value = await run(store, method, args);
      way.postMessage({ call, value } satisfies StoreReply);
    } catch (error) {
      way.postMessage({ call, error: carry(error) } satisfies StoreReply);
    }
    if (method === 'close') for (const each of [port, ...shared]) each?.close();
  });
}

const shared: MessagePort[] = [];

goBehind(BEHIND.store);

try {
  const store = openInThread(workerData as SqliteStoreOptions);
  store.onCommit((event) => send({ event }));
  serve(store, port);
  send({ opened: store.identity });
} catch (error) {
  send({ failed: carry(error) });
  port.close();
}
