/**
 * The rules of access tokens and of the audit trail over any tables. It writes inside the
 * transactions of others where a change is theirs, and must never write down a digest.
 */
import {
  ACCESS_TOKENS_MAX,
  type AccessStore,
  type AccessToken,
  type NewAccessToken,
  REMEMBERED_MS,
} from './access.ts';
import {
  AUDIT_KEPT,
  type AuditAction,
  type AuditEntry,
  type AuditFacts,
  type AuditOrigin,
  type AuditQuery,
  type AuditStore,
  type Noted,
  type ResourceRevision,
} from './audit.ts';
import type { Outcome, Refusal, StoredCredential } from './store.ts';
import type { Tables } from './tables.ts';

/** Access tokens and the trail of one store. */
export class Trail implements AccessStore, AuditStore {
  readonly #tables: () => Tables;

  /** `tables` throws once the store is closed. */
  constructor(tables: () => Tables) {
    this.#tables = tables;
  }

  /** Writes down a change of a credential that is no resource; before the revision is raised. */
  noteCredential(
    action: AuditAction,
    origin: AuditOrigin,
    before: StoredCredential | null,
    after: StoredCredential,
  ): void {
    const { namespace, name } = after;
    const facts = { action, kind: 'Credential', namespace, name };
    this.#add(1, origin, { ...facts, before: before && shown(before), after: shown(after) });
  }

  async createAccessToken(token: NewAccessToken): Promise<Outcome<AccessToken>> {
    const tables = this.#tables();
    const { name, createdBy: actor, createdAtMs: atMs } = token;
    const living = tables.access.livingTokens();
    if (living.some((each) => each.name === name)) {
      return refused('name_taken', name, `an access token "${name}" exists`);
    }
    if (living.length >= ACCESS_TOKENS_MAX) {
      const message = `there are ${living.length} access tokens, at most ${ACCESS_TOKENS_MAX}`;
      return refused('too_many', name, message);
    }
    const value = tables.transact(() => {
      const made = tables.access.addToken(token);
      this.#noteToken('token.create', { actor, atMs, cause: 'token create' }, null, made);
      return made;
    });
    return { ok: true, revision: tables.revision(), changed: true, value };
  }

  async revokeAccessToken(
    name: string,
    actor: string,
    atMs: number,
  ): Promise<Outcome<AccessToken>> {
    const tables = this.#tables();
    const token = tables.access.livingTokens().find((each) => each.name === name);
    if (token === undefined) return refused('not_found', name, `no access token "${name}"`);
    const value = { ...token, revokedAtMs: atMs };
    tables.transact(() => {
      tables.access.endToken(token.id, atMs);
      this.#noteToken('token.revoke', { actor, atMs, cause: 'token revoke' }, token, value);
    });
    return { ok: true, revision: tables.revision(), changed: true, value };
  }

  async accessTokens(): Promise<readonly AccessToken[]> {
    return this.#tables().access.livingTokens();
  }

  async accessTokenWithDigest(digest: Uint8Array): Promise<AccessToken | undefined> {
    return this.#tables().access.tokenWithDigest(digest);
  }

  async note(
    facts: AuditFacts,
    origin: AuditOrigin,
    idempotencyKey?: string,
  ): Promise<Noted | undefined> {
    const tables = this.#tables();
    const { actor, atMs } = origin;
    const before =
      idempotencyKey === undefined ? undefined : tables.access.noted(actor, idempotencyKey);
    if (before !== undefined) return before;
    tables.transact(() => {
      this.#add(0, origin, facts);
      if (idempotencyKey === undefined) return;
      const note = { actor, idempotencyKey, noted: { ...facts, atMs } };
      tables.access.addNote(note, atMs - REMEMBERED_MS);
    });
    return undefined;
  }

  async audit(query: AuditQuery): Promise<readonly AuditEntry[]> {
    return this.#tables().audit.entries(query);
  }

  async resourceRevisions(limit: number, before?: number): Promise<readonly ResourceRevision[]> {
    return this.#tables().audit.resourceRevisions(limit, before ?? Number.MAX_SAFE_INTEGER);
  }

  async resourceChangesAfter(revision: number): Promise<readonly AuditEntry[] | undefined> {
    const { audit } = this.#tables();
    return audit.forgottenRevision() > revision ? undefined : audit.resourceEntriesAfter(revision);
  }

  #noteToken(
    action: AuditAction,
    origin: AuditOrigin,
    before: AccessToken | null,
    after: AccessToken,
  ): void {
    const facts = { action, kind: 'AccessToken', namespace: '', name: after.name };
    const texts = { before: before && JSON.stringify(before), after: JSON.stringify(after) };
    this.#add(0, origin, { ...facts, ...texts });
  }

  /** `ahead` = how many revisions the change is going to make. */
  #add(ahead: number, origin: AuditOrigin, facts: AuditFacts): void {
    const tables = this.#tables();
    tables.audit.addEntry(tables.revision() + ahead, origin, facts);
    tables.audit.forgetEntries(AUDIT_KEPT);
  }
}

function refused(code: Refusal['code'], subject: string, message: string): Refusal {
  return { ok: false, code, subject, message };
}

/** A credential as the trail shows it: its digest stays in its own row. */
function shown({ digest: _, ...rest }: StoredCredential): string {
  return JSON.stringify(rest);
}
