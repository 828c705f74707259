/**
 * What a command works with: environment, streams, clock. Commands take it as a parameter, so
 * that tests run them without a process of their own.
 */
import { styleText } from 'node:util';
import type { Environment } from '../config/settings.ts';

/** A stream of text, such as that of a process. */
export interface TextStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  /** Whether nobody reads any more what is written. */
  readonly isGone?: boolean;
}

/** The surroundings of one command. */
export interface Context {
  readonly env: Environment;
  /** Folder the command was started in. */
  readonly folder: string;
  /** For data. */
  readonly stdout: TextStream;
  /** For talk. */
  readonly stderr: TextStream;
  readonly nowMs: () => number;
  /** All that comes on standard input. */
  readonly stdin?: () => Promise<Uint8Array>;
}

/** Writes a line of data. */
export function say(context: Context, text: string): void {
  context.stdout.write(`${text}\n`);
}

/** Writes a line of talk. */
export function tell(context: Context, text: string): void {
  context.stderr.write(`${text}\n`);
}

/** Colours talk on a terminal, unless NO_COLOR is set. */
export function paint(context: Context, colour: 'red' | 'yellow', text: string): string {
  const plain = context.stderr.isTTY !== true || (context.env.NO_COLOR ?? '') !== '';
  return plain ? text : styleText(colour, text, { validateStream: false });
}
