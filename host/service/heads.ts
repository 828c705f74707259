/**
 * What every proxy group stands at, kept in memory by the store's commits, so that thousands of
 * open watches cost the store nothing. It must never be ahead of what is durable.
 */
import type { CommitEvent, Store } from '../store/store.ts';

/** Revisions of one proxy group. */
export interface Head {
  /** Revision of the newest policy. */
  readonly policyRevision: number;
  /** Revision of the newest record or removal; 0 when there never was one. */
  readonly directoryRevision: number;
}

/** Told after the heads of these proxy groups have moved. */
export type HeadListener = (event: CommitEvent) => void;

/** The heads of all proxy groups of a store. */
export class Heads {
  readonly #heads = new Map<string, Head>();
  readonly #listeners = new Set<HeadListener>();
  #revision = 0;
  #stop: () => void = () => undefined;

  private constructor() {}

  /** Reads the heads of a store and follows its commits until `close`. */
  static async open(store: Store): Promise<Heads> {
    const heads = new Heads();
    // Listening begins before reading, so that a commit in between is missed by neither.
    heads.#stop = store.onCommit((event) => heads.#take(event));
    for (const head of await store.groups()) {
      heads.#raise(head.group, head.policyRevision, head.directoryRevision);
    }
    heads.#revision = Math.max(heads.#revision, await store.revision());
    return heads;
  }

  /** Head of the store. */
  get revision(): number {
    return this.#revision;
  }

  /** The head of a proxy group, or undefined when there never was such a group. */
  get(group: string): Head | undefined {
    return this.#heads.get(group);
  }

  /** Names of all proxy groups. */
  groups(): readonly string[] {
    return [...this.#heads.keys()];
  }

  /** Calls `listener` after each commit until the returned function is called. */
  onMove(listener: HeadListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Stops following the store. */
  close(): void {
    this.#stop();
    this.#listeners.clear();
  }

  #take(event: CommitEvent): void {
    this.#revision = Math.max(this.#revision, event.revision);
    for (const { group, policyChanged, directoryChanged } of event.groups) {
      const { revision } = event;
      this.#raise(group, policyChanged ? revision : 0, directoryChanged ? revision : 0);
    }
    for (const listener of this.#listeners) listener(event);
  }

  #raise(group: string, policyRevision: number, directoryRevision: number): void {
    const held = this.#heads.get(group) ?? { policyRevision: 0, directoryRevision: 0 };
    this.#heads.set(group, {
      policyRevision: Math.max(held.policyRevision, policyRevision),
      directoryRevision: Math.max(held.directoryRevision, directoryRevision),
    });
  }
}
