/**
 * Compiles resource sets in a thread of its own, one at a time. A thread that dies is replaced
 * with the next call; it must never hang a caller.
 */
import { Worker } from 'node:worker_threads';
import type { Compiler, Faulty, LoadedSet, MergedSet, StoreRefusal } from '../compile/compiler.ts';
import type { CompiledSet } from '../compile/output.ts';
import type { CanonicalResource, InputFile } from '../resources/load.ts';
import type { Reach, SetChange } from '../resources/merge.ts';
import type { Problem } from '../resources/problem.ts';
import type { CompileAnswer, CompileCall } from './compile-worker.ts';

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** A compiler whose work is done by a thread. */
export class ThreadCompiler implements Compiler {
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #lastId = 0;

  /** Starts the thread at once: it takes a moment to load, and there is other work meanwhile. */
  constructor() {
    this.#start();
  }

  load(files: readonly InputFile[], known: readonly string[]): Promise<LoadedSet | Faulty> {
    return this.#call((id) => ({ id, method: 'load', args: [files, known] }));
  }

  merge(
    stored: readonly CanonicalResource[],
    change: SetChange,
    known: readonly string[],
  ): Promise<MergedSet | (Faulty & Reach)> {
    return this.#call((id) => ({ id, method: 'merge', args: [stored, change, known] }));
  }

  compile(ids: readonly number[]): Promise<CompiledSet> {
    return this.#call((id) => ({ id, method: 'compile', args: [ids] }));
  }

  explain(refusal: StoreRefusal): Promise<readonly Problem[]> {
    const { code, message, subject } = refusal;
    return this.#call((id) => ({ id, method: 'explain', args: [{ code, message, subject }] }));
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #call<T>(make: (id: number) => CompileCall): Promise<T> {
    const worker = this.#worker ?? this.#start();
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: (value) => resolve(value as T), reject });
      worker.postMessage(make(id));
    });
  }

  #start(): Worker {
    const worker = new Worker(new URL('./compile-worker.ts', import.meta.url));
    worker.on('message', (answer: CompileAnswer) => this.#take(answer));
    worker.on('error', (error) => this.#fail(worker, error));
    worker.on('exit', () => this.#fail(worker, new Error('the compiler ended')));
    this.#worker = worker;
    return worker;
  }

  #take(answer: CompileAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if ('fault' in answer) waiting?.reject(new Error(`the compiler failed: ${answer.fault}`));
    else waiting?.resolve(answer.value);
  }

  #fail(worker: Worker, error: Error): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(error);
  }
}
