/**
 * The policies of every proxy group cut into pages, kept in memory because every proxy fetches
 * the same pages at once after a change. It must never serve a page of a policy the store has
 * let go.
 */
import type { Store } from '../store/store.ts';
import { type PagedPolicy, pagePolicy } from '../wire/manifest.ts';
import type { Heads } from './heads.ts';

/** A policy of a proxy group, ready to be served. */
export interface ServedPolicy extends PagedPolicy {
  /** Revision that brought it. */
  readonly revision: number;
  /** The digest in lower-case hexadecimal. */
  readonly name: string;
}

/** Why there is no page. */
export type NoPage = 'no_group' | 'no_page' | 'replaced';

/** Policies of all proxy groups, newest first, read again when a group's head has moved. */
export class Policies {
  readonly #store: Store;
  readonly #heads: Heads;
  readonly #served = new Map<string, Promise<readonly ServedPolicy[]>>();
  readonly #stop: () => void;

  constructor(store: Store, heads: Heads) {
    this.#store = store;
    this.#heads = heads;
    this.#stop = heads.onMove((event) => {
      for (const { group, policyChanged } of event.groups) {
        if (policyChanged) this.#served.delete(group);
      }
    });
  }

  /** The newest policy of a proxy group, or undefined when there is no such group. */
  async newest(group: string): Promise<ServedPolicy | undefined> {
    return (await this.#policies(group))[0];
  }

  /** Page `page` (from 0) of the policy with this digest in hexadecimal. */
  async page(group: string, name: string, page: number): Promise<Uint8Array | NoPage> {
    const policies = await this.#policies(group);
    if (policies.length === 0) return 'no_group';
    const policy = policies.find((one) => one.name === name);
    if (policy === undefined) return 'replaced';
    return policy.pages[page] ?? 'no_page';
  }

  /** Stops following the store. */
  close(): void {
    this.#stop();
  }

  async #policies(group: string): Promise<readonly ServedPolicy[]> {
    if (this.#heads.get(group) === undefined) return [];
    const known = this.#served.get(group);
    if (known !== undefined) return known;
    const reading = this.#read(group);
    this.#served.set(group, reading);
    try {
      return await reading;
    } catch (error) {
      // A fault of the store must not be remembered; a newer read must not be forgotten.
      if (this.#served.get(group) === reading) this.#served.delete(group);
      throw error;
    }
  }

  async #read(group: string): Promise<readonly ServedPolicy[]> {
    const versions = await this.#store.policies(group);
    return versions.map(({ revision, bytes }) => {
      const paged = pagePolicy(bytes);
      return { ...paged, revision, name: Buffer.from(paged.digest).toString('hex') };
    });
  }
}
