/**
 * Finds and reads the files of this repository for the tidy rules. It must never look into what is
 * installed or built, and never writes.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Scan, scan } from './scan.ts';

/** The root of the repository, with a trailing slash. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

const SKIPPED = new Set(['node_modules', 'build', '.cache', '.sidegate', '.git']);
const CODE = /\.(ts|mts|mjs|js)$/;

/** A source file: its path from the root with forward slashes, its text and what is code in it. */
export interface Source extends Scan {
  path: string;
  text: string;
}

/** A problem a rule found, in the manner of a compiler: `path:line  what is wrong`. */
export type Problem = string;

/**
 * Every file of the repository that is neither installed nor built, sorted, relative to the root.
 */
export function listFiles(folder = ''): string[] {
  const found: string[] = [];
  for (const entry of readdirSync(ROOT + folder, { withFileTypes: true })) {
    const path = folder + entry.name;
    // A work tree beside the clone has a file called `.git`.
    if (SKIPPED.has(entry.name)) continue;
    if (entry.isDirectory()) found.push(...listFiles(`${path}/`));
    if (entry.isFile()) found.push(path);
  }
  return found.sort();
}

/** Reads one file of the repository as text. */
export function read(path: string): string {
  return readFileSync(ROOT + path, 'utf8');
}

/** Whether a file or folder is there. */
export function exists(path: string): boolean {
  return existsSync(ROOT + path);
}

/**
 * Every TypeScript, AssemblyScript and JavaScript file, scanned. Declaration files are left out.
 */
export function listSources(): Source[] {
  return listFiles()
    .filter((path) => CODE.test(path) && !path.endsWith('.d.ts'))
    .map((path) => sourceOf(path, read(path)));
}

/** Makes a source from a text; the rules' own tests use it for planted mistakes. */
export function sourceOf(path: string, text: string): Source {
  return { path, text, ...scan(text) };
}
