/**
 * Brings the resource folder into force: read, check, compile, apply, one reading at a time. A
 * folder with problems changes nothing; it must never be applied in part.
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

/** What the host has in force, and what is wrong with the folder as last read. */
export interface ResourceStatus {
  /** The folder that alone changes resources, or undefined where the admin API does. */
  readonly folder?: string | undefined;
  /** `none` before the first reading, `refused` while the folder has problems. */
  readonly state: 'none' | 'applied' | 'refused';
  /** When the folder was last read, Unix milliseconds; 0 before. */
  readonly readAtMs: number;
  /** Empty unless refused. */
  readonly problems: readonly string[];
}

/** What a reloader works with. */
export interface ReloaderOptions {
  readonly path: string;
  readonly store: Store;
  readonly compiler: Compiler;
  readonly nowMs: () => number;
  /** Does work when nobody else uses the compiler, which holds one set at a time. */
  readonly inTurn?: <T>(work: () => Promise<T>) => Promise<T>;
  /** Told after each reading, with the time it took. */
  readonly onRead: (reading: Reading, seconds: number) => void;
}

/** Reads the folder when asked to; askings during a reading become one more. */
export class Reloader {
  readonly #options: ReloaderOptions;
  #status: ResourceStatus;
  #running: Promise<Reading> | undefined;
  #queued: Promise<Reading> | undefined;

  constructor(options: ReloaderOptions) {
    this.#options = options;
    this.#status = { folder: options.path, state: 'none', readAtMs: 0, problems: [] };
  }

  /** What the last reading came to. */
  get status(): ResourceStatus {
    return this.#status;
  }

  /** Reads the folder as it is from now on and brings it into force if nothing is wrong with it. */
  reload(): Promise<Reading> {
    if (this.#running === undefined) {
      this.#running = this.#read().finally(() => {
        this.#running = undefined;
      });
      return this.#running;
    }
    this.#queued ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#queued = undefined;
        return this.reload();
      });
    return this.#queued;
  }

  async #read(): Promise<Reading> {
    const { nowMs, onRead } = this.#options;
    const beganMs = nowMs();
    const { inTurn = (work) => work() } = this.#options;
    const reading = await inTurn(() => this.#apply());
    const refused = reading.outcome === 'refused';
    this.#status = {
      folder: this.#options.path,
      state: refused ? 'refused' : 'applied',
      readAtMs: beganMs,
      problems: refused ? reading.problems : [],
    };
    onRead(reading, (nowMs() - beganMs) / 1_000);
    return reading;
  }

  async #apply(): Promise<Reading> {
    const { path, store, nowMs } = this.#options;
    let files: readonly FolderFile[];
    try {
      files = readFolder(path);
    } catch (error) {
      return refused([`${path}: the folder cannot be read: ${(error as Error).message}`]);
    }
    const compiled = await this.#compile(files);
    if ('outcome' in compiled) return compiled;
    const outcome = await store.applyResources({
      ...compiled,
      nowMs: nowMs(),
      by: 'folder',
      cause: 'folder',
    });
    if (!outcome.ok) return refused(await this.#explain(outcome));
    return { outcome: outcome.changed ? 'applied' : 'unchanged', revision: outcome.revision };
  }

  async #compile(files: readonly FolderFile[]): Promise<Omit<ResourceChange, 'nowMs'> | Reading> {
    const { compiler, store } = this.#options;
    const known = (await store.groups()).map(({ group }) => group);
    const stored = (await store.resources()) as readonly CanonicalResource[];
    const change = { files, remove: [], prune: true, namespaces: [] };
    const loaded = await compiler.merge(stored, change, known);
    if (!loaded.ok) return refused(texts(loaded.problems));
    const { credentials, groups } = await compiler.compile(await store.reserveIds(loaded.names));
    return { resources: loaded.resources, credentials, groups };
  }

  /** A refusal of the store at its place in the files, or as it is when it has none. */
  async #explain(refusal: Refusal): Promise<readonly string[]> {
    const problems = await this.#options.compiler.explain(refusal);
    if (problems.length > 0) return texts(problems);
    return [`${refusal.subject}: ${refusal.code}: ${refusal.message}`];
  }
}

function refused(problems: readonly string[]): Reading {
  return { outcome: 'refused', problems };
}

function texts(problems: readonly Problem[]): readonly string[] {
  return problems.map(formatProblem);
}
