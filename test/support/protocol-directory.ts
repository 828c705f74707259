/**
 * A directory as a filter holds it (docs/wire.md, section 4): records by id, generations, marks of
 * records that wait for a policy. It is a reference for tests, written for clearness, and must
 * never be faster than it is right.
 */
import type { WirePage, WireRecord } from '../../host/wire/directory.ts';
import { decodeRecordBody, type RecordBody } from '../../host/wire/records.ts';

/** A record as held. */
interface Held {
  readonly revision: number;
  readonly body: Uint8Array;
  readonly value: RecordBody;
  /** A newer body waits for the policy: a request that meets it is held. */
  pending: boolean;
}

/** What the directory says about a key and a product. */
export type Finding =
  | { readonly outcome: 'unknown_key' | 'not_subscribed' | 'pending' | 'disabled' | 'suspended' }
  | {
      readonly outcome: 'found';
      readonly credential: number;
      readonly subscription: number;
      readonly plan: number;
    };

/** One generation of a directory. */
export class ProtocolDirectory {
  readonly #records = new Map<string, Held>();
  readonly #byDigest = new Map<string, Set<number>>();
  /** Removals of this generation, so that an older put that comes late changes nothing. */
  readonly #removed = new Map<string, number>();
  readonly #byPair = new Map<string, Set<number>>();

  /** Records held. */
  get size(): number {
    return this.#records.size;
  }

  /** Applies the records of a page; `restrict` while a newer policy is pending. */
  apply(page: WirePage, restrict: boolean): void {
    for (const record of page.records) {
      if (restrict) this.#restrict(record);
      else if (record.present) this.#put(record);
      else this.#remove(record);
    }
  }

  /** Whether a key with this digest may use a product; validity times are not looked at. */
  find(digest: string, product: number): Finding {
    const newest = this.#newest(1, this.#byDigest.get(digest));
    if (newest?.held.value.kind !== 'credential') return { outcome: 'unknown_key' };
    const { id, held: credential } = newest;
    if (credential.pending) return { outcome: 'pending' };
    const { enabled, application } = newest.held.value;
    if (!enabled) return { outcome: 'disabled' };
    const named = this.#records.get(`2.${application}`);
    if (named === undefined) return { outcome: 'not_subscribed' };
    if (named.pending) return { outcome: 'pending' };
    return this.#subscription(id, `${application}.${product}`);
  }

  #subscription(credential: number, pair: string): Finding {
    const newest = this.#newest(3, this.#byPair.get(pair));
    if (newest?.held.value.kind !== 'subscription') return { outcome: 'not_subscribed' };
    if (newest.held.pending) return { outcome: 'pending' };
    const { active, plan } = newest.held.value;
    if (!active) return { outcome: 'suspended' };
    return { outcome: 'found', credential, subscription: newest.id, plan };
  }

  /** Of records that stand for the same thing the one with the newest revision counts. */
  #newest(
    kind: number,
    ids: ReadonlySet<number> = new Set(),
  ): { id: number; held: Held } | undefined {
    let newest: { id: number; held: Held } | undefined;
    for (const id of ids) {
      const held = this.#records.get(`${kind}.${id}`);
      if (held !== undefined && held.revision >= (newest?.held.revision ?? 0))
        newest = { id, held };
    }
    return newest;
  }

  #put(record: WireRecord): void {
    const key = keyOf(record);
    const held = this.#records.get(key);
    const newest = Math.max(held?.revision ?? 0, this.#removed.get(key) ?? 0);
    if (record.revision < newest) return;
    const decoded = decodeRecordBody(record.kind, record.body);
    if (!decoded.ok) throw new Error(`record ${key}: ${decoded.code}`);
    this.#forget(key, record.id);
    this.#removed.delete(key);
    const { body, revision } = record;
    this.#records.set(key, { revision, body, value: decoded.value, pending: false });
    this.#index(record.id, decoded.value);
  }

  #index(id: number, value: RecordBody): void {
    const [index, name] = this.#indexOf(value);
    index?.set(name, (index.get(name) ?? new Set()).add(id));
  }

  #indexOf(value: RecordBody): [Map<string, Set<number>> | undefined, string] {
    if (value.kind === 'credential') return [this.#byDigest, hex(value.digest)];
    if (value.kind === 'application') return [undefined, ''];
    return [this.#byPair, `${value.application}.${value.product}`];
  }

  #remove(record: WireRecord): void {
    const key = keyOf(record);
    if (record.revision < (this.#records.get(key)?.revision ?? 0)) return;
    this.#forget(key, record.id);
    this.#removed.set(key, record.revision);
  }

  #restrict(record: WireRecord): void {
    if (!record.present) {
      this.#remove(record);
      return;
    }
    const held = this.#records.get(keyOf(record));
    if (held === undefined || record.revision <= held.revision) return;
    if (!Buffer.from(record.body).equals(held.body)) held.pending = true;
  }

  #forget(key: string, id: number): void {
    const held = this.#records.get(key);
    if (held === undefined) return;
    this.#records.delete(key);
    const [index, name] = this.#indexOf(held.value);
    index?.get(name)?.delete(id);
  }
}

function keyOf({ kind, id }: WireRecord): string {
  return `${kind}.${id}`;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
