/**
 * Seeds of property tests: random unless SIDEGATE_SEED is set, and always printed, so that a
 * failure can be run again.
 */
import fc from 'fast-check';

/** Seed of this process. */
export const seed = Number(process.env.SIDEGATE_SEED ?? Math.floor(Math.random() * 2 ** 31));

/** Makes every property of the calling test file use the seed, and prints it. */
export function printSeed(): void {
  process.stdout.write(`# seed ${seed} (run again with SIDEGATE_SEED=${seed})\n`);
  fc.configureGlobal({ seed });
}
