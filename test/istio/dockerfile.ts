/**
 * The Dockerfile of the host as a list of steps, for those who hold it to something without Docker.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from '../runner/layers.ts';

/** A line of the Dockerfile, continuations joined. */
export interface Step {
  readonly word: string;
  readonly rest: string;
}

/** The stages, each beginning with its FROM. */
export function readStages(): Step[][] {
  const text = readFileSync(path.join(ROOT, 'Dockerfile'), 'utf8');
  const lines = text
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n/g, ' ')
    .trim()
    .split(/\n+/);
  const stages: Step[][] = [];
  for (const line of lines) {
    const [word = '', ...rest] = line.split(' ');
    if (word === 'FROM') stages.push([]);
    stages.at(-1)?.push({ word, rest: rest.join(' ') });
  }
  return stages;
}

/** What stands behind each line of a word. */
export function valuesOf(steps: readonly Step[], word: string): string[] {
  return steps.filter((step) => step.word === word).map(({ rest }) => rest);
}

/** What a COPY takes, where to, and whether it takes it from another stage. */
export function copyOf(rest: string): { from: string[]; to: string; stage: boolean } {
  const stage = rest.startsWith('--from=');
  const words = rest.replace(/^--from=\S+ /, '').split(/\s+/);
  return { from: words.slice(0, -1), to: words.at(-1) ?? '', stage };
}
