/**
 * The rules of access tokens and of the audit trail over any tables. It writes inside the
 * transactions of others where a change is theirs, and must never write down a digest.
 */
import {
  ACCESS_TOKENS_MAX,
  type AccessStore,
  type AccessToken,
  type DoneOnce,
  type NewAccessToken,
  type Once,
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

  async doneOnce(
    actor: string,
    once: Once,
    nowMs: number,
  ): Promise<DoneOnce | Refusal | undefined> {
    return this.doneBefore(actor, once, nowMs);
  }

  async note(
    facts: AuditFacts,
    origin: AuditOrigin,
    once?: Once,
  ): Promise<Noted | Refusal | undefined> {
    const { actor, atMs } = origin;
    const done = this.doneBefore(actor, once, atMs);
    if (done !== undefined && 'ok' in done) return done;
    if (done !== undefined) return noteOf(done);
    this.#tables().transact(() => {
      this.#add(0, origin, facts);
      this.remember(actor, once, atMs, { ...facts, atMs });
    });
    return undefined;
  }

  /** What was done with an idempotency key; a refusal when that was another request. */
  doneBefore(actor: string, once: Once | undefined, nowMs: number): DoneOnce | Refusal | undefined {
    if (once === undefined) return undefined;
    const done = this.#tables().access.doneOnce(actor, once.idempotencyKey);
    if (done === undefined || done.atMs < nowMs - REMEMBERED_MS) return undefined;
    return done.request === once.request ? done : refused(REUSED, '', OTHER_REQUEST);
  }

  /** Remembers what a request led to that is done once; inside the transaction that does it. */
  remember(actor: string, once: Once | undefined, atMs: number, led: DoneOnce['led']): void {
    if (once === undefined) return;
    this.#tables().access.addDoneOnce({ ...once, actor, atMs, led }, atMs - REMEMBERED_MS);
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

const REUSED = 'idempotency_key_reused';
const OTHER_REQUEST = 'this Idempotency-Key was sent with another request; use a new one';

/** A request that is the same wrote the same: only a note can have come of one that writes one. */
function noteOf({ led }: DoneOnce): Noted {
  if (typeof led === 'object') return led;
  throw new Error('a request that makes a credential writes nothing down');
}

function refused(code: Refusal['code'], subject: string, message: string): Refusal {
  return { ok: false, code, subject, message };
}

/** A credential as the trail shows it: its digest stays in its own row. */
function shown({ digest: _, ...rest }: StoredCredential): string {
  return JSON.stringify(rest);
}
