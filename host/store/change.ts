/**
 * Turns a compiled resource set into the difference to what the store holds, and writes it. Only
 * what differs is touched, so equal resources make no revision and the credentials of an
 * application move only when the application enters or leaves a directory.
 */

import {
  type CompiledGroup,
  type CompiledRecord,
  type DeclaredCredential,
  RecordKind,
} from '../compile/output.ts';
import { sameRules } from '../credential/rules.ts';
import { resolveReference } from '../resources/reference.ts';
import { AUDIT_KEPT, type AuditOrigin } from './audit.ts';
import { pairDeclared } from './declared.ts';
import {
  credentialIdKey,
  credentialRecord,
  credentialRecords,
  DirectoryChange,
  type DirectoryLimits,
  idsFor,
  type PolicyChange,
} from './directory.ts';
import type { CommitEvent, Refusal, ResourceChange, SetPart, StoredResource } from './store.ts';
import {
  type CredentialFacts,
  type CredentialRow,
  type DeclaredFacts,
  type DirectoryRow,
  declaredText,
  type GroupRow,
  type Tables,
} from './tables.ts';

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
  /** What compiled the set, where it was something else before. */
  #compiledBy: string | undefined;
  #putResources: StoredResource[] = [];
  #endedResources: StoredResource[] = [];
  #putCredentials: CredentialRow[] = [];
  #endedCredentials: DeclaredFacts[] = [];
  /** Declared credentials that stay as they are. */
  readonly #kept: CredentialFacts[] = [];

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
    const { part, compiledBy } = change;
    const isOther = part === undefined && compiledBy !== this.#tables.compiledBy();
    this.#compiledBy = isOther ? compiledBy : undefined;
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
    if (this.#compiledBy !== undefined) this.#encodeAgain();
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
    if (this.#compiledBy !== undefined) this.#tables.setCompiledBy(this.#compiledBy);
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
    const { pairs, gone } = pairDeclared(declared, this.#declared());
    const ended = [...gone];
    const fresh: { credential: DeclaredCredential; createdAtMs: number }[] = [];
    for (const { credential, before, isEqual } of pairs) {
      if (before !== undefined && isEqual) this.#kept.push(factsOf(before, credential));
      else {
        const row = before && this.#heirOf(before, credential);
        if (before !== undefined && row === undefined) ended.push(before);
        if (before !== undefined && row !== undefined && sameCredential(row, credential)) {
          this.#kept.push(factsOf(before, credential));
        } else fresh.push({ credential, createdAtMs: row?.createdAtMs ?? nowMs });
      }
    }
    this.#endedCredentials = ended;
    this.#putCredentials = this.#declaredRows(fresh);
    for (const row of this.#putCredentials) {
      const refused = this.#takenByKey(row);
      if (refused !== undefined) return refused;
    }
    return undefined;
  }

  /** The row of an earlier credential if this one has its id, for which nothing else may change. */
  #heirOf({ id }: DeclaredFacts, credential: DeclaredCredential): CredentialRow | undefined {
    const row = this.#tables.credential(id);
    const { namespace, application } = credential;
    return row?.namespace === namespace && row.application === application ? row : undefined;
  }

  #declaredRows(
    fresh: readonly { credential: DeclaredCredential; createdAtMs: number }[],
  ): CredentialRow[] {
    const applications = fresh.map(({ credential: { application, namespace } }) => {
      return { kind: 'Application', ...resolveReference(application, namespace) } as const;
    });
    const names = fresh.map(({ credential }) => credentialIdKey(credential));
    const ids = idsFor(this.#tables, [...names, ...applications]);
    return fresh.map(({ credential, createdAtMs }, at) => ({
      ...credential,
      id: ids[at] ?? 0,
      applicationId: ids[names.length + at] ?? 0,
      origin: 'resource',
      brand: '',
      displayPrefix: '',
      createdAtMs,
      revokedAtMs: null,
    }));
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
    const entering: CompiledRecord[] = [];
    for (const record of records) {
      const row = before.get(record.id);
      before.delete(record.id);
      if (row !== undefined) this.#directory.change(row, record);
      else {
        entering.push(record);
        if (record.kind === RecordKind.application) {
          this.#movesOf(record.id).entered.add(group.id);
        }
      }
    }
    this.#directory.enter(group.id, entering);
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
    if (this.#moves.size > 0) this.#moveCredentials();
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

  #moveCredentials(): void {
    const isWhole = this.#part === undefined;
    const changed = new Set(
      [...this.#putCredentials, ...this.#endedCredentials].map(({ id }) => id),
    );
    // Of a whole set all declared ones are at hand.
    const read = this.#tables.credentialsOf([...this.#moves.keys()], isWhole ? 'key' : undefined);
    const rows = isWhole ? this.#kept.concat(read) : read;
    for (const { id, applicationId } of [
      ...rows,
      ...this.#putCredentials,
      ...this.#endedCredentials,
    ]) {
      for (const group of this.#moves.get(applicationId)?.left ?? []) {
        this.#directory.leave(group, RecordKind.credential, id);
      }
    }
    const entering = new Map<number, CredentialFacts[]>();
    for (const row of rows) {
      if (row.state === 'revoked' || changed.has(row.id)) continue;
      for (const group of this.#moves.get(row.applicationId)?.entered ?? []) {
        const list = entering.get(group);
        if (list === undefined) entering.set(group, [row]);
        else list.push(row);
      }
    }
    for (const [group, list] of entering) {
      list.sort((a, b) => a.id - b.id);
      this.#directory.enter(group, credentialRecords(list));
    }
  }

  /** Credentials that stay have the records that the compiler before made of them. */
  #encodeAgain(): void {
    const changed = new Set(
      [...this.#putCredentials, ...this.#endedCredentials].map(({ id }) => id),
    );
    for (const { id: group } of this.#tables.groups()) {
      const present = [...this.#tables.presentRecords(group)];
      const applications = present.filter(({ kind }) => kind === RecordKind.application);
      for (const row of this.#tables.credentialsOf(applications.map(({ id }) => id))) {
        const isNew = this.#moves.get(row.applicationId)?.entered.has(group) === true;
        if (isNew || row.state === 'revoked' || changed.has(row.id)) continue;
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
  #declared(): readonly DeclaredFacts[] {
    const tables = this.#tables;
    if (this.#part === undefined) return [...tables.declaredFacts()];
    return tables.idsOf(this.#part.credentials.map(credentialIdKey)).flatMap((id) => {
      const row = id === undefined ? undefined : tables.credential(id);
      if (row?.origin !== 'resource') return [];
      const { applicationId, digest } = row;
      return { id: row.id, applicationId, digest, text: declaredText(row) };
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

/** A credential that stays as it is, with the ids it has. */
function factsOf({ id, applicationId }: DeclaredFacts, says: DeclaredCredential): CredentialFacts {
  const { digest, state, notBeforeMs, notAfterMs, rules } = says;
  return { id, applicationId, digest, state, notBeforeMs, notAfterMs, rules };
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
