/**
 * The host as a test uses it: a process of its own on ports of the system's choice, which a crash
 * does not change, with the few calls of the admin API that tests need.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ROOT } from '../runner/layers.ts';
import { Folder } from './folders.ts';
import { Program } from './programs.ts';
import { send } from './requests.ts';
import { Hopeless, until } from './wait.ts';

/** How to run a host. */
export interface HostOptions {
  /** Resource files by name, in a folder of the host's own; without, the admin API takes them. */
  resources?: Record<string, string>;
  /** Further arguments. */
  args?: readonly string[];
  env?: Record<string, string>;
  /** Core to pin the process to, for benches. */
  core?: number;
  /** How long it may take to become ready, where it has much to read. */
  readyMs?: number;
}

/** A key that was made, and the credential to revoke it by. */
export interface MadeKey {
  id: number;
  key: string;
  revision: number;
}

const READY_MS = 60_000;

/** A running host. Disposing of it stops it and removes its store. */
export class Host implements AsyncDisposable {
  readonly adminToken = randomBytes(24).toString('base64url');
  private readonly options: HostOptions;
  private readonly folder: Folder;
  private program: Program;
  private earlierOutput = '';
  private ports = { admin: 0, sync: 0 };

  private constructor(options: HostOptions, folder: Folder) {
    this.options = options;
    this.folder = folder;
    this.program = this.launch();
  }

  /** Starts a host and waits until it is ready. Throws with its log if it does not become so. */
  static async start(options: HostOptions): Promise<Host> {
    const folder = await Folder.make();
    await mkdir(folder.join('resources'));
    for (const [name, text] of Object.entries(options.resources ?? {})) {
      await writeFile(folder.join('resources', name), text);
    }
    const host = new Host(options, folder);
    try {
      await host.becomeReady();
    } catch (error) {
      await host[Symbol.asyncDispose]();
      throw error;
    }
    return host;
  }

  get adminPort(): number {
    return this.ports.admin;
  }

  get syncPort(): number {
    return this.ports.sync;
  }

  get pid(): number {
    return this.program.pid;
  }

  /** All it logged, over all its starts. */
  get log(): string {
    return this.earlierOutput + this.program.output;
  }

  /** Folder of its store and ledger. */
  get storeFolder(): string {
    return this.folder.join('store');
  }

  /** Writes or replaces a resource file; the host notices by itself. */
  async writeResource(name: string, text: string): Promise<void> {
    await writeFile(this.folder.join('resources', name), text);
  }

  /** Kills it as a crash would. */
  async crash(): Promise<void> {
    await this.program.crash();
  }

  async stop(): Promise<void> {
    await this.program.stop();
  }

  /** Starts it again on its store and its ports, and waits until it is ready. */
  async restart(): Promise<void> {
    await this.program.stop();
    this.earlierOutput += this.program.output;
    this.program = this.launch();
    await this.becomeReady();
  }

  /** Makes a key for an application. */
  async createKey(application: string, rules: object = {}): Promise<MadeKey> {
    return (await this.ask('POST', '/v1/credentials', { application, ...rules })) as MadeKey;
  }

  /** Revokes a credential. */
  async revokeKey(id: number): Promise<void> {
    await this.ask('POST', `/v1/credentials/${id}/revoke`, {});
  }

  /** Calls the admin API. Throws unless the answer is a success. */
  async ask(method: string, at: string, body?: unknown): Promise<unknown> {
    const answer = await fetch(`http://127.0.0.1:${this.adminPort}${at}`, {
      method,
      headers: {
        authorization: `Bearer ${this.adminToken}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${at} answered ${answer.status}: ${text}`);
    return JSON.parse(text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.program.stop();
    await this.folder[Symbol.asyncDispose]();
  }

  private launch(): Program {
    const { args = [], core, resources } = this.options;
    const { admin, sync } = this.ports;
    const own = ['--store', this.storeFolder];
    if (resources !== undefined) own.push('--resources', this.folder.join('resources'));
    own.push('--admin-port', String(admin), '--sync-port', String(sync));
    const env = { SIDEGATE_ADMIN_TOKEN: this.adminToken, ...this.options.env };
    const command = [process.execPath, path.join(ROOT, 'host/main.ts'), ...own, ...args];
    if (core !== undefined) command.unshift('taskset', '-c', String(core));
    return new Program(command[0] ?? '', command.slice(1), { env });
  }

  private async becomeReady(): Promise<void> {
    try {
      await until('the host is ready', () => this.isReady(), {
        deadlineMs: this.options.readyMs ?? READY_MS,
      });
    } catch (cause) {
      throw new Error(`the host did not become ready; it said:\n${this.program.lastOutput}`, {
        cause,
      });
    }
  }

  private async isReady(): Promise<boolean> {
    if (!this.program.isRunning) throw new Hopeless('the host has ended');
    this.ports = readPorts(this.program.output) ?? this.ports;
    if (this.ports.admin === 0) return false;
    return (await send({ port: this.ports.admin, path: '/readyz' })).status === 200;
  }
}

/** The ports in the line that the host prints when it listens. */
function readPorts(output: string): { admin: number; sync: number } | undefined {
  const admin = /"admin":"http:\/\/[^"]*:(\d+)"/.exec(output)?.[1];
  const sync = /"sync":"http:\/\/[^"]*:(\d+)"/.exec(output)?.[1];
  return admin && sync ? { admin: Number(admin), sync: Number(sync) } : undefined;
}
