/**
 * Audit trail and access tokens in memory. It keeps rows and must never decide anything; what it
 * adds inside a transaction that throws is taken back by the undo steps it hands over.
 */
import type { AccessTables, AccessToken, DoneOnce, NewAccessToken } from './access.ts';
import type {
  AuditEntry,
  AuditFacts,
  AuditOrigin,
  AuditQuery,
  AuditTables,
  ResourceRevision,
} from './audit.ts';

/** Takes a step that undoes what was just done, when a transaction is under way. */
export type OnUndo = (step: () => void) => void;

/** The trail in a list. */
export class MemoryAudit implements AuditTables {
  #entries: AuditEntry[] = [];
  #lastSeq = 0;
  #forgotten = 0;
  readonly #onUndo: OnUndo;

  constructor(onUndo: OnUndo) {
    this.#onUndo = onUndo;
  }

  addEntry(revision: number, origin: AuditOrigin, facts: AuditFacts): void {
    this.#onUndo(() => {
      this.#entries.pop();
      this.#lastSeq -= 1;
    });
    this.#lastSeq += 1;
    this.#entries.push({ seq: this.#lastSeq, revision, ...origin, ...facts });
  }

  forgetEntries(kept: number): void {
    if (this.#entries.length <= kept * 1.25) return;
    const [before, forgotten] = [this.#entries, this.#forgotten];
    this.#onUndo(() => {
      this.#entries = before;
      this.#forgotten = forgotten;
    });
    const dropped = before.slice(0, before.length - kept);
    this.#entries = before.slice(before.length - kept);
    this.#forgotten = dropped.at(-1)?.revision ?? forgotten;
  }

  entries(query: AuditQuery): AuditEntry[] {
    const { beforeSeq = Infinity, namespaces, kind, name, actor, revision, limit } = query;
    const found: AuditEntry[] = [];
    for (const entry of this.#newestFirst()) {
      if (found.length >= limit) break;
      if (entry.seq >= beforeSeq) continue;
      if (namespaces !== undefined && !namespaces.includes(entry.namespace)) continue;
      if (kind !== undefined && entry.kind !== kind) continue;
      if (name !== undefined && entry.name !== name) continue;
      if (actor !== undefined && entry.actor !== actor) continue;
      if (revision === undefined || entry.revision === revision) found.push(entry);
    }
    return found;
  }

  resourceRevisions(limit: number, before: number): ResourceRevision[] {
    const found: { -readonly [K in keyof ResourceRevision]: ResourceRevision[K] }[] = [];
    for (const entry of this.#newestFirst()) {
      const { revision, actor, atMs, cause, action } = entry;
      if (revision >= before || !action.startsWith('resource.')) continue;
      const last = found.at(-1);
      if (last?.revision === revision) last.changes += 1;
      else if (found.length === limit) break;
      else found.push({ revision, actor, atMs, cause, changes: 1 });
    }
    return found;
  }

  resourceEntriesAfter(revision: number): AuditEntry[] {
    const isLater = (each: AuditEntry) => each.revision > revision;
    const isResource = ({ action }: AuditEntry) => action.startsWith('resource.');
    return this.#newestFirst().filter((each) => isLater(each) && isResource(each));
  }

  forgottenRevision(): number {
    return this.#forgotten;
  }

  #newestFirst(): AuditEntry[] {
    return [...this.#entries].reverse();
  }
}

/** Access tokens in a list. */
export class MemoryAccess implements AccessTables {
  #done: readonly DoneOnce[] = [];
  readonly #tokens: (AccessToken & { readonly digest: Uint8Array })[] = [];
  readonly #onUndo: OnUndo;

  constructor(onUndo: OnUndo) {
    this.#onUndo = onUndo;
  }

  doneOnce(actor: string, idempotencyKey: string): DoneOnce | undefined {
    return this.#done.findLast((each) => {
      return each.actor === actor && each.idempotencyKey === idempotencyKey;
    });
  }

  addDoneOnce(done: DoneOnce, forgetBeforeMs: number): void {
    const before = this.#done;
    this.#onUndo(() => {
      this.#done = before;
    });
    this.#done = [...before.filter(({ atMs }) => atMs >= forgetBeforeMs), done];
  }

  addToken(token: NewAccessToken): AccessToken {
    const row = { ...token, id: this.#tokens.length + 1, revokedAtMs: null };
    this.#onUndo(() => this.#tokens.pop());
    this.#tokens.push(row);
    return withoutDigest(row);
  }

  livingTokens(): AccessToken[] {
    const living = this.#tokens.filter(({ revokedAtMs }) => revokedAtMs === null);
    return living.sort((a, b) => (a.name < b.name ? -1 : 1)).map(withoutDigest);
  }

  tokenWithDigest(digest: Uint8Array): AccessToken | undefined {
    const row = this.#tokens.find((each) => Buffer.compare(each.digest, digest) === 0);
    return row === undefined ? undefined : withoutDigest(row);
  }

  endToken(id: number, revokedAtMs: number): void {
    const row = this.#tokens[id - 1];
    if (row === undefined) return;
    this.#onUndo(() => this.#tokens.splice(id - 1, 1, row));
    this.#tokens.splice(id - 1, 1, { ...row, revokedAtMs });
  }
}

function withoutDigest(row: AccessToken & { readonly digest: Uint8Array }): AccessToken {
  const { digest: _, ...token } = row;
  return token;
}
