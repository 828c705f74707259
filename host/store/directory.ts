/**
 * One change of directories: writes what enters, changes and leaves as one revision, and refuses
 * what does not fit. It must never decide who belongs into a directory.
 */

import { type CompiledRecord, type NameKey, RecordKind } from '../compile/output.ts';
import { type CredentialBody, encodeCredential, writeCredential } from '../compile/records.ts';
import { placeText } from '../resources/reference.ts';
import { ByteWriter } from '../wire/bytes.ts';
import { type CommitEvent, type CredentialIdentity, POLICIES_KEPT, type Refusal } from './store.ts';
import type { CredentialFacts, DirectoryRow, GroupRow, Tables } from './tables.ts';

/** Bytes of memory taken at once for bodies of records. */
const BODIES_BYTES = 65_536;

/** Bounds of every directory of a store. */
export interface DirectoryLimits {
  /** Most credentials in the directory of one proxy group. */
  readonly credentialsMax: number;
  /** Most removals kept for one proxy group. */
  readonly removalsKeptMax: number;
}

/** A policy that replaces the one a proxy group has. */
export interface PolicyChange {
  readonly group: string;
  readonly bytes: Uint8Array;
}

/**
 * The name of a credential's id. Digest and application are part of it because neither may change
 * under one id; the credential's own name is not, so that renaming one keeps its id.
 */
export function credentialIdKey(credential: CredentialIdentity): NameKey {
  const digest = Buffer.from(credential.digest).toString('hex');
  const name = `${credential.application}/${digest}`;
  return { kind: 'Credential', namespace: credential.namespace, name };
}

/** Ids of names, new ones for those that have none. */
export function idsFor(tables: Tables, names: readonly NameKey[]): readonly number[] {
  const found = tables.idsOf(names);
  const textOf = (key: NameKey) => `${key.kind} ${placeText(key)}`;
  const lacking = new Map<string, NameKey>();
  for (const [at, key] of names.entries()) {
    if (found[at] === undefined) lacking.set(textOf(key), key);
  }
  const given = new Map<string, number>();
  let next = tables.giveIds([...lacking.values()]);
  for (const text of lacking.keys()) given.set(text, next++);
  return names.map((key, at) => found[at] ?? given.get(textOf(key)) ?? 0);
}

/** The directory record of a credential that is not revoked. */
export function credentialRecord(row: CredentialFacts): CompiledRecord {
  return { kind: RecordKind.credential, id: row.id, body: encodeCredential(bodyOf(row)) };
}

/** Directory records of credentials that are not revoked; their bodies share memory. */
export function credentialRecords(rows: Iterable<CredentialFacts>): CompiledRecord[] {
  const bodies = new ByteWriter(BODIES_BYTES);
  return Array.from(rows, (row) => {
    const body = writeCredential(bodies, bodyOf(row)).take();
    return { kind: RecordKind.credential, id: row.id, body };
  });
}

function bodyOf(row: CredentialFacts): CredentialBody {
  const { digest, applicationId: application, notBeforeMs, notAfterMs, rules } = row;
  return { digest, application, notBeforeMs, notAfterMs, enabled: row.state === 'enabled', rules };
}

/** What a change does to the counters of one proxy group. */
interface Counts {
  credentials: number;
  removals: number;
}

/**
 * Writes the changes of one revision and counts them. Use it once, inside one transaction that a
 * refusal undoes.
 */
export class DirectoryChange {
  readonly #tables: Tables;
  readonly #limits: DirectoryLimits;
  readonly #revision: number;
  readonly #counts = new Map<number, Counts>();

  constructor(tables: Tables, limits: DirectoryLimits, revision: number) {
    this.#tables = tables;
    this.#limits = limits;
    this.#revision = revision;
  }

  /** True when nothing was written. */
  get empty(): boolean {
    return this.#counts.size === 0;
  }

  /** Records that are not present enter. */
  enter(group: number, records: readonly CompiledRecord[]): void {
    if (records.length === 0) return;
    const counts = this.#countsOf(group);
    for (const { kind } of records) if (kind === RecordKind.credential) counts.credentials += 1;
    counts.removals -= this.#tables.enterRows(group, this.#revision, records);
  }

  /** A record enters or changes; one that is present with an equal body is left alone. */
  put(group: number, record: CompiledRecord): void {
    const before = this.#tables.directoryRow(group, record.kind, record.id);
    if (before?.present !== true) this.enter(group, [record]);
    else this.change(before, record);
  }

  /** A present record changes, unless its body is equal. */
  change(before: DirectoryRow, record: CompiledRecord): void {
    if (Buffer.compare(before.body, record.body) === 0) return;
    this.#countsOf(before.group);
    this.#tables.changeRow({ ...before, revision: this.#revision, body: record.body });
  }

  /** A record leaves; one that is not present is left alone. */
  leave(group: number, kind: RecordKind, id: number): void {
    if (!this.#tables.leaveRow(group, kind, id, this.#revision)) return;
    const counts = this.#countsOf(group);
    if (kind === RecordKind.credential) counts.credentials -= 1;
    counts.removals += 1;
  }

  /** The refusal of a change that a directory cannot take, if it is one. */
  refusal(): Refusal | undefined {
    const most = this.#limits.credentialsMax;
    for (const row of this.#tables.groups()) {
      const credentials = row.credentials + (this.#counts.get(row.id)?.credentials ?? 0);
      if (credentials <= most || credentials <= row.credentials) continue;
      const message =
        `the directory of proxy group "${row.name}" would hold ${credentials} credentials, ` +
        `at most ${most}`;
      return { ok: false, code: 'directory_full', subject: row.name, message };
    }
    return undefined;
  }

  /** Ends the revision and answers what to tell the listeners. */
  commit(policies: readonly PolicyChange[]): CommitEvent {
    const byName = new Map(policies.map((policy) => [policy.group, policy.bytes]));
    const groups: CommitEvent['groups'][number][] = [];
    for (const row of this.#tables.groups()) {
      const counts = this.#counts.get(row.id);
      const bytes = byName.get(row.name);
      if (counts === undefined && bytes === undefined) continue;
      this.#writeGroup(row, counts, bytes);
      const policyChanged = bytes !== undefined;
      groups.push({ group: row.name, policyChanged, directoryChanged: counts !== undefined });
    }
    this.#tables.setRevision(this.#revision);
    return { revision: this.#revision, groups };
  }

  #writeGroup(row: GroupRow, counts: Counts | undefined, bytes: Uint8Array | undefined): void {
    const revision = this.#revision;
    let next = row;
    if (bytes !== undefined) {
      this.#tables.putPolicy(row.id, { revision, bytes }, POLICIES_KEPT);
      next = { ...next, policyRevision: revision };
    }
    if (counts !== undefined) {
      const credentials = row.credentials + counts.credentials;
      const removals = row.removals + counts.removals;
      next = { ...next, directoryRevision: revision, credentials, removals };
    }
    this.#tables.putGroup(this.#forget(next));
  }

  /** Forgets a quarter more than it must, so that not every removal pays for forgetting. */
  #forget(row: GroupRow): GroupRow {
    const most = this.#limits.removalsKeptMax;
    if (row.removals <= most) return row;
    const { removals, forgotten } = this.#tables.forgetRemovals(row.id, Math.ceil(most * 0.75));
    return { ...row, removals, forgotten: Math.max(row.forgotten, forgotten) };
  }

  #countsOf(group: number): Counts {
    let counts = this.#counts.get(group);
    if (counts === undefined) {
      counts = { credentials: 0, removals: 0 };
      this.#counts.set(group, counts);
    }
    return counts;
  }
}
