/**
 * The way from files to what the store takes: load, then compile once ids are known. It keeps one
 * loaded set between the two steps, so that a set crosses no thread; ids come from the store.
 */

import type { ResourceDiff } from '../resources/diff.ts';
import {
  type CanonicalResource,
  type FilesRead,
  type InputFile,
  type Loaded,
  loadResources,
} from '../resources/load.ts';
import { mergeResources, type Reach, type SetChange } from '../resources/merge.ts';
import type { ResourceSet } from '../resources/model.ts';
import type { Problem } from '../resources/problem.ts';
import { compilePolicies, compileSet, groupsOf } from './compile.ts';
import { Ids, idNames } from './ids.ts';
import type { CompiledSet, Excess, NameKey } from './output.ts';

/** A set free of problems, waiting for ids. */
export interface LoadedSet {
  readonly ok: true;
  readonly resources: readonly CanonicalResource[];
  /** Names that need ids. */
  readonly names: readonly NameKey[];
}

/** A changed set free of problems, waiting for ids. */
export interface MergedSet extends LoadedSet {
  /** What leads from the stored set to this one. */
  readonly diff: readonly ResourceDiff[];
  readonly reach: Reach['reach'];
}

/** Problems of a set, in the order of files and lines. */
export interface Faulty {
  readonly ok: false;
  readonly problems: readonly Problem[];
}

/** A refusal of the store that names a declared credential or a proxy group. */
export interface StoreRefusal {
  readonly code: string;
  readonly message: string;
  /** `<namespace>/<name>` of a credential, or the name of a proxy group. */
  readonly subject: string;
}

/** Loads and compiles one set after another. */
export interface Compiler {
  /** Another whenever the same resources may come to other bytes. */
  readonly mark: string;
  /** Loads files. `known` = proxy groups that have a policy already. Replaces the set before. */
  load(files: readonly InputFile[], known: readonly string[]): Promise<LoadedSet | Faulty>;
  /** Brings a change into the stored set and loads what comes of it. Replaces the set before. */
  merge(
    stored: readonly CanonicalResource[],
    change: SetChange,
    known: readonly string[],
    read?: FilesRead,
  ): Promise<MergedSet | (Faulty & Reach)>;
  /** Compiles the loaded set; `ids[i]` is the id of `names[i]`. */
  compile(ids: readonly number[]): Promise<CompiledSet>;
  /** The store's refusal of the loaded set as a problem at its place. */
  explain(refusal: StoreRefusal): Promise<readonly Problem[]>;
  close(): Promise<void>;
}

/** Compiles in the calling thread: for small sets, the command line and tests. */
export class InlineCompiler implements Compiler {
  readonly mark: string;
  #set: ResourceSet | undefined;
  #groups: readonly string[] = [];
  #names: readonly NameKey[] = [];

  constructor(mark = '') {
    this.mark = mark;
  }

  async load(files: readonly InputFile[], known: readonly string[]): Promise<LoadedSet | Faulty> {
    this.#set = undefined;
    return this.#take(loadResources(files), known);
  }

  async merge(
    stored: readonly CanonicalResource[],
    change: SetChange,
    known: readonly string[],
    read?: FilesRead,
  ): Promise<MergedSet | (Faulty & Reach)> {
    this.#set = undefined;
    const merged = mergeResources(stored, change, read);
    if (!merged.ok) return merged;
    const taken = this.#take(merged, known);
    const { diff, reach } = merged;
    return taken.ok ? { ...taken, diff, reach } : { ...taken, reach };
  }

  #take(loaded: Loaded, known: readonly string[]): LoadedSet | Faulty {
    if (!loaded.ok) return loaded;
    const groups = groupsOf(loaded.set, known);
    const names = idNames(loaded.set, groups);
    // Bounds do not depend on ids, so that any will do to find what is too large.
    const ids = new Ids(
      names,
      names.map((_, i) => i + 1),
    );
    const { excess } = compilePolicies(loaded.set, groups, ids);
    if (excess.length > 0) return { ok: false, problems: excessProblems(loaded.set, excess) };
    this.#set = loaded.set;
    this.#groups = groups;
    this.#names = names;
    return { ok: true, resources: loaded.resources, names };
  }

  async compile(ids: readonly number[]): Promise<CompiledSet> {
    const compiled = compileSet(this.#loaded(), this.#groups, new Ids(this.#names, ids));
    if (!compiled.ok) throw new Error('a loaded set is within its bounds');
    return compiled.value;
  }

  async explain(refusal: StoreRefusal): Promise<readonly Problem[]> {
    const set = this.#loaded();
    const { code, message, subject } = refusal;
    if (code === 'directory_full') {
      const origin = firstOf(set, subject)?.origin;
      return origin === undefined ? [] : [origin.problem('SG1503', { reason: message }, NAME)];
    }
    const credential = set.credentials.find((each) => `${each.namespace}/${each.name}` === subject);
    const origin = credential?.origin;
    if (origin === undefined) return [];
    const { name } = credential ?? { name: '' };
    return code === 'digest_taken'
      ? [origin.problem('SG1501', {}, ['spec', 'digest'])]
      : [origin.problem('SG1502', { name }, NAME)];
  }

  async close(): Promise<void> {
    this.#set = undefined;
  }

  #loaded(): ResourceSet {
    if (this.#set === undefined) throw new Error('no set is loaded');
    return this.#set;
  }
}

const NAME = ['metadata', 'name'] as const;

function excessProblems(set: ResourceSet, excess: readonly Excess[]): Problem[] {
  return excess.flatMap(({ group, what, count, most }) => {
    const origin = firstOf(set, group)?.origin;
    return origin === undefined
      ? []
      : [origin.problem('SG1405', { group, what, count, most }, NAME)];
  });
}

/** The first product of a proxy group stands for the group in a problem. */
function firstOf(set: ResourceSet, group: string) {
  return set.products.find(({ proxyGroup }) => proxyGroup === group);
}
