/**
 * One change of directories: collects what enters, changes and leaves, refuses what would not
 * fit, and writes the rest as one revision. It must never decide who belongs into a directory.
 */

import { type CompiledRecord, type NameKey, RecordKind } from '../compile/output.ts';
import { encodeCredential } from '../compile/records.ts';
import { type CommitEvent, POLICIES_KEPT, type Refusal } from './store.ts';
import type { CredentialRow, DirectoryRow, GroupRow, Tables } from './tables.ts';

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

const NO_BODY = new Uint8Array(0);

/**
 * The name of a credential's id. Digest and application are part of it because neither may change
 * under one id; the credential's own name is not, so that renaming one keeps its id.
 */
export function credentialIdKey(credential: {
  namespace: string;
  application: string;
  digest: Uint8Array;
}): NameKey {
  const digest = Buffer.from(credential.digest).toString('hex');
  const name = `${credential.application}/${digest}`;
  return { kind: 'Credential', namespace: credential.namespace, name };
}

/** The directory record of a credential that is not revoked. */
export function credentialRecord(row: CredentialRow): CompiledRecord {
  const { digest, applicationId: application, notBeforeMs, notAfterMs } = row;
  const enabled = row.state === 'enabled';
  const body = encodeCredential({ digest, application, notBeforeMs, notAfterMs, enabled });
  return { kind: RecordKind.credential, id: row.id, body };
}

/** Rows to write for one proxy group. */
interface GroupChange {
  readonly rows: DirectoryRow[];
  credentials: number;
  removals: number;
}

/** Collects the changes of one revision. Use it once, inside one transaction. */
export class DirectoryChange {
  readonly #tables: Tables;
  readonly #limits: DirectoryLimits;
  readonly #revision: number;
  readonly #groups = new Map<number, GroupChange>();

  constructor(tables: Tables, limits: DirectoryLimits, revision: number) {
    this.#tables = tables;
    this.#limits = limits;
    this.#revision = revision;
  }

  /** True when nothing was collected. */
  get empty(): boolean {
    return this.#groups.size === 0;
  }

  /** A record enters or changes. An equal record that is present already is left alone. */
  put(group: number, record: CompiledRecord): void {
    const { kind, id, body } = record;
    const before = this.#tables.directoryRow(group, kind, id);
    if (before?.present === true && Buffer.compare(before.body, body) === 0) return;
    const change = this.#group(group);
    change.rows.push({ group, kind, id, revision: this.#revision, present: true, body });
    if (before?.present === true) return;
    if (kind === RecordKind.credential) change.credentials += 1;
    if (before !== undefined) change.removals -= 1;
  }

  /** A record leaves. One that is not present is left alone. */
  remove(group: number, kind: RecordKind, id: number): void {
    if (this.#tables.directoryRow(group, kind, id)?.present !== true) return;
    const change = this.#group(group);
    const revision = this.#revision;
    change.rows.push({ group, kind, id, revision, present: false, body: NO_BODY });
    if (kind === RecordKind.credential) change.credentials -= 1;
    change.removals += 1;
  }

  /** The refusal of a change that a directory cannot take, if it is one. */
  refusal(): Refusal | undefined {
    const most = this.#limits.credentialsMax;
    for (const row of this.#tables.groups()) {
      const credentials = row.credentials + (this.#groups.get(row.id)?.credentials ?? 0);
      if (credentials <= most || credentials <= row.credentials) continue;
      const message =
        `the directory of proxy group "${row.name}" would hold ${credentials} credentials, ` +
        `at most ${most}`;
      return { ok: false, code: 'directory_full', subject: row.name, message };
    }
    return undefined;
  }

  /** Writes everything as one revision and answers what to tell the listeners. */
  commit(policies: readonly PolicyChange[]): CommitEvent {
    const byName = new Map(policies.map((policy) => [policy.group, policy.bytes]));
    const groups: CommitEvent['groups'][number][] = [];
    for (const row of this.#tables.groups()) {
      const change = this.#groups.get(row.id);
      const bytes = byName.get(row.name);
      if (change === undefined && bytes === undefined) continue;
      this.#writeGroup(row, change, bytes);
      const policyChanged = bytes !== undefined;
      groups.push({ group: row.name, policyChanged, directoryChanged: change !== undefined });
    }
    this.#tables.setRevision(this.#revision);
    return { revision: this.#revision, groups };
  }

  #writeGroup(row: GroupRow, change: GroupChange | undefined, bytes: Uint8Array | undefined): void {
    const revision = this.#revision;
    let next = row;
    if (bytes !== undefined) {
      this.#tables.putPolicy(row.id, { revision, bytes }, POLICIES_KEPT);
      next = { ...next, policyRevision: revision };
    }
    if (change !== undefined) {
      for (const record of change.rows) this.#tables.putDirectoryRow(record);
      const credentials = row.credentials + change.credentials;
      const removals = row.removals + change.removals;
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

  #group(group: number): GroupChange {
    let change = this.#groups.get(group);
    if (change === undefined) {
      change = { rows: [], credentials: 0, removals: 0 };
      this.#groups.set(group, change);
    }
    return change;
  }
}
