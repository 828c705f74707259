/**
 * Access tokens as the store keeps them: who may call the admin API, as what, until when. It
 * describes them and must never hold a token: only digests are kept.
 */
import type { Noted } from './audit.ts';
import type { Outcome, Refusal } from './store.ts';

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

  /**
   * What this actor did within a day with this idempotency key and this request. Refused:
   * idempotency_key_reused, when the request was another one.
   */
  doneOnce(actor: string, once: Once, nowMs: number): Promise<DoneOnce | Refusal | undefined>;
}

/** A request that is done once, however often it is sent. Both are digests, never what was sent. */
export interface Once {
  readonly idempotencyKey: string;
  /** Of all that was asked for, so that the key is good for nothing else. */
  readonly request: string;
}

/** What an actor did with an idempotency key. */
export interface DoneOnce extends Once {
  readonly actor: string;
  readonly atMs: number;
  /** Id of the credential that was made, or what was written down. */
  readonly led: number | Noted;
}

/** What an idempotency key led to is remembered for so long. */
export const REMEMBERED_MS = 86_400_000;

/** Rows of access tokens, and of what they asked to be done once. */
export interface AccessTables {
  /** What this actor did last with this idempotency key. */
  doneOnce(actor: string, idempotencyKey: string): DoneOnce | undefined;
  /** Remembers one in the place of another with its key; forgets those before `forgetBeforeMs`. */
  addDoneOnce(done: DoneOnce, forgetBeforeMs: number): void;
  addToken(token: NewAccessToken): AccessToken;
  /** Tokens that are not revoked, by name. */
  livingTokens(): AccessToken[];
  tokenWithDigest(digest: Uint8Array): AccessToken | undefined;
  endToken(id: number, revokedAtMs: number): void;
}
