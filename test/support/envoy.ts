/**
 * A real Envoy as a test uses it: started with a configuration, ready when its listeners are,
 * stopped or crashed by its own process id, started again on the same ports.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { fetchEnvoy, locateEnvoy } from '../../envoy/locate.ts';
import type { Config } from './envoy-config.ts';
import { Folder } from './folders.ts';
import { Program } from './programs.ts';
import { send } from './requests.ts';
import { Hopeless, until } from './wait.ts';

/** How to run an Envoy. */
export interface EnvoyOptions {
  config: Config;
  /** Exactly this version; without it the one every test runs on. */
  version?: string;
  /** Worker threads; 1 unless told otherwise. */
  workers?: number;
  /** Level of Envoy's log, `info` unless told otherwise. */
  logLevel?: string;
  /** Core to pin the process to, for benches. */
  core?: number;
}

const READY_MS = 30_000;

/** A running Envoy. Disposing of it stops it and removes its files. */
export class Envoy implements AsyncDisposable {
  readonly binary: string;
  private readonly options: EnvoyOptions;
  private readonly folder: Folder;
  private program: Program;
  private ports = new Map<string, number>();
  private adminPort = 0;
  private earlierOutput = '';

  private constructor(binary: string, options: EnvoyOptions, folder: Folder) {
    this.binary = binary;
    this.options = options;
    this.folder = folder;
    this.program = this.launch();
  }

  /**
   * Starts an Envoy and waits until all its listeners take requests. Throws with its log if not.
   */
  static async start(options: EnvoyOptions): Promise<Envoy> {
    const say = (message: string) => console.error(message);
    const wanted = options.version ?? process.env.SIDEGATE_TEST_ENVOY_VERSION;
    const found = wanted === undefined ? await locateEnvoy(say) : await fetchEnvoy(wanted, say);
    const folder = await Folder.make();
    await writeFile(folder.join('envoy.json'), JSON.stringify(options.config));
    const envoy = new Envoy(found.path, options, folder);
    try {
      await envoy.becomeReady();
    } catch (error) {
      await envoy[Symbol.asyncDispose]();
      throw error;
    }
    return envoy;
  }

  /** Port of a listener by its name. */
  port(listener: string): number {
    const port = this.ports.get(listener);
    if (port === undefined) throw new Error(`there is no listener ${listener}`);
    return port;
  }

  get pid(): number {
    return this.program.pid;
  }

  get isRunning(): boolean {
    return this.program.isRunning;
  }

  /** All it logged, over all its starts. */
  get log(): string {
    return this.earlierOutput + this.program.output;
  }

  /** Asks the admin interface. */
  async admin(path: string, method = 'GET'): Promise<string> {
    const { status, body } = await send({ port: this.adminPort, path, method });
    if (status !== 200) throw new Error(`admin ${path} answered ${status}: ${body}`);
    return body;
  }

  /** The value of a counter or gauge by its full name; 0 if there is none yet. */
  async stat(name: string): Promise<number> {
    const text = await this.admin(`/stats?filter=^${name.replaceAll('.', '\\.')}$`);
    return Number(/: (\d+)/.exec(text)?.[1] ?? 0);
  }

  /** Resident memory in bytes. */
  async residentBytes(): Promise<number> {
    const status = await readFile(`/proc/${this.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
  }

  /** Kills it as a crash would. */
  async crash(): Promise<void> {
    await this.program.crash();
  }

  /** Asks it to end. */
  async stop(): Promise<void> {
    await this.program.stop();
  }

  /** Starts it again on the ports it had. */
  async restart(): Promise<void> {
    await this.program.stop();
    this.earlierOutput += this.program.output;
    await writeFile(this.folder.join('envoy.json'), JSON.stringify(this.onSamePorts()));
    this.program = this.launch();
    await this.becomeReady();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.program.stop();
    await this.folder[Symbol.asyncDispose]();
  }

  private launch(): Program {
    const { workers = 1, logLevel = 'info', core } = this.options;
    const args = ['-c', this.folder.join('envoy.json'), '--concurrency', String(workers)];
    args.push('--disable-hot-restart', '--log-level', logLevel, '--drain-time-s', '1');
    args.push('--file-flush-interval-msec', '50');
    args.push('--admin-address-path', this.folder.join('admin'));
    if (core === undefined) return new Program(this.binary, args);
    return new Program('taskset', ['-c', String(core), this.binary, ...args]);
  }

  private async becomeReady(): Promise<void> {
    try {
      await until('Envoy is ready', () => this.readPorts(), { deadlineMs: READY_MS });
    } catch (cause) {
      throw new Error(`Envoy did not become ready; it said:\n${this.program.lastOutput}`, {
        cause,
      });
    }
  }

  private async readPorts(): Promise<boolean> {
    if (!this.isRunning) throw new Hopeless('Envoy has ended');
    const address = await readFile(this.folder.join('admin'), 'utf8');
    this.adminPort = Number(address.split(':').at(-1));
    if (!(await this.admin('/ready')).startsWith('LIVE')) return false;
    const { listener_statuses: statuses = [] } = JSON.parse(
      await this.admin('/listeners?format=json'),
    ) as ListenersAnswer;
    for (const { name, local_address } of statuses) {
      this.ports.set(name, local_address.socket_address.port_value);
    }
    const { static_resources } = this.options.config as StaticConfig;
    return statuses.length === static_resources.listeners.length;
  }

  /** The configuration with the ports that the system chose at the first start. */
  private onSamePorts(): Config {
    const config = structuredClone(this.options.config) as StaticConfig;
    for (const { name, address } of config.static_resources.listeners) {
      address.socket_address.port_value = this.port(name);
    }
    return config;
  }
}

interface StaticConfig extends Config {
  static_resources: {
    listeners: { name: string; address: { socket_address: { port_value: number } } }[];
  };
}

interface ListenersAnswer {
  listener_statuses?: {
    name: string;
    local_address: { socket_address: { port_value: number } };
  }[];
}
