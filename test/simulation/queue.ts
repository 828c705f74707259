/**
 * Virtual time: events in the order of their times, and of their making where times are equal. It
 * must never look at a real clock, so that one seed is one history.
 */

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** A queue of events and the virtual clock that they move. */
export class VirtualTime {
  readonly #heap: Event[] = [];
  #order = 0;
  nowMs: number;

  constructor(startMs: number) {
    this.nowMs = startMs;
  }

  /** Runs `run` when `delayMs` has passed. */
  after(delayMs: number, run: () => void): void {
    this.#order += 1;
    const event = { atMs: this.nowMs + Math.max(0, delayMs), order: this.#order, run };
    let index = this.#heap.push(event) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#swapIfEarlier(index, parent)) break;
      index = parent;
    }
  }

  /** Runs `run` every `everyMs`, the first time after `firstMs`. */
  every(everyMs: number, firstMs: number, run: () => void): void {
    this.after(firstMs, () => {
      run();
      this.every(everyMs, everyMs, run);
    });
  }

  /** Runs every event before `endMs`. */
  runUntil(endMs: number): void {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || first.atMs >= endMs) break;
      this.#dropFirst();
      this.nowMs = first.atMs;
      first.run();
    }
    this.nowMs = endMs;
  }

  #dropFirst(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      const right = left + 1;
      const earlier = right < this.#heap.length && this.#isEarlier(right, left) ? right : left;
      if (earlier >= this.#heap.length || !this.#swapIfEarlier(earlier, index)) return;
      index = earlier;
    }
  }

  #swapIfEarlier(index: number, other: number): boolean {
    if (!this.#isEarlier(index, other)) return false;
    const [a, b] = [this.#heap[index], this.#heap[other]];
    if (a && b) [this.#heap[index], this.#heap[other]] = [b, a];
    return true;
  }

  #isEarlier(index: number, other: number): boolean {
    const [a, b] = [this.#heap[index], this.#heap[other]];
    if (a === undefined || b === undefined) return false;
    return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
  }
}
