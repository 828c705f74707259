/**
 * How a command ends: exit codes, the same for every output format, and the errors that carry
 * them. Append only: scripts rely on the numbers.
 */
import type { Printable } from '../resources/problem.ts';

/** Exit codes of `sidegate`. */
export const Exit = {
  done: 0,
  unexpected: 1,
  usage: 2,
  problems: 3,
  differences: 4,
  refused: 5,
  unreachable: 6,
  denied: 7,
} as const;

/** One of the numbers of {@link Exit}. */
export type ExitCode = (typeof Exit)[keyof typeof Exit];

/** Ends a command: `message` says what happened, `advice` what to do about it, in sentences. */
export class CommandError extends Error {
  readonly exit: ExitCode;
  readonly advice: readonly string[];
  /** Problems of resources, to be printed with their places. */
  readonly problems: readonly Printable[];

  constructor(
    exit: ExitCode,
    message: string,
    advice: readonly string[] = [],
    problems: readonly Printable[] = [],
  ) {
    super(message);
    this.name = 'CommandError';
    this.exit = exit;
    this.advice = advice;
    this.problems = problems;
  }
}
