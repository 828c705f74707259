/**
 * A standard stream of a process, whose other end may go at any time, as that of `| head` does. The
 * command goes on to its end then; it must never be cut short by that, nor end as if it had failed.
 */
import type { TextStream } from './context.ts';

/** A standard stream that survives its reader. */
export class Output implements TextStream {
  readonly #stream: NodeJS.WriteStream;
  #isGone = false;
  #fault: string | undefined;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    stream.on('error', ({ code = 'unknown' }: NodeJS.ErrnoException) => {
      this.#isGone = true;
      if (code !== 'EPIPE') this.#fault ??= code;
    });
  }

  get isTTY(): boolean {
    return this.#stream.isTTY === true;
  }

  /** Whether nobody reads any more what is written. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** Why something was not written, unless its reader had enough. */
  get fault(): string | undefined {
    return this.#fault;
  }

  write(text: string): void {
    if (!this.#isGone) this.#stream.write(text);
  }
}
