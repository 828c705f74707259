/**
 * A host inside the test: the real store, ledger, compiler and routes, reached without a socket and
 * driven by the emulator's clock. It must never wait for real time: a test says when time passes.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import pino from 'pino';
import { InlineCompiler } from '../../../host/compile/compiler.ts';
import type {
  CallHandler,
  CallResult,
  HttpCall,
  VirtualClock,
} from '../../../host/emulator/index.ts';
import { HostMetrics } from '../../../host/http/metrics.ts';
import { makeSyncPort } from '../../../host/http/sync-port.ts';
import { WatchHub } from '../../../host/http/watch-hub.ts';
import { Shares } from '../../../host/quota/share.ts';
import { formatProblem } from '../../../host/resources/problem.ts';
import type { Engines } from '../../../host/service/engines.ts';
import { Heads } from '../../../host/service/heads.ts';
import { Keys } from '../../../host/service/keys.ts';
import { Policies } from '../../../host/service/policies.ts';
import { Terms } from '../../../host/service/terms.ts';
import type { UsageService } from '../../../host/service/usage.ts';
import { makeUsage } from '../../../host/service/usage-parts.ts';
import type { Ledger } from '../../../host/store/ledger.ts';
import { openMemoryLedger } from '../../../host/store/ledger-memory.ts';
import { openMemoryStore } from '../../../host/store/memory.ts';
import type { Store } from '../../../host/store/store.ts';
import type { UsageStore } from '../../../host/store/usage.ts';
import { openMemoryUsage } from '../../../host/store/usage-memory.ts';
import { decodeSyncRequest, type SyncReportItem } from '../../../host/wire/sync.ts';

/** What a test host runs with. */
export interface TestHostOptions {
  clock: VirtualClock;
  storeId?: Uint8Array;
  heartbeatMs?: number;
  /** A store that outlives this host; its owner closes it, and so with usage. */
  store?: Store;
  usageStore?: UsageStore;
}

/** A host without sockets. The caller must `close()` it. */
export class TestHost {
  readonly store: Store;
  readonly ledger: Ledger;
  declare readonly usage: UsageService;
  declare readonly engines: Engines;
  declare readonly usageStore: UsageStore;
  /** Items of all sync calls so far. */
  readonly reports: SyncReportItem[] = [];
  /** Calls answered so far, by the first two parts of their path. */
  readonly calls: Record<string, number> = {};
  readonly #nowMs: () => number;
  readonly #server: FastifyInstance;
  declare readonly shares: Shares;
  readonly #hub: WatchHub;
  readonly #keys: Keys;
  readonly #compiler = new InlineCompiler();
  readonly #parts: { close(): unknown }[];
  #pending = 0;

  private constructor(
    nowMs: () => number,
    store: Store,
    ledger: Ledger,
    server: FastifyInstance,
    hub: WatchHub,
    parts: { close(): unknown }[],
  ) {
    this.#nowMs = nowMs;
    this.store = store;
    this.ledger = ledger;
    this.#server = server;
    this.#hub = hub;
    this.#keys = new Keys(store, randomBytes, nowMs);
    this.#parts = parts;
  }

  /** An empty host. */
  static async open(options: TestHostOptions): Promise<TestHost> {
    const { clock } = options;
    // Its own wall clock: a step of the proxy's does not move it.
    const baseMs = clock.unixMs - clock.elapsedMs;
    const nowMs = () => Math.floor(baseMs + clock.elapsedMs);
    const fail = (error: unknown) => {
      throw error;
    };
    const store = options.store ?? openMemoryStore({ storeId: options.storeId ?? randomBytes(16) });
    const terms = await Terms.open(store, nowMs, fail);
    const ledger = openMemoryLedger({
      resolve: (account) => terms.resolve(account),
      random: () => 0.5,
    });
    const heads = await Heads.open(store);
    const policies = new Policies(store, heads);
    const random = () => 0.5;
    const hub = new WatchHub({ store, heads, nowMs, random, holdMs: 25_000, onFault: fail });
    const shares = new Shares({
      clockMs: () => clock.elapsedMs,
      learn: false,
      firstNumber: 1,
      onPrompt: (holder) => hub.prompt(holder),
    });
    const usageStore = options.usageStore ?? openMemoryUsage();
    const keepMs = 400 * 86_400_000;
    const parts = makeUsage({
      ...{ store, usageStore, heads, terms, nowMs, keepMs },
      onFault: fail,
    });
    const services = {
      ...{ store, ledger, heads, policies, terms, hub, shares, nowMs },
      metrics: new HostMetrics(),
      ...{ engines: parts.engines, usage: parts.usage },
      heartbeatMs: options.heartbeatMs ?? 1_000,
    };
    const log = pino({ level: 'silent' });
    const server = makeSyncPort({ services, log, secret: undefined, principals: undefined });
    await server.ready();
    const owned: { close(): unknown }[] = [parts, policies, heads, terms, ledger];
    if (options.usageStore === undefined) owned.push(usageStore);
    if (options.store === undefined) owned.push(store);
    const host = new TestHost(nowMs, store, ledger, server, hub, owned);
    return Object.assign(host, { usage: parts.usage, engines: parts.engines, usageStore, shares });
  }

  /** Applies a resource set; a problem in it fails the test. */
  async apply(yaml: string): Promise<void> {
    const files = [{ name: 'test.yaml', bytes: Buffer.from(yaml, 'utf8') }];
    const known = (await this.store.groups()).map(({ group }) => group);
    const loaded = await this.#compiler.load(files, known);
    assert.ok(loaded.ok, loaded.ok ? '' : loaded.problems.map(formatProblem).join('\n'));
    const compiled = await this.#compiler.compile(await this.store.reserveIds(loaded.names));
    const { credentials, groups } = compiled;
    const outcome = await this.store.applyResources({
      ...{ resources: loaded.resources, credentials, groups },
      nowMs: this.#nowMs(),
    });
    assert.ok(outcome.ok, outcome.ok ? '' : outcome.message);
  }

  /** Makes a key. */
  async createKey(application: string, times = {}): Promise<{ id: number; key: string }> {
    const made = await this.#keys.create({ namespace: 'default', application, ...times });
    assert.ok(made.ok, made.ok ? '' : made.message);
    return { id: made.credential.id, key: made.key.reveal() };
  }

  /** Revokes a key. */
  async revokeKey(id: number): Promise<void> {
    const outcome = await this.#keys.revoke(id);
    assert.ok(outcome.ok);
  }

  /** Serves a call of the filter as the real routes do. */
  readonly serve: CallHandler = async (call: HttpCall): Promise<CallResult> => {
    const kind = call.path.split('/').slice(1, 3).join('/');
    this.calls[kind] = (this.calls[kind] ?? 0) + 1;
    const held = kind === 'v1/watch';
    if (kind === 'v1/sync') {
      const report = decodeSyncRequest(call.body);
      assert.ok(report.ok, 'the report is well-formed');
      this.reports.push(...report.value.items);
    }
    if (!held) this.#pending++;
    try {
      const headers = Object.fromEntries(call.headers.filter(([name]) => !name.startsWith(':')));
      const reply = await this.#server.inject({
        method: call.method as 'GET' | 'POST',
        url: call.path,
        headers,
        ...(call.method === 'POST' && { payload: Buffer.from(call.body) }),
      });
      return { status: reply.statusCode, body: new Uint8Array(reply.rawPayload), afterMs: 1 };
    } finally {
      if (!held) this.#pending--;
    }
  };

  /** Calls being served now, watches left aside. */
  get pending(): number {
    return this.#pending;
  }

  /** Stops everything. */
  async close(): Promise<void> {
    this.#hub.close();
    await this.#server.close();
    for (const part of this.#parts) await part.close();
  }
}
