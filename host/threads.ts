/**
 * The order in which the threads of a host get a core that they share: those that answer proxies
 * go first. Nothing may be right by this order alone: where the system does not let threads have
 * one, all of them go as they come.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';

/** How far behind the threads that answer proxies others go, in steps of niceness. */
export const BEHIND = {
  /** The store: a proxy waits for it when something has changed, and then not for long. */
  store: 5,
  /** Declared resources, and what V8 does beside its threads: nobody waits for these but them. */
  resources: 10,
} as const;

const NICENESS_MAX = 19;
/** The name of the threads that V8 collects and compiles with, whichever thread that is for. */
const HELPER = 'V8Worker';
const THREADS = '/proc/self/task';

/** Lets the threads that answer proxies go before the one that calls this. */
export function goBehind(steps: number): void {
  quietly(() => send(Number(readlinkSync('/proc/thread-self').split('/')[2]), steps));
}

/**
 * Lets the threads that answer proxies go before the helpers of V8: what a large change leaves
 * behind is collected by them. Call it on the main thread, before others are started.
 */
export function sendHelpersBehind(steps: number): void {
  quietly(() => {
    for (const thread of readdirSync(THREADS)) {
      const name = readFileSync(`${THREADS}/${thread}/comm`, 'latin1').trim();
      if (name === HELPER) send(Number(thread), steps);
    }
  });
}

/** A thread of this process, by its number in the system, goes behind the one that calls this. */
function send(thread: number, steps: number): void {
  if (thread > 0) setPriority(thread, Math.min(NICENESS_MAX, getPriority() + steps));
}

function quietly(order: () => void): void {
  try {
    order();
  } catch {
    // Where threads have no such numbers, the system's own order has to do.
  }
}
