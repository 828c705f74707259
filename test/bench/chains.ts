/**
 * The chains the bench compares: each is a way through one Envoy that does the same job, or less of
 * it. A chain states what it does; it must never be tuned for the bench beyond what its
 * documentation tells every operator to do.
 */
import type { Config } from '../support/envoy-config.ts';
import * as config from '../support/envoy-config.ts';

const TYPE = 'type.googleapis.com/envoy.extensions';

/** One Envoy; chains that differ in what they ask share it. */
export interface ProxySpec {
  filters: Config[];
  clusters: Config[];
  /** The cluster that answers; without it the proxy answers every request itself. */
  upstream?: string;
}

/** A way to ask an Envoy, and what must come of it. */
export interface Chain {
  name: string;
  /** One line for the table of results. */
  does: string;
  proxy: ProxySpec;
  /** Headers of the next round's requests. */
  headers: () => Record<string, string>;
  /** The status every request of the chain must get. */
  expect: number;
  /** Whether a key that nobody made is refused, which is made sure of at the start. */
  knowsKeys: boolean;
  /** Processes whose CPU time is spent on behalf of the chain, besides the proxy. */
  helpers: () => number[];
}

/** Header that carries the key. */
export const KEY_HEADER = 'x-api-key';
/** The key of chains that look at none: they carry the same headers as those that do. */
const SOME_KEY = `sg_${'0'.repeat(36)}`;
/** Headers that the load generator sends by itself: `host` and `user-agent`. */
const OWN_HEADERS = 2;
/** How many headers a small and a large request has. */
export const SMALL = 7;
export const LARGE = 40;

/** The headers of a request with this key: `count` of them with the load generator's own. */
export function callerHeaders(key = SOME_KEY, count = SMALL): Record<string, string> {
  const headers: Record<string, string> = {
    accept: '*/*',
    'accept-encoding': 'gzip, deflate',
    'x-internal': '1',
    'x-request-start': 't=1700000000000',
    [KEY_HEADER]: key,
  };
  for (let at = Object.keys(headers).length + OWN_HEADERS; at < count; at++) {
    headers[`x-caller-${at}`] = `what an application of some size sends, ${at}`;
  }
  return headers;
}

const nobody = () => [];

/** The same with a large request. */
export function withManyHeaders(chain: Chain): Chain {
  const headers = () => {
    return callerHeaders(chain.headers()[KEY_HEADER], LARGE);
  };
  return { ...chain, name: `${chain.name}, ${LARGE} headers`, headers };
}

/** What names a chain that calls a service, and the base that it is held to. */
export const TO_A_SERVICE = ', to a service';

/**
 * The same before a service: what it lets pass is answered there, and the call is the proxy's to
 * make. What it refuses goes nowhere, as in life.
 */
export function beforeService(chain: Chain, port: number): Chain {
  const { filters, clusters } = chain.proxy;
  const proxy = { filters, clusters: [...clusters, config.cluster('service', port)] };
  return {
    ...chain,
    name: `${chain.name}${TO_A_SERVICE}`,
    does: `${chain.does}; what passes is answered by a service`,
    proxy: { ...proxy, upstream: 'service' },
  };
}

/** The proxy alone. */
export function noFilter(): Chain {
  return {
    name: 'no filter',
    does: 'nothing',
    proxy: { filters: [], clusters: [] },
    headers: () => callerHeaders(),
    expect: 200,
    knowsKeys: false,
    helpers: nobody,
  };
}

/** A wasm module that does nothing: the price of being asked. */
export function noopWasm(module: string): Chain {
  return {
    ...noFilter(),
    name: 'no-op wasm',
    does: 'one empty callback in a wasm module',
    proxy: { filters: [config.wasmFilter({ module, name: 'noop' })], clusters: [] },
  };
}

/** What Envoy brings itself for the same job, for one proxy and without exactness. */
export function nativeChain(keys: readonly string[]): Chain {
  return {
    name: `native chain, ${thousands(keys.length)} keys`,
    does: 'api_key_auth + 2 × local_ratelimit + header_mutation; limits per proxy, not per caller',
    proxy: {
      filters: [
        apiKeyAuth(keys),
        localRateLimit('second'),
        localRateLimit('minute'),
        headerMutation(),
      ],
      clusters: [],
    },
    headers: () => callerHeaders(pick(keys)),
    expect: 200,
    knowsKeys: true,
    helpers: nobody,
  };
}

/** A rival that is a filter of its own and holds the keys itself. */
export function filterChain(
  name: string,
  does: string,
  filter: Config,
  keys: readonly string[],
): Chain {
  return {
    name: `${name}, ${thousands(keys.length)} keys`,
    does,
    proxy: { filters: [filter], clusters: [] },
    headers: () => callerHeaders(pick(keys)),
    expect: 200,
    knowsKeys: true,
    helpers: nobody,
  };
}

/** The same job in Lua; the text of the script stands whole in the configuration. */
export function luaFilter(script: string): Config {
  return {
    name: 'envoy.filters.http.lua',
    typed_config: {
      '@type': `${TYPE}.filters.http.lua.v3.Lua`,
      default_source_code: { inline_string: script },
    },
  };
}

/** The same job asked of another process, written in `language`. */
export function extAuthz(
  language: string,
  service: { port: number; pid: number },
  keys: readonly string[],
): Chain {
  return {
    name: `ext_authz to ${language}, ${thousands(keys.length)} keys`,
    does: `an HTTP call per request to a local service in ${language} that knows the keys and counts`,
    proxy: {
      filters: [authzFilter(), headerMutation()],
      clusters: [config.cluster('authz', service.port)],
    },
    headers: () => callerHeaders(pick(keys)),
    expect: 200,
    knowsKeys: true,
    helpers: () => [service.pid],
  };
}

function authzFilter(): Config {
  return {
    name: 'envoy.filters.http.ext_authz',
    typed_config: {
      '@type': `${TYPE}.filters.http.ext_authz.v3.ExtAuthz`,
      http_service: {
        server_uri: { uri: 'http://127.0.0.1', cluster: 'authz', timeout: '1s' },
        authorization_request: {},
        authorization_response: { allowed_upstream_headers: { patterns: [{ prefix: 'x-' }] } },
      },
      allowed_headers: { patterns: [{ exact: KEY_HEADER }] },
    },
  };
}

function apiKeyAuth(keys: readonly string[]): Config {
  return {
    name: 'envoy.filters.http.api_key_auth',
    typed_config: {
      '@type': `${TYPE}.filters.http.api_key_auth.v3.ApiKeyAuth`,
      credentials: keys.map((key, index) => ({ key, client: `consumer-${index}` })),
      key_sources: [{ header: KEY_HEADER }],
      forwarding: { header: 'x-consumer', hide_credentials: true },
    },
  };
}

function localRateLimit(name: string): Config {
  const always = { default_value: { numerator: 100, denominator: 'HUNDRED' } };
  return {
    name: `envoy.filters.http.local_ratelimit.${name}`,
    typed_config: {
      '@type': `${TYPE}.filters.http.local_ratelimit.v3.LocalRateLimit`,
      stat_prefix: name,
      token_bucket: { max_tokens: 1e9, tokens_per_fill: 1e9, fill_interval: '60s' },
      filter_enabled: { runtime_key: `${name}.enabled`, ...always },
      filter_enforced: { runtime_key: `${name}.enforced`, ...always },
    },
  };
}

function headerMutation(): Config {
  return {
    name: 'envoy.filters.http.header_mutation',
    typed_config: {
      '@type': `${TYPE}.filters.http.header_mutation.v3.HeaderMutation`,
      mutations: {
        request_mutations: [
          {
            append: {
              header: { key: 'x-plan', value: 'gold' },
              append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
            },
          },
          { remove: 'x-internal' },
        ],
      },
    },
  };
}

/** One of the keys, another each time: a proxy that only ever sees one key would learn it. */
export function pick<T>(from: readonly T[]): T {
  return from[Math.floor(Math.random() * from.length)] as T;
}

/** A number with its thousands set apart, as in the tables. */
export function thousands(value: number): string {
  return value.toLocaleString('en');
}
