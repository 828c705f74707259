/**
 * Access tokens as the store keeps them: who may call the admin API, as what, until when. It
 * describes them and must never hold a token: only digests are kept.
 */
import type { Noted } from './audit.ts';
import type { Outcome } from './store.ts';

/** What a caller may do, each with all that stands before it. */
export const ROLES = ['view', 'operate', 'admin'] as const;

/** One of {@link ROLES}. */
export type Role = (typeof ROLES)[number];

/** Most access tokens that are not revoked. */
export const ACCESS_TOKENS_MAX = 1_000;

/** An access token: everything about it except the token. */
export interface AccessToken {
  readonly id: number;
  /** DNS label, unique among the tokens that are not revoked. */
  readonly name: string;
  readonly role: Role;
  /** Namespaces it is for; none = all. */
  readonly namespaces: readonly string[];
  /** First characters of the token, for people to tell tokens apart. */
  readonly displayPrefix: string;
  readonly createdAtMs: number;
  /** Who made it. */
  readonly createdBy: string;
  /** Unix milliseconds from which it is no longer valid, or null. */
  readonly notAfterMs: number | null;
  /** Unix milliseconds of the revocation, or null. */
  readonly revokedAtMs: number | null;
}

/** What making a token hands over: its digest, never the token. */
export type NewAccessToken = Omit<AccessToken, 'id' | 'revokedAtMs'> & {
  /** SHA-256, 32 bytes. */
  readonly digest: Uint8Array;
};

/** The part of the store that keeps access tokens. No change of it is a new revision. */
export interface AccessStore {
  /** Adds a token. Refused: name_taken, too_many. */
  createAccessToken(token: NewAccessToken): Promise<Outcome<AccessToken>>;

  /** Ends the token of this name for good. Refused: not_found. */
  revokeAccessToken(name: string, by: string, nowMs: number): Promise<Outcome<AccessToken>>;

  /** All tokens that are not revoked, by name. */
  accessTokens(): Promise<readonly AccessToken[]>;

  /** The token with this digest, revoked or not. */
  accessTokenWithDigest(digest: Uint8Array): Promise<AccessToken | undefined>;
}

/** What an actor made with an idempotency key. */
export interface Creation {
  readonly actor: string;
  readonly idempotencyKey: string;
  readonly credential: number;
  readonly atMs: number;
}

/** What an actor wrote down with an idempotency key. */
export interface Note {
  readonly actor: string;
  readonly idempotencyKey: string;
  readonly noted: Noted;
}

/** What an idempotency key led to is remembered for so long. */
export const REMEMBERED_MS = 86_400_000;

/** Rows of access tokens, and of what they asked to be made once. */
export interface AccessTables {
  /** Id of the credential that this actor made with this idempotency key. */
  creation(actor: string, idempotencyKey: string): number | undefined;
  /** Remembers one and forgets those before `forgetBeforeMs`. */
  addCreation(creation: Creation, forgetBeforeMs: number): void;
  /** What this actor wrote down with this idempotency key. */
  noted(actor: string, idempotencyKey: string): Noted | undefined;
  /** Remembers one and forgets those before `forgetBeforeMs`. */
  addNote(note: Note, forgetBeforeMs: number): void;
  addToken(token: NewAccessToken): AccessToken;
  /** Tokens that are not revoked, by name. */
  livingTokens(): AccessToken[];
  tokenWithDigest(digest: Uint8Array): AccessToken | undefined;
  endToken(id: number, revokedAtMs: number): void;
}
