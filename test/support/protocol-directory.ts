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
  readonly #byDigest = new Map<string, number>();
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
    const id = this.#byDigest.get(digest);
    const credential = id === undefined ? undefined : this.#records.get(`1.${id}`);
    if (id === undefined || credential?.value.kind !== 'credential') {
      return { outcome: 'unknown_key' };
    }
    if (credential.pending) return { outcome: 'pending' };
    if (!credential.value.enabled) return { outcome: 'disabled' };
    const { application } = credential.value;
    const named = this.#records.get(`2.${application}`);
    if (named === undefined) return { outcome: 'not_subscribed' };
    if (named.pending) return { outcome: 'pending' };
    return this.#subscription(id, `${application}.${product}`);
  }

  #subscription(credential: number, pair: string): Finding {
    const held = [...(this.#byPair.get(pair) ?? [])]
      .map((id) => ({ id, record: this.#records.get(`3.${id}`) }))
      .sort((a, b) => (b.record?.revision ?? 0) - (a.record?.revision ?? 0))[0];
    if (held?.record?.value.kind !== 'subscription') return { outcome: 'not_subscribed' };
    if (held.record.pending) return { outcome: 'pending' };
    if (!held.record.value.active) return { outcome: 'suspended' };
    const { plan } = held.record.value;
    return { outcome: 'found', credential, subscription: held.id, plan };
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
    this.#index(record.id, revision, decoded.value);
  }

  #index(id: number, revision: number, value: RecordBody): void {
    if (value.kind === 'credential') {
      const digest = hex(value.digest);
      const other = this.#records.get(`1.${this.#byDigest.get(digest)}`);
      // Of two with one digest the newer counts.
      if (other === undefined || other.revision <= revision) this.#byDigest.set(digest, id);
    } else if (value.kind === 'subscription') {
      const pair = `${value.application}.${value.product}`;
      const ids = this.#byPair.get(pair) ?? new Set();
      this.#byPair.set(pair, ids.add(id));
    }
  }

  #remove(record: WireRecord): void {
    const key = keyOf(record);
    if (record.revision < (this.#records.get(key)?.revision ?? 0)) return;
    this.#forget(key, record.id);
    this.#removed.set(key, record.revision);
  }

  #restrict(record: WireRecord): void {
    if (!record.present) return this.#remove(record);
    const held = this.#records.get(keyOf(record));
    if (held === undefined || record.revision <= held.revision) return;
    if (!Buffer.from(record.body).equals(held.body)) held.pending = true;
  }

  #forget(key: string, id: number): void {
    const held = this.#records.get(key);
    if (held === undefined) return;
    this.#records.delete(key);
    const { value } = held;
    if (value.kind === 'credential') {
      const digest = hex(value.digest);
      if (this.#byDigest.get(digest) === id) this.#byDigest.delete(digest);
    } else if (value.kind === 'subscription') {
      this.#byPair.get(`${value.application}.${value.product}`)?.delete(id);
    }
  }
}

function keyOf({ kind, id }: WireRecord): string {
  return `${kind}.${id}`;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
