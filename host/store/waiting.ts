/**
 * Calls under way to another thread: each has a number, and its answer comes back with that. It
 * must never leave a caller without one, and knows nothing of what is called.
 */

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** The calls of one way to one thread. */
export class WaitingCalls {
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;

  /** How many wait for their answer. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Has a call sent with a number of its own; settles as that number's answer does. */
  begin(send: (call: number) => void): Promise<unknown> {
    this.#last += 1;
    const call = this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(call, { resolve, reject });
      send(call);
    });
  }

  /** The answer of a call; nothing happens when it had one. */
  resolve(call: number, value: unknown): void {
    this.#take(call)?.resolve(value);
  }

  /** The fault of a call; nothing happens when it had its answer. */
  reject(call: number, error: Error): void {
    this.#take(call)?.reject(error);
  }

  /** Ends all that wait with a fault. */
  rejectAll(error: Error): void {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(error);
  }

  #take(call: number): Waiting | undefined {
    const waiting = this.#waiting.get(call);
    this.#waiting.delete(call);
    return waiting;
  }
}
