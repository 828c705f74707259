/**
 * The interface of the store: applied resources, stable ids, credentials, the directory and the
 * compiled policy of every proxy group, each change one transaction with one new revision. It
 * says what a store promises and must never know how one keeps it: implementations are in
 * `memory.ts` and `sqlite.ts`, and one contract suite runs on both.
 */

import type {
  CompiledGroup,
  CompiledRecord,
  DeclaredCredential,
  NameKey,
  RecordKind,
} from '../compile/output.ts';
import type { CredentialRules } from '../credential/rules.ts';
import type { AccessStore, Once } from './access.ts';
import type { AuditStore } from './audit.ts';

/** Most credentials one proxy group's directory may hold unless the options say otherwise. */
export const DIRECTORY_CREDENTIALS_MAX = 100_000;

/** Most removals kept per proxy group; a filter that lags behind the oldest starts over. */
export const REMOVALS_KEPT_MAX = 100_000;

/** How many compiled policies of a proxy group are kept, the newest included. */
export const POLICIES_KEPT = 2;

/** State of a credential. `revoked` is final; the other two may change back and forth. */
export type CredentialState = 'enabled' | 'disabled' | 'revoked';

/** A credential as the store keeps it: everything about a key except the key. */
export interface StoredCredential {
  /** Stable id, a positive safe integer, never given to another credential. */
  readonly id: number;
  readonly namespace: string;
  /** Name of the owning application, or `namespace/name` where it is of another namespace. */
  readonly application: string;
  /** DNS label, unique among the credentials of the namespace, revoked ones included. */
  readonly name: string;
  /** `key` = made by key create; `resource` = declared in a file, which alone may change it. */
  readonly origin: 'key' | 'resource';
  /** Brand of the key, or '' when only the digest is known. */
  readonly brand: string;
  /** First characters of the key for display, or '' when only the digest is known. */
  readonly displayPrefix: string;
  /** SHA-256 of the key, 32 bytes, unique in the store. */
  readonly digest: Uint8Array;
  readonly state: CredentialState;
  /** Unix milliseconds from which the key is valid, or null. */
  readonly notBeforeMs: number | null;
  /** Unix milliseconds from which the key is no longer valid, or null. */
  readonly notAfterMs: number | null;
  readonly rules: CredentialRules;
  readonly createdAtMs: number;
  /** Unix milliseconds of the revocation, or null. */
  readonly revokedAtMs: number | null;
}

/** What `key create` hands over: the digest of a fresh key, never the key. */
export interface NewCredential {
  readonly namespace: string;
  readonly application: string;
  /** DNS label; when absent the store names it `key-<id>`. */
  readonly name?: string;
  readonly brand: string;
  readonly displayPrefix: string;
  readonly digest: Uint8Array;
  readonly notBeforeMs: number | null;
  readonly notAfterMs: number | null;
  /** Absent = none. */
  readonly rules?: CredentialRules;
  readonly createdAtMs: number;
  /** Who asked for it; the host itself unless given. */
  readonly by?: string;
  /** Asked twice by one actor within a day, the second answers what the first one made. */
  readonly once?: Once | undefined;
  /** What was asked for; `key create` unless given. */
  readonly cause?: 'key create' | 'key import' | 'key rotate';
}

/** What may change about a credential that key create made; what is left out stays. */
export interface CredentialChange {
  readonly state?: 'enabled' | 'disabled';
  /** Unix milliseconds from which the key is no longer valid. */
  readonly notAfterMs?: number;
  readonly nowMs: number;
  /** Who asked for it. */
  readonly by: string;
  /** What was asked for, such as `key disable`. */
  readonly cause: string;
}

/** Two credentials of one application: the one before, and the one in its place. */
export interface Rotation {
  readonly before: StoredCredential;
  readonly made: StoredCredential;
}

/** Why a store refuses a change; nothing was changed. Names are stable. */
export type RefusalCode =
  | 'not_found'
  | 'name_taken'
  | 'digest_taken'
  | 'managed_by_resources'
  | 'directory_full'
  | 'revision_conflict'
  | 'revoked'
  | 'idempotency_key_reused'
  | 'too_many';

/** A refusal with the facts of the case in one sentence. */
export interface Refusal {
  readonly ok: false;
  readonly code: RefusalCode;
  readonly message: string;
  /** Name of the credential, application or proxy group the refusal is about. */
  readonly subject: string;
}

/** A change that is durable; `revision` is the one it made, or the current one for a no-op. */
export interface Done<T> {
  readonly ok: true;
  readonly revision: number;
  readonly changed: boolean;
  readonly value: T;
}

/** Outcome of a change. */
export type Outcome<T> = Done<T> | Refusal;

/** One resource of the applied set in canonical form. */
export interface StoredResource {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** Canonical JSON of labels and spec: equal text means equal resource. */
  readonly text: string;
}

/** Chooses resources of one kind, in the order of namespace and name. */
export interface ResourceQuery {
  readonly kind: string;
  /** Only those behind this one; absent for the first page. */
  readonly after?: { readonly namespace: string; readonly name: string };
  /** Only of these namespaces; absent = all. */
  readonly namespaces?: readonly string[];
  /** Only names that hold this text. */
  readonly search?: string;
  /** Most resources to return. */
  readonly limit: number;
}

/** What makes a declared credential the one it is. */
export type CredentialIdentity = Pick<DeclaredCredential, 'namespace' | 'application' | 'digest'>;

/** A part of a resource set and of what it was compiled to, by names and ids. */
export interface SetPart {
  readonly resources: readonly Pick<StoredResource, 'kind' | 'namespace' | 'name'>[];
  readonly credentials: readonly CredentialIdentity[];
  /** Records of applications and subscriptions, in whichever directory. */
  readonly records: readonly Pick<CompiledRecord, 'kind' | 'id'>[];
}

/** A whole resource set, or a part of one, compiled. Everything it does not name ends. */
export interface ResourceChange {
  /** Where given, the change is of this part alone, and the rest of the set stays as it is. */
  readonly part?: SetPart;
  readonly resources: readonly StoredResource[];
  readonly credentials: readonly DeclaredCredential[];
  readonly groups: readonly CompiledGroup[];
  /**
   * What compiled the whole set, which is kept. Where it is another than before, records of
   * credentials are made anew too. A part changes nothing of it.
   */
  readonly compiledBy?: string;
  /** When given, the change is refused unless resources last changed at this revision. */
  readonly ifRevision?: number;
  readonly nowMs: number;
  /** Who asked for it; the host itself unless given. */
  readonly by?: string;
  /** What was asked for; `apply` unless given. */
  readonly cause?: string;
  /** Works the change out, with every refusal, and leaves everything as it was. */
  readonly dryRun?: boolean;
}

/** One row of a proxy group's directory as pages carry it. */
export interface DirectoryRecord {
  readonly kind: RecordKind;
  readonly id: number;
  /** Revision at which the record changed, entered or left this proxy group's directory. */
  readonly revision: number;
  /** False = a removal, whose body is empty. */
  readonly present: boolean;
  readonly body: Uint8Array;
}

/** Place of a record in the order (revision, kind, id); a page goes on behind it. */
export interface DirectoryCursor {
  readonly revision: number;
  readonly kind: number;
  readonly id: number;
}

/** Asks for a page of what changed after a revision. */
export interface DirectoryQuery {
  readonly group: string;
  /** Revision the filter holds; 0 for a first fill. */
  readonly after: number;
  /** Last record of the page before, when the same walk goes on. */
  readonly cursor?: DirectoryCursor;
  /** Bound of the body lengths plus `overheadBytes` for each record. One record always fits. */
  readonly maxBytes: number;
  /** What one record costs on the wire besides its body. */
  readonly overheadBytes: number;
}

/** A page of a directory. */
export type DirectoryPage =
  | {
      readonly outcome: 'page';
      /** In the order (revision, kind, id). */
      readonly records: readonly DirectoryRecord[];
      /** Revision of the store at the time of the reply. */
      readonly head: number;
      /** Revision of the group's newest policy at the time of the reply. */
      readonly policyRevision: number;
      /** True when nothing up to `head` is left behind this page. */
      readonly complete: boolean;
      /** Newest revision of which nothing is left behind this page; `head` when complete. */
      readonly upTo: number;
      /** Newest revision whose removals may be forgotten; 0 = none. See docs/wire.md, section 4. */
      readonly forgotten: number;
    }
  /** Removals that the asker has not seen are forgotten: it fills anew from 0. */
  | { readonly outcome: 'start_over'; readonly head: number }
  | { readonly outcome: 'no_group'; readonly head: number };

/** A compiled policy. Its bytes do not depend on the revision: same resources, same bytes. */
export interface PolicyVersion {
  /** Revision that brought this policy. */
  readonly revision: number;
  readonly bytes: Uint8Array;
}

/** What a proxy group stands at, read in one piece. */
export interface GroupHead {
  readonly group: string;
  /** Revision of the store. */
  readonly revision: number;
  /** Revision of the newest policy. */
  readonly policyRevision: number;
  /** Revision of the newest record or removal, 0 when there never was one. */
  readonly directoryRevision: number;
  /** Credentials in the directory. */
  readonly credentials: number;
}

/** Told after a change is durable, in the order of revisions, once each. */
export interface CommitEvent {
  readonly revision: number;
  /** Only proxy groups that changed. */
  readonly groups: readonly {
    readonly group: string;
    readonly policyChanged: boolean;
    readonly directoryChanged: boolean;
  }[];
}

/** Chooses credentials for a listing, in the order of ids. */
export interface CredentialQuery {
  readonly namespace?: string;
  readonly application?: string;
  /** Only ids above this one; 0 or absent for the first page. */
  readonly afterId?: number;
  /** Most records to return. */
  readonly limit: number;
}

/** Who the store is. Constant while it is open. */
export interface StoreIdentity {
  /** 16 random bytes, made with the store. */
  readonly storeId: Uint8Array;
  /** Raised when a store is restored to an older state. */
  readonly epoch: number;
}

/**
 * The store. Every method answers from one consistent state; a change is durable before its
 * promise resolves. A method rejects only for faults of the medium or after `close`; what a
 * caller can do wrong comes back as a {@link Refusal}.
 */
export interface Store extends AccessStore, AuditStore {
  readonly identity: StoreIdentity;

  /** The newest revision; 0 for an empty store. */
  revision(): Promise<number>;

  /** The revision at which resources last changed; 0 when they never did. */
  resourceRevision(): Promise<number>;

  /** What compiled the whole set last; '' = nobody knows. */
  compiledBy(): Promise<string>;

  /**
   * Ids for names, in the order asked, giving new ones to new names. No new revision. With
   * `rehearse` new names get ids that nobody keeps, fit for a dry run alone.
   */
  reserveIds(names: readonly NameKey[], rehearse?: boolean): Promise<readonly number[]>;

  /** Replaces the applied resource set or a part of it. Equal resources make no new revision. */
  applyResources(change: ResourceChange): Promise<Outcome<null>>;

  /** The applied resource set, ordered by kind, namespace, name; of one kind when given. */
  resources(kind?: string): Promise<readonly StoredResource[]>;
  resourcePage(query: ResourceQuery): Promise<readonly StoredResource[]>;

  /** The names that ids stand for, in the order asked; ids outlive what they were given for. */
  names(ids: readonly number[]): Promise<readonly (NameKey | undefined)[]>;

  /** The canonical text of one applied resource. */
  resource(kind: string, namespace: string, name: string): Promise<string | undefined>;

  /**
   * Adds a credential. Refused: not_found (the application), name_taken, digest_taken,
   * directory_full, idempotency_key_reused.
   */
  createCredential(credential: NewCredential): Promise<Outcome<StoredCredential>>;

  /** Ends a credential for good; again is a no-op. Refused: not_found, managed_by_resources. */
  revokeCredential(id: number, nowMs: number, by?: string): Promise<Outcome<StoredCredential>>;

  /** Changes a credential. Refused: not_found, managed_by_resources, revoked. */
  changeCredential(id: number, change: CredentialChange): Promise<Outcome<StoredCredential>>;

  /**
   * Puts a fresh credential in the place of one, which ends at `untilMs` unless it ends earlier.
   * Refused as creating and changing are.
   */
  rotateCredential(id: number, next: NewCredential, untilMs: number): Promise<Outcome<Rotation>>;

  credential(id: number): Promise<StoredCredential | undefined>;
  credentials(query: CredentialQuery): Promise<readonly StoredCredential[]>;

  /** Every proxy group that ever had a policy, ordered by name. */
  groups(): Promise<readonly GroupHead[]>;
  group(group: string): Promise<GroupHead | undefined>;

  /** The kept policies of a proxy group, newest first, at most POLICIES_KEPT. */
  policies(group: string): Promise<readonly PolicyVersion[]>;

  /** The next page of changes of a directory. Stateless: any host of the same store can go on. */
  directoryAfter(query: DirectoryQuery): Promise<DirectoryPage>;

  /**
   * Calls `listener` after every commit, before the change's promise resolves, until the returned
   * function is called. A listener must not throw: the change is durable already.
   */
  onCommit(listener: (event: CommitEvent) => void): () => void;

  /** Lets the lock go. Waits for changes under way. */
  close(): Promise<void>;
}
