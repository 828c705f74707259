/**
 * The whole thing as a test needs it: a host, an origin, and Envoys with the filter between them
 * and the tester. It adds nothing of its own to what an operator would run.
 */
import path from 'node:path';
import { ROOT } from '../runner/layers.ts';
import { Envoy } from './envoy.ts';
import type { Config } from './envoy-config.ts';
import * as config from './envoy-config.ts';
import { Folder } from './folders.ts';
import { Host } from './host.ts';
import { Origin } from './origin.ts';
import type { PluginConfig } from './plugin.ts';
import { resourcesOf, type Setting } from './policies.ts';
import { type Answer, type RequestOptions, send } from './requests.ts';

/** The module that ships. */
export const RELEASE_MODULE = path.join(ROOT, 'build/filter.wasm');

/** The same sources with small bounds and a way to trap; for rows that the release cannot show. */
export const TEST_MODULE = path.join(ROOT, 'build/filter.test.wasm');

/** Longer than the filter's default: on a busy machine a durable grant can take its time. */
export const HOLD_MS = 1000;

/** Name of the one listener of each proxy. */
export const LISTENER = 'in';

/** What a rig is made of; everything has a default. */
export interface RigOptions {
  setting?: Setting;
  /** Resource files beside those of the setting. */
  resources?: Record<string, string>;
  proxies?: number;
  /** Workers of each proxy. */
  workers?: number;
  plugin?: Partial<PluginConfig>;
  module?: string;
  /** Connections go to the workers in turn. */
  balanced?: boolean;
  version?: string;
  hostArgs?: readonly string[];
  /** HTTP filters instead of the one Sidegate filter. */
  filters?: (folder: Folder) => Config[];
  /** Routes instead of the one to the origin. */
  routes?: Config[];
  /** Transport socket of the listeners. */
  transport?: Config;
  /** Further fields of the HTTP connection managers. */
  manager?: Config;
  /** Port the filter's calls go to, where it is not the host's. */
  syncPort?: number;
  /** False: no proxy is started; `startProxy` does. */
  startProxies?: boolean;
}

/** A running rig. Disposing of it stops all of it. */
export class Rig implements AsyncDisposable {
  readonly host: Host;
  readonly origin: Origin;
  readonly folder: Folder;
  readonly proxies: Envoy[] = [];
  private readonly options: RigOptions;
  private readonly stack = new AsyncDisposableStack();

  private constructor(options: RigOptions, parts: { host: Host; origin: Origin; folder: Folder }) {
    this.options = options;
    this.origin = this.stack.use(parts.origin);
    this.host = this.stack.use(parts.host);
    this.folder = this.stack.use(parts.folder);
  }

  /** Starts all parts; each is ready when this resolves. */
  static async start(options: RigOptions = {}): Promise<Rig> {
    await using parts = new AsyncDisposableStack();
    const folder = parts.use(await Folder.make());
    const origin = parts.use(await Origin.start());
    const resources = { ...resourcesOf(options.setting), ...options.resources };
    const args = options.hostArgs ?? [];
    const host = parts.use(await Host.start({ resources, args }));
    parts.move();
    const rig = new Rig(options, { host, origin, folder });
    try {
      if (options.startProxies !== false) {
        for (let i = 0; i < (options.proxies ?? 1); i++) await rig.startProxy();
      }
      return rig;
    } catch (error) {
      await rig[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Starts one more proxy. */
  async startProxy(): Promise<Envoy> {
    const { workers = 1, version } = this.options;
    const id = `proxy-${this.proxies.length}`;
    const listener = config.listener({
      name: LISTENER,
      filters: this.options.filters?.(this.folder) ?? [this.filter()],
      cluster: 'origin',
      balanced: this.options.balanced ?? false,
      ...(this.options.routes === undefined ? {} : { routes: this.options.routes }),
      ...(this.options.manager === undefined ? {} : { manager: this.options.manager }),
      ...(this.options.transport === undefined ? {} : { transport: this.options.transport }),
      accessLog: this.accessLog(this.proxies.length),
    });
    const clusters = [
      config.cluster('sidegate', this.options.syncPort ?? this.host.syncPort),
      config.cluster('origin', this.origin.port),
    ];
    const envoy = await Envoy.start({
      config: config.bootstrap(id, [listener], clusters),
      workers,
      ...(version === undefined ? {} : { version }),
    });
    this.stack.use(envoy);
    this.proxies.push(envoy);
    return envoy;
  }

  /** The Sidegate filter of this rig. */
  filter(plugin: Partial<PluginConfig> = {}): Config {
    return config.wasmFilter({
      module: this.options.module ?? RELEASE_MODULE,
      plugin: { clusters: ['sidegate'], holdMs: HOLD_MS, ...this.options.plugin, ...plugin },
    });
  }

  /** The access log of a proxy, by its place. */
  accessLog(proxy: number): string {
    return this.folder.join(`access-${proxy}.log`);
  }

  /** Port of a proxy, by its place. */
  port(proxy = 0): number {
    const envoy = this.proxies[proxy];
    if (envoy === undefined) throw new Error(`there is no proxy ${proxy}`);
    return envoy.port(LISTENER);
  }

  /** One request to a proxy: GET /orders with this key, unless told otherwise. */
  call(key?: string, options: Partial<RequestOptions> = {}, proxy = 0): Promise<Answer> {
    const { headers, ...rest } = options;
    const keyed = key === undefined ? {} : { 'x-api-key': key };
    return send({
      port: this.port(proxy),
      path: '/orders',
      headers: { ...keyed, ...headers },
      ...rest,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack.disposeAsync();
  }
}
