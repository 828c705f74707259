/**
 * Counts what crosses the border of a VM: ABI calls by function and by the callback they were made
 * in, and callbacks by name. Counting costs one addition per crossing.
 */
import { CALLBACKS } from './signatures.ts';

/** The phases in which a guest runs: the callbacks, and `malloc`, `_initialize`, other exports. */
export const PHASES: readonly string[] = [
  ...Object.keys(CALLBACKS),
  'malloc',
  '_initialize',
  'export',
];

/** Counts by name; names that were not seen are absent. */
export type Counts = Record<string, number>;

/** The counts of one VM. */
export class AbiCounter {
  readonly #names: readonly string[];
  readonly #calls: Float64Array;
  readonly #entered = new Float64Array(PHASES.length);

  /** `names` = the functions the module imports, as `module.name`. */
  constructor(names: readonly string[]) {
    this.#names = names;
    this.#calls = new Float64Array(names.length * PHASES.length);
  }

  /** Notes that the guest was entered in a phase. */
  enter(phase: number): void {
    this.#entered[phase] = (this.#entered[phase] ?? 0) + 1;
  }

  /** Notes an ABI call in a phase. */
  note(phase: number, index: number): void {
    const at = phase * this.#names.length + index;
    this.#calls[at] = (this.#calls[at] ?? 0) + 1;
  }

  /** All ABI calls so far. */
  get total(): number {
    return this.#calls.reduce((sum, count) => sum + count, 0);
  }

  /** ABI calls by function (`proxy_log`, `clock_time_get` …). */
  get byName(): Counts {
    return this.#sum((_, name) => name);
  }

  /** ABI calls by the phase in which they were made. */
  get byPhase(): Counts {
    return this.#sum((phase) => phase);
  }

  /** ABI calls of one phase by function. */
  in(phase: string): Counts {
    return this.#sum((other, name) => (other === phase ? name : undefined));
  }

  /** How often the guest was entered, by phase. */
  get entered(): Counts {
    const counts: Counts = {};
    PHASES.forEach((phase, i) => {
      const count = this.#entered[i] ?? 0;
      if (count > 0) counts[phase] = count;
    });
    return counts;
  }

  /** Starts all counts at 0 again. */
  reset(): void {
    this.#calls.fill(0);
    this.#entered.fill(0);
  }

  #sum(keyOf: (phase: string, name: string) => string | undefined): Counts {
    const counts: Counts = {};
    this.#calls.forEach((count, at) => {
      if (count === 0) return;
      const full = this.#names[at % this.#names.length] ?? '';
      const phase = PHASES[Math.floor(at / this.#names.length)] ?? '';
      const key = keyOf(phase, full.slice(full.indexOf('.') + 1));
      if (key !== undefined) counts[key] = (counts[key] ?? 0) + count;
    });
    return counts;
  }
}
