/**
 * What every target of the fuzzer is: rounds that a seed repeats, and cases that can be kept in a
 * file and played again. The folder `corpus` holds those files; each is replayed by every run.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** One thing the fuzzer attacks. */
export interface Target {
  readonly name: string;
  /** Plays one round; the same seed plays the same round. */
  round(seed: number): Promise<Round>;
  /** Plays a case of the corpus again; answers what is wrong, or undefined. */
  replay(input: unknown): Promise<string | undefined>;
}

/** What came of a round. */
export interface Round {
  readonly executions: number;
  readonly findings: readonly Finding[];
}

/** Something that must not be, and the smallest input that shows it. */
export interface Finding {
  readonly what: string;
  readonly input: unknown;
}

/** A case as it lies in the corpus. */
export interface CorpusCase {
  /** What it showed when it was found, or what it is there for. */
  readonly shows: string;
  /** Seed of the round that found it; absent for a case that was written. */
  readonly seed?: number;
  readonly input: unknown;
}

const FOLDER = fileURLToPath(new URL('./corpus/', import.meta.url));

/** The corpus of a target, by file name. */
export function readCorpus(target: string): Map<string, CorpusCase> {
  const names = readdirSync(FOLDER + target).filter((name) => name.endsWith('.json'));
  return new Map(
    names
      .sort()
      .map((name) => [
        name,
        JSON.parse(readFileSync(`${FOLDER}${target}/${name}`, 'utf8')) as CorpusCase,
      ]),
  );
}

/** Writes a case to the corpus and answers its path. */
export function writeCase(target: string, name: string, one: CorpusCase): string {
  mkdirSync(FOLDER + target, { recursive: true });
  const path = `${FOLDER}${target}/${name}.json`;
  const text = JSON.stringify(one, null, 1).replace(PAIR, '[$1, $2]');
  writeFileSync(path, `${text}\n`);
  return path;
}

/** A pair of texts, which is to stand on one line. */
const PAIR = /\[\s+("(?:[^"\\]|\\.)*"),\s+("(?:[^"\\]|\\.)*")\s+\]/g;
