/**
 * What the contract tests of the store share: fixtures, the walk of a filter, and the kit that a
 * test gets. It uses the interface alone and must never look at how a store keeps anything.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { type CompiledGroup, type CompiledRecord, RecordKind } from '../../host/compile/output.ts';
import type {
  DirectoryCursor,
  DirectoryRecord,
  NewCredential,
  Outcome,
  ResourceChange,
  Store,
  StoredResource,
} from '../../host/store/store.ts';

/** Bounds a contract test sets; small ones make their effects visible. */
export interface ContractLimits {
  readonly credentialsMax?: number;
  readonly removalsKeptMax?: number;
}

/** What one record costs on the wire besides its body. */
export const OVERHEAD = 20;

/** A page large enough for everything a contract test makes. */
export const ALL = 1 << 20;

/** SHA-256 of a text, as a stand-in for the digest of a key. */
export function digestOf(text: string): Uint8Array {
  return new Uint8Array(createHash('sha256').update(text).digest());
}

/** An application as the resource set holds it. */
export function application(name: string): StoredResource {
  return { kind: 'Application', namespace: 'default', name, text: `{"spec":"${name}"}` };
}

/** A record with a body that tells versions apart. */
export function record(kind: RecordKind, id: number, version = 1): CompiledRecord {
  return { kind, id, body: new Uint8Array([kind, id & 0xff, version]) };
}

/** One group whose directory holds the given records under an unchanging policy. */
export function group(name: string, records: CompiledRecord[], policy = 'policy'): CompiledGroup {
  return { group: name, policy: new TextEncoder().encode(policy), records };
}

/** A change of the resource set. */
export function change(parts: Partial<ResourceChange>): ResourceChange {
  return { resources: [], credentials: [], groups: [], nowMs: 1_000, ...parts };
}

/** A fresh key's record for application `app`. */
export function newKey(text: string, more: Partial<NewCredential> = {}): NewCredential {
  return {
    namespace: 'default',
    application: 'app',
    brand: 'sg',
    displayPrefix: 'sg_ab',
    digest: digestOf(text),
    notBeforeMs: null,
    notAfterMs: null,
    createdAtMs: 5_000,
    ...more,
  };
}

/** Walks a directory page by page as a filter does and checks the order on the way. */
export async function walk(
  store: Store,
  name: string,
  after: number,
  maxBytes = ALL,
): Promise<DirectoryRecord[]> {
  const records: DirectoryRecord[] = [];
  let cursor: DirectoryCursor | undefined;
  for (;;) {
    const query = { group: name, after, maxBytes, overheadBytes: OVERHEAD };
    const page = await store.directoryAfter(cursor === undefined ? query : { ...query, cursor });
    assert.equal(page.outcome, 'page');
    if (page.outcome !== 'page') return records;
    records.push(...page.records);
    if (page.complete) return records;
    cursor = page.records.at(-1);
  }
}

/** Records in short: `revision:kind.id`, and `gone` for a removal. */
export function brief(records: readonly DirectoryRecord[]): string[] {
  return records.map((r) => `${r.revision}:${r.kind}.${r.id}${r.present ? '' : ' gone'}`);
}

/** One promise of a store. */
export interface ContractTest {
  readonly name: string;
  run(kit: StoreKit): Promise<void>;
}

/** Opens an empty store with the given bounds. */
export type OpenStore = (limits: ContractLimits) => Promise<Store>;

/** An open store in which the id of application `app` is reserved. */
export class StoreKit {
  store: Store;
  /** Id of application `app`. */
  app: number;
  readonly #open: OpenStore;

  private constructor(open: OpenStore, store: Store, app: number) {
    this.#open = open;
    this.store = store;
    this.app = app;
  }

  /** Opens a store and reserves the id. */
  static async start(open: OpenStore, limits: ContractLimits = {}): Promise<StoreKit> {
    const store = await open(limits);
    const key = { kind: 'Application', namespace: 'default', name: 'app' } as const;
    const [app = 0] = await store.reserveIds([key]);
    return new StoreKit(open, store, app);
  }

  /** Replaces the store by an empty one with other bounds. */
  async reopen(limits: ContractLimits): Promise<void> {
    await this.store.close();
    const next = await StoreKit.start(this.#open, limits);
    this.store = next.store;
    this.app = next.app;
  }

  /** Applies the usual set: application `app`, in the directories of the named groups. */
  applied(...groups: string[]): Promise<Outcome<null>> {
    const records = [record(RecordKind.application, this.app)];
    const compiled = groups.map((name) => group(name, records));
    return this.store.applyResources(change({ resources: [application('app')], groups: compiled }));
  }
}
