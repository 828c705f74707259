/**
 * Brings the resource folder into force: read, check, compile, apply. A folder with problems
 * changes nothing; it must never be applied in part.
 */
import type { Compiler } from '../compile/compiler.ts';
import type { CanonicalResource } from '../resources/load.ts';
import { formatProblem, type Problem } from '../resources/problem.ts';
import type { Refusal, ResourceChange, Store } from '../store/store.ts';
import { type FolderFile, readFolder } from './folder.ts';

/** What one reading of the folder came to. */
export type Reading =
  | { readonly outcome: 'applied' | 'unchanged'; readonly revision: number }
  | { readonly outcome: 'refused'; readonly problems: readonly string[] };

/** What reading a folder works with. */
export interface FolderParts {
  readonly path: string;
  readonly store: Store;
  readonly compiler: Compiler;
  readonly nowMs: () => number;
}

/** Reads the folder and brings it into force if nothing is wrong with it. */
export async function applyFolder(parts: FolderParts): Promise<Reading> {
  const { path, store, compiler, nowMs } = parts;
  let files: readonly FolderFile[];
  try {
    files = readFolder(path);
  } catch (error) {
    return refused([`${path}: the folder cannot be read: ${(error as Error).message}`]);
  }
  // A volume that is not mounted yet looks like this; everything would go.
  if (files.length === 0 && (await store.resources()).length > 0) {
    return refused([
      `${path}: there are no files any more: nothing is removed; a file with a comment removes all`,
    ]);
  }
  const compiled = await compileFiles(files, parts);
  if ('outcome' in compiled) return compiled;
  const change = { ...compiled, nowMs: nowMs(), by: 'folder', cause: 'folder' };
  const outcome = await store.applyResources(change);
  if (!outcome.ok) return refused(await explained(compiler, outcome));
  return { outcome: outcome.changed ? 'applied' : 'unchanged', revision: outcome.revision };
}

async function compileFiles(
  files: readonly FolderFile[],
  { compiler, store }: FolderParts,
): Promise<Omit<ResourceChange, 'nowMs'> | Reading> {
  const known = (await store.groups()).map(({ group }) => group);
  const stored = (await store.resources()) as readonly CanonicalResource[];
  const change = { files, remove: [], prune: true, namespaces: [] };
  const loaded = await compiler.merge(stored, change, known);
  if (!loaded.ok) return refused(texts(loaded.problems));
  const { credentials, groups } = await compiler.compile(await store.reserveIds(loaded.names));
  return { resources: loaded.resources, credentials, groups, compiledBy: compiler.mark };
}

/** A refusal of the store at its place in the files, or as it is when it has none. */
async function explained(compiler: Compiler, refusal: Refusal): Promise<readonly string[]> {
  const problems = await compiler.explain(refusal);
  if (problems.length > 0) return texts(problems);
  return [`${refusal.subject}: ${refusal.code}: ${refusal.message}`];
}

function refused(problems: readonly string[]): Reading {
  return { outcome: 'refused', problems };
}

function texts(problems: readonly Problem[]): string[] {
  return problems.map(formatProblem);
}
