/**
 * Waiting for a condition with a deadline, the only way tests here wait for anything. It must never
 * return without the condition holding.
 */
import { setTimeout as delay } from 'node:timers/promises';

/** How long to wait and how often to look, both in milliseconds. */
export interface Patience {
  deadlineMs?: number;
  everyMs?: number;
}

/** Thrown by a probe when what is waited for cannot come any more. */
export class Hopeless extends Error {}

/**
 * Looks until `probe` answers something other than undefined or false, and answers that. A probe
 * that throws has not succeeded yet, unless it throws `Hopeless`. Throws after the deadline (10 s
 * unless told otherwise) with `what` and the last error.
 */
export async function until<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  { deadlineMs = 10_000, everyMs = 20 }: Patience = {},
): Promise<T> {
  const end = performance.now() + deadlineMs;
  let last: unknown;
  for (;;) {
    try {
      const found = await probe();
      if (found !== undefined && found !== false) return found;
    } catch (error) {
      if (error instanceof Hopeless) throw error;
      last = error;
    }
    if (performance.now() > end) {
      throw new Error(`waited ${deadlineMs} ms in vain until ${what}`, { cause: last });
    }
    await delay(everyMs);
  }
}
