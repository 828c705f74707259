/**
 * Which commit a folder of a git checkout stands at, so that a host can say what it runs. It reads
 * files of the checkout alone, runs no program and must never write.
 */
import { readFile, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';

const COMMIT = /^[0-9a-f]{40,64}$/;
/** References that name one another; git itself follows five. */
const REFERENCES_MAX = 5;

/** The commit that is checked out around a folder, or undefined outside of a checkout. */
export async function commitOf(folder: string): Promise<string | undefined> {
  try {
    const git = await gitFolder(folder);
    return git === undefined ? undefined : await resolve(git, 'HEAD', REFERENCES_MAX);
  } catch {
    // A checkout that cannot be read says nothing; what the files say is in force all the same.
    return undefined;
  }
}

/** The folder of the repository: `.git`, or where a file of that name leads. */
async function gitFolder(folder: string): Promise<string | undefined> {
  for (let at = folder; ; at = dirname(at)) {
    const git = join(at, '.git');
    const stats = await statOf(git);
    if (stats?.isDirectory() === true) return git;
    if (stats?.isFile() === true) {
      const path = /^gitdir: (.+)$/m.exec(await readFile(git, 'utf8'))?.[1]?.trim();
      if (path !== undefined) return isAbsolute(path) ? path : join(at, path);
    }
    if (dirname(at) === at) return undefined;
  }
}

async function resolve(git: string, name: string, left: number): Promise<string | undefined> {
  const text =
    (await textOf(join(git, name))) ??
    (await textOf(join(await commonOf(git), name))) ??
    (await packed(git, name));
  if (text === undefined || left === 0) return undefined;
  const next = /^ref: (refs\/\S+)$/.exec(text)?.[1];
  if (next !== undefined) return next.includes('..') ? undefined : resolve(git, next, left - 1);
  return COMMIT.test(text) ? text : undefined;
}

/** A work tree keeps its own HEAD and shares the rest. */
async function commonOf(git: string): Promise<string> {
  const path = await textOf(join(git, 'commondir'));
  if (path === undefined) return git;
  return isAbsolute(path) ? path : join(git, path);
}

async function packed(git: string, name: string): Promise<string | undefined> {
  const text = await textOf(join(await commonOf(git), 'packed-refs'));
  const lines = (text ?? '').split('\n');
  return lines.find((line) => line.endsWith(` ${name}`))?.split(' ')[0];
}

async function textOf(file: string): Promise<string | undefined> {
  const isFile = (await statOf(file))?.isFile() === true;
  return isFile ? (await readFile(file, 'utf8')).trim() : undefined;
}

/** What a path is; undefined when there is nothing. */
function statOf(path: string) {
  return stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw error;
  });
}
