/**
 * Keeps what the bench has measured in `results.json`, section by section, so that one section, or
 * some chains of one, can be measured again without losing the rest. It must never drop a figure
 * because it was missed, and never mix figures of two runs without saying so.
 */
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';
import path from 'node:path';
import { ENVOY_VERSION } from '../../envoy/locate.ts';
import { ROOT } from '../runner/layers.ts';

/** Figures of one chain or one case, by name. */
export type Row = Record<string, number | string | boolean | readonly number[]>;

/** What one section has measured. */
export interface Section {
  /** The machine of the last run. */
  machine: string;
  /** When the last whole run began, in words of ISO 8601. */
  run: string;
  /** Rows by name; `run` in a row says that it is of another run. */
  rows: Record<string, Row>;
  /** What could not be measured, and why. */
  missing: Record<string, string>;
}

/** All that is known, by section. */
export type Results = Partial<Record<SectionName, Section>>;

/** Every section, in the order in which they stand on the page. */
export const SECTIONS = [
  'cpu',
  'latency',
  'work',
  'memory',
  'fleet',
  'control',
  'soak',
  'swap',
] as const;

export type SectionName = (typeof SECTIONS)[number];

/** What a section hands over when it has run. */
export interface Measured {
  rows: Record<string, Row>;
  missing?: Record<string, string>;
  /** True when only some rows were asked for: the others stay. */
  partial?: boolean;
}

const FILE = path.join(ROOT, 'test/bench/results.json');

/** Reads what is kept; nothing is kept at first. */
export async function loadResults(): Promise<Results> {
  return existsSync(FILE) ? (JSON.parse(await readFile(FILE, 'utf8')) as Results) : {};
}

/** Puts a section in the place of what was there, or over it if it is partial. */
export function mergeSection(
  before: Section | undefined,
  measured: Measured,
  machine: string,
  run: string,
): Section {
  const { rows, missing = {}, partial = false } = measured;
  if (!partial || before === undefined) return { machine, run, rows, missing };
  const stamped = Object.entries(rows).map(([name, row]) => [name, { ...row, run }]);
  const stillMissing = Object.entries({ ...before.missing, ...missing }).filter(
    ([what]) => missing[what] !== undefined || rows[what] === undefined,
  );
  return {
    ...before,
    rows: { ...before.rows, ...Object.fromEntries(stamped) },
    missing: Object.fromEntries(stillMissing),
  };
}

/** Writes one section down, leaving the others as they are. */
export async function saveSection(
  name: SectionName,
  measured: Measured,
  run: string,
): Promise<Results> {
  const results = await loadResults();
  results[name] = mergeSection(results[name], measured, describeMachine(), run);
  await writeFile(FILE, `${JSON.stringify(results, null, 2)}\n`);
  return results;
}

/** The machine in one sentence. */
export function describeMachine(): string {
  const [first] = cpus();
  const gib = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} × ${first?.model.trim() ?? 'unknown CPU'}, ${gib} GiB, Linux ${release()}, Node ${process.versions.node}, Envoy ${ENVOY_VERSION}`;
}

/** Numbers for the file: no more digits than mean something. */
export function rounded(value: number, digits = 1): number {
  return Number(value.toFixed(digits));
}
