/**
 * Counts what held and what did not. One check that fails does not keep the next from running.
 */
import { inspect } from 'node:util';

/** The checks of a run. */
export class Checks {
  passed = 0;
  failed = 0;
  skipped = 0;
  readonly #say: (line: string) => void;

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  /** Runs a check; it holds unless it throws. */
  async check(name: string, run: () => void | Promise<void>): Promise<void> {
    try {
      await this.#time(name, run);
    } catch (error) {
      this.fail(name, error);
    }
  }

  /**
   * Runs a check of something that a machine which stands still for a second breaks by itself, up
   * to three times: what is broken breaks each time. The check must leave behind what it found.
   */
  async checkPatiently(name: string, run: () => Promise<void>): Promise<void> {
    for (let attempt = 1; attempt < ATTEMPTS; attempt += 1) {
      try {
        await this.#time(name, run);
        return;
      } catch (error) {
        this.#say(`     once more: ${name}\n${textOf(error)}`);
      }
    }
    await this.check(name, run);
  }

  async #time(name: string, run: () => void | Promise<void>): Promise<void> {
    const started = performance.now();
    await run();
    this.passed += 1;
    this.#say(`  ok ${name} (${((performance.now() - started) / 1_000).toFixed(1)} s)`);
  }

  /** Tells a figure of the check that runs. */
  note(text: string): void {
    this.#say(`     ${text}`);
  }

  /** Counts a check that cannot be made here, and tells what it lacks. */
  skip(name: string, lacks: string): void {
    this.skipped += 1;
    this.#say(`  SKIPPED ${name}: ${lacks}`);
  }

  /** Counts a failure and tells it. */
  fail(name: string, error: unknown): void {
    this.failed += 1;
    this.#say(`  FAILED ${name}\n${textOf(error)}`);
  }
}

const ATTEMPTS = 3;

function textOf(error: unknown): string {
  return inspect(error).replace(/^/gm, '    ');
}
