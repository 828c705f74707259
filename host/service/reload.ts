/**
 * Has the resource folder read when asked to, one reading at a time, and knows what the last one
 * came to. It must never read it itself.
 */
import { resolve } from 'node:path';
import { commitOf } from './checkout.ts';
import type { Reading } from './folder-reading.ts';

/** What the host has in force, and what is wrong with the folder as last read. */
export interface ResourceStatus {
  /** The folder that alone changes resources, or undefined where the admin API does. */
  readonly folder?: string | undefined;
  /** The commit that is checked out around it, as of the last reading. */
  readonly commit?: string | undefined;
  /** `none` before the first reading, `refused` while the folder has problems. */
  readonly state: 'none' | 'applied' | 'refused';
  /** When the folder was last read, Unix milliseconds; 0 before. */
  readonly readAtMs: number;
  /** Empty unless refused. */
  readonly problems: readonly string[];
}

/** What a reloader works with. */
export interface ReloaderOptions {
  readonly path: string;
  readonly nowMs: () => number;
  /** Reads the folder and brings it into force, or says what is wrong with it. */
  readonly read: () => Promise<Reading>;
  /** Told after each reading, with the time it took. */
  readonly onRead: (reading: Reading, seconds: number) => void;
}

/** Reads the folder when asked to; askings during a reading become one more. */
export class Reloader {
  readonly #options: ReloaderOptions;
  #status: ResourceStatus;
  #running: Promise<Reading> | undefined;
  #queued: Promise<Reading> | undefined;

  constructor(options: ReloaderOptions) {
    this.#options = options;
    this.#status = { folder: options.path, state: 'none', readAtMs: 0, problems: [] };
  }

  /** What the last reading came to. */
  get status(): ResourceStatus {
    return this.#status;
  }

  /** Reads the folder as it is from now on and brings it into force if nothing is wrong with it. */
  reload(): Promise<Reading> {
    if (this.#running === undefined) {
      this.#running = this.#read().finally(() => {
        this.#running = undefined;
      });
      return this.#running;
    }
    this.#queued ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#queued = undefined;
        return this.reload();
      });
    return this.#queued;
  }

  async #read(): Promise<Reading> {
    const { nowMs, read, onRead } = this.#options;
    const beganMs = nowMs();
    const reading = await read();
    const commit = await commitOf(resolve(this.#options.path));
    const refused = reading.outcome === 'refused';
    this.#status = {
      folder: this.#options.path,
      commit,
      state: refused ? 'refused' : 'applied',
      readAtMs: beganMs,
      problems: refused ? reading.problems : [],
    };
    onRead(reading, (nowMs() - beganMs) / 1_000);
    return reading;
  }
}
