/**
 * Who may call for each proxy group: the principals of the resources in force, followed by the
 * store's commits. It must never know where a caller's principal comes from.
 */
import { specOf } from '../resources/spec.ts';
import type { Store } from '../store/store.ts';

/** The principals of all proxy groups of a store. */
export class Principals {
  readonly #store: Store;
  #groups = new Map<string, ReadonlySet<string>>();
  #revision = -1;
  #work: Promise<void> = Promise.resolve();
  #stop: () => void = () => undefined;

  private constructor(store: Store) {
    this.#store = store;
  }

  /** Reads them and follows commits until `close`; later faults go to `onFault`. */
  static async open(store: Store, onFault: (error: unknown) => void): Promise<Principals> {
    const principals = new Principals(store);
    const read = principals.#read();
    principals.#work = read;
    principals.#stop = store.onCommit(() => {
      principals.#work = principals.#work.then(() => principals.#read()).catch(onFault);
    });
    await read;
    return principals;
  }

  /** Whether a principal may call for a proxy group. Nobody may where none is named. */
  has(group: string, principal: string): boolean {
    return this.#groups.get(group)?.has(principal) === true;
  }

  /** Resolves once every commit heard of so far is known. */
  settled(): Promise<void> {
    return this.#work;
  }

  /** Stops following the store. */
  async close(): Promise<void> {
    this.#stop();
    await this.#work;
  }

  async #read(): Promise<void> {
    const revision = await this.#store.resourceRevision();
    if (revision === this.#revision) return;
    const stored = await this.#store.resources('ProxyGroup');
    this.#groups = new Map(
      stored.map(({ name, text }) => {
        return [name, new Set(specOf<'ProxyGroup'>(text)?.principals)];
      }),
    );
    this.#revision = revision;
  }
}
