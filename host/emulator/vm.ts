/**
 * A VM: one instance of a module, shared by every plugin with the same module and VM configuration.
 * Owns its contexts, its calls and the actions that wait until the guest has returned. Never moves
 * the clock and never reloads itself (see fleet.ts).
 */

import { type LogLevel, MetricType } from './abi.ts';
import type { AbiCounter } from './abi-counter.ts';
import type { VirtualClock } from './clock.ts';
import { type Failure, Guest, VM_CONTEXT } from './guest.ts';
import type { HeaderList, HeaderMap } from './header-map.ts';
import { hostFunctions } from './host-functions.ts';
import { type CallRequest, Clusters, HttpCall, serve } from './http-call.ts';
import { Log, type LogLine } from './log.ts';
import { MetricStore, VmMetrics } from './metrics.ts';
import type { LoadedModule } from './module.ts';
import { Properties, type PropertyList } from './properties.ts';
import type { Random } from './random.ts';
import { type PluginConfiguration, Root } from './root.ts';
import { SharedData } from './shared-data.ts';
import { Stream, type StreamRequest } from './stream.ts';

/** What a VM runs with. Only time and randomness must be given; the rest is empty by default. */
export interface VmOptions {
  clock: VirtualClock;
  random: Random;
  /** The environment WASI shows, in this order. */
  environment?: Readonly<Record<string, string>>;
  clusters?: Clusters;
  sharedData?: SharedData;
  metrics?: MetricStore;
  vmId?: string;
  vmConfiguration?: string;
  /** Properties of the process, for example `xds.node.id`. */
  properties?: PropertyList;
  logLevel?: LogLevel;
  /** Where the guest's lines go; by default a log of its own with `logLevel`. */
  log?: Log;
  /** Foreign functions the host knows, besides `clear_route_cache`; they answer a result code. */
  foreignFunctions?: Readonly<Record<string, (argument: Uint8Array) => number>>;
}

/** A call of `proxy_call_foreign_function`. */
export interface ForeignCall {
  name: string;
  argument: Uint8Array;
}

/** The most foreign calls remembered. */
export const FOREIGN_CALLS_KEPT = 1_000;

/** A stream to begin, and the plugin it goes through. */
export interface VmRequest extends StreamRequest {
  /** The plugin; by default the newest one that is live. */
  root?: Root;
}

/** One VM. */
export class Vm {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly environment: Readonly<Record<string, string>>;
  readonly clusters: Clusters;
  readonly sharedData: SharedData;
  readonly metrics: VmMetrics;
  readonly vmId: string;
  /** The VM's configuration as a byte string. */
  readonly vmConfiguration: string;
  readonly properties: Properties;
  readonly log: Log;
  readonly guest: Guest;
  readonly foreignFunctions: Readonly<Record<string, (argument: Uint8Array) => number>>;
  readonly foreignCalls: ForeignCall[] = [];
  /** Set when the VM was destroyed with its last plugin; nothing runs in it any more. */
  destroyed = false;
  /**
   * Whether the stream whose callback runs stops, whatever it answers. Set by any local response,
   * also by one for another stream: the flag is the VM's, as in Envoy.
   */
  stopsIteration = false;
  /** Called when a root has left and no other is live or closing. */
  onLastRootGone: (() => void) | undefined;
  readonly #metricStore: MetricStore;
  readonly #contexts = new Map<number, Root | Stream>();
  readonly #roots = new Map<string, Root>();
  readonly #pending = new Map<string, Root>();
  readonly #deferred: (() => void)[] = [];
  #nextContextId = 1;
  #lastToken = 0;

  constructor(module: LoadedModule, options: VmOptions) {
    this.clock = options.clock;
    this.random = options.random;
    this.environment = options.environment ?? {};
    this.clusters = options.clusters ?? new Clusters();
    this.sharedData = options.sharedData ?? new SharedData();
    this.#metricStore = options.metrics ?? new MetricStore();
    this.metrics = new VmMetrics(this.#metricStore);
    this.vmId = options.vmId ?? '';
    const configuration = Buffer.from(options.vmConfiguration ?? '', 'utf8');
    this.vmConfiguration = configuration.toString('latin1');
    this.properties = new Properties(options.properties);
    this.log = options.log ?? new Log(options.logLevel);
    this.foreignFunctions = options.foreignFunctions ?? {};
    this.guest = new Guest(module, hostFunctions(this));
    this.guest.initialize();
  }

  /** Why the guest is dead, or undefined while it lives. */
  get failure(): Failure | undefined {
    return this.guest.failure;
  }

  /** The lines logged at or above the threshold. */
  get logs(): readonly LogLine[] {
    return this.log.lines;
  }

  /** Counts of ABI calls and callbacks. */
  get abi(): AbiCounter {
    return this.guest.counter;
  }

  /** Bytes of the guest's memory. */
  get memoryBytes(): number {
    return this.guest.memory.size;
  }

  /** The counters the guest has defined, by name. */
  counters(): Record<string, bigint> {
    return this.#metricStore.values(MetricType.counter);
  }

  /** The gauges the guest has defined, by name. */
  gauges(): Record<string, bigint> {
    return this.#metricStore.values(MetricType.gauge);
  }

  /** Roots that take streams, oldest first. */
  get liveRoots(): Root[] {
    return [...this.#roots.values()].filter(({ state }) => state === 'live');
  }

  /** The open calls of all roots, oldest first. */
  get openCalls(): HttpCall[] {
    const roots = [...this.#contexts.values()].filter((context) => context instanceof Root);
    return roots.flatMap((root) => root.openCalls).sort((a, b) => a.token - b.token);
  }

  /** The number of contexts alive, roots and streams. */
  get contextCount(): number {
    return this.#contexts.size;
  }

  /**
   * Adds a plugin: `on_context_create`, `on_vm_start`, `on_configure`. A plugin equal to one that
   * is live shares its root. The answer's `state` is `refused` if the guest did not take it.
   */
  createRoot(plugin: PluginConfiguration = {}): Root {
    const key = Root.key(plugin);
    const present = this.#roots.get(key);
    if (present?.state === 'live') {
      present.holders++;
      return present;
    }
    const root = new Root(this, this.#nextContextId++, plugin);
    this.#contexts.set(root.id, root);
    this.#roots.set(key, root);
    root.begin();
    return root;
  }

  /** Begins a stream; it has passed or stopped in the request phase when this returns. */
  request(request: VmRequest): Stream {
    const root = request.root ?? this.liveRoots.at(-1);
    if (!root) throw new Error('no plugin is live in this VM');
    const stream = new Stream(this, root, this.#nextContextId++, request);
    this.#contexts.set(stream.id, stream);
    root.streamBegan(stream);
    stream.begin(request.endOfStream ?? true);
    return stream;
  }

  /**
   * Runs one whole stream: request, response if it passed and one is given, end. Headers made once
   * as a `HeaderMap` are not encoded again. A paused stream is left open.
   */
  run(request: HeaderMap, response?: HeaderMap | HeaderList): Stream {
    const stream = this.request({ headers: request });
    if (stream.outcome === 'paused') return stream;
    if (stream.outcome === 'continued' && response) stream.respond({ headers: response });
    stream.end();
    return stream;
  }

  /** Takes every plugin away and destroys the VM, as Envoy does when the last plugin goes. */
  close(): void {
    this.onLastRootGone = undefined;
    for (const root of [...this.#roots.values()]) root.shutDown();
    this.destroy();
  }

  /** Destroys the VM: no callback follows, open calls and pending roots are dropped. */
  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.guest.failure ??= { in: '', message: 'destroyed' };
    for (const context of [...this.#contexts.values()]) {
      if (context instanceof Root) context.forget();
    }
    this.#pending.clear();
  }

  /** A context by its id. */
  context(id: number): Root | Stream | undefined {
    return this.#contexts.get(id);
  }

  /** The context ABI calls act on, or undefined outside of any. */
  get acting(): Root | Stream | undefined {
    const { effectiveId, currentId = VM_CONTEXT } = this.guest;
    const chosen = effectiveId === VM_CONTEXT ? undefined : this.#contexts.get(effectiveId);
    return chosen ?? this.#contexts.get(currentId);
  }

  /** The root of the context ABI calls act on. */
  get actingRoot(): Root | undefined {
    const acting = this.acting;
    return acting instanceof Stream ? acting.root : acting;
  }

  /** The stream ABI calls act on, or undefined if they act on a root. */
  get actingStream(): Stream | undefined {
    const acting = this.acting;
    return acting instanceof Stream ? acting : undefined;
  }

  /** Puts an action off until the guest has returned from the current callback. */
  defer(action: () => void): void {
    this.#deferred.push(action);
  }

  /** Runs what was put off; called after every callback. */
  afterCall(): void {
    this.stopsIteration = false;
    for (let next = this.#deferred.shift(); next; next = this.#deferred.shift()) next();
  }

  /** Makes a call for a root; it is served as its cluster's behaviour says. */
  makeCall(root: Root, request: Omit<CallRequest, 'token'>): number {
    this.#lastToken += 4;
    const token = this.#lastToken;
    const call = new HttpCall({ ...request, token }, this.clock, (answered, response) =>
      root.deliver(answered, response),
    );
    root.remember(call);
    serve(call, this.clusters.get(request.cluster), this.clock);
    return token;
  }

  /** Notes that a root is leaving: it takes no streams any more and may be pending. */
  leaves(root: Root): void {
    const key = Root.key(root.plugin);
    if (this.#roots.get(key) === root) this.#roots.delete(key);
  }

  /** Files a root that has left as pending, and tells who waits for the last one. */
  afterShutDown(root: Root): void {
    if (root.state === 'pending') this.#pending.set(Root.key(root.plugin), root);
    const held = [...this.#roots.values()].some(
      ({ state }) => state === 'live' || state === 'closing',
    );
    if (!held && !this.destroyed) this.onLastRootGone?.();
  }

  /** Takes out the pending root of the same plugin, if there is one. */
  pendingRoot(root: Root): Root | undefined {
    const key = Root.key(root.plugin);
    const pending = this.#pending.get(key);
    this.#pending.delete(key);
    return pending;
  }

  /** Forgets a context; its id is never given again. */
  forgetContext(id: number): void {
    this.#contexts.delete(id);
  }

  /** Writes a line of the guest's to the log. */
  writeLog(level: number, message: string): void {
    this.log.write(level, message, this.acting?.id ?? VM_CONTEXT, this.clock.elapsedMs);
  }

  /** Remembers a foreign call. */
  noteForeignCall(call: ForeignCall): void {
    if (this.foreignCalls.length >= FOREIGN_CALLS_KEPT) this.foreignCalls.shift();
    this.foreignCalls.push(call);
  }
}
