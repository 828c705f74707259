/**
 * A real Envoy with the scripted probe in front of a small upstream, for holding the emulator
 * against the real thing. The plugin's text can be changed while it runs.
 */
import { rename, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Envoy } from '../../support/envoy.ts';
import * as config from '../../support/envoy-config.ts';
import { Folder } from '../../support/folders.ts';
import { until } from '../../support/wait.ts';

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

/** What to run the probe with. */
export interface RigOptions {
  /** The file that holds the module. */
  modulePath: string;
  configuration: string;
  failurePolicy?: 'FAIL_CLOSED' | 'FAIL_OPEN' | 'FAIL_RELOAD';
  /** An Envoy of this version; by default the one every test runs on. */
  version?: string;
}

const PROBE = 'probe';
const STRING = 'type.googleapis.com/google.protobuf.StringValue';
/** Any port on which nothing listens: the discard service's. */
const REFUSING_PORT = 9;

function pairsOf(raw: string[]): WireHeaders {
  const pairs: WireHeaders = [];
  for (let i = 0; i + 1 < raw.length; i += 2) pairs.push([raw[i] ?? '', raw[i + 1] ?? '']);
  return pairs;
}

/** Envoy, its upstream and the means to talk to both. Disposing of it ends both. */
export class EnvoyRig implements AsyncDisposable {
  readonly #folder: Folder;
  readonly #options: RigOptions;
  readonly #upstream: Server;
  readonly #seen = new Map<string, Exchange['upstream']>();
  #envoy: Envoy | undefined;
  #sequence = 0;
  #version = 0;

  private constructor(folder: Folder, options: RigOptions) {
    this.#folder = folder;
    this.#options = options;
    this.#upstream = createServer({ keepAliveTimeout: 600_000 });
    this.#upstream.on('request', (message, response) => {
      const { method = '', url: path = '' } = message;
      if (path === '/slow') return;
      const seen = { method, path, headers: pairsOf(message.rawHeaders) };
      this.#seen.set(String(message.headers['x-exchange']), seen);
      const wanted = message.headers['x-answer'];
      const headers = ['content-length', '2'];
      for (const pair of wanted ? String(wanted).split(',') : []) headers.push(...pair.split('='));
      response.sendDate = false;
      response.writeHead(200, headers).end('ok');
    });
  }

  /** Starts Envoy and waits until it takes requests. */
  static async start(options: RigOptions): Promise<EnvoyRig> {
    const rig = new EnvoyRig(await Folder.make(), options);
    try {
      await rig.#launch();
    } catch (error) {
      await rig[Symbol.asyncDispose]();
      throw error;
    }
    return rig;
  }

  async #launch(): Promise<void> {
    const server = this.#upstream;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await this.#write(this.#options.configuration);
    const filters = [config.discoveredFilter(PROBE, this.#folder.join('plugin.json'))];
    const listener = config.listener({ name: 'in', filters, cluster: 'upstream' });
    const empty = { load_assignment: { cluster_name: 'empty', endpoints: [{ lb_endpoints: [] }] } };
    const clusters = [
      config.cluster('upstream', port),
      config.cluster('refused', REFUSING_PORT),
      config.cluster('empty', REFUSING_PORT, empty),
    ];
    const { version } = this.#options;
    const envoyConfig = config.bootstrap('probe-node', [listener], clusters);
    this.#envoy = await Envoy.start({ config: envoyConfig, ...(version && { version }) });
  }

  /** The Envoy that runs. */
  get envoy(): Envoy {
    if (!this.#envoy) throw new Error('Envoy has not started');
    return this.#envoy;
  }

  /** Changes the plugin's text and waits until Envoy has taken or refused it. */
  async configure(configuration: string): Promise<'taken' | 'refused'> {
    const stat = `extension_config_discovery.http_filter.${PROBE}`;
    const read = async () => ({
      taken: await this.envoy.stat(`${stat}.update_success`),
      refused: await this.envoy.stat(`${stat}.config_fail`),
    });
    const before = await read();
    await this.#write(configuration);
    return until('the plugin was taken or refused', async () => {
      const now = await read();
      if (now.taken > before.taken) return 'taken' as const;
      return now.refused > before.refused && ('refused' as const);
    });
  }

  /** Sends one request; the headers go out as given, behind `host` and `x-exchange`. */
  async exchange(method: string, path: string, headers: WireHeaders): Promise<Exchange> {
    const id = String(++this.#sequence);
    const list = [['host', 'probe.test'], ['x-exchange', id], ...headers].flat();
    const message = await new Promise<IncomingMessage>((resolve, reject) => {
      const target = { host: '127.0.0.1', port: this.envoy.port('in'), agent: false };
      const outgoing = request({ ...target, method, path, headers: list }, resolve);
      outgoing.on('error', reject).end();
    });
    let body = '';
    for await (const chunk of message) body += chunk;
    const upstream = this.#seen.get(id);
    const status = message.statusCode ?? 0;
    return { status, headers: pairsOf(message.rawHeaders), body, ...(upstream && { upstream }) };
  }

  /** The lines the plugin has logged so far, oldest first. */
  logs(): string[] {
    const lines: string[] = [];
    for (const line of this.envoy.log.split('\n')) {
      const at = / wasm log[^:]*: (.*)$/.exec(line);
      if (at?.[1] !== undefined) lines.push(at[1]);
    }
    return lines;
  }

  /** Waits for a line after the `from`-th that fulfils `end`; answers the lines up to it. */
  async logsUntil(end: (line: string) => boolean, from = 0): Promise<string[]> {
    return until('the plugin logged the line', () => {
      const lines = this.logs().slice(from);
      const at = lines.findIndex(end);
      return at >= 0 && lines.slice(0, at + 1);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#envoy?.[Symbol.asyncDispose]();
    this.#upstream.closeAllConnections();
    await new Promise((resolve) => this.#upstream.close(resolve));
    await this.#folder[Symbol.asyncDispose]();
  }

  async #write(configuration: string): Promise<void> {
    const value = (text: string) => ({ '@type': STRING, value: text });
    const plugin = {
      '@type': 'type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm',
      config: {
        name: PROBE,
        root_id: 'probe-root',
        failure_policy: this.#options.failurePolicy ?? 'FAIL_CLOSED',
        configuration: value(configuration),
        vm_config: {
          runtime: 'envoy.wasm.runtime.v8',
          code: { local: { filename: this.#options.modulePath } },
          configuration: value('vm text'),
        },
      },
    };
    const next = this.#folder.join('plugin.next');
    await writeFile(next, config.ecdsFile(PROBE, ++this.#version, plugin));
    await rename(next, this.#folder.join('plugin.json'));
  }
}
