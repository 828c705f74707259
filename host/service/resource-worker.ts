/**
 * The thread of declared resources: reads, checks, compiles and applies sets over a way of its own
 * to the store, so that a large set never delays a grant. It must never answer with a set but as
 * bytes, which it hands over.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { InlineCompiler } from '../compile/compiler.ts';
import { StoreCalls, storeOver } from '../store/over-port.ts';
import type { StoreIdentity } from '../store/store.ts';
import { BEHIND, goBehind } from '../threads.ts';
import { Catalogue, type Resources } from './catalogue.ts';
import { compilerMark } from './compiler-mark.ts';
import { bytesIn } from './handed-over.ts';
import type { ChangeProgress } from './progress.ts';

/** A method of {@link Resources} that answers a promise. */
export type ResourceMethod = {
  [K in keyof Resources]: Resources[K] extends (...args: never[]) => Promise<unknown> ? K : never;
}[keyof Resources];

/** A call of the thread, with the time it is made at. */
export interface ResourceCall {
  readonly id: number;
  readonly method: ResourceMethod;
  readonly args: readonly unknown[];
  readonly nowMs: number;
}

/** The answer to the call with the same id. */
export type ResourceAnswer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly fault: { readonly name: string; readonly message: string } };

/** How far the change has come that is worked out. */
export interface ResourceProgress {
  readonly progress: ChangeProgress | undefined;
}

interface Settings {
  readonly port: MessagePort;
  readonly identity: StoreIdentity;
  readonly folder: string | undefined;
}

goBehind(BEHIND.resources);
const { port, identity, folder } = workerData as Settings;
const clock = { ms: 0 };
const store = storeOver(new StoreCalls(port), identity, async () => port.close());
const nowMs = () => clock.ms;
const onProgress = (progress: ChangeProgress | undefined) => {
  parentPort?.postMessage({ progress } satisfies ResourceProgress);
};
const compiler = new InlineCompiler(compilerMark());
const catalogue = new Catalogue({ store, compiler, nowMs, folder, onProgress });

parentPort?.on('message', async ({ id, method, args, nowMs: atMs }: ResourceCall) => {
  clock.ms = Math.max(clock.ms, atMs);
  try {
    const run = catalogue[method] as (...values: unknown[]) => Promise<unknown>;
    const value = await run.apply(catalogue, [...args]);
    parentPort?.postMessage({ id, value } satisfies ResourceAnswer, bytesIn(value));
  } catch (error) {
    const { name, message } = error as Error;
    parentPort?.postMessage({ id, fault: { name, message } } satisfies ResourceAnswer);
  }
});
