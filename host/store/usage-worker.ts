/**
 * The thread of durable usage: it alone touches the file. Calls that arrive within a few
 * milliseconds become one durable commit, and no answer leaves before the commit it depends on.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { UsageStoreError, type UsageStoreErrorCode } from './usage.ts';
import { UsageDatabase, type UsageMethod } from './usage-database.ts';

/** What the thread is started with. */
export interface UsageThreadSettings {
  readonly path: string;
  /** How long the first call of a group waits for others. */
  readonly gatherMs: number;
}

/** What can be asked of the thread. */
export interface UsageCall {
  readonly call: number;
  readonly method: UsageMethod | 'close';
  readonly args: readonly unknown[];
}

/** A fault as it crosses the threads. */
export interface UsageFault {
  readonly code: UsageStoreErrorCode;
  readonly message: string;
}

/** What the thread says: opened or why not, then the answers of one commit. */
export type UsageWord =
  | { readonly opened: UsageFault | true }
  | { readonly answers: readonly { readonly call: number; readonly value: unknown }[] }
  | { readonly failed: readonly number[]; readonly fault: UsageFault };

const port = parentPort;
if (port === null) throw new Error('the thread of usage has no owner');
const say = (word: UsageWord): void => port.postMessage(word);

function faultOf(error: unknown): UsageFault {
  const code = error instanceof UsageStoreError ? error.code : 'usage_unavailable';
  return { code, message: error instanceof Error ? error.message : String(error) };
}

function serve({ path, gatherMs }: UsageThreadSettings): void {
  const database = new UsageDatabase(path);
  let waiting: UsageCall[] = [];
  const commit = () => {
    const calls = waiting;
    waiting = [];
    try {
      const answers = database.transact(() =>
        calls.map(({ call, method, args }) => ({
          call,
          value: method === 'close' ? undefined : database.run(method, args),
        })),
      );
      say({ answers });
    } catch (error) {
      say({ failed: calls.map(({ call }) => call), fault: faultOf(error) });
    }
    if (calls.some(({ method }) => method === 'close')) {
      database.close();
      port?.close();
    }
  };
  port?.on('message', (call: UsageCall) => {
    waiting.push(call);
    if (waiting.length === 1) setTimeout(commit, gatherMs);
  });
}

try {
  serve(workerData as UsageThreadSettings);
  say({ opened: true });
} catch (error) {
  say({ opened: faultOf(error) });
  port.close();
}
