/**
 * The thread that loads and compiles resource sets, so that a large set never delays a grant. It
 * answers calls one after another and must never touch a file or the store.
 */
import { parentPort } from 'node:worker_threads';
import { type Compiler, InlineCompiler } from '../compile/compiler.ts';

/** A call of the thread: a method of {@link Compiler} but `close`, which ends the thread. */
export type CompileCall = {
  [Method in 'load' | 'merge' | 'compile' | 'explain']: {
    readonly id: number;
    readonly method: Method;
    readonly args: Parameters<Compiler[Method]>;
  };
}['load' | 'merge' | 'compile' | 'explain'];

/** The answer to the call with the same id. */
export type CompileAnswer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly fault: string };

const compiler = new InlineCompiler();

parentPort?.on('message', async (call: CompileCall) => {
  parentPort?.postMessage(await answer(call));
});

async function answer(call: CompileCall): Promise<CompileAnswer> {
  const { id } = call;
  try {
    return { id, value: await run(call) };
  } catch (error) {
    return { id, fault: (error as Error).stack ?? String(error) };
  }
}

function run(call: CompileCall): Promise<unknown> {
  switch (call.method) {
    case 'load':
      return compiler.load(...call.args);
    case 'merge':
      return compiler.merge(...call.args);
    case 'compile':
      return compiler.compile(...call.args);
    case 'explain':
      return compiler.explain(...call.args);
  }
}
