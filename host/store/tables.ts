/**
 * The tables under a store and the few operations it needs of them. The rules of the store live
 * in `core.ts` and `change.ts`; a table implementation keeps rows and must never decide anything.
 */
import type { CompiledRecord, DeclaredCredential, NameKey, RecordKind } from '../compile/output.ts';
import type { CredentialRules } from '../credential/rules.ts';
import type { AccessTables } from './access.ts';
import type { AuditTables } from './audit.ts';
import type {
  CredentialQuery,
  GroupHead,
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

/** A declared credential in short, to be compared with what a file declares now. */
export interface DeclaredFacts {
  readonly id: number;
  readonly applicationId: number;
  readonly digest: Uint8Array;
  /** All else that a file says of it, as {@link declaredText} writes it. */
  readonly text: string;
}

/**
 * What a file says of a credential besides its digest. Equal texts mean that nothing changed;
 * of unequal ones the rows decide.
 */
export function declaredText(
  credential: Omit<DeclaredCredential, 'digest' | 'state'> & {
    readonly state: string;
  },
): string {
  const { namespace, application, name, state, notBeforeMs, notAfterMs, rules } = credential;
  const of = `${namespace} ${application} ${name} ${state}`;
  return `${of} ${notBeforeMs ?? ''} ${notAfterMs ?? ''} ${rulesText(rules) ?? ''}`;
}

/** Rules as they are kept; null = none. */
export function rulesText(rules: CredentialRules): string | null {
  return rules.cidrs.length + rules.referers.length === 0 ? null : JSON.stringify(rules);
}

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

/** A credential as others see it. */
export function stored(row: CredentialRow): StoredCredential {
  const { applicationId: _, ...credential } = row;
  return credential;
}

/** A proxy group as others see it, at a revision of the store. */
export function head(row: GroupRow, revision: number): GroupHead {
  const { name: group, policyRevision, directoryRevision, credentials } = row;
  return { group, revision, policyRevision, directoryRevision, credentials };
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

  /** What compiled the whole set last; '' = nobody knows. */
  compiledBy(): string;
  setCompiledBy(mark: string): void;

  idOf(key: NameKey): number | undefined;
  /** Ids of names, in the order asked. */
  idsOf(keys: readonly NameKey[]): readonly (number | undefined)[];
  nameOf(id: number): NameKey | undefined;
  /** Gives the next free id to a name that has none. */
  giveId(key: NameKey): number;
  /**
   * Gives ids that follow one another to names of which none has one and none comes twice. Answers
   * the first.
   */
  giveIds(keys: readonly NameKey[]): number;

  resource(kind: string, namespace: string, name: string): string | undefined;
  resources(kind?: string): StoredResource[];
  resourcePage(query: ResourceQuery): StoredResource[];
  putResource(resource: StoredResource): void;
  deleteResource(kind: string, namespace: string, name: string): void;

  credential(id: number): CredentialRow | undefined;
  credentialNamed(namespace: string, name: string): CredentialRow | undefined;
  credentialWithDigest(digest: Uint8Array): CredentialRow | undefined;
  /** Credentials of some applications in the order of ids: all, or those made by key create. */
  credentialsOf(applications: readonly number[], origin?: 'key'): readonly CredentialFacts[];
  /** All declared credentials, in the order of ids. */
  declaredFacts(): readonly DeclaredFacts[];
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
  /** Adds records that are not present; answers how many removals stood in their places. */
  enterRows(group: number, revision: number, records: readonly CompiledRecord[]): number;
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
