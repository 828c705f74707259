/**
 * A store in memory, for tests and trials. It forgets everything with its process and must never
 * serve where a restart may not lose keys; its rules are those of every store.
 */

import { type CompiledRecord, type NameKey, RecordKind } from '../compile/output.ts';
import { MemoryAccess, MemoryAudit } from './audit-memory.ts';
import { StoreCore } from './core.ts';
import type { DirectoryLimits } from './directory.ts';
import { firstBehind, isNewest, type MemoryDirectory, sweep } from './memory-directory.ts';
import {
  type CredentialQuery,
  DIRECTORY_CREDENTIALS_MAX,
  type PolicyVersion,
  REMOVALS_KEPT_MAX,
  type ResourceQuery,
  type Store,
  type StoredResource,
} from './store.ts';
import {
  type CredentialFacts,
  type CredentialRow,
  type DeclaredFacts,
  type DirectoryPlace,
  type DirectoryRow,
  declaredText,
  type GroupRow,
  type Tables,
} from './tables.ts';

/** Opens an empty store in memory. `storeId` is 16 fresh random bytes. */
export function openMemoryStore(options: {
  readonly storeId: Uint8Array;
  readonly limits?: Partial<DirectoryLimits>;
}): Store {
  const limits = {
    credentialsMax: DIRECTORY_CREDENTIALS_MAX,
    removalsKeptMax: REMOVALS_KEPT_MAX,
    ...options.limits,
  };
  return new StoreCore(new MemoryTables(options.storeId), limits);
}

const NO_BODY = new Uint8Array(0);

/** Tables in maps. A transaction that throws is undone step by step. */
class MemoryTables implements Tables {
  readonly storeId: Uint8Array;
  readonly epoch = 1;
  readonly audit = new MemoryAudit((step) => this.#undo?.push(step));
  readonly access = new MemoryAccess((step) => this.#undo?.push(step));
  #revision = 0;
  #resourceRevision = 0;
  #compiledBy = '';
  #lastId = 0;
  #undo: (() => void)[] | undefined;
  readonly #ids = new Map<string, number>();
  readonly #names = new Map<number, NameKey>();
  readonly #resources = new Map<string, StoredResource>();
  readonly #credentials = new Map<number, CredentialRow>();
  readonly #idsByDigest = new Map<string, number>();
  readonly #idsByName = new Map<string, number>();
  readonly #idsByApplication = new Map<number, Set<number>>();
  readonly #groups = new Map<number, GroupRow>();
  readonly #directories = new Map<number, MemoryDirectory>();
  readonly #policies = new Map<number, PolicyVersion[]>();

  constructor(storeId: Uint8Array) {
    this.storeId = storeId;
  }

  transact<T>(change: () => T): T {
    const undo: (() => void)[] = [];
    this.#undo = undo;
    try {
      return change();
    } catch (error) {
      for (const step of undo.reverse()) step();
      throw error;
    } finally {
      this.#undo = undefined;
    }
  }

  revision(): number {
    return this.#revision;
  }

  setRevision(revision: number): void {
    const before = this.#revision;
    this.#undo?.push(() => {
      this.#revision = before;
    });
    this.#revision = revision;
  }

  resourceRevision(): number {
    return this.#resourceRevision;
  }

  setResourceRevision(revision: number): void {
    const before = this.#resourceRevision;
    this.#undo?.push(() => {
      this.#resourceRevision = before;
    });
    this.#resourceRevision = revision;
  }

  compiledBy(): string {
    return this.#compiledBy;
  }

  setCompiledBy(mark: string): void {
    const before = this.#compiledBy;
    this.#undo?.push(() => {
      this.#compiledBy = before;
    });
    this.#compiledBy = mark;
  }

  idOf(key: NameKey): number | undefined {
    return this.#ids.get(nameOf(key.kind, key.namespace, key.name));
  }

  idsOf(keys: readonly NameKey[]): (number | undefined)[] {
    return keys.map((key) => this.idOf(key));
  }

  nameOf(id: number): NameKey | undefined {
    return this.#names.get(id);
  }

  giveId(key: NameKey): number {
    this.#undo?.push(() => {
      this.#lastId -= 1;
    });
    this.#lastId += 1;
    this.#set(this.#names, this.#lastId, key);
    this.#set(this.#ids, nameOf(key.kind, key.namespace, key.name), this.#lastId);
    return this.#lastId;
  }

  giveIds(keys: readonly NameKey[]): number {
    const first = this.#lastId + 1;
    for (const key of keys) this.giveId(key);
    return first;
  }

  resource(kind: string, namespace: string, name: string): string | undefined {
    return this.#resources.get(nameOf(kind, namespace, name))?.text;
  }

  resources(kind?: string): StoredResource[] {
    const chosen = [...this.#resources.values()].filter(
      (r) => kind === undefined || r.kind === kind,
    );
    return chosen.sort((a, b) => compare(sortKey(a), sortKey(b)));
  }

  resourcePage({ kind, after, namespaces, search = '', limit }: ResourceQuery): StoredResource[] {
    const from = after === undefined ? '' : nameOf(kind, after.namespace, after.name);
    const isChosen = (each: StoredResource) =>
      sortKey(each) > from &&
      (namespaces === undefined || namespaces.includes(each.namespace)) &&
      each.name.includes(search);
    return this.resources(kind).filter(isChosen).slice(0, limit);
  }

  putResource(resource: StoredResource): void {
    const { kind, namespace, name } = resource;
    this.#set(this.#resources, nameOf(kind, namespace, name), resource);
  }

  deleteResource(kind: string, namespace: string, name: string): void {
    this.#set(this.#resources, nameOf(kind, namespace, name), undefined);
  }

  credential(id: number): CredentialRow | undefined {
    return this.#credentials.get(id);
  }

  credentialNamed(namespace: string, name: string): CredentialRow | undefined {
    const id = this.#idsByName.get(nameOf('Credential', namespace, name));
    return id === undefined ? undefined : this.#credentials.get(id);
  }

  credentialWithDigest(digest: Uint8Array): CredentialRow | undefined {
    const id = this.#idsByDigest.get(hex(digest));
    return id === undefined ? undefined : this.#credentials.get(id);
  }

  credentialsOf(applications: readonly number[], origin?: 'key'): CredentialFacts[] {
    const ids = applications.flatMap((each) => [...(this.#idsByApplication.get(each) ?? [])]);
    return ids
      .sort((a, b) => a - b)
      .flatMap((id) => this.#credentials.get(id) ?? [])
      .filter((row) => origin === undefined || row.origin === origin);
  }

  declaredFacts(): DeclaredFacts[] {
    return this.#sorted(({ origin }) => origin === 'resource').map((row) => {
      const { id, applicationId, digest } = row;
      return { id, applicationId, digest, text: declaredText(row) };
    });
  }

  listCredentials(query: CredentialQuery): CredentialRow[] {
    const { namespace, application, afterId = 0, limit } = query;
    const chosen = this.#sorted(
      (row) =>
        row.id > afterId &&
        (namespace === undefined || row.namespace === namespace) &&
        (application === undefined || row.application === application),
    );
    return chosen.slice(0, limit);
  }

  putCredential(row: CredentialRow): void {
    this.deleteCredential(row.id);
    this.#set(this.#credentials, row.id, row);
    this.#set(this.#idsByDigest, hex(row.digest), row.id);
    this.#set(this.#idsByName, nameOf('Credential', row.namespace, row.name), row.id);
    const ids = this.#idsByApplication.get(row.applicationId) ?? new Set();
    this.#set(this.#idsByApplication, row.applicationId, ids);
    this.#undo?.push(() => ids.delete(row.id));
    ids.add(row.id);
  }

  deleteCredential(id: number): void {
    const row = this.#credentials.get(id);
    if (row === undefined) return;
    this.#set(this.#credentials, id, undefined);
    this.#set(this.#idsByDigest, hex(row.digest), undefined);
    const name = nameOf('Credential', row.namespace, row.name);
    if (this.#idsByName.get(name) === id) this.#set(this.#idsByName, name, undefined);
    const ids = this.#idsByApplication.get(row.applicationId);
    this.#undo?.push(() => ids?.add(id));
    ids?.delete(id);
  }

  groupNamed(name: string): GroupRow | undefined {
    for (const row of this.#groups.values()) if (row.name === name) return row;
    return undefined;
  }

  groups(): GroupRow[] {
    return [...this.#groups.values()].sort((a, b) => compare(a.name, b.name));
  }

  putGroup(row: GroupRow): void {
    this.#set(this.#groups, row.id, row);
  }

  directoryRow(group: number, kind: RecordKind, id: number): DirectoryRow | undefined {
    return this.#directories.get(group)?.rows.get(`${kind}/${id}`);
  }

  *presentRecords(group: number): Iterable<DirectoryRow> {
    for (const row of this.#directories.get(group)?.rows.values() ?? []) {
      if (row.present && row.kind !== RecordKind.credential) yield row;
    }
  }

  groupsOf(applicationId: number): number[] {
    const key = `${RecordKind.application}/${applicationId}`;
    const groups = [...this.#directories].filter(([, d]) => d.rows.get(key)?.present === true);
    return groups.map(([group]) => group).sort((a, b) => a - b);
  }

  changeRow(row: DirectoryRow): void {
    const directory = this.#directory(row.group);
    this.#set(directory.rows, `${row.kind}/${row.id}`, row);
    directory.log.push(row);
    directory.sorted = false;
  }

  enterRows(group: number, revision: number, records: readonly CompiledRecord[]): number {
    let replaced = 0;
    for (const record of records) {
      if (this.directoryRow(group, record.kind, record.id) !== undefined) replaced += 1;
      this.changeRow({ ...record, group, revision, present: true });
    }
    return replaced;
  }

  leaveRow(group: number, kind: RecordKind, id: number, revision: number): boolean {
    if (this.directoryRow(group, kind, id)?.present !== true) return false;
    this.changeRow({ group, kind, id, revision, present: false, body: NO_BODY });
    return true;
  }

  *rowsAfter(group: number, place: DirectoryPlace): Iterable<DirectoryRow> {
    const directory = this.#directory(group);
    sweep(directory);
    for (let at = firstBehind(directory.log, place); at < directory.log.length; at++) {
      const row = directory.log[at];
      if (row !== undefined && isNewest(directory, row)) yield row;
    }
  }

  forgetRemovals(group: number, keep: number): { removals: number; forgotten: number } {
    const { rows } = this.#directory(group);
    const removals = [...rows.values()].filter((row) => !row.present);
    removals.sort((a, b) => b.revision - a.revision);
    const forgotten = removals[keep]?.revision ?? 0;
    const dropped = removals.filter((row) => row.revision <= forgotten);
    for (const row of dropped) this.#set(rows, `${row.kind}/${row.id}`, undefined);
    return { removals: removals.length - dropped.length, forgotten };
  }

  policies(group: number): PolicyVersion[] {
    return this.#policies.get(group) ?? [];
  }

  putPolicy(group: number, policy: PolicyVersion, keep: number): void {
    this.#set(this.#policies, group, [policy, ...this.policies(group)].slice(0, keep));
  }

  close(): void {
    // Nothing is held outside this object.
  }

  #directory(group: number): MemoryDirectory {
    let directory = this.#directories.get(group);
    if (directory === undefined) {
      directory = { rows: new Map(), log: [], sorted: true };
      this.#directories.set(group, directory);
    }
    return directory;
  }

  /** Sets or, for undefined, deletes; undone when the transaction throws. */
  #set<K, V>(map: Map<K, V>, key: K, value: V | undefined): void {
    const before = map.get(key);
    this.#undo?.push(() => {
      if (before === undefined) map.delete(key);
      else map.set(key, before);
    });
    if (value === undefined) map.delete(key);
    else map.set(key, value);
  }

  #sorted(chosen: (row: CredentialRow) => boolean): CredentialRow[] {
    return [...this.#credentials.values()].filter(chosen).sort((a, b) => a.id - b.id);
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function nameOf(kind: string, namespace: string, name: string): string {
  return `${kind}\0${namespace}\0${name}`;
}

function sortKey(resource: StoredResource): string {
  return nameOf(resource.kind, resource.namespace, resource.name);
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
