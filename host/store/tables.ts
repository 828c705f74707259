/**
 * The tables under a store and the few operations it needs of them. The rules of the store live
 * in `core.ts` and `change.ts`; a table implementation keeps rows and must never decide anything.
 */
import type { NameKey, RecordKind } from '../compile/output.ts';
import type { AccessTables } from './access.ts';
import type { AuditTables } from './audit.ts';
import type {
  CredentialQuery,
  PolicyVersion,
  ResourceQuery,
  StoredCredential,
  StoredResource,
} from './store.ts';

/** A credential with the id of its application, by which directories find it. */
export interface CredentialRow extends StoredCredential {
  readonly applicationId: number;
}

/** The part of a credential that its directory record says. */
export type CredentialFacts = Pick<
  CredentialRow,
  'id' | 'applicationId' | 'digest' | 'state' | 'notBeforeMs' | 'notAfterMs' | 'rules'
>;

/** A row of a directory: the newest thing known of one record of one proxy group. */
export interface DirectoryRow {
  /** Id of the proxy group. */
  readonly group: number;
  readonly kind: RecordKind;
  readonly id: number;
  readonly revision: number;
  /** False = a removal, kept until it is forgotten; its body is empty. */
  readonly present: boolean;
  readonly body: Uint8Array;
}

/** A proxy group with the counters that spare scans of its directory. */
export interface GroupRow {
  readonly id: number;
  readonly name: string;
  readonly policyRevision: number;
  readonly directoryRevision: number;
  /** Present credential records. */
  readonly credentials: number;
  /** Removals kept. */
  readonly removals: number;
  /** Newest revision of a removal that is no longer kept; 0 = none. */
  readonly forgotten: number;
}

/** A place in the order (revision, kind, id) of a directory. */
export interface DirectoryPlace {
  readonly revision: number;
  readonly kind: number;
  readonly id: number;
}

/** Rows of one store. Everything but `transact` may only be called while no other call runs. */
export interface Tables {
  /** 16 bytes; constant. */
  readonly storeId: Uint8Array;
  readonly epoch: number;
  readonly audit: AuditTables;
  readonly access: AccessTables;

  /** Runs `change` whole or, when it throws, not at all. Durable on return. */
  transact<T>(change: () => T): T;

  revision(): number;
  setRevision(revision: number): void;
  /** Revision at which a resource last changed. */
  resourceRevision(): number;
  setResourceRevision(revision: number): void;

  idOf(key: NameKey): number | undefined;
  nameOf(id: number): NameKey | undefined;
  /** Gives the next free id to a name that has none. */
  giveId(key: NameKey): number;

  resource(kind: string, namespace: string, name: string): string | undefined;
  resources(kind?: string): StoredResource[];
  resourcePage(query: ResourceQuery): StoredResource[];
  putResource(resource: StoredResource): void;
  deleteResource(kind: string, namespace: string, name: string): void;

  credential(id: number): CredentialRow | undefined;
  credentialNamed(namespace: string, name: string): CredentialRow | undefined;
  credentialWithDigest(digest: Uint8Array): CredentialRow | undefined;
  /** All credentials of an application, in the order of ids. */
  credentialsOf(applicationId: number): CredentialFacts[];
  declaredCredentials(): CredentialRow[];
  listCredentials(query: CredentialQuery): CredentialRow[];
  putCredential(row: CredentialRow): void;
  deleteCredential(id: number): void;

  groupNamed(name: string): GroupRow | undefined;
  /** Ordered by name. */
  groups(): GroupRow[];
  putGroup(row: GroupRow): void;

  directoryRow(group: number, kind: RecordKind, id: number): DirectoryRow | undefined;
  /** Present applications and subscriptions of a proxy group. */
  presentRecords(group: number): Iterable<DirectoryRow>;
  /** Ids of the proxy groups in whose directory the application is present. */
  groupsOf(applicationId: number): number[];
  /** Replaces the present row of (group, kind, id); its revision is above the one there. */
  changeRow(row: DirectoryRow): void;
  /** Adds a row that is not present; answers whether a removal stood in its place. */
  enterRow(row: DirectoryRow): boolean;
  /** Turns a row into a removal of this revision; answers whether it was present. */
  leaveRow(group: number, kind: RecordKind, id: number, revision: number): boolean;
  /** Rows behind a place in order, removals included. The caller may stop at any row. */
  rowsAfter(group: number, place: DirectoryPlace): Iterable<DirectoryRow>;
  /**
   * Drops the oldest removals, by whole revisions, until at most `keep` are left. Answers how many
   * are left and the newest revision dropped.
   */
  forgetRemovals(group: number, keep: number): { removals: number; forgotten: number };

  /** Newest first. */
  policies(group: number): PolicyVersion[];
  /** Adds a policy and drops all but the newest `keep`. */
  putPolicy(group: number, policy: PolicyVersion, keep: number): void;

  close(): void;
}
