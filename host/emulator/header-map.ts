/**
 * Envoy's header map as a filter sees it: multi-valued, in order, names in lower case, pseudo
 * headers first. Certain names hold one value only; a second one is joined to it with a comma.
 * Which names do so was measured on Envoy 1.39.3 with every duplicate sent to it.
 */
import { asciiLowerCase, byteString } from './memory.ts';
import { encodePairs, type Pair } from './pairs.ts';

const JOINED_BOTH = [
  'cache-control',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'keep-alive',
  'proxy-connection',
  'proxy-status',
  'transfer-encoding',
  'upgrade',
  'via',
  'x-envoy-attempt-count',
  'x-envoy-decorator-operation',
  'x-request-id',
];

const JOINED_REQUEST = new Set([
  ...JOINED_BOTH,
  ':authority',
  ':method',
  ':path',
  ':protocol',
  ':scheme',
  'accept',
  'accept-encoding',
  'access-control-request-headers',
  'access-control-request-method',
  'access-control-request-private-network',
  'authentication',
  'authorization',
  'cdn-loop',
  'expect',
  'grpc-accept-encoding',
  'grpc-timeout',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'origin',
  'pragma',
  'referer',
  'te',
  'user-agent',
  'x-client-trace-id',
  'x-envoy-downstream-service-cluster',
  'x-envoy-external-address',
  'x-envoy-force-trace',
  'x-envoy-internal',
  'x-envoy-max-retries',
  'x-envoy-original-path',
  'x-envoy-retry-on',
  'x-envoy-upstream-rq-timeout-ms',
  'x-forwarded-client-cert',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
]);

const JOINED_RESPONSE = new Set([
  ...JOINED_BOTH,
  ':status',
  'access-control-allow-credentials',
  'access-control-allow-headers',
  'access-control-allow-methods',
  'access-control-allow-origin',
  'access-control-allow-private-network',
  'access-control-expose-headers',
  'access-control-max-age',
  'age',
  'date',
  'etag',
  'expires',
  'grpc-message',
  'grpc-status',
  'last-modified',
  'location',
  'server',
  'vary',
  'x-envoy-immediate-health-check-fail',
  'x-envoy-upstream-service-time',
]);

/** Whose headers a map holds; decides which names are joined, and that `host` is `:authority`. */
export type HeaderMapKind = 'request' | 'response';

/** A header list given by a caller: pairs in order, or an object for lists without duplicates. */
export type HeaderList = readonly Pair[] | Readonly<Record<string, string>>;

/** The headers of one message. */
export class HeaderMap {
  readonly kind: HeaderMapKind;
  #names: string[];
  #values: string[];
  #shared = false;
  #encoded: Uint8Array | undefined;

  constructor(kind: HeaderMapKind, headers: HeaderList | HeaderMap = []) {
    this.kind = kind;
    if (headers instanceof HeaderMap) {
      this.#names = headers.#names;
      this.#values = headers.#values;
      this.#encoded = headers.encoded();
      this.#shared = true;
      headers.#shared = true;
      return;
    }
    this.#names = [];
    this.#values = [];
    const pairs = Array.isArray(headers) ? (headers as Pair[]) : Object.entries(headers);
    for (const [name, value] of pairs) this.add(byteString(name), byteString(value));
  }

  /** The number of headers. */
  get size(): number {
    return this.#names.length;
  }

  /** The bytes of all names and values. */
  get byteSize(): number {
    let size = 0;
    for (const name of this.#names) size += name.length;
    for (const value of this.#values) size += value.length;
    return size;
  }

  /** The headers in order; a copy. */
  pairs(): Pair[] {
    return this.#names.map((name, i): Pair => [name, this.#values[i] ?? '']);
  }

  /** The headers in the layout of the ABI; kept until the map changes. Not to be written to. */
  encoded(): Uint8Array {
    this.#encoded ??= encodePairs(this.#names, this.#values);
    return this.#encoded;
  }

  /** The first value under a name, or undefined. */
  get(name: string): string | undefined {
    return this.#values[this.#names.indexOf(this.#key(name))];
  }

  /** All values under a name, in order. */
  all(name: string): string[] {
    const key = this.#key(name);
    return this.#values.filter((_, i) => this.#names[i] === key);
  }

  /** Adds a value; under a name that holds one value only it is joined with a comma. */
  add(name: string, value: string): void {
    this.#own();
    const key = this.#key(name);
    const joined = this.kind === 'request' ? JOINED_REQUEST : JOINED_RESPONSE;
    const found = joined.has(key) ? this.#names.indexOf(key) : -1;
    if (found >= 0) {
      const before = this.#values[found] ?? '';
      this.#values[found] = before === '' ? value : value === '' ? before : `${before},${value}`;
    } else if (key.startsWith(':')) {
      let at = 0;
      while (this.#names[at]?.startsWith(':')) at++;
      this.#names.splice(at, 0, key);
      this.#values.splice(at, 0, value);
    } else {
      this.#names.push(key);
      this.#values.push(value);
    }
  }

  /** Removes every value under a name; answers how many there were. */
  remove(name: string): number {
    const key = this.#key(name);
    if (!this.#names.includes(key)) return 0;
    this.#own();
    const before = this.#names.length;
    this.#values = this.#values.filter((_, i) => this.#names[i] !== key);
    this.#names = this.#names.filter((other) => other !== key);
    return before - this.#names.length;
  }

  /** Puts one value in the place of all values under a name; it moves to the end. */
  replace(name: string, value: string): void {
    this.remove(name);
    this.add(name, value);
  }

  /** Takes everything out and adds `pairs`. */
  setAll(pairs: readonly Pair[]): void {
    this.#names = [];
    this.#values = [];
    this.#shared = false;
    this.#encoded = undefined;
    for (const [name, value] of pairs) this.add(name, value);
  }

  #key(name: string): string {
    const key = asciiLowerCase(name);
    return key === 'host' && this.kind === 'request' ? ':authority' : key;
  }

  #own(): void {
    this.#encoded = undefined;
    if (!this.#shared) return;
    this.#names = this.#names.slice();
    this.#values = this.#values.slice();
    this.#shared = false;
  }
}
