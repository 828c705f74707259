/**
 * Who may call the admin API: access tokens with a role, namespaces and an end. A token is shown
 * once, wrapped as a secret, and must never be kept; a caller is known by its name from then on.
 */
import { timingSafeEqual } from 'node:crypto';
import { digestOf, hasKeyFormat, makeKey, type RandomBytes } from '../credential/key.ts';
import type { Secret } from '../credential/secret.ts';
import { type AccessToken, ROLES, type Role } from '../store/access.ts';
import type { Refusal, Store } from '../store/store.ts';

/** Whoever calls the admin API. */
export interface Caller {
  /** Name of the access token; what the audit trail knows it by. */
  readonly name: string;
  readonly role: Role;
  /** Namespaces it may see and change; none = all. */
  readonly namespaces: readonly string[];
}

/** What a token is made for. */
export interface TokenRequest {
  readonly name: string;
  readonly role: Role;
  /** None = all. */
  readonly namespaces: readonly string[];
  readonly notAfterMs: number | null;
}

/** A token just made; the only time it is known. */
export interface MadeToken {
  readonly ok: true;
  readonly token: Secret;
  readonly record: AccessToken;
}

/** Name of the token that the host was started with or made at its first start. */
export const ROOT_NAME = 'root';

/** Brand of access tokens: nobody takes one for a key of a product. */
export const TOKEN_BRAND = 'sgadmin';

/** Whether a caller may see and change what is in a namespace. */
export function mayUse(caller: Caller, namespace: string): boolean {
  return caller.namespaces.length === 0 || caller.namespaces.includes(namespace);
}

/** Whether a role holds all that another one does. */
export function covers(role: Role, other: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(other);
}

/** Makes, checks and ends access tokens. */
export class Access {
  readonly #store: Store;
  readonly #rootDigest: Uint8Array;
  readonly #randomBytes: RandomBytes;
  readonly #nowMs: () => number;

  constructor(store: Store, rootDigest: Uint8Array, randomBytes: RandomBytes, nowMs: () => number) {
    this.#store = store;
    this.#rootDigest = rootDigest;
    this.#randomBytes = randomBytes;
    this.#nowMs = nowMs;
  }

  /**
   * Who presents this token, or undefined for whoever may not call. The root token is compared in
   * constant time; others are looked up by digest, where time tells nothing a caller could choose.
   */
  async callerOf(presented: string): Promise<Caller | undefined> {
    const digest = digestOf(presented);
    if (timingSafeEqual(digest, this.#rootDigest)) {
      return { name: ROOT_NAME, role: 'admin', namespaces: [] };
    }
    if (!hasKeyFormat(presented, [TOKEN_BRAND])) return undefined;
    const token = await this.#store.accessTokenWithDigest(digest);
    if (token === undefined || token.revokedAtMs !== null) return undefined;
    if (token.notAfterMs !== null && token.notAfterMs <= this.#nowMs()) return undefined;
    return { name: token.name, role: token.role, namespaces: token.namespaces };
  }

  /** Makes a token; nobody makes one that may do more than its maker. */
  async create(request: TokenRequest, by: Caller): Promise<MadeToken | Refusal | Beyond> {
    const { name, role, namespaces, notAfterMs } = request;
    const wider = namespaces.length === 0 || namespaces.some((one) => !mayUse(by, one));
    if (!covers(by.role, role) || (wider && by.namespaces.length > 0)) {
      return { ok: false, code: 'forbidden', message: 'the token would allow more than yours' };
    }
    if (name === ROOT_NAME) return wrong(`"${ROOT_NAME}" is the token the host was started with`);
    if (notAfterMs !== null && notAfterMs <= this.#nowMs()) {
      return wrong('the token would be expired from the start');
    }
    const made = makeKey(TOKEN_BRAND, this.#randomBytes);
    const outcome = await this.#store.createAccessToken({
      ...{ name, role, namespaces, notAfterMs },
      digest: made.digest,
      displayPrefix: made.displayPrefix,
      createdAtMs: this.#nowMs(),
      createdBy: by.name,
    });
    return outcome.ok ? { ok: true, token: made.key, record: outcome.value } : outcome;
  }

  /** Tokens that are not revoked and allow no more than the caller's. */
  async list(by: Caller): Promise<readonly AccessToken[]> {
    const tokens = await this.#store.accessTokens();
    return tokens.filter((each) => reaches(by, each.namespaces));
  }

  /** Ends a token for good. */
  async revoke(name: string, by: Caller) {
    const known = await this.list(by);
    if (known.every((each) => each.name !== name)) {
      const message = `no access token "${name}"`;
      return { ok: false, code: 'not_found', subject: name, message } as const;
    }
    return this.#store.revokeAccessToken(name, by.name, this.#nowMs());
  }
}

/** A request for more than the caller has, or one that makes no sense. */
export interface Beyond {
  readonly ok: false;
  readonly code: 'forbidden' | 'bad_request';
  readonly message: string;
}

function wrong(message: string): Beyond {
  return { ok: false, code: 'bad_request', message };
}

function reaches(caller: Caller, namespaces: readonly string[]): boolean {
  if (caller.namespaces.length === 0) return true;
  return namespaces.length > 0 && namespaces.every((one) => mayUse(caller, one));
}
