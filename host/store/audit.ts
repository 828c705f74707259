/**
 * The audit trail as the store keeps it: one entry for everything a change touched, written in
 * the transaction of the change. An entry is never edited; the oldest are forgotten at a bound.
 */
import type { Once } from './access.ts';
import type { Refusal } from './store.ts';

/** Entries kept at least; at a quarter more the oldest are forgotten. */
export const AUDIT_KEPT = 1_000_000;

/** What was done. */
export type AuditAction =
  | 'resource.create'
  | 'resource.update'
  | 'resource.delete'
  | 'key.create'
  | 'key.import'
  | 'key.change'
  | 'key.revoke'
  | 'token.create'
  | 'token.revoke'
  | 'quota.add'
  | 'quota.reset';

/** What an entry says besides its place in the trail. */
export interface AuditFacts {
  readonly action: AuditAction;
  /** Kind of what was touched: that of a resource, `Credential`, `AccessToken` or `Quota`. */
  readonly kind: string;
  /** '' for what belongs to no namespace. */
  readonly namespace: string;
  readonly name: string;
  /** As it was, in JSON; null for what was not there. */
  readonly before: string | null;
  /** As it is since, in JSON; null for what is gone. */
  readonly after: string | null;
}

/** Who changed something, when, and by what. */
export interface AuditOrigin {
  /** Name of the access token, or `folder` or `host`. */
  readonly actor: string;
  readonly atMs: number;
  /** What was asked for, such as `apply` or `rollback to 7`. */
  readonly cause: string;
}

/** What was written down with an idempotency key. */
export interface Noted extends AuditFacts {
  readonly atMs: number;
}

/** An entry of the trail. */
export interface AuditEntry extends AuditFacts, AuditOrigin {
  /** From 1, in the order of commits. */
  readonly seq: number;
  /** Revision the change made, or the one it left as it was. */
  readonly revision: number;
}

/** Chooses entries, newest first. */
export interface AuditQuery {
  /** Only entries before this one; absent for the first page. */
  readonly beforeSeq?: number;
  /** Only of these namespaces; absent = all. */
  readonly namespaces?: readonly string[];
  readonly kind?: string;
  readonly name?: string;
  readonly actor?: string;
  readonly revision?: number;
  /** Most entries to return. */
  readonly limit: number;
}

/** A revision that changed resources. */
export interface ResourceRevision extends AuditOrigin {
  readonly revision: number;
  /** Resources it touched. */
  readonly changes: number;
}

/** The part of the store that remembers. */
export interface AuditStore {
  /**
   * Writes down what is about to be done outside the store's own tables; no new revision. What is
   * to be done once is written once within a day: then it answers what was, and writes nothing.
   * Refused: idempotency_key_reused.
   */
  note(facts: AuditFacts, origin: AuditOrigin, once?: Once): Promise<Noted | Refusal | undefined>;

  /** Entries of the trail, newest first. */
  audit(query: AuditQuery): Promise<readonly AuditEntry[]>;

  /** Revisions that changed resources, newest first, those before `before` when it is given. */
  resourceRevisions(limit: number, before?: number): Promise<readonly ResourceRevision[]>;

  /** What happened to resources after a revision, newest first; undefined when it is forgotten. */
  resourceChangesAfter(revision: number): Promise<readonly AuditEntry[] | undefined>;
}

/** Rows of the trail. */
export interface AuditTables {
  addEntry(revision: number, origin: AuditOrigin, facts: AuditFacts): void;
  /** Forgets the oldest entries when there are a quarter more than `kept`. */
  forgetEntries(kept: number): void;
  entries(query: AuditQuery): AuditEntry[];
  resourceRevisions(limit: number, before: number): ResourceRevision[];
  resourceEntriesAfter(revision: number): AuditEntry[];
  /** Newest revision of which an entry is forgotten or was never written; 0 = none. */
  forgottenRevision(): number;
}
