/**
 * Measures what a request costs: CPU time of processes from the scheduler's own account, around a
 * short round of requests. It must never time with a wall clock: the machine is shared and noisy.
 */
import { readdir, readFile } from 'node:fs/promises';
import { runToEnd } from '../support/programs.ts';
import { PATH } from './lanes.ts';

/** Requests in a round: short, so that a disturbance spoils few rounds and not the measurement. */
export const ROUND_REQUESTS = 1500;
const CONNECTIONS = 32;

/** CPU time that all threads of a process have used so far, in nanoseconds. */
export async function cpuNanoseconds(pid: number): Promise<number> {
  const threads = await readdir(`/proc/${pid}/task`);
  const times = threads.map(async (thread) => {
    const text = await readFile(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').catch(() => '0');
    return Number(text.split(' ')[0]);
  });
  return (await Promise.all(times)).reduce((sum, time) => sum + time, 0);
}

/** One round against a port, every answer being checked. */
export interface Round {
  /** Name of the chain, for the message of a failure. */
  name: string;
  port: number;
  headers: Record<string, string>;
  expect: number;
  /** Core for the load; undefined leaves it to the system. */
  core: number | undefined;
}

/** Sends a round over kept-alive connections. Throws if any answer is not as expected. */
export async function sendRound(round: Round): Promise<void> {
  const { failed, output } = await sendRequests(round, ROUND_REQUESTS);
  if (failed > 0)
    throw new Error(`${round.name}: not every answer was ${round.expect}:\n${output}`);
}

/** Sends so many requests as fast as answers come; answers how many were not as expected. */
export async function sendRequests(
  { port, headers, expect, core }: Round,
  requests: number,
): Promise<{ failed: number; output: string }> {
  const lines = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
  const load = ['--h1', '-n', String(requests), '-c', String(CONNECTIONS), '-t', '1', ...lines];
  load.push(`http://127.0.0.1:${port}${PATH}`);
  const output =
    core === undefined
      ? await runToEnd('h2load', load)
      : await runToEnd('taskset', ['-c', String(core), 'h2load', ...load]);
  const counts = /status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx/.exec(output);
  return { failed: requests - Number(counts?.[Math.floor(expect / 100) - 1] ?? 0), output };
}

/** The value below which a share of the samples lies; the samples need no order. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
