/**
 * One host, assembled: store, ledger, services and both ports, started in order and stopped in the
 * opposite one. Clock, randomness and streams come in as parameters; it must never read the
 * environment.
 */
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Exit, type ExitCode } from './cli/outcome.ts';
import type { Settings } from './config/settings.ts';
import type { RandomBytes } from './credential/key.ts';
import { makeAdminPort } from './http/admin-port.ts';
import { HostMetrics } from './http/metrics.ts';
import type { Log } from './http/server.ts';
import { makeSyncPort } from './http/sync-port.ts';
import { WatchHub } from './http/watch-hub.ts';
import { Shares } from './quota/share.ts';
import { formatProblem } from './resources/problem.ts';
import { Access } from './service/access.ts';
import { type AdminToken, adminToken } from './service/admin-token.ts';
import type { Resources } from './service/catalogue.ts';
import { watchFolder } from './service/folder.ts';
import type { Reading } from './service/folder-reading.ts';
import { Heads } from './service/heads.ts';
import { Keys } from './service/keys.ts';
import { Policies } from './service/policies.ts';
import { Principals } from './service/principals.ts';
import { Reloader, type ResourceStatus } from './service/reload.ts';
import { ResourceThread } from './service/resource-thread.ts';
import { Terms } from './service/terms.ts';
import { makeUsage, sweepUsage, type UsageParts } from './service/usage-parts.ts';
import { type Ledger, LedgerError } from './store/ledger.ts';
import { openSqliteLedger } from './store/ledger-sqlite.ts';
import { StoreError } from './store/open.ts';
import { openSqliteStore, type SqliteStore } from './store/sqlite.ts';
import type { Store } from './store/store.ts';
import { UsageStoreError } from './store/usage.ts';
import { openSqliteUsage } from './store/usage-sqlite.ts';

/** What a host is given by its process. */
export interface HostOptions {
  readonly settings: Settings;
  readonly log: Log;
  readonly version: string;
  /** Name of this machine and id of this process, for whoever is refused the store. */
  readonly machine: string;
  readonly pid: number;
  readonly nowMs: () => number;
  /** Milliseconds of a clock that never steps. */
  readonly monotonicMs: () => number;
  /** In [0, 1); for jitter only. */
  readonly random: () => number;
  readonly randomBytes: RandomBytes;
  /** Any 32-bit number, another one at each start. */
  readonly seed: number;
  /** Writes a line for programs. */
  readonly say: (line: string) => void;
  /** Writes a line for people. */
  readonly tell: (line: string) => void;
}

/** A host that runs. */
export interface Host {
  readonly admin: string;
  readonly sync: string;
  /** Reads the resource folder again. */
  reload(): void;
  /** Answers what is open, then lets everything go. */
  stop(): Promise<void>;
}

/** Why a host does not start: lines for people, and how the process ends. */
export class HostRefused extends Error {
  readonly exit: ExitCode;
  readonly lines: readonly string[];

  constructor(exit: ExitCode, lines: readonly string[]) {
    super(lines[0] ?? 'refused');
    this.name = 'HostRefused';
    this.exit = exit;
    this.lines = lines;
  }
}

const FOLD_EVERY_MS = 1_000;
const DAY_MS = 86_400_000;
const SWEEP_EVERY_MS = 5_000;
const FOLDER_DEBOUNCE_MS = 50;
const FOLDER_POLL_MS = 2_000;
/** Longest wait for calls under way when stopping; then their connections are closed. */
const STOP_MS = 3_000;

/** Starts a host. Rejects with {@link HostRefused} for everything an operator can put right. */
export async function startHost(options: HostOptions): Promise<Host> {
  const stack = new AsyncDisposableStack();
  try {
    return await assemble(options, stack);
  } catch (error) {
    await stack.disposeAsync();
    throw refusalOf(error);
  }
}

async function assemble(options: HostOptions, stack: AsyncDisposableStack): Promise<Host> {
  const { settings, log, nowMs, random, randomBytes } = options;
  const store = await openStore(options);
  stack.defer(() => store.close());
  const thread = new ResourceThread({ store, nowMs, folder: settings.resources });
  stack.defer(() => thread.close());
  const token = adminToken(
    { given: settings.adminToken, file: settings.adminTokenFile, folder: settings.store },
    randomBytes,
  );
  const terms = await Terms.open(store, nowMs, (err) => log.error({ err }, 'terms were not read'));
  stack.defer(() => terms.close());
  const revision = await store.revision();
  const ledger = await openLedger(options, terms, revision);
  stack.defer(() => ledger.close());
  stack.defer(fold(ledger, options));
  const heads = await Heads.open(store);
  stack.defer(() => heads.close());
  const { engines, usage } = await startUsage(options, { store, heads, terms }, stack);
  const policies = new Policies(store, heads);
  const principals = await openPrincipals(options, store, stack);
  stack.defer(() => policies.close());
  const metrics = new HostMetrics();
  const declared = await startResources(options, { store, metrics, thread }, stack);
  const onFault = (err: unknown) => log.error({ err }, 'watches were not answered');
  const { watchHoldMs: holdMs, heartbeatMs, syncSecret } = settings;
  const hub = new WatchHub({ store, heads, nowMs, random, holdMs, onFault });
  const shares = openShares(options, revision, hub, stack);
  metrics.observe({
    heads,
    engines,
    watchesOf: (group) => hub.openOf(group),
    ledgerStats: () => ledger.stats(),
    usageStats: () => usage.stats(),
    shareStats: () => shares.stats(),
  });
  const shared = { store, ledger, terms, heads, hub, metrics, engines, usage, nowMs };
  const services = { ...shared, policies, shares, heartbeatMs };
  const sync = makeSyncPort({ services, log, secret: syncSecret, principals });
  const admin = makeAdminPort({
    services: {
      ...shared,
      keys: new Keys(store, randomBytes, nowMs),
      access: new Access(store, token.digest, randomBytes, nowMs),
      catalogue: declared.catalogue,
      resources: declared.status,
      progress: () => thread.progress,
      version: options.version,
    },
    log,
  });
  stack.defer(() => closePorts([admin, sync]));
  const addresses = {
    admin: await listen(admin, settings.listen, settings.adminPort, '--admin-port'),
    sync: await listen(sync, settings.syncListen, settings.syncPort, '--sync-port'),
  };
  announce(options, addresses, token);
  return { ...addresses, reload: declared.reload, stop: () => stack.disposeAsync() };
}

type Port = ReturnType<typeof makeAdminPort>;

function openStore(options: HostOptions): Promise<SqliteStore> {
  const { settings, randomBytes, machine, pid, nowMs } = options;
  return openSqliteStore({
    folder: settings.store,
    freshStoreId: randomBytes(16),
    holder: { pid, machine, sinceMs: nowMs() },
    limits: { credentialsMax: settings.directoryCredentialsMax },
  });
}

/**
 * A store that proxies may have been served from is not opened without its ledger: with an empty
 * one in its place every quota would begin anew while holders still spend what they were granted.
 */
async function openLedger(
  { settings, seed }: HostOptions,
  terms: Terms,
  revision: number,
): Promise<Ledger> {
  const path = join(settings.store, 'ledger.db');
  if (revision > 0 && !existsSync(path)) {
    const message =
      `${path} is gone, but its store is not. Put it back; or make an empty file in its place ` +
      'to let every quota of the windows now begin anew';
    throw new LedgerError('ledger_missing', message);
  }
  return openSqliteLedger({
    path,
    resolve: (account) => terms.resolve(account),
    seed,
  });
}

/** Opens usage and goes on sweeping it. */
async function startUsage(
  { settings, nowMs, log }: HostOptions,
  parts: { readonly store: Store; readonly heads: Heads; readonly terms: Terms },
  stack: AsyncDisposableStack,
): Promise<UsageParts> {
  const onFault = (err: unknown) => log.error({ err }, 'usage was not taken or swept');
  const usageStore = await openSqliteUsage(join(settings.store, 'usage.db'));
  stack.defer(() => usageStore.close());
  const keepMs = settings.usageKeepDays * DAY_MS;
  const made = makeUsage({ ...parts, usageStore, nowMs, keepMs, onFault });
  stack.defer(() => made.close());
  stack.defer(sweepUsage(made.usage, onFault));
  return made;
}

/** The principals of proxy groups, where the host believes the mesh. */
async function openPrincipals(
  { settings, log }: HostOptions,
  store: Store,
  stack: AsyncDisposableStack,
): Promise<Principals | undefined> {
  if (!settings.meshIdentity) return undefined;
  const onFault = (err: unknown) => log.error({ err }, 'principals were not read');
  const principals = await Principals.open(store, onFault);
  stack.defer(() => principals.close());
  return principals;
}

/** A store with a past may have told shares that are still in force; a fresh one told none. */
function openShares(
  options: HostOptions,
  revision: number,
  hub: WatchHub,
  stack: AsyncDisposableStack,
): Shares {
  const shares = new Shares({
    clockMs: options.monotonicMs,
    learn: revision > 0,
    firstNumber: options.nowMs(),
    onPrompt: (holder) => hub.prompt(holder),
  });
  stack.defer(every(SWEEP_EVERY_MS, () => shares.sweep()));
  return shares;
}

/** Calls again and again; the answered function stops it. */
function every(ms: number, call: () => void): () => void {
  const timer = setInterval(call, ms);
  return () => clearInterval(timer);
}

/** Folds silent holders again and again; the answered function stops it. */
function fold(ledger: Ledger, { nowMs, log }: HostOptions): () => void {
  let timer: NodeJS.Timeout;
  const tick = async () => {
    try {
      const { more } = await ledger.fold(nowMs());
      timer = setTimeout(tick, more ? 0 : FOLD_EVERY_MS);
    } catch (err) {
      if (err instanceof LedgerError && err.code === 'ledger_closed') return;
      log.error({ err }, 'silent holders were not folded');
      timer = setTimeout(tick, FOLD_EVERY_MS);
    }
  };
  timer = setTimeout(tick, FOLD_EVERY_MS);
  return () => clearTimeout(timer);
}

interface Parts {
  readonly store: Store;
  readonly thread: ResourceThread;
  readonly metrics: HostMetrics;
}

/** Where declared resources come from. */
interface Declared {
  readonly catalogue: Resources;
  readonly status: () => ResourceStatus;
  readonly reload: () => void;
}

/** Resources from a folder where there is one, else by the admin API. */
async function startResources(
  options: HostOptions,
  parts: Parts,
  stack: AsyncDisposableStack,
): Promise<Declared> {
  const { settings, nowMs, log } = options;
  const folder = settings.resources;
  const { resources: catalogue } = parts.thread;
  if (folder !== undefined) {
    const reloader = await startReloader(folder, options, parts, stack);
    return { catalogue, status: () => reloader.status, reload: () => reload(reloader, log) };
  }
  const started = await catalogue.start();
  const problems = started.ok ? [] : started.problems.map(formatProblem);
  if (!started.ok)
    log.error({ problems }, 'stored resources were refused; what was in force still is');
  const state = started.ok ? 'applied' : 'refused';
  const readAtMs = nowMs();
  return {
    catalogue,
    status: () => ({ state, readAtMs, problems }),
    reload: () => log.info('resources come by the admin API: there is no folder to read'),
  };
}

/** Reads the folder once, then follows it. A first reading with problems refuses the start. */
async function startReloader(
  path: string,
  { nowMs, log }: HostOptions,
  { store, metrics, thread }: Parts,
  stack: AsyncDisposableStack,
): Promise<Reloader> {
  const onRead = (reading: Reading, seconds: number) => {
    const problems = reading.outcome === 'refused' ? reading.problems : [];
    metrics.reload(reading.outcome, seconds, problems.length);
    if (reading.outcome === 'refused') {
      log.error({ problems }, 'the resource folder was refused; what was in force still is');
    } else {
      const { outcome, revision } = reading;
      log.info({ outcome, revision, seconds }, 'the resource folder was read');
    }
  };
  const reloader = new Reloader({ path, nowMs, onRead, read: () => thread.resources.readFolder() });
  const stop = watchFolder(path, () => reload(reloader, log), {
    debounceMs: FOLDER_DEBOUNCE_MS,
    pollMs: FOLDER_POLL_MS,
  });
  stack.defer(stop);
  const first = await reloader.reload();
  // A host that ran before goes on with what it has: a bad file must not turn a restart into an
  // outage. One that never ran has nothing to serve.
  if (first.outcome === 'refused' && (await store.groups()).length === 0) {
    throw new HostRefused(Exit.problems, first.problems);
  }
  return reloader;
}

function reload(reloader: Reloader, log: Log): void {
  reloader.reload().catch((err) => log.error({ err }, 'the resource folder was not read'));
}

async function listen(port: Port, host: string, number: number, option: string): Promise<string> {
  try {
    return await port.listen({ host, port: number });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    const why = code === 'EADDRINUSE' ? 'another program is using it' : code;
    throw new HostRefused(Exit.refused, [
      `${host} port ${number} cannot be opened: ${why}`,
      `Choose another with ${option}, or 0 for any free one.`,
    ]);
  }
}

/** Tells programs and people where the host is. */
function announce(
  { settings, say, tell, log, version }: HostOptions,
  addresses: { readonly admin: string; readonly sync: string },
  token: AdminToken,
): void {
  if (token.show !== undefined) {
    tell(`Admin token: ${token.show.reveal()}`);
    tell('It is shown this once; only its digest is kept.');
  }
  const line = JSON.stringify({ ready: true, ...addresses });
  if (settings.readyFile !== undefined) {
    mkdirSync(dirname(settings.readyFile), { recursive: true });
    // A reader that waits for the file must never see half of it.
    writeFileSync(`${settings.readyFile}.new`, `${line}\n`);
    renameSync(`${settings.readyFile}.new`, settings.readyFile);
  }
  log.info({ ...addresses, version }, 'ready');
  say(line);
}

async function closePorts(ports: readonly Port[]): Promise<void> {
  const closing = ports.map((port) => port.close());
  const late = setTimeout(() => {
    for (const port of ports) port.server.closeAllConnections();
  }, STOP_MS);
  await Promise.all(closing);
  clearTimeout(late);
}

function refusalOf(error: unknown): unknown {
  const known = [StoreError, LedgerError, UsageStoreError].some((kind) => error instanceof kind);
  if (known) {
    const { code, message } = error as StoreError;
    return new HostRefused(Exit.refused, [`${code}: ${message}`]);
  }
  return error;
}
