/**
 * Starts a real Envoy with one wasm plugin in front of a small upstream, for comparing the emulator
 * with the real thing. The plugin's configuration can be changed while it runs (extension discovery
 * from a file). Everything listens on 127.0.0.1, port 0, and is stopped by its own process id.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A header list as it is on the wire: names and values in order, duplicates apart. */
export type WireHeaders = [name: string, value: string][];

/** What one request through the proxy came to. */
export interface Exchange {
  status: number;
  headers: WireHeaders;
  body: string;
  /** What reached the upstream, or undefined if nothing did. */
  upstream?: { method: string; path: string; headers: WireHeaders };
}

/** What to run Envoy with. */
export interface RigOptions {
  envoy: string;
  /** The file that holds the wasm module. */
  modulePath: string;
  configuration: string;
  environment?: Record<string, string>;
  failurePolicy?: 'FAIL_CLOSED' | 'FAIL_OPEN' | 'FAIL_RELOAD';
  concurrency?: number;
}

const START_DEADLINE_MS = 20_000;
const POLL_MS = 20;

/** Waits until `probe` answers something, or fails with `what` after `deadlineMs`. */
export async function until<T>(
  what: string,
  probe: () => T | undefined | Promise<T | undefined>,
  deadlineMs = START_DEADLINE_MS,
): Promise<T> {
  const end = performance.now() + deadlineMs;
  while (performance.now() < end) {
    const found = await probe();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new Error(`not within ${deadlineMs} ms: ${what}`);
}

function pairsOf(raw: string[]): WireHeaders {
  const pairs: WireHeaders = [];
  for (let i = 0; i + 1 < raw.length; i += 2) pairs.push([raw[i] ?? '', raw[i + 1] ?? '']);
  return pairs;
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** A running Envoy, its upstream and the means to talk to both. */
export class EnvoyRig {
  readonly #directory: string;
  readonly #options: RigOptions;
  readonly #upstream: Server;
  readonly #seen = new Map<string, Exchange['upstream']>();
  #process: ChildProcess | undefined;
  #output = '';
  #sequence = 0;
  port = 0;
  adminPort = 0;

  private constructor(directory: string, options: RigOptions, upstream: Server) {
    this.#directory = directory;
    this.#options = options;
    this.#upstream = upstream;
  }

  /** Starts Envoy and waits until it answers; the caller must `stop()` it. */
  static async start(options: RigOptions): Promise<EnvoyRig> {
    const directory = await mkdtemp(join(tmpdir(), 'sidegate-envoy-'));
    const upstream = createServer();
    const rig = new EnvoyRig(directory, options, upstream);
    upstream.on('request', (message, response) => {
      const { method = '', url: path = '' } = message;
      if (path === '/slow') return;
      const seen = { method, path, headers: pairsOf(message.rawHeaders) };
      rig.#seen.set(String(message.headers['x-exchange']), seen);
      const wanted = message.headers['x-answer'];
      const headers = ['content-length', '2'];
      for (const pair of wanted ? String(wanted).split(',') : []) headers.push(...pair.split('='));
      response.sendDate = false;
      response.writeHead(200, headers).end('ok');
    });
    const upstreamPort = await listen(upstream);
    try {
      await rig.#launch(upstreamPort);
    } catch (error) {
      await rig.stop();
      throw error;
    }
    return rig;
  }

  async #launch(upstreamPort: number): Promise<void> {
    await this.#writePlugin(this.#options.configuration);
    const config = join(this.#directory, 'envoy.json');
    const admin = join(this.#directory, 'admin');
    await writeFile(config, JSON.stringify(bootstrap(this.#directory, upstreamPort)));
    const args = ['-c', config, '--admin-address-path', admin, '--use-dynamic-base-id'];
    args.push('--concurrency', String(this.#options.concurrency ?? 1), '--log-level', 'info');
    this.#process = spawn(this.#options.envoy, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#process.stderr?.on('data', (chunk) => {
      this.#output += chunk;
    });
    const address = await until('Envoy admin', async () => {
      if (this.#process?.exitCode !== null) throw new Error(`Envoy ended:\n${this.#output}`);
      const text = await readFile(admin, 'utf8').catch(() => '');
      return text.includes(':') ? text.trim() : undefined;
    });
    this.adminPort = Number(address.split(':')[1]);
    this.port = await until('Envoy listener', async () => {
      const ready = await fetch(`http://${address}/ready`).catch(() => undefined);
      if (ready?.status !== 200) return undefined;
      const answer = await fetch(`http://${address}/listeners?format=json`);
      const json = (await answer.json()) as ListenerStatus;
      return json.listener_statuses?.[0]?.local_address?.socket_address?.port_value;
    });
  }

  /** Changes the plugin's configuration and waits until Envoy has taken or refused it. */
  async configure(configuration: string): Promise<'taken' | 'refused'> {
    const before = await this.#discoveries();
    await this.#writePlugin(configuration);
    return until('plugin configuration', async () => {
      const now = await this.#discoveries();
      if (now.taken > before.taken) return 'taken' as const;
      return now.refused > before.refused ? ('refused' as const) : undefined;
    });
  }

  async #discoveries(): Promise<{ taken: number; refused: number }> {
    const text = await this.admin('/stats?filter=extension_config_discovery');
    const count = (name: string) => Number(new RegExp(`${name}: (\\d+)`).exec(text)?.[1] ?? 0);
    return { taken: count('update_success'), refused: count('config_fail') };
  }

  /** The text Envoy's admin endpoint answers on `path`. */
  async admin(path: string, method = 'GET'): Promise<string> {
    return (await fetch(`http://127.0.0.1:${this.adminPort}${path}`, { method })).text();
  }

  /** Sends one request; the headers go out as given, with `host` and `x-exchange` before them. */
  async exchange(method: string, path: string, headers: WireHeaders): Promise<Exchange> {
    const id = String(++this.#sequence);
    const list = [['host', 'probe.test'], ['x-exchange', id], ...headers].flat();
    const message = await new Promise<IncomingMessage>((resolve, reject) => {
      const options = { host: '127.0.0.1', port: this.port, method, path, agent: false };
      const outgoing = request({ ...options, headers: list }, resolve);
      outgoing.on('error', reject).end();
    });
    let body = '';
    for await (const chunk of message) body += chunk;
    const upstream = this.#seen.get(id);
    const status = message.statusCode ?? 0;
    return { status, headers: pairsOf(message.rawHeaders), body, ...(upstream && { upstream }) };
  }

  /** The lines the plugin has logged so far (`wasm log` at info and above), oldest first. */
  logs(): string[] {
    const lines: string[] = [];
    for (const line of this.#output.split('\n')) {
      const at = / wasm log[^:]*: (.*)$/.exec(line);
      if (at?.[1] !== undefined) lines.push(at[1]);
    }
    return lines;
  }

  /** Waits for a line after the `from`-th that fulfils `end`; answers the lines up to it. */
  async logsUntil(end: (line: string) => boolean, from = 0): Promise<string[]> {
    return until('log line', () => {
      const lines = this.logs().slice(from);
      const at = lines.findIndex(end);
      return at < 0 ? undefined : lines.slice(0, at + 1);
    });
  }

  /** Everything Envoy has written, for looking into a failure. */
  output(): string {
    return this.#output;
  }

  /** Ends Envoy and the upstream and removes their files. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.#process;
    if (child && child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill(signal);
      const late = setTimeout(() => child.kill('SIGKILL'), 5_000);
      await ended;
      clearTimeout(late);
    }
    this.#upstream.closeAllConnections();
    await new Promise((resolve) => this.#upstream.close(resolve));
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #writePlugin(configuration: string): Promise<void> {
    const next = join(this.#directory, 'plugin.next');
    await writeFile(next, JSON.stringify(pluginResource(this.#options, configuration)));
    await rename(next, join(this.#directory, 'plugin.json'));
  }
}

interface ListenerStatus {
  listener_statuses?: { local_address?: { socket_address?: { port_value?: number } } }[];
}

function pluginResource(options: RigOptions, configuration: string): unknown {
  const value = (text: string) => ({
    '@type': 'type.googleapis.com/google.protobuf.StringValue',
    value: text,
  });
  return {
    version_info: String(process.hrtime.bigint()),
    resources: [
      {
        '@type': 'type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig',
        name: 'probe',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm',
          config: {
            name: 'probe',
            root_id: 'probe-root',
            failure_policy: options.failurePolicy ?? 'FAIL_CLOSED',
            configuration: value(configuration),
            vm_config: {
              runtime: 'envoy.wasm.runtime.v8',
              code: { local: { filename: options.modulePath } },
              configuration: value('vm text'),
              environment_variables: { key_values: options.environment ?? {} },
            },
          },
        },
      },
    ],
  };
}

function cluster(name: string, port: number | undefined): unknown {
  const address = { address: '127.0.0.1', port_value: port };
  const endpoint = { endpoint: { address: { socket_address: address } } };
  return {
    name,
    type: 'STATIC',
    connect_timeout: '1s',
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: port === undefined ? [] : [endpoint] }],
    },
  };
}

function bootstrap(directory: string, upstreamPort: number): unknown {
  const type = (name: string) => `type.googleapis.com/envoy.extensions.filters.${name}`;
  const route = { match: { prefix: '/' }, route: { cluster: 'upstream' } };
  const manager = {
    '@type': type('network.http_connection_manager.v3.HttpConnectionManager'),
    stat_prefix: 'probe',
    generate_request_id: false,
    route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [route] }] },
    http_filters: [
      {
        name: 'probe',
        config_discovery: {
          config_source: { path_config_source: { path: join(directory, 'plugin.json') } },
          type_urls: [type('http.wasm.v3.Wasm')],
        },
      },
      { name: 'router', typed_config: { '@type': type('http.router.v3.Router') } },
    ],
  };
  return {
    node: { id: 'probe-node', cluster: 'probe-workload' },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
    static_resources: {
      listeners: [
        {
          name: 'probe',
          traffic_direction: 'INBOUND',
          address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
          filter_chains: [{ filters: [{ name: 'hcm', typed_config: manager }] }],
        },
      ],
      clusters: [
        cluster('upstream', upstreamPort),
        cluster('empty', undefined),
        cluster('refused', 9),
      ],
    },
  };
}
