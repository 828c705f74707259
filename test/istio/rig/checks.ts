/**
 * Counts what held and what did not. One check that fails does not keep the next from running.
 */

/** The checks of a run. */
export class Checks {
  passed = 0;
  failed = 0;
  readonly #say: (line: string) => void;

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  /** Runs a check; it holds unless it throws. */
  async check(name: string, run: () => void | Promise<void>): Promise<void> {
    const started = performance.now();
    try {
      await run();
    } catch (error) {
      this.fail(name, error);
      return;
    }
    this.passed += 1;
    this.#say(`  ok ${name} (${((performance.now() - started) / 1_000).toFixed(1)} s)`);
  }

  /** Tells a figure of the check that runs. */
  note(text: string): void {
    this.#say(`     ${text}`);
  }

  /** Counts a failure and tells it. */
  fail(name: string, error: unknown): void {
    this.failed += 1;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#say(`  FAILED ${name}\n${text.replace(/^/gm, '    ')}`);
  }
}
