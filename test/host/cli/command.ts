/**
 * Runs `sidegate` inside the test's process and keeps what it prints on each stream.
 */

import { runProgram } from '../../../host/cli/program.ts';
import type { Environment } from '../../../host/config/settings.ts';

/** How a command ended and what it printed. */
export interface Ended {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The surroundings of a command; everything has a default. */
export interface Surroundings {
  readonly env?: Environment;
  readonly folder?: string;
  readonly terminal?: boolean;
  readonly stdin?: string;
}

/** Runs one command line. */
export async function sidegate(args: readonly string[], where: Surroundings = {}): Promise<Ended> {
  const said = { stdout: '', stderr: '' };
  const stream = (name: 'stdout' | 'stderr') => ({
    isTTY: where.terminal ?? false,
    write: (text: string) => {
      said[name] += text;
    },
  });
  const exit = await runProgram(args, {
    env: where.env ?? {},
    folder: where.folder ?? '/',
    stdout: stream('stdout'),
    stderr: stream('stderr'),
    nowMs: Date.now,
    stdin: async () => Buffer.from(where.stdin ?? ''),
  });
  return { exit, ...said };
}
