/**
 * The rules of the store over any tables: what a change does to ids, credentials, directories and
 * policies, and what it is refused for. It must never touch a medium, a clock or randomness but
 * through its parameters.
 */

import { type NameKey, RecordKind } from '../compile/output.ts';
import { NO_RULES } from '../credential/rules.ts';
import { ResourceChangePlan } from './change.ts';
import {
  credentialIdKey,
  credentialRecord,
  DirectoryChange,
  type DirectoryLimits,
  idsFor,
} from './directory.ts';
import { readPage } from './page.ts';
import type {
  CommitEvent,
  CredentialChange,
  CredentialQuery,
  DirectoryPage,
  DirectoryQuery,
  GroupHead,
  NewCredential,
  Outcome,
  PolicyVersion,
  Refusal,
  RefusalCode,
  ResourceChange,
  ResourceQuery,
  Rotation,
  Store,
  StoredCredential,
  StoredResource,
  StoreIdentity,
} from './store.ts';
import { type CredentialRow, head, stored, type Tables } from './tables.ts';
import { Trail } from './trail.ts';

/** A refusal; the message is one sentence without the final full stop. */
export function refusal(code: RefusalCode, subject: string, message: string): Refusal {
  return { ok: false, code, subject, message };
}

/** Carries a refusal out of a transaction, so that nothing of it stays. */
class Refused extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

/** Undoes a change that was only worked out, as a refusal would. */
const REHEARSED = refusal('revision_conflict', '', 'nothing was to be changed');

/** A store over tables. It owns the tables and closes them. */
export class StoreCore extends Trail implements Store {
  readonly #opened: Tables;
  readonly #identity: StoreIdentity;
  readonly #limits: DirectoryLimits;
  readonly #listeners = new Set<(event: CommitEvent) => void>();
  #closed = false;

  constructor(tables: Tables, limits: DirectoryLimits) {
    super(() => this.#tables);
    this.#opened = tables;
    this.#identity = { storeId: tables.storeId, epoch: tables.epoch };
    this.#limits = limits;
  }

  get identity(): StoreIdentity {
    return this.#identity;
  }

  async revision(): Promise<number> {
    return this.#tables.revision();
  }

  async resourceRevision(): Promise<number> {
    return this.#tables.resourceRevision();
  }

  async compiledBy(): Promise<string> {
    return this.#tables.compiledBy();
  }

  async reserveIds(names: readonly NameKey[], rehearse = false): Promise<readonly number[]> {
    const tables = this.#tables;
    const found = tables.idsOf(names);
    if (found.every((id) => id !== undefined)) return found;
    let given: readonly number[] = [];
    const outcome = this.#attempt(() => {
      given = idsFor(tables, names);
      return rehearse ? REHEARSED : given;
    });
    return outcome === REHEARSED ? given : (outcome as readonly number[]);
  }

  async applyResources(change: ResourceChange): Promise<Outcome<null>> {
    const tables = this.#tables;
    const current = tables.revision();
    const held = tables.resourceRevision();
    if (change.ifRevision !== undefined && change.ifRevision !== held) {
      const message = `resources last changed at revision ${held}, not ${change.ifRevision}`;
      return refusal('revision_conflict', String(held), message);
    }
    const { by: actor = 'host', cause = 'apply', nowMs: atMs } = change;
    const outcome = this.#attempt(() => {
      const plan = new ResourceChangePlan(tables, this.#limits, current + 1);
      const refused = plan.refusalOf(change);
      if (refused !== undefined || change.dryRun !== true) {
        return refused ?? plan.commit({ actor, cause, atMs });
      }
      return REHEARSED;
    });
    if (outcome === REHEARSED) {
      return { ok: true, revision: current, changed: false, value: null };
    }
    if ('ok' in outcome) return outcome;
    const changed = outcome.revision > current;
    if (changed) this.#tell(outcome);
    return { ok: true, revision: outcome.revision, changed, value: null };
  }

  async resources(kind?: string): Promise<readonly StoredResource[]> {
    return this.#tables.resources(kind);
  }

  async resourcePage(query: ResourceQuery): Promise<readonly StoredResource[]> {
    return this.#tables.resourcePage(query);
  }

  async names(ids: readonly number[]): Promise<readonly (NameKey | undefined)[]> {
    return ids.map((id) => this.#tables.nameOf(id));
  }

  async resource(kind: string, namespace: string, name: string): Promise<string | undefined> {
    return this.#tables.resource(kind, namespace, name);
  }

  async createCredential(credential: NewCredential): Promise<Outcome<StoredCredential>> {
    const before = this.#madeBefore(credential);
    if (before !== undefined && 'ok' in before) return before;
    if (before !== undefined) {
      const revision = this.#tables.revision();
      return { ok: true, revision, changed: false, value: stored(before) };
    }
    const refused = this.#refusalOf(credential);
    if (refused !== undefined) return refused;
    const outcome = this.#attempt(() => {
      const directory = this.#directoryChange();
      const row = this.#enter(directory, credential);
      return directory.refusal() ?? { row, event: directory.commit([]) };
    });
    if ('ok' in outcome) return outcome;
    this.#tell(outcome.event);
    const { revision } = outcome.event;
    return { ok: true, revision, changed: true, value: stored(outcome.row) };
  }

  async changeCredential(id: number, change: CredentialChange): Promise<Outcome<StoredCredential>> {
    const tables = this.#tables;
    const row = this.#changeable(id);
    if ('ok' in row) return row;
    const { state = row.state, notAfterMs = row.notAfterMs } = change;
    if (state === row.state && notAfterMs === row.notAfterMs) {
      return { ok: true, revision: tables.revision(), changed: false, value: stored(row) };
    }
    const next: CredentialRow = { ...row, state, notAfterMs };
    const event = tables.transact(() => {
      const directory = this.#directoryChange();
      this.#replace(directory, row, next, change);
      return directory.commit([]);
    });
    this.#tell(event);
    return { ok: true, revision: event.revision, changed: true, value: stored(next) };
  }

  async rotateCredential(
    id: number,
    next: NewCredential,
    untilMs: number,
  ): Promise<Outcome<Rotation>> {
    const row = this.#changeable(id);
    if ('ok' in row) return row;
    const refused = this.#refusalOf(next);
    if (refused !== undefined) return refused;
    const before: CredentialRow = {
      ...row,
      notAfterMs: Math.min(row.notAfterMs ?? untilMs, untilMs),
    };
    const { by = 'host', createdAtMs: nowMs } = next;
    const outcome = this.#attempt(() => {
      const directory = this.#directoryChange();
      const made = this.#enter(directory, next);
      this.#replace(directory, row, before, { by, nowMs, cause: 'key rotate' });
      return directory.refusal() ?? { made, event: directory.commit([]) };
    });
    if ('ok' in outcome) return outcome;
    this.#tell(outcome.event);
    const value = { before: stored(before), made: stored(outcome.made) };
    return { ok: true, revision: outcome.event.revision, changed: true, value };
  }

  async revokeCredential(
    id: number,
    nowMs: number,
    actor = 'host',
  ): Promise<Outcome<StoredCredential>> {
    const tables = this.#tables;
    const row = tables.credential(id);
    if (row === undefined) return refusal('not_found', String(id), `no credential has id ${id}`);
    if (row.origin === 'resource') {
      const message = `credential "${row.name}" is declared in a file; remove or disable it there`;
      return refusal('managed_by_resources', row.name, message);
    }
    if (row.state === 'revoked') {
      return { ok: true, revision: tables.revision(), changed: false, value: stored(row) };
    }
    const revoked: CredentialRow = { ...row, state: 'revoked', revokedAtMs: nowMs };
    const event = tables.transact(() => {
      const directory = new DirectoryChange(tables, this.#limits, tables.revision() + 1);
      for (const group of tables.groupsOf(row.applicationId)) {
        directory.leave(group, RecordKind.credential, id);
      }
      tables.putCredential(revoked);
      const origin = { actor, cause: 'key revoke', atMs: nowMs };
      this.noteCredential('key.revoke', origin, stored(row), stored(revoked));
      return directory.commit([]);
    });
    this.#tell(event);
    return { ok: true, revision: event.revision, changed: true, value: stored(revoked) };
  }

  async credential(id: number): Promise<StoredCredential | undefined> {
    const row = this.#tables.credential(id);
    return row === undefined ? undefined : stored(row);
  }

  async credentials(query: CredentialQuery): Promise<readonly StoredCredential[]> {
    return this.#tables.listCredentials(query).map(stored);
  }

  async groups(): Promise<readonly GroupHead[]> {
    const revision = this.#tables.revision();
    return this.#tables.groups().map((row) => head(row, revision));
  }

  async group(group: string): Promise<GroupHead | undefined> {
    const row = this.#tables.groupNamed(group);
    return row === undefined ? undefined : head(row, this.#tables.revision());
  }

  async policies(group: string): Promise<readonly PolicyVersion[]> {
    const row = this.#tables.groupNamed(group);
    return row === undefined ? [] : this.#tables.policies(row.id);
  }

  async directoryAfter(query: DirectoryQuery): Promise<DirectoryPage> {
    return readPage(this.#tables, query);
  }

  onCommit(listener: (event: CommitEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#listeners.clear();
    this.#opened.close();
  }

  get #tables(): Tables {
    if (this.#closed) throw new Error('the store is closed');
    return this.#opened;
  }

  /** Runs a change in a transaction that a refusal undoes. */
  #attempt<T extends object>(change: () => T | Refusal): T | Refusal {
    try {
      return this.#tables.transact(() => {
        const outcome = change();
        if ('ok' in outcome) throw new Refused(outcome);
        return outcome;
      });
    } catch (error) {
      if (error instanceof Refused) return error.refusal;
      throw error;
    }
  }

  #directoryChange(): DirectoryChange {
    return new DirectoryChange(this.#tables, this.#limits, this.#tables.revision() + 1);
  }

  /** A credential that may change, or why it may not. */
  #changeable(id: number): CredentialRow | Refusal {
    const row = this.#tables.credential(id);
    if (row === undefined) return refusal('not_found', String(id), `no credential has id ${id}`);
    if (row.origin === 'resource') {
      const message = `credential "${row.name}" is a declared resource; change it there`;
      return refusal('managed_by_resources', row.name, message);
    }
    if (row.state !== 'revoked') return row;
    return refusal('revoked', row.name, `credential "${row.name}" is revoked for good`);
  }

  #madeBefore(credential: NewCredential): CredentialRow | Refusal | undefined {
    const { by = 'host', once, createdAtMs } = credential;
    const done = this.doneBefore(by, once, createdAtMs);
    if (done === undefined || 'ok' in done) return done;
    return typeof done.led === 'number' ? this.#tables.credential(done.led) : undefined;
  }

  /** Writes a new credential into its row, its directories and the trail. */
  #enter(directory: DirectoryChange, credential: NewCredential): CredentialRow {
    const tables = this.#tables;
    const row = this.#newRow(credential);
    for (const group of tables.groupsOf(row.applicationId)) {
      directory.enter(group, [credentialRecord(row)]);
    }
    tables.putCredential(row);
    const { by: actor = 'host', cause = 'key create', createdAtMs: atMs } = credential;
    this.remember(actor, credential.once, atMs, row.id);
    const action = cause === 'key import' ? 'key.import' : 'key.create';
    this.noteCredential(action, { actor, cause, atMs }, null, stored(row));
    return row;
  }

  /** Writes a changed credential into its row, its directories and the trail. */
  #replace(
    directory: DirectoryChange,
    before: CredentialRow,
    after: CredentialRow,
    { by: actor, cause, nowMs: atMs }: Pick<CredentialChange, 'by' | 'cause' | 'nowMs'>,
  ): void {
    const tables = this.#tables;
    for (const group of tables.groupsOf(after.applicationId)) {
      directory.put(group, credentialRecord(after));
    }
    tables.putCredential(after);
    this.noteCredential('key.change', { actor, cause, atMs }, stored(before), stored(after));
  }

  #refusalOf(credential: NewCredential): Refusal | undefined {
    const { namespace, application, name, digest } = credential;
    if (this.#tables.resource('Application', namespace, application) === undefined) {
      const message = `no application "${application}" in namespace "${namespace}"`;
      return refusal('not_found', application, message);
    }
    if (name !== undefined && this.#tables.credentialNamed(namespace, name) !== undefined) {
      const message = `a credential "${name}" exists in namespace "${namespace}"`;
      return refusal('name_taken', name, message);
    }
    const twin = this.#tables.credentialWithDigest(digest);
    if (twin === undefined) return undefined;
    return refusal('digest_taken', twin.name, `credential "${twin.name}" has the same digest`);
  }

  #newRow(credential: NewCredential): CredentialRow {
    const { namespace, application } = credential;
    const id = this.#tables.giveId(credentialIdKey(credential));
    const key = { kind: 'Application', namespace, name: application } as const;
    const { by: _by, cause: _cause, once: _once, ...facts } = credential;
    return {
      ...facts,
      rules: credential.rules ?? NO_RULES,
      id,
      applicationId: this.#tables.idOf(key) ?? this.#tables.giveId(key),
      name: credential.name ?? this.#freeName(namespace, id),
      origin: 'key',
      state: 'enabled',
      revokedAtMs: null,
    };
  }

  /** `key-<id>`, or the next such name when somebody chose just that one. */
  #freeName(namespace: string, id: number): string {
    let name = `key-${id}`;
    while (this.#tables.credentialNamed(namespace, name) !== undefined) name = `${name}-x`;
    return name;
  }

  #tell(event: CommitEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}
