/**
 * The chains the bench compares: each is one Envoy that does the same job in another way, or less
 * of it. A chain states what it does; it must never be tuned for the bench beyond what its
 * documentation tells every operator to do.
 */
import type { Config } from '../support/envoy-config.ts';
import * as config from '../support/envoy-config.ts';

const TYPE = 'type.googleapis.com/envoy.extensions';

/** What a chain is and how it is asked. */
export interface Chain {
  name: string;
  /** One line for the table of results. */
  does: string;
  filters: Config[];
  clusters: Config[];
  /** Headers of the next request; one call per round. */
  headers: () => Record<string, string>;
  /** The status every request of the chain must get. */
  expect: number;
  /** Processes whose CPU time is spent on behalf of the chain, besides the proxy. */
  helpers: () => number[];
}

/** Header that carries the key, and headers that are edited: the same job in every chain. */
export const KEY_HEADER = 'x-api-key';
export const CALLER_HEADERS = { 'x-internal': '1', accept: '*/*' };

const nobody = () => [];

/** The proxy alone. */
export function noFilter(): Chain {
  return {
    name: 'no filter',
    does: 'nothing',
    filters: [],
    clusters: [],
    headers: () => ({ ...CALLER_HEADERS }),
    expect: 200,
    helpers: nobody,
  };
}

/** A wasm module that does nothing: the price of being asked. */
export function noopWasm(module: string): Chain {
  return {
    ...noFilter(),
    name: 'no-op wasm',
    does: 'one empty callback in a wasm module',
    filters: [config.wasmFilter({ module, name: 'noop' })],
  };
}

/** What Envoy brings itself for the same job, for one proxy and without exactness. */
export function nativeChain(keys: readonly string[]): Chain {
  return {
    name: `native chain, ${thousands(keys.length)} keys`,
    does: 'api_key_auth + 2 × local_ratelimit + header_mutation; limits per proxy, not per caller',
    filters: [
      apiKeyAuth(keys),
      localRateLimit('second'),
      localRateLimit('minute'),
      headerMutation(),
    ],
    clusters: [],
    headers: () => ({ ...CALLER_HEADERS, [KEY_HEADER]: pick(keys) }),
    expect: 200,
    helpers: nobody,
  };
}

/** The same job asked of another process. */
export function extAuthz(port: number, pid: () => number, keys: readonly string[]): Chain {
  return {
    name: `ext_authz, ${thousands(keys.length)} keys`,
    does: 'an HTTP call per request to a local service in Node that knows the keys and counts',
    filters: [
      {
        name: 'envoy.filters.http.ext_authz',
        typed_config: {
          '@type': `${TYPE}.filters.http.ext_authz.v3.ExtAuthz`,
          http_service: {
            server_uri: { uri: 'http://127.0.0.1', cluster: 'authz', timeout: '1s' },
            authorization_request: {},
            authorization_response: {
              allowed_upstream_headers: { patterns: [{ prefix: 'x-' }] },
            },
          },
          allowed_headers: { patterns: [{ exact: KEY_HEADER }] },
        },
      },
      headerMutation(),
    ],
    clusters: [config.cluster('authz', port)],
    headers: () => ({ ...CALLER_HEADERS, [KEY_HEADER]: pick(keys) }),
    expect: 200,
    helpers: () => [pid()],
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
