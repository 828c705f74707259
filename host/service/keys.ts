/**
 * Keys as operators handle them: made, listed, found and revoked. The key itself passes through
 * here once, wrapped as a secret, and must never be kept.
 */
import { BRAND_PATTERN, DEFAULT_BRAND, makeKey, type RandomBytes } from '../credential/key.ts';
import { type CredentialRules, NO_RULES, RULES_MAX } from '../credential/rules.ts';
import type { Secret } from '../credential/secret.ts';
import { readCidrText, readReferer } from '../resources/names.ts';
import type { Refusal, Store, StoredCredential } from '../store/store.ts';

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

/** A request that cannot be met, besides the refusals of the store. */
export interface BadRequest {
  readonly ok: false;
  readonly code: 'bad_request';
  readonly message: string;
  readonly subject: string;
}

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
    const wrong = this.#check(request);
    if (wrong !== undefined) {
      return { ok: false, code: 'bad_request', message: wrong, subject: request.application };
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
      });
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
