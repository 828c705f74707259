/**
 * The stored resources at hand where they are changed, so that a change need not read them all
 * again. It must never be taken for what is stored at another revision than it was read at.
 */
import { credentialIdentities, type RecordName } from '../compile/part.ts';
import { keyOf, type ResourceDiff } from '../resources/diff.ts';
import { HeldSet } from '../resources/held.ts';
import type { CanonicalResource } from '../resources/load.ts';
import { KINDS, type Kind } from '../resources/schema/schema.ts';
import type { SetPart, Store } from '../store/store.ts';

/** Resources read in one go: a few milliseconds, so that other calls of the store come between. */
const PAGE = 2_000;

/** What a change made of the set. */
interface Made {
  readonly diff: readonly ResourceDiff[];
  readonly resources: readonly CanonicalResource[];
}

/** The stored set, read when it is asked for and kept current by the changes that are told. */
export class StoredSet {
  readonly #store: Pick<Store, 'resourcePage'>;
  #held: { readonly revision: number; readonly set: HeldSet } | undefined;

  constructor(store: Pick<Store, 'resourcePage'>) {
    this.#store = store;
  }

  /**
   * The set as it stands at a revision. One that changes while it is read is of no revision; the
   * store refuses what is made of it, because the revision has moved on.
   */
  async at(revision: number): Promise<HeldSet> {
    if (this.#held?.revision === revision) return this.#held.set;
    this.#held = undefined;
    const set = new HeldSet();
    for (const kind of KINDS) await this.#read(kind, set);
    this.#held = { revision, set };
    return set;
  }

  /** Takes over a change that is durable, made of the set that `at` answered. */
  took({ diff, resources }: Made, revision: number): void {
    const { set } = this.#held ?? {};
    this.#held = undefined;
    if (set === undefined) return;
    const after = new Map(resources.map((each) => [keyOf(each), each]));
    for (const each of diff) {
      const resource = after.get(keyOf(each));
      if (resource !== undefined) set.put(resource);
      else set.remove({ ...each, kind: each.kind as Kind });
    }
    this.#held = { revision, set };
  }

  async #read(kind: string, set: HeldSet): Promise<void> {
    let after: { namespace: string; name: string } | undefined;
    for (;;) {
      const page = await this.#store.resourcePage({ kind, limit: PAGE, ...(after && { after }) });
      for (const each of page) set.put(each as CanonicalResource);
      after = page.at(-1);
      if (page.length < PAGE) return;
    }
  }
}

/** The part of the set that some stored resources are; `ids` are those of their records. */
export function partOf(
  near: readonly CanonicalResource[],
  records: readonly RecordName[],
  ids: readonly number[],
): SetPart {
  return {
    resources: near.map(({ kind, namespace, name }) => ({ kind, namespace, name })),
    credentials: credentialIdentities(near),
    records: records.map(({ kind }, index) => ({ kind, id: ids[index] ?? 0 })),
  };
}
