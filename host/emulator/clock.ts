/**
 * The emulator's time: one virtual clock that moves only when it is told to, and the timers that
 * hang on it. Never reads the machine's clock, except in `followRealTime`, which is told how.
 */

/** An action that waits on the clock. */
export interface Timer {
  readonly dueMicros: number;
  readonly sequence: number;
  action: (() => void) | undefined;
}

/** Microseconds the clock can run before its numbers lose precision (about 285 years). */
const MICROS_MAX = Number.MAX_SAFE_INTEGER;

/**
 * A clock that moves only by `advance`. Wall time = its start + what has passed + what
 * `stepWall` added; monotonic time never goes back.
 */
export class VirtualClock {
  #micros = 0;
  #wallOffsetMicros: number;
  #sequence = 0;
  /** Ascending by (due, sequence), so that equal times fire in the order of scheduling. */
  readonly #timers: Timer[] = [];
  #wallNs = 0n;
  #monotonicNs = 0n;
  #stale = true;
  readonly #monotonicStartNs: bigint;

  /** `startUnixMs` = wall time at the start; `startMonotonicMs` = what the monotonic clock says. */
  constructor(options: { startUnixMs?: number; startMonotonicMs?: number } = {}) {
    this.#wallOffsetMicros = Math.round((options.startUnixMs ?? 1_700_000_000_000) * 1000);
    this.#monotonicStartNs = BigInt(Math.round((options.startMonotonicMs ?? 5_000) * 1000)) * 1000n;
  }

  /** Milliseconds that have passed since the clock was made. */
  get elapsedMs(): number {
    return this.#micros / 1000;
  }

  /** Wall time in milliseconds since 1970. */
  get unixMs(): number {
    return (this.#wallOffsetMicros + this.#micros) / 1000;
  }

  /** Wall time in nanoseconds since 1970. */
  get wallNs(): bigint {
    if (this.#stale) this.#refresh();
    return this.#wallNs;
  }

  /** Monotonic time in nanoseconds. */
  get monotonicNs(): bigint {
    if (this.#stale) this.#refresh();
    return this.#monotonicNs;
  }

  #refresh(): void {
    this.#wallNs = BigInt(this.#wallOffsetMicros + this.#micros) * 1000n;
    this.#monotonicNs = this.#monotonicStartNs + BigInt(this.#micros) * 1000n;
    this.#stale = false;
  }

  /** The number of timers that wait. */
  get waiting(): number {
    return this.#timers.length;
  }

  /** Milliseconds until the next timer, or undefined if none waits. */
  get nextMs(): number | undefined {
    const next = this.#timers[0];
    return next && Math.max(0, next.dueMicros - this.#micros) / 1000;
  }

  /** Runs `action` once, `afterMs` (0 or more) from now, from within `advance`. */
  schedule(afterMs: number, action: () => void): Timer {
    const dueMicros = Math.min(MICROS_MAX, this.#micros + Math.max(0, Math.round(afterMs * 1000)));
    const timer: Timer = { dueMicros, sequence: this.#sequence++, action };
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#timers[middle]?.dueMicros ?? 0) <= dueMicros) low = middle + 1;
      else high = middle;
    }
    this.#timers.splice(low, 0, timer);
    return timer;
  }

  /** Takes a timer away; one that has fired or was cancelled is left alone. */
  cancel(timer: Timer | undefined): void {
    if (!timer?.action) return;
    timer.action = undefined;
    const at = this.#timers.indexOf(timer);
    if (at >= 0) this.#timers.splice(at, 1);
  }

  /**
   * Moves time on by `ms` (0 or more) and fires what falls due, in order, each at its own time.
   * An action may schedule more; what falls due within the span fires too.
   */
  advance(ms: number): void {
    const end = this.#micros + Math.max(0, Math.round(ms * 1000));
    for (;;) {
      const next = this.#timers[0];
      if (!next || next.dueMicros > end) break;
      this.#timers.shift();
      if (next.dueMicros > this.#micros) this.#move(next.dueMicros);
      const action = next.action;
      next.action = undefined;
      action?.();
    }
    this.#move(end);
  }

  /** Moves the wall clock by `ms` (also back), leaving monotonic time and timers alone. */
  stepWall(ms: number): void {
    this.#wallOffsetMicros += Math.round(ms * 1000);
    this.#stale = true;
  }

  #move(micros: number): void {
    this.#micros = micros;
    this.#stale = true;
  }
}

/**
 * Moves `clock` on with real time every `everyMs`, so that a guest can talk to a real server.
 * `nowMs` reads a monotonic clock. Answers a function that stops it.
 */
export function followRealTime(
  clock: VirtualClock,
  everyMs = 5,
  nowMs: () => number = () => performance.now(),
): () => void {
  let last = nowMs();
  const timer = setInterval(() => {
    const now = nowMs();
    clock.advance(now - last);
    last = now;
  }, everyMs);
  return () => clearInterval(timer);
}
