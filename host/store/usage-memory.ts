/**
 * Usage in memory, for tests and trials. It forgets everything with its process; its rules and its
 * statements are those of the durable one.
 */
import type { UsageStore } from './usage.ts';
import { UsageDatabase, type UsageMethod } from './usage-database.ts';

/** Opens an empty store of usage. */
export function openMemoryUsage(): UsageStore {
  const database = new UsageDatabase(':memory:');
  const method =
    <M extends UsageMethod>(name: M) =>
    (...args: Parameters<UsageStore[M]>): ReturnType<UsageStore[M]> =>
      run(() => database.run(name, args)) as ReturnType<UsageStore[M]>;
  const run = async (work: () => unknown) => database.transact(work);
  return {
    merge: method('merge'),
    totals: method('totals'),
    gaps: method('gaps'),
    silent: method('silent'),
    end: method('end'),
    lastUsed: method('lastUsed'),
    forget: method('forget'),
    close: async () => database.close(),
  };
}
