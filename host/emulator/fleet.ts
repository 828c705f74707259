/**
 * One proxy: a main thread and its workers, each with a VM of its own for all plugins of the
 * module. Adds what lies above a single VM in Envoy: the canary, configuration changes on every
 * thread, and what happens to requests when a VM is dead. The main thread's VM ticks and calls but
 * sees no request.
 */
import { Clusters } from './http-call.ts';
import { Log } from './log.ts';
import { MetricStore } from './metrics.ts';
import type { LoadedModule } from './module.ts';
import type { PluginConfiguration, Root } from './root.ts';
import { SharedData } from './shared-data.ts';
import type { StreamRequest, StreamView } from './stream.ts';
import { UnfilteredStream } from './unfiltered-stream.ts';
import { Vm, type VmOptions } from './vm.ts';

/** What becomes of requests while a VM is dead: 503 and a new VM, 503 for good, or unfiltered. */
export type FailurePolicy = 'reload' | 'closed' | 'open';

/** What a proxy runs with. */
export interface FleetOptions extends VmOptions {
  /** Worker threads; there is one VM more, the main thread's. */
  workers: number;
  failurePolicy?: FailurePolicy;
  /** Base of the pause before a dead VM is made anew; it lasts 1–1.5 × this. */
  reloadBaseMs?: number;
}

/** A plugin of a proxy; one name has one configuration at a time. */
export interface FleetPlugin extends PluginConfiguration {
  name: string;
}

/**
 * What became of a configuration. `canary`: the trial VM refused it, nothing changed. `poisoned`:
 * a thread had refused one earlier, so Envoy takes no more of this module.
 */
export type Applied = { accepted: true } | { accepted: false; reason: 'canary' | 'poisoned' };

interface Handle {
  plugin: FleetPlugin;
  vm: Vm;
  /** Undefined if this thread refused the plugin: its requests then pass unfiltered. */
  root: Root | undefined;
  loadedAtMs: number;
}

/** One thread of a proxy. */
export class Worker {
  readonly #module: LoadedModule;
  readonly #options: FleetOptions;
  readonly #handles = new Map<string, Handle>();
  readonly #vms = new Set<Vm>();
  /** How often a dead VM was made anew. */
  reloads = 0;

  constructor(module: LoadedModule, options: FleetOptions) {
    this.#module = module;
    this.#options = options;
  }

  /** The VM in use, or undefined if there is none or it is dead. */
  get vm(): Vm | undefined {
    return [...this.#vms].find((vm) => !vm.failure);
  }

  /** The root of a plugin, or undefined if this thread has none. */
  root(name?: string): Root | undefined {
    return this.#handle(name)?.root;
  }

  /** Adds or changes a plugin; answers whether this thread accepted it. */
  apply(plugin: FleetPlugin): boolean {
    const before = this.#handles.get(plugin.name);
    const handle = this.#load(plugin);
    this.#handles.set(plugin.name, handle);
    if (before) this.#release(before);
    return handle.root !== undefined;
  }

  /** Takes a plugin away. */
  remove(name: string): void {
    const handle = this.#handles.get(name);
    this.#handles.delete(name);
    if (handle) this.#release(handle);
  }

  /** Lets one request through a plugin (by default the only one), as the failure policy says. */
  request(request: StreamRequest, name?: string): StreamView {
    const handle = this.#handle(name);
    if (!handle) throw new Error('this thread has no such plugin');
    if (!handle.root) return new UnfilteredStream(request);
    if (handle.vm.failure && this.#options.failurePolicy === 'open') {
      return new UnfilteredStream(request);
    }
    const reload = (this.#options.failurePolicy ?? 'reload') === 'reload';
    if (handle.vm.failure && reload) this.#reload(handle);
    return handle.vm.request({ ...request, root: handle.root });
  }

  /** Destroys every VM of this thread, as the end of the process does after `on_done`. */
  close(): void {
    for (const vm of [...this.#vms]) vm.close();
    this.#vms.clear();
    this.#handles.clear();
  }

  #handle(name: string | undefined): Handle | undefined {
    if (name !== undefined) return this.#handles.get(name);
    return [...this.#handles.values()].at(-1);
  }

  #load(plugin: FleetPlugin): Handle {
    const vm = this.vm ?? this.#newVm();
    const root = vm.createRoot(plugin);
    const accepted = root.state !== 'refused';
    if (!accepted && vm.liveRoots.length === 0) this.#drop(vm);
    const loadedAtMs = this.#options.clock.elapsedMs;
    return { plugin, vm, root: accepted ? root : undefined, loadedAtMs };
  }

  #newVm(): Vm {
    const vm = new Vm(this.#module, this.#options);
    vm.onLastRootGone = () => this.#drop(vm);
    this.#vms.add(vm);
    return vm;
  }

  /** The last plugin of a VM is gone: the VM goes with it, pending roots and open calls too. */
  #drop(vm: Vm): void {
    vm.close();
    this.#vms.delete(vm);
  }

  #release(handle: Handle): void {
    if (handle.vm.failure) {
      this.#vms.delete(handle.vm);
      handle.vm.destroy();
    } else {
      handle.root?.close();
    }
  }

  #reload(handle: Handle): void {
    const { clock, random } = this.#options;
    const base = this.#options.reloadBaseMs ?? 1_000;
    const pauseMs = base * (1 + random.next() / 2);
    if (clock.elapsedMs - handle.loadedAtMs < pauseMs) return;
    handle.loadedAtMs = clock.elapsedMs;
    const dead = handle.vm;
    const fresh = this.#load(handle.plugin);
    if (!fresh.root) return;
    this.reloads++;
    handle.vm = fresh.vm;
    handle.root = fresh.root;
    const inUse = [...this.#handles.values()].some(({ vm }) => vm === dead);
    if (!inUse) {
      this.#vms.delete(dead);
      dead.destroy();
    }
  }
}

/** One proxy. */
export class Fleet {
  /** The main thread: ticks and calls, sees no request. */
  readonly main: Worker;
  readonly workers: readonly Worker[];
  readonly metrics: MetricStore;
  readonly sharedData: SharedData;
  /** What all VMs have logged, canaries and dead ones included. */
  readonly log: Log;
  readonly #module: LoadedModule;
  readonly #options: FleetOptions;
  /** Whether a thread has refused a configuration the canary took; Envoy then takes no more. */
  poisoned = false;

  constructor(module: LoadedModule, options: FleetOptions) {
    this.metrics = options.metrics ?? new MetricStore();
    this.sharedData = options.sharedData ?? new SharedData();
    const clusters = options.clusters ?? new Clusters();
    this.log = options.log ?? new Log(options.logLevel);
    const { metrics, sharedData, log } = this;
    this.#options = { ...options, clusters, metrics, sharedData, log };
    this.#module = module;
    this.main = new Worker(module, this.#options);
    this.workers = Array.from({ length: options.workers }, () => new Worker(module, this.#options));
  }

  /** All threads, the main one first. */
  get threads(): Worker[] {
    return [this.main, ...this.workers];
  }

  /** Adds or changes a plugin: in a canary first, then on every thread. */
  apply(plugin: FleetPlugin): Applied {
    if (!canary(this.#module, this.#options, plugin)) return { accepted: false, reason: 'canary' };
    if (this.poisoned) return { accepted: false, reason: 'poisoned' };
    for (const thread of this.threads) {
      if (!thread.apply(plugin)) this.poisoned = true;
    }
    return { accepted: true };
  }

  /** Takes a plugin away from every thread. */
  remove(name: string): void {
    for (const thread of this.threads) thread.remove(name);
  }

  /** Ends the process: `on_done` everywhere, and nothing after it. */
  close(): void {
    for (const thread of this.threads) thread.close();
  }
}

/**
 * Tries a plugin in a VM that is thrown away: it is created, started and configured, and its calls
 * never leave. Envoy does so before it takes a configuration. Answers whether it was accepted.
 */
export function canary(
  module: LoadedModule,
  options: VmOptions,
  plugin: PluginConfiguration,
): boolean {
  const vm = new Vm(module, options);
  const root = vm.createRoot(plugin);
  const accepted = root.state !== 'refused' && !vm.failure;
  vm.destroy();
  return accepted;
}
