/**
 * `sidegate version`: which version this is, read from package.json, so that it is written down in
 * one place alone.
 */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { type Context, say } from './context.ts';

/** The version of this package. */
export function packageVersion(): string {
  const path = new URL('../../package.json', import.meta.url);
  return String(JSON.parse(readFileSync(path, 'utf8')).version);
}

/** Adds the verb. */
export function addVersion(program: Command, context: Context): void {
  program
    .command('version')
    .description('print the version')
    .action(() => say(context, `sidegate ${packageVersion()}`));
}
