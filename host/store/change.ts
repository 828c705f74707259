/**
 * Turns a compiled resource set into the difference to what the store holds, and writes it. Only
 * what differs is touched, so equal resources make no revision and the credentials of an
 * application move only when the application enters or leaves a directory.
 */

import { type CompiledGroup, type DeclaredCredential, RecordKind } from '../compile/output.ts';
import { sameRules } from '../credential/rules.ts';
import { resolveReference } from '../resources/reference.ts';
import { AUDIT_KEPT, type AuditOrigin } from './audit.ts';
import {
  credentialIdKey,
  credentialRecord,
  DirectoryChange,
  type DirectoryLimits,
  type PolicyChange,
} from './directory.ts';
import type {
  CommitEvent,
  CredentialIdentity,
  Refusal,
  ResourceChange,
  SetPart,
  StoredResource,
} from './store.ts';
import type { CredentialRow, DirectoryRow, GroupRow, Tables } from './tables.ts';

/** Proxy groups an application entered and left by a change. */
interface Moves {
  readonly entered: Set<number>;
  readonly left: Set<number>;
}

/** The plan of one resource change. Use it once: `refusalOf`, then `commit`, in one transaction. */
export class ResourceChangePlan {
  readonly #tables: Tables;
  readonly #revision: number;
  readonly #directory: DirectoryChange;
  readonly #moves = new Map<number, Moves>();
  readonly #policies: PolicyChange[] = [];
  /** What may be touched; undefined = everything. */
  #part: SetPart | undefined;
  #putResources: StoredResource[] = [];
  #endedResources: StoredResource[] = [];
  #putCredentials: CredentialRow[] = [];
  #endedCredentials: CredentialRow[] = [];

  constructor(tables: Tables, limits: DirectoryLimits, revision: number) {
    this.#tables = tables;
    this.#revision = revision;
    this.#directory = new DirectoryChange(tables, limits, revision);
  }

  /**
   * Works the change out. Answers why it is refused, or undefined when it may be committed; what
   * was written until then is for the transaction to undo.
   */
  refusalOf(change: ResourceChange): Refusal | undefined {
    this.#part = change.part;
    this.#planResources(change.resources);
    const refused = this.#planCredentials(change.credentials, change.nowMs);
    if (refused !== undefined) return refused;
    const ended = new Set(this.#tables.groups().map((row) => row.name));
    for (const group of change.groups) {
      ended.delete(group.group);
      this.#planGroup(group);
    }
    for (const group of ended) this.#planRecords(this.#group(group), []);
    this.#planCredentialRecords();
    return this.#directory.refusal();
  }

  /** Writes the plan. The event has the current revision when there was nothing to change. */
  commit(origin: AuditOrigin): CommitEvent {
    const changes =
      this.#putResources.length +
      this.#endedResources.length +
      this.#putCredentials.length +
      this.#endedCredentials.length +
      this.#policies.length;
    if (changes === 0 && this.#directory.empty) {
      return { revision: this.#revision - 1, groups: [] };
    }
    const tables = this.#tables;
    this.#commitResources(origin);
    for (const row of this.#endedCredentials) tables.deleteCredential(row.id);
    for (const row of this.#putCredentials) tables.putCredential(row);
    return this.#directory.commit(this.#policies);
  }

  #commitResources(origin: AuditOrigin): void {
    const tables = this.#tables;
    for (const { kind, namespace, name, text } of this.#endedResources) {
      tables.deleteResource(kind, namespace, name);
      const facts = { kind, namespace, name, before: text, after: null };
      tables.audit.addEntry(this.#revision, origin, { action: 'resource.delete', ...facts });
    }
    for (const resource of this.#putResources) {
      const { kind, namespace, name, text } = resource;
      const before = tables.resource(kind, namespace, name) ?? null;
      const action = before === null ? 'resource.create' : 'resource.update';
      tables.putResource(resource);
      const facts = { kind, namespace, name, before, after: text };
      tables.audit.addEntry(this.#revision, origin, { action, ...facts });
    }
    if (this.#endedResources.length + this.#putResources.length === 0) return;
    tables.setResourceRevision(this.#revision);
    tables.audit.forgetEntries(AUDIT_KEPT);
  }

  #planResources(resources: readonly StoredResource[]): void {
    const before = new Map(this.#resources().map((r) => [keyOf(r), r]));
    for (const resource of resources) {
      const key = keyOf(resource);
      if (before.get(key)?.text !== resource.text) this.#putResources.push(resource);
      before.delete(key);
    }
    this.#endedResources = [...before.values()];
  }

  /** What did not change since the last set needs no look at anything else. */
  #planCredentials(declared: readonly DeclaredCredential[], nowMs: number): Refusal | undefined {
    const nameOf = (credential: CredentialIdentity) => {
      const { namespace, name } = credentialIdKey(credential);
      return `${namespace}/${name}`;
    };
    const before = new Map(this.#declared().map((row) => [nameOf(row), row]));
    for (const credential of declared) {
      const name = nameOf(credential);
      const old = before.get(name);
      before.delete(name);
      if (old !== undefined && sameCredential(old, credential)) continue;
      const row = this.#declaredRow(credential, old?.createdAtMs ?? nowMs);
      const refused = this.#takenByKey(row);
      if (refused !== undefined) return refused;
      this.#putCredentials.push(row);
    }
    this.#endedCredentials = [...before.values()];
    return undefined;
  }

  #declaredRow(credential: DeclaredCredential, createdAtMs: number): CredentialRow {
    const tables = this.#tables;
    const { namespace, application } = credential;
    const idKey = credentialIdKey(credential);
    const owner = resolveReference(application, namespace);
    const applicationKey = { kind: 'Application', ...owner } as const;
    return {
      ...credential,
      id: tables.idOf(idKey) ?? tables.giveId(idKey),
      applicationId: tables.idOf(applicationKey) ?? tables.giveId(applicationKey),
      origin: 'resource',
      brand: '',
      displayPrefix: '',
      createdAtMs,
      revokedAtMs: null,
    };
  }

  /** A file never takes over what `key create` made, not even what was revoked since. */
  #takenByKey(row: CredentialRow): Refusal | undefined {
    const subject = `${row.namespace}/${row.name}`;
    if (this.#tables.credentialWithDigest(row.digest)?.origin === 'key') {
      const message = `the digest of credential "${row.name}" belongs to a key made by key create`;
      return { ok: false, code: 'digest_taken', subject, message };
    }
    if (this.#tables.credentialNamed(row.namespace, row.name)?.origin === 'key') {
      const message = `the name of credential "${row.name}" belongs to a key made by key create`;
      return { ok: false, code: 'name_taken', subject, message };
    }
    return undefined;
  }

  #planGroup(compiled: CompiledGroup): void {
    const group = this.#group(compiled.group);
    const [policy] = this.#tables.policies(group.id);
    if (policy === undefined || Buffer.compare(policy.bytes, compiled.policy) !== 0) {
      this.#policies.push({ group: compiled.group, bytes: compiled.policy });
    }
    this.#planRecords(group, compiled.records);
  }

  #planRecords(group: GroupRow, records: CompiledGroup['records']): void {
    const before = new Map<number, DirectoryRow>();
    for (const row of this.#records(group.id)) before.set(row.id, row);
    for (const record of records) {
      const row = before.get(record.id);
      before.delete(record.id);
      if (row !== undefined) this.#directory.change(row, record);
      else {
        this.#directory.enter(group.id, record);
        if (record.kind === RecordKind.application) {
          this.#movesOf(record.id).entered.add(group.id);
        }
      }
    }
    for (const { kind, id } of before.values()) {
      this.#directory.leave(group.id, kind, id);
      if (kind === RecordKind.application) this.#movesOf(id).left.add(group.id);
    }
  }

  /**
   * Credentials follow their application; where it stays, only those that changed are written.
   * The applications have moved by now, the credentials have not.
   */
  #planCredentialRecords(): void {
    const changed = new Set(
      [...this.#putCredentials, ...this.#endedCredentials].map(({ id }) => id),
    );
    for (const [application, { entered, left }] of this.#moves) {
      for (const row of this.#tables.credentialsOf(application)) {
        for (const group of left) this.#directory.leave(group, RecordKind.credential, row.id);
        if (row.state === 'revoked' || changed.has(row.id)) continue;
        for (const group of entered) this.#directory.enter(group, credentialRecord(row));
      }
    }
    for (const { id, applicationId } of this.#endedCredentials) {
      for (const group of this.#tables.groupsOf(applicationId)) {
        this.#directory.leave(group, RecordKind.credential, id);
      }
    }
    for (const row of this.#putCredentials) {
      for (const group of this.#tables.groupsOf(row.applicationId)) {
        this.#directory.put(group, credentialRecord(row));
      }
    }
  }

  /** Resources that the change replaces. */
  #resources(): readonly StoredResource[] {
    if (this.#part === undefined) return this.#tables.resources();
    return this.#part.resources.flatMap((each) => {
      const { kind, namespace, name } = each;
      const text = this.#tables.resource(kind, namespace, name);
      return text === undefined ? [] : { kind, namespace, name, text };
    });
  }

  /** Declared credentials that the change replaces. */
  #declared(): readonly CredentialRow[] {
    const tables = this.#tables;
    if (this.#part === undefined) return tables.declaredCredentials();
    return this.#part.credentials.flatMap((each) => {
      const id = tables.idOf(credentialIdKey(each));
      const row = id === undefined ? undefined : tables.credential(id);
      return row?.origin === 'resource' ? row : [];
    });
  }

  /** Present records of a proxy group that the change replaces. */
  #records(group: number): Iterable<DirectoryRow> {
    if (this.#part === undefined) return this.#tables.presentRecords(group);
    return this.#part.records.flatMap(({ kind, id }) => {
      const row = this.#tables.directoryRow(group, kind, id);
      return row?.present === true ? row : [];
    });
  }

  #movesOf(application: number): Moves {
    let moves = this.#moves.get(application);
    if (moves === undefined) {
      moves = { entered: new Set(), left: new Set() };
      this.#moves.set(application, moves);
    }
    return moves;
  }

  /** The row of a proxy group, made on its first policy. */
  #group(name: string): GroupRow {
    const known = this.#tables.groupNamed(name);
    if (known !== undefined) return known;
    const key = { kind: 'ProxyGroup', namespace: '', name } as const;
    const id = this.#tables.idOf(key) ?? this.#tables.giveId(key);
    const zero = { policyRevision: 0, directoryRevision: 0, credentials: 0, removals: 0 };
    const row: GroupRow = { id, name, ...zero, forgotten: 0 };
    this.#tables.putGroup(row);
    return row;
  }
}

function keyOf(resource: StoredResource): string {
  return `${resource.kind}/${resource.namespace}/${resource.name}`;
}

/** Equal in all that may change under one id. */
function sameCredential(a: CredentialRow, b: DeclaredCredential): boolean {
  return (
    a.name === b.name &&
    a.state === b.state &&
    a.notBeforeMs === b.notBeforeMs &&
    a.notAfterMs === b.notAfterMs &&
    sameRules(a.rules, b.rules)
  );
}
