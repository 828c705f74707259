/**
 * What compiling makes, as plain values that may cross threads and processes: names that need
 * ids, policies and directory records. It holds no behaviour.
 */

import type { CredentialRules } from '../credential/rules.ts';

/** What a stable id can stand for. */
export type NamedKind =
  | 'ProxyGroup'
  | 'Product'
  | 'Operation'
  | 'Plan'
  | 'Limit'
  | 'Consumer'
  | 'Application'
  | 'Subscription'
  | 'Credential';

/**
 * The name a stable id stands for; unique by all three fields. What may never change under one id
 * is part of the name.
 */
export interface NameKey {
  readonly kind: NamedKind;
  readonly namespace: string;
  readonly name: string;
}

/** Kinds of directory records, numbered as on the wire; pages are ordered by these numbers. */
export const RecordKind = { credential: 1, application: 2, subscription: 3 } as const;

/** One of the numbers of {@link RecordKind}. */
export type RecordKind = (typeof RecordKind)[keyof typeof RecordKind];

/** A record of one proxy group's directory: kind, stable id and the body on the wire. */
export interface CompiledRecord {
  readonly kind: RecordKind;
  readonly id: number;
  readonly body: Uint8Array;
}

/**
 * What compiling made for one proxy group: its whole policy and all its records but credentials.
 */
export interface CompiledGroup {
  readonly group: string;
  readonly policy: Uint8Array;
  readonly records: readonly CompiledRecord[];
}

/** A credential declared in a file. */
export interface DeclaredCredential {
  readonly namespace: string;
  /** Its name, or `namespace/name` where it is of another namespace. */
  readonly application: string;
  readonly name: string;
  /** 32 bytes. */
  readonly digest: Uint8Array;
  readonly state: 'enabled' | 'disabled';
  readonly notBeforeMs: number | null;
  readonly notAfterMs: number | null;
  readonly rules: CredentialRules;
}

/** A compiled set. */
export interface CompiledSet {
  readonly groups: readonly CompiledGroup[];
  readonly credentials: readonly DeclaredCredential[];
}

/** A bound of docs/wire.md that a proxy group would pass. */
export interface Excess {
  readonly group: string;
  /** What there is too much of, in the plural. */
  readonly what: string;
  readonly count: number;
  readonly most: number;
}
