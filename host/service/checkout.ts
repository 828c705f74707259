/**
 * Which commit a folder of a git checkout stands at, so that a host can say what it runs. It reads
 * files of the checkout alone, runs no program and must never write.
 */
import { readFileSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';

const COMMIT = /^[0-9a-f]{40,64}$/;
/** References that name one another; git itself follows five. */
const REFERENCES_MAX = 5;

/** The commit that is checked out around a folder, or undefined outside of a checkout. */
export function commitOf(folder: string): string | undefined {
  try {
    const git = gitFolder(folder);
    return git === undefined ? undefined : resolve(git, 'HEAD', REFERENCES_MAX);
  } catch {
    // A checkout that cannot be read says nothing; what the files say is in force all the same.
    return undefined;
  }
}

/** The folder of the repository: `.git`, or where a file of that name leads. */
function gitFolder(folder: string): string | undefined {
  for (let at = folder; ; at = dirname(at)) {
    const git = join(at, '.git');
    const stats = statSync(git, { throwIfNoEntry: false });
    if (stats?.isDirectory()) return git;
    if (stats?.isFile()) {
      const path = /^gitdir: (.+)$/m.exec(readFileSync(git, 'utf8'))?.[1]?.trim();
      if (path !== undefined) return isAbsolute(path) ? path : join(at, path);
    }
    if (dirname(at) === at) return undefined;
  }
}

function resolve(git: string, name: string, left: number): string | undefined {
  const text = textOf(join(git, name)) ?? textOf(join(commonOf(git), name)) ?? packed(git, name);
  if (text === undefined || left === 0) return undefined;
  const next = /^ref: (refs\/\S+)$/.exec(text)?.[1];
  if (next !== undefined) return next.includes('..') ? undefined : resolve(git, next, left - 1);
  return COMMIT.test(text) ? text : undefined;
}

/** A work tree keeps its own HEAD and shares the rest. */
function commonOf(git: string): string {
  const path = textOf(join(git, 'commondir'));
  if (path === undefined) return git;
  return isAbsolute(path) ? path : join(git, path);
}

function packed(git: string, name: string): string | undefined {
  const lines = (textOf(join(commonOf(git), 'packed-refs')) ?? '').split('\n');
  return lines.find((line) => line.endsWith(` ${name}`))?.split(' ')[0];
}

function textOf(file: string): string | undefined {
  return statSync(file, { throwIfNoEntry: false })?.isFile() === true
    ? readFileSync(file, 'utf8').trim()
    : undefined;
}
