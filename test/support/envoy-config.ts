/**
 * Configurations of Envoy for tests and benches: listeners, chains of filters, clusters. It only
 * makes objects; it must never hold a default that differs from the documented examples, except
 * that every port is 0, the system's choice.
 */
import { bootstrapText, type PluginConfig } from './plugin.ts';

/** A piece of Envoy's configuration, as JSON. */
export type Config = { [key: string]: unknown };

const TYPE = 'type.googleapis.com';

/** One HTTP listener. */
export interface ListenerOptions {
  name: string;
  /** HTTP filters in order, without the router. */
  filters: Config[];
  /** Cluster that gets every request; without it Envoy answers 200 itself. */
  cluster?: string;
  /** File for access log lines, one JSON object each. */
  accessLog?: string;
  /** Port to listen on; 0 or absent lets the system choose. */
  port?: number;
  /** Routes instead of the one to `cluster`. */
  routes?: Config[];
  /** Further fields of the HTTP connection manager. */
  manager?: Config;
  /** Transport socket: how its connections are encrypted. */
  transport?: Config;
  /** Workers get connections in turn, and not as the system's hash has it. */
  balanced?: boolean;
}

/** One HTTP listener on 127.0.0.1. */
export function listener(options: ListenerOptions): Config {
  const { name, filters, cluster, accessLog, port = 0 } = options;
  const route =
    cluster === undefined
      ? { direct_response: { status: 200, body: { inline_string: 'ok' } } }
      : { route: { cluster, timeout: '15s' } };
  const { routes = [{ match: { prefix: '/' }, ...route }] } = options;
  const manager = {
    '@type': `${TYPE}/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: name,
    generate_request_id: false,
    route_config: {
      name,
      virtual_hosts: [{ name: 'all', domains: ['*'], routes }],
    },
    http_filters: [...filters, ROUTER],
    ...options.manager,
    ...(accessLog === undefined ? {} : { access_log: [fileLog(accessLog)] }),
  };
  return {
    name,
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    ...(options.balanced ? { connection_balance_config: { exact_balance: {} } } : {}),
    filter_chains: [
      {
        ...(options.transport === undefined ? {} : { transport_socket: options.transport }),
        filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }],
      },
    ],
  };
}

const ROUTER: Config = {
  name: 'envoy.filters.http.router',
  typed_config: { '@type': `${TYPE}/envoy.extensions.filters.http.router.v3.Router` },
};

/** The fields that "why" is answered from; every one of them is printed for every request. */
function fileLog(path: string): Config {
  return {
    name: 'envoy.access_loggers.file',
    typed_config: {
      '@type': `${TYPE}/envoy.extensions.access_loggers.file.v3.FileAccessLog`,
      path,
      log_format: {
        json_format: {
          start: '%START_TIME(%s.%3f)%',
          status: '%RESPONSE_CODE%',
          method: '%REQ(:METHOD)%',
          path: '%REQ(:PATH)%',
          original: '%REQ(X-ENVOY-ORIGINAL-PATH)%',
          cookie: '%REQ(COOKIE)%',
          details: '%RESPONSE_CODE_DETAILS%',
          decision: '%FILTER_STATE(wasm.sidegate:PLAIN)%',
          // A careless operator's log: what stands here was not cut from the request.
          key: '%REQ(X-API-KEY)%',
        },
      },
    },
  };
}

/** A cluster with one endpoint on 127.0.0.1. */
export function cluster(name: string, port: number, extra: Config = {}): Config {
  const address = { socket_address: { address: '127.0.0.1', port_value: port } };
  return {
    name,
    connect_timeout: '1s',
    type: 'STATIC',
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }],
    },
    ...extra,
  };
}

/** What sets one use of a wasm module apart from another. */
export interface WasmOptions {
  /** Path of the module. */
  module: string;
  /** The plugin's configuration; absent for modules that take none. */
  plugin?: PluginConfig;
  /** Name of the plugin; two plugins of one module share a VM. */
  name?: string;
  /** Variables of the VM's environment. */
  env?: Record<string, string>;
}

/** The wasm HTTP filter as an object of its own, for a chain or for an ECDS resource. */
export function wasmFilter(options: WasmOptions): Config {
  return { name: options.name ?? 'sidegate', typed_config: wasmConfig(options) };
}

/** The typed configuration inside `wasmFilter`. */
export function wasmConfig({ module, plugin, name = 'sidegate', env }: WasmOptions): Config {
  const configuration = { '@type': `${TYPE}/google.protobuf.StringValue`, value: '' };
  if (plugin !== undefined) configuration.value = bootstrapText(plugin);
  return {
    '@type': `${TYPE}/envoy.extensions.filters.http.wasm.v3.Wasm`,
    config: {
      name,
      failure_policy: 'FAIL_RELOAD',
      vm_config: {
        runtime: 'envoy.wasm.runtime.v8',
        code: { local: { filename: module } },
        ...(env === undefined ? {} : { environment_variables: { key_values: env } }),
      },
      ...(plugin === undefined ? {} : { configuration }),
    },
  };
}

/**
 * A filter whose configuration is read from a file of `ecdsFile` and again whenever it is moved.
 */
export function discoveredFilter(name: string, file: string): Config {
  const folder = file.slice(0, file.lastIndexOf('/'));
  return {
    name,
    config_discovery: {
      config_source: {
        path_config_source: { path: file, watched_directory: { path: folder } },
      },
      type_urls: [`${TYPE}/envoy.extensions.filters.http.wasm.v3.Wasm`],
    },
  };
}

/** The contents of such a file. */
export function ecdsFile(name: string, version: number, typedConfig: Config): string {
  return JSON.stringify({
    version_info: String(version),
    resources: [
      {
        '@type': `${TYPE}/envoy.config.core.v3.TypedExtensionConfig`,
        name,
        typed_config: typedConfig,
      },
    ],
  });
}

/** A whole configuration. The admin interface listens on 127.0.0.1, on a port of the system's. */
export function bootstrap(id: string, listeners: Config[], clusters: Config[]): Config {
  return {
    node: { id, cluster: 'test' },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
    static_resources: { listeners, clusters },
  };
}
