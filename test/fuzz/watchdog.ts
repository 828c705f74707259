/**
 * Watches a thread that may be caught in an endless loop of the guest, which nothing inside the
 * thread can end: a second thread looks whether the first still beats, and takes the process down
 * with a word about where it was.
 */
import { Worker } from 'node:worker_threads';

const LOOK = `
const { workerData, parentPort } = require('node:worker_threads');
const { writeSync } = require('node:fs');
const beats = new Int32Array(workerData.beats);
let last = -1;
parentPort.on('message', () => process.exit(0));
setInterval(() => {
  const beat = Atomics.load(beats, 0);
  if (beat === last) {
    writeSync(2, 'target ' + workerData.target + ': a round of seed ' + beats[1] +
      ' has not come back for ' + workerData.patienceMs / 1000 + ' s\\n');
    process.kill(process.pid, 'SIGKILL');
  }
  last = beat;
}, workerData.patienceMs);
`;

/** Ends the process when `beat` has not been called for long. Disposing of it ends the watch. */
export class Watchdog implements AsyncDisposable {
  readonly #beats = new SharedArrayBuffer(8);
  readonly #view = new Int32Array(this.#beats);
  readonly #worker: Worker;

  constructor(target: string, patienceMs = 60_000) {
    const workerData = { target, patienceMs, beats: this.#beats };
    this.#worker = new Worker(LOOK, { eval: true, workerData });
  }

  /** Says that all is well, and which seed is played next. */
  beat(seed: number): void {
    Atomics.add(this.#view, 0, 1);
    this.#view[1] = seed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#worker.once('exit', resolve));
    this.#worker.postMessage('end');
    await ended;
  }
}
