/**
 * Keys as operators handle them: made, listed, found and revoked. The key itself passes through
 * here once, wrapped as a secret, and must never be kept.
 */
import {
  BRAND_PATTERN,
  DEFAULT_BRAND,
  digestOf,
  makeKey,
  type RandomBytes,
} from '../credential/key.ts';
import { type CredentialRules, NO_RULES, RULES_MAX } from '../credential/rules.ts';
import type { Secret } from '../credential/secret.ts';
import { readCidrText, readReferer } from '../resources/names.ts';
import type { Once } from '../store/access.ts';
import type { NewCredential, Outcome, Refusal, Store, StoredCredential } from '../store/store.ts';

/** What a key is made for. Times are Unix milliseconds. */
export interface KeyRequest {
  readonly namespace: string;
  readonly application: string;
  readonly name?: string;
  readonly brand?: string;
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
  readonly rules?: CredentialRules;
  /** Who asks for it; the host itself unless given. */
  readonly by?: string;
}

/** A key just made; the only time the key is known. */
export interface MadeKey {
  readonly ok: true;
  readonly key: Secret;
  readonly credential: StoredCredential;
  readonly revision: number;
}

/** What an idempotency key led to before. */
export interface ReplayedKey {
  readonly ok: true;
  readonly replayed: true;
  readonly credential: StoredCredential;
  readonly revision: number;
}

/** A request that cannot be met, besides the refusals of the store. */
export interface BadRequest {
  readonly ok: false;
  readonly code: 'bad_request';
  readonly message: string;
  readonly subject: string;
}

/** How a key is put in the place of another. */
export interface RotateRequest {
  /** How long the one before goes on. */
  readonly overlapMs: number;
  readonly notAfterMs?: number | undefined;
  readonly by: string;
}

/** A key that was made elsewhere. */
export interface ImportRequest {
  readonly namespace: string;
  readonly application: string;
  readonly name?: string | undefined;
  /** The key, or its SHA-256. */
  readonly secret: Secret | Uint8Array;
  readonly notBeforeMs?: number | undefined;
  readonly notAfterMs?: number | undefined;
  readonly by: string;
}

/** Fewest characters of an imported key: 22 of base 62 hold 131 bits. */
export const IMPORTED_KEY_MIN = 22;

/** Which credentials to list. */
export interface KeyQuery {
  readonly namespace?: string;
  /** Only of these; none = all. */
  readonly namespaces?: readonly string[];
  readonly application?: string;
  /** Exact name. */
  readonly name?: string;
  /** Beginning of the display prefix. */
  readonly prefix?: string;
  readonly afterId?: number;
  readonly limit: number;
}

/** Most credentials of one page of a list. */
export const LIST_MAX = 500;

const SCAN = 1_000;
/** A digest that is taken already would need the same 178 random bits; one more try is plenty. */
const TRIES = 2;

/** Makes and ends keys in a store. */
export class Keys {
  readonly #store: Store;
  readonly #randomBytes: RandomBytes;
  readonly #nowMs: () => number;

  constructor(store: Store, randomBytes: RandomBytes, nowMs: () => number) {
    this.#store = store;
    this.#randomBytes = randomBytes;
    this.#nowMs = nowMs;
  }

  /** Makes a key; it is valid once this resolves. */
  async create(request: KeyRequest): Promise<MadeKey | Refusal | BadRequest> {
    const made = await this.createOnce(request);
    if (made.ok && 'replayed' in made) throw new Error('nothing is made once without a key for it');
    return made;
  }

  /**
   * Makes a key, unless the same actor made one by the same request within a day: then it answers
   * that one's credential, whose key cannot be shown again.
   */
  async createOnce(
    request: KeyRequest,
    once?: Once,
  ): Promise<MadeKey | ReplayedKey | Refusal | BadRequest> {
    const done = await this.#doneBefore(request, once);
    if (typeof done === 'object') return done;
    // What was done is answered, also when it could not be done any more.
    const wrong = done ? undefined : this.#check(request);
    if (wrong !== undefined) {
      return badRequest(wrong, request.application);
    }
    for (let tried = 1; ; tried += 1) {
      const made = makeKey(request.brand ?? DEFAULT_BRAND, this.#randomBytes);
      const outcome = await this.#store.createCredential({
        namespace: request.namespace,
        application: request.application,
        ...(request.name !== undefined && { name: request.name }),
        brand: request.brand ?? DEFAULT_BRAND,
        displayPrefix: made.displayPrefix,
        digest: made.digest,
        notBeforeMs: request.notBeforeMs ?? null,
        notAfterMs: request.notAfterMs ?? null,
        rules: request.rules ?? NO_RULES,
        createdAtMs: this.#nowMs(),
        ...(request.by !== undefined && { by: request.by }),
        once,
      });
      if (outcome.ok && !outcome.changed) {
        return { ok: true, replayed: true, credential: outcome.value, revision: outcome.revision };
      }
      if (outcome.ok) {
        const { value: credential, revision } = outcome;
        return { ok: true, key: made.key, credential, revision };
      }
      if (outcome.code !== 'digest_taken' || tried === TRIES) return outcome;
    }
  }

  /** Ends the key of a credential for good; again is a no-op. */
  revoke(id: number, by?: string) {
    return this.#store.revokeCredential(id, this.#nowMs(), by);
  }

  /** Takes a key into use or out of it; it can be taken back. */
  setState(id: number, state: 'enabled' | 'disabled', by: string) {
    const cause = state === 'enabled' ? 'key enable' : 'key disable';
    return this.#store.changeCredential(id, { state, by, cause, nowMs: this.#nowMs() });
  }

  /** Ends a key at a time, at once when it has passed. */
  expire(id: number, atMs: number, by: string) {
    const nowMs = this.#nowMs();
    const change = { by, cause: 'key expire', nowMs, notAfterMs: Math.max(nowMs, atMs) };
    return this.#store.changeCredential(id, change);
  }

  /** Makes a key in the place of another, which goes on for `overlapMs`. */
  async rotate(old: StoredCredential, { overlapMs, notAfterMs, by }: RotateRequest) {
    const nowMs = this.#nowMs();
    if (notAfterMs !== undefined && notAfterMs <= nowMs) {
      return badRequest('the key would be expired from the start', old.application);
    }
    const brand = old.brand === '' ? DEFAULT_BRAND : old.brand;
    const made = makeKey(brand, this.#randomBytes);
    const { id: _id, name: _name, origin: _o, state: _s, revokedAtMs: _r, ...rest } = old;
    const next: NewCredential = {
      ...rest,
      ...{ brand, digest: made.digest, displayPrefix: made.displayPrefix, createdAtMs: nowMs },
      ...{ notBeforeMs: null, notAfterMs: notAfterMs ?? null, by, cause: 'key rotate' },
    };
    const outcome = await this.#store.rotateCredential(old.id, next, nowMs + overlapMs);
    return outcome.ok ? { ...outcome, key: made.key } : outcome;
  }

  /** Takes over a key that was made elsewhere: the key, hashed at once, or its digest. */
  async import(request: ImportRequest): Promise<Outcome<StoredCredential> | BadRequest> {
    const { namespace, application, name, secret, by } = request;
    const key = secret instanceof Uint8Array ? undefined : secret.reveal();
    if (key !== undefined && key.length < IMPORTED_KEY_MIN) {
      const message = `the key has ${key.length} characters, at least ${IMPORTED_KEY_MIN}`;
      return badRequest(message, application);
    }
    const { notBeforeMs = null, notAfterMs = null } = request;
    if ((notAfterMs ?? Infinity) <= Math.max(this.#nowMs(), notBeforeMs ?? 0)) {
      return badRequest('the key would never be valid', application);
    }
    return this.#store.createCredential({
      ...{ namespace, application, ...(name !== undefined && { name }) },
      ...{ brand: '', displayPrefix: '', notBeforeMs, notAfterMs, createdAtMs: this.#nowMs() },
      digest: secret instanceof Uint8Array ? secret : digestOf(secret.reveal()),
      ...{ by, cause: 'key import' },
    });
  }

  /** The credential with this id. */
  credential(id: number): Promise<StoredCredential | undefined> {
    return this.#store.credential(id);
  }

  /** Credentials in the order of ids, at most `limit`. */
  async list(query: KeyQuery): Promise<readonly StoredCredential[]> {
    const found: StoredCredential[] = [];
    const { name, prefix, limit, namespace, application, namespaces = [] } = query;
    let afterId = query.afterId ?? 0;
    const filtered = name !== undefined || prefix !== undefined || namespaces.length > 0;
    for (;;) {
      const page = await this.#store.credentials({
        ...(namespace !== undefined && { namespace }),
        ...(application !== undefined && { application }),
        afterId,
        limit: filtered ? SCAN : limit,
      });
      for (const credential of page) {
        if (namespaces.length > 0 && !namespaces.includes(credential.namespace)) continue;
        if (name !== undefined && credential.name !== name) continue;
        if (prefix !== undefined && !credential.displayPrefix.startsWith(prefix)) continue;
        found.push(credential);
        if (found.length === limit) return found;
      }
      const last = page.at(-1);
      if (!filtered || last === undefined || page.length < SCAN) return found;
      afterId = last.id;
    }
  }

  async #doneBefore({ by = 'host' }: KeyRequest, once?: Once): Promise<boolean | Refusal> {
    if (once === undefined) return false;
    const done = await this.#store.doneOnce(by, once, this.#nowMs());
    return done !== undefined && 'ok' in done ? done : done !== undefined;
  }

  #check(request: KeyRequest): string | undefined {
    const { brand = DEFAULT_BRAND, notBeforeMs = 0, notAfterMs = Infinity } = request;
    if (!BRAND_PATTERN.test(brand)) {
      return 'a brand is a lower-case letter and 1 to 15 lower-case letters and digits';
    }
    const wrongRule = faultOfRules(request.rules ?? NO_RULES);
    if (wrongRule !== undefined) return wrongRule;
    if (notAfterMs <= this.#nowMs()) return 'the key would be expired from the start';
    if (notAfterMs <= notBeforeMs) return 'the key would expire before it becomes valid';
    return undefined;
  }
}

/** What is wrong with rules, in words, or undefined. */
function faultOfRules({ cidrs, referers }: CredentialRules): string | undefined {
  if (cidrs.length > RULES_MAX || referers.length > RULES_MAX) {
    return `a key has at most ${RULES_MAX} networks and as many referers`;
  }
  for (const [what, texts, read] of [
    ['network', cidrs, readCidrText],
    ['referer', referers, readReferer],
  ] as const) {
    for (const text of texts) {
      const outcome = read(text);
      if (outcome.ok) continue;
      const { facts, suggestion } = outcome;
      const meant = suggestion === undefined ? '' : `; did you mean ${suggestion}?`;
      return `${what} "${text.slice(0, 80)}" ${facts.why}${meant}`;
    }
  }
  return undefined;
}

function badRequest(message: string, subject: string): BadRequest {
  return { ok: false, code: 'bad_request', message, subject };
}
