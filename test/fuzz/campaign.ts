/**
 * Runs a target for a while: round after round, each from the seed after the last, so that a
 * finding names the one round that shows it.
 */
import { isCi } from '../support/ci.ts';
import { seed } from '../support/seed.ts';
import type { Finding, Target } from './target.ts';
import { Watchdog } from './watchdog.ts';

/** How long to go on. */
export interface Terms {
  /** Seed of the first round. */
  readonly seed: number;
  readonly ms: number;
  /** Findings after which it is no use to go on. */
  readonly findingsMax: number;
  /** Told of every finding and, now and then, of how far it is. */
  readonly tell?: (line: string) => void;
}

/** What came of a campaign. */
export interface Outcome {
  readonly rounds: number;
  readonly executions: number;
  readonly findings: readonly (Finding & { readonly seed: number })[];
}

const TELL_EVERY_MS = 60_000;

/**
 * Seed of the first round in tests. In CI it is always the same: what a search finds by chance is
 * no reason to refuse the change at hand. Searching is done by `npm run fuzz` and on desks.
 */
export const firstSeed = isCi && process.env.SIDEGATE_SEED === undefined ? 1 : seed;

/** Runs rounds until the time is over; at least one. */
export async function run(target: Target, terms: Terms): Promise<Outcome> {
  await using dog = new Watchdog(target.name);
  const findings: (Finding & { seed: number })[] = [];
  const began = performance.now();
  let told = began;
  let rounds = 0;
  let executions = 0;
  do {
    const seed = (terms.seed + rounds) % 2 ** 31;
    dog.beat(seed);
    const round = await target.round(seed);
    rounds++;
    executions += round.executions;
    for (const finding of round.findings) {
      findings.push({ ...finding, seed });
      terms.tell?.(`${target.name}: seed ${seed}: ${finding.what}`);
    }
    if (performance.now() - told < TELL_EVERY_MS) continue;
    told = performance.now();
    terms.tell?.(`${target.name}: ${executions} executions, next seed ${seed + 1}`);
  } while (performance.now() - began < terms.ms && findings.length < terms.findingsMax);
  return { rounds, executions, findings };
}
