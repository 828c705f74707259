/**
 * A host inside the test's process: real services and both real ports over a store and a ledger in
 * memory, with a clock that the test may move. What a test of a process needs is in host.ts.
 */
import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { InlineCompiler } from '../../host/compile/compiler.ts';
import { digestOf } from '../../host/credential/key.ts';
import { Secret } from '../../host/credential/secret.ts';
import { makeAdminPort } from '../../host/http/admin-port.ts';
import { HostMetrics } from '../../host/http/metrics.ts';
import { REDACTED_PATHS } from '../../host/http/server.ts';
import { makeSyncPort } from '../../host/http/sync-port.ts';
import { WatchHub } from '../../host/http/watch-hub.ts';
import { Shares } from '../../host/quota/share.ts';
import { formatProblems } from '../../host/resources/problem.ts';
import { Access } from '../../host/service/access.ts';
import { Catalogue } from '../../host/service/catalogue.ts';
import type { Engines } from '../../host/service/engines.ts';
import { Heads } from '../../host/service/heads.ts';
import { Keys } from '../../host/service/keys.ts';
import { Policies } from '../../host/service/policies.ts';
import { Principals } from '../../host/service/principals.ts';
import type { ChangeProgress, OnProgress } from '../../host/service/progress.ts';
import type { ResourceStatus } from '../../host/service/reload.ts';
import { Terms } from '../../host/service/terms.ts';
import type { UsageService } from '../../host/service/usage.ts';
import { makeUsage, type UsageParts } from '../../host/service/usage-parts.ts';
import type { Ledger } from '../../host/store/ledger.ts';
import { openMemoryLedger } from '../../host/store/ledger-memory.ts';
import { openMemoryStore } from '../../host/store/memory.ts';
import type { DirectoryQuery, ResourceChange, Store } from '../../host/store/store.ts';
import { openMemoryUsage } from '../../host/store/usage-memory.ts';

/** How a trial host differs from the usual one. */
export interface TrialOptions {
  /** Resource files by name. */
  readonly resources?: Record<string, string>;
  readonly holdMs?: number;
  readonly secret?: string;
  /** Callers are known by mesh identity. */
  readonly meshIdentity?: boolean;
  /** Id of its store; a fresh one unless given, as for a second copy of one store. */
  readonly storeId?: Uint8Array;
  /** Longest page of records, so that few records make many pages. */
  readonly pageBytes?: number;
  readonly removalsKeptMax?: number;
  readonly credentialsMax?: number;
  /** As if resources came from this folder alone. */
  readonly folder?: string;
}

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

/** How a call differs from that of the root token. */
interface Asking {
  readonly token?: string;
  readonly headers?: Record<string, string>;
}

type Port = ReturnType<typeof makeAdminPort>;

/** Resources that have been compiled and wait to be applied. */
export type CompiledFiles = Omit<ResourceChange, 'nowMs'>;

/** Heartbeat that trial hosts tell. */
export const HEARTBEAT_MS = 1_000;

/** A host under trial. Disposing of it stops it. */
export class TrialHost implements AsyncDisposable {
  readonly adminToken = randomBytes(24).toString('base64url');
  readonly store: Store;
  readonly ledger: Ledger;
  readonly heads: Heads;
  readonly terms: Terms;
  readonly keys: Keys;
  readonly hub: WatchHub;
  readonly catalogue: Catalogue;
  readonly admin: Port;
  readonly sync: Port;
  readonly usageStore = openMemoryUsage();
  readonly usage: UsageService;
  readonly engines: Engines;
  readonly log: string[] = [];
  /** Added to the clock of the host. */
  aheadMs = 0;
  readonly #parts: UsageParts;
  /** How far a large change has come; tests may say so themselves. */
  progress: ChangeProgress | undefined;
  resources: ResourceStatus = { state: 'none', readAtMs: 0, problems: [] };

  private constructor(
    options: TrialOptions,
    store: Store,
    heads: Heads,
    terms: Terms,
    principals: Principals | undefined,
  ) {
    this.store = store;
    this.heads = heads;
    this.terms = terms;
    const { holdMs = 25_000, secret } = options;
    const nowMs = () => this.nowMs();
    const random = Math.random;
    this.ledger = openMemoryLedger({ resolve: (account) => terms.resolve(account), random });
    this.keys = new Keys(store, randomBytes, nowMs);
    const onFault = (error: unknown) => this.log.push(String(error));
    this.hub = new WatchHub({ store, heads, nowMs, random, holdMs, onFault });
    const { folder } = options;
    const compiler = new InlineCompiler();
    const onProgress: OnProgress = (progress) => Object.assign(this, { progress });
    this.catalogue = new Catalogue({ store, compiler, nowMs, folder, onProgress });
    const metrics = new HostMetrics();
    const { hub, ledger, keys } = this;
    const access = new Access(store, digestOf(this.adminToken), randomBytes, nowMs);
    const shares = new Shares({
      clockMs: nowMs,
      learn: false,
      firstNumber: 1,
      onPrompt: (holder) => this.hub.prompt(holder),
    });
    const onUsageFault = (error: unknown) => this.log.push(String(error));
    this.#parts = makeUsage({
      ...{ store, heads, terms, nowMs, usageStore: this.usageStore },
      keepMs: 400 * 86_400_000,
      onFault: onUsageFault,
    });
    const { engines, usage } = this.#parts;
    this.usage = usage;
    this.engines = engines;
    metrics.observe({
      heads,
      engines,
      watchesOf: (group) => hub.openOf(group),
      ledgerStats: () => ledger.stats(),
      usageStats: () => usage.stats(),
      shareStats: () => shares.stats(),
    });
    const log = this.#logger();
    const shared = { store, ledger, terms, heads, hub, metrics, engines, usage, nowMs };
    const policies = new Policies(store, heads);
    this.sync = makeSyncPort({
      services: { ...shared, policies, shares, heartbeatMs: HEARTBEAT_MS },
      log,
      secret: secret === undefined ? undefined : new Secret(secret),
      principals,
    });
    this.admin = makeAdminPort({
      services: {
        ...{ ...shared, keys, access, catalogue: this.catalogue, version: '0.0.0' },
        resources: () => this.resources,
        progress: () => this.progress,
      },
      log,
    });
  }

  /** Starts a host that does not listen yet; `inject` works at once. */
  static async start(options: TrialOptions = {}): Promise<TrialHost> {
    const { removalsKeptMax, credentialsMax, pageBytes } = options;
    const { storeId = new Uint8Array(randomBytes(16)) } = options;
    const limits = {
      ...(removalsKeptMax !== undefined && { removalsKeptMax }),
      ...(credentialsMax !== undefined && { credentialsMax }),
    };
    const store = withPages(openMemoryStore({ storeId, limits }), pageBytes);
    const heads = await Heads.open(store);
    const clock = { nowMs: Date.now };
    const nowMs = () => clock.nowMs();
    const terms = await Terms.open(store, nowMs, (error) => {
      throw error;
    });
    const principals = options.meshIdentity
      ? await Principals.open(store, (error) => {
          throw error;
        })
      : undefined;
    const host = new TrialHost(options, store, heads, terms, principals);
    clock.nowMs = () => host.nowMs();
    if (options.resources !== undefined) await host.apply(options.resources);
    return host;
  }

  nowMs(): number {
    return Date.now() + this.aheadMs;
  }

  /** Brings resource files into force and answers the revision. Throws with their problems. */
  async apply(files: Record<string, string>): Promise<number> {
    return this.applySet(await this.compile(files));
  }

  /** What `apply` brings into force, for tests in which nothing may be compiled at that moment. */
  async compile(files: Record<string, string>): Promise<CompiledFiles> {
    const compiler = new InlineCompiler();
    const inputs = Object.entries(files).map(([name, text]) => {
      return { name, bytes: new TextEncoder().encode(text) };
    });
    const known = (await this.store.groups()).map(({ group }) => group);
    const loaded = await compiler.load(inputs, known);
    if (!loaded.ok) throw new Error(formatProblems(loaded.problems));
    const { credentials, groups } = await compiler.compile(
      await this.store.reserveIds(loaded.names),
    );
    return { resources: loaded.resources, credentials, groups };
  }

  /** Brings compiled files into force and answers the revision. */
  async applySet(set: CompiledFiles): Promise<number> {
    const nowMs = this.nowMs();
    const outcome = await this.store.applyResources({ ...set, nowMs });
    if (!outcome.ok) throw new Error(outcome.message);
    this.resources = { state: 'applied', readAtMs: nowMs, problems: [] };
    return outcome.revision;
  }

  /** Makes a key and answers its credential's id, the key and its digest in hexadecimal. */
  async createKey(application: string): Promise<{ id: number; key: string; digest: string }> {
    const made = await this.keys.create({ namespace: 'default', application });
    if (!made.ok) throw new Error(made.message);
    const key = made.key.reveal();
    return { id: made.credential.id, key, digest: Buffer.from(digestOf(key)).toString('hex') };
  }

  /** Opens the sync port and answers its number; the one given, or any free one. */
  async listenSync(port = 0): Promise<number> {
    await this.sync.listen({ host: '127.0.0.1', port });
    return (this.sync.server.address() as AddressInfo).port;
  }

  /** Opens the admin port and answers its address. */
  async listenAdmin(): Promise<string> {
    return this.admin.listen({ host: '127.0.0.1', port: 0 });
  }

  /** Calls the admin API in this process. */
  async ask(method: Method, url: string, payload?: object, more: Asking = {}) {
    const { token = this.adminToken, headers } = more;
    const call = payload === undefined ? {} : { payload };
    const sent = { authorization: `Bearer ${token}`, ...headers };
    const answer = await this.admin.inject({ method, url, headers: sent, ...call });
    const type = String(answer.headers['content-type'] ?? '');
    const body = /json/.test(type) ? JSON.parse(answer.body) : answer.body;
    return { status: answer.statusCode, body, headers: answer.headers };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.hub.close();
    this.sync.server.closeAllConnections();
    this.admin.server.closeAllConnections();
    await Promise.all([this.sync.close(), this.admin.close()]);
    this.#parts.close();
    await this.usageStore.close();
    this.heads.close();
    await this.terms.close();
    await this.ledger.close();
    await this.store.close();
  }

  #logger() {
    const stream = new Writable({
      write: (chunk, _encoding, done) => {
        this.log.push(String(chunk));
        done();
      },
    });
    const redact = { paths: REDACTED_PATHS, censor: '[secret]' };
    return pino({ level: 'trace', redact }, stream);
  }
}

/** The same store with smaller pages. */
function withPages(store: Store, pageBytes: number | undefined): Store {
  if (pageBytes === undefined) return store;
  return new Proxy(store, {
    get(target, name) {
      if (name === 'directoryAfter') {
        return (query: DirectoryQuery) => {
          const maxBytes = Math.min(query.maxBytes, pageBytes);
          return target.directoryAfter({ ...query, maxBytes });
        };
      }
      const member = Reflect.get(target, name);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}
