/**
 * How far a change of many resources has come, for those who wait for it. It must never be counted
 * on: a change is done when it is answered.
 */
import type { InputFile } from '../resources/load.ts';

/** What is being done, and how many of the resources of its files are behind it. */
export interface ChangeProgress {
  readonly phase: 'reading' | 'checking' | 'writing';
  readonly done: number;
  readonly total: number;
}

/** Fewer than so many are done before anybody could ask. */
const TOLD_LEAST = 1_000;

/** Told of progress, and undefined at its end. */
export type OnProgress = (progress: ChangeProgress | undefined) => void;

/** Tells how far one change after another has come. */
export class Progress {
  readonly #onProgress: OnProgress;
  #total = 0;

  constructor(onProgress: OnProgress) {
    this.#onProgress = onProgress;
  }

  /** A change of these files begins. */
  begin(files: readonly InputFile[]): void {
    this.#total = countDocuments(files);
    this.tell('reading', 0);
  }

  tell(phase: ChangeProgress['phase'], done = this.#total): void {
    const total = this.#total;
    if (total >= TOLD_LEAST) this.#onProgress({ phase, done: Math.min(done, total), total });
  }

  /** The change is over, however it ended. */
  end(): void {
    if (this.#total >= TOLD_LEAST) this.#onProgress(undefined);
    this.#total = 0;
  }
}

const MARK = '\n---';

/** Documents of files, by the marks between them. */
function countDocuments(files: readonly InputFile[]): number {
  return files.reduce((sum, { bytes }) => {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let count = 1;
    for (let at = buffer.indexOf(MARK); at !== -1; at = buffer.indexOf(MARK, at + 1)) count += 1;
    return sum + count;
  }, 0);
}
