/**
 * The release filter in the emulator beside a test host: what every life-cycle test begins with.
 * Time is virtual; `advance` lets the host answer whatever the filter asks in between.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import {
  Clusters,
  type LoadedModule,
  loadModule,
  type Pair,
  type Stream,
  seededRandom,
  VirtualClock,
  Vm,
} from '../../../host/emulator/index.ts';
import type { UsageStore } from '../../../host/store/usage.ts';
import { TestHost } from './host.ts';

/** Name of the cluster the host stands behind. */
export const CLUSTER = 'sidegate-host';

/** The plugin configuration of most tests. */
export const CONFIG = JSON.stringify({ clusters: [CLUSTER] });

/** Resources of most tests: one product with a path open to everybody and one plan. */
export const RESOURCES = `
apiVersion: sidegate.dev/v1alpha1
kind: Product
metadata: { name: orders }
spec:
  hosts: [orders.example.com]
  identify:
    - apiKey: { header: x-api-key }
    - apiKey: { header: authorization, prefix: "Bearer " }
  operations:
    - { name: list, method: GET, path: /orders }
    - { name: create, method: POST, path: /orders, cost: 5 }
    - { name: health, method: GET, path: /health, security: none }
  mediation:
    request:
      - { set: { name: x-consumer, value: "\${consumer.name}" } }
      - { set: { name: x-plan, value: "\${plan.name}" } }
---
apiVersion: sidegate.dev/v1alpha1
kind: Plan
metadata: { name: gold }
spec:
  limits:
    - { name: daily, class: exact, quota: 100, window: 1d }
---
apiVersion: sidegate.dev/v1alpha1
kind: Consumer
metadata: { name: acme }
spec: {}
---
apiVersion: sidegate.dev/v1alpha1
kind: Application
metadata: { name: shop }
spec: { consumer: acme }
---
apiVersion: sidegate.dev/v1alpha1
kind: Subscription
metadata: { name: shop-orders }
spec: { application: shop, product: orders, plan: gold }
`;

const modules = new Map<string, LoadedModule>();

/** The built module; `filter.test.wasm` is the build with small bounds. */
export function filterModule(name = 'filter.wasm'): LoadedModule {
  const known = modules.get(name);
  if (known) return known;
  const path = new URL(`../../../build/${name}`, import.meta.url);
  assert.ok(existsSync(path), `build/${name} is not there: npm run build`);
  const loaded = loadModule(new Uint8Array(readFileSync(path)));
  assert.ok(loaded.ok, loaded.ok ? '' : JSON.stringify(loaded.problems));
  modules.set(name, loaded.module);
  return loaded.module;
}

/** When a stream that has not ended was decided, as the filter's own record has it. */
export function decidedMs({ vm, id }: Stream): number {
  const at = vm.guest.read('sidegate_decision', id);
  assert.ok(typeof at === 'number' && at > 0);
  const bytes = vm.guest.memory.copy(at + 80, 8);
  assert.ok(bytes);
  return Number(Buffer.from(bytes).readBigUInt64LE());
}

/** What a rig runs with. */
export interface RigOptions {
  /** A build by its name, or a module that was loaded otherwise. */
  module?: string | LoadedModule;
  config?: string;
  /** Applied before the filter starts; '' leaves the host empty. */
  resources?: string;
  /** False: calls find no host at first. */
  reachable?: boolean;
  environment?: Record<string, string>;
  /** Usage that outlives the host; its owner closes it. */
  usageStore?: UsageStore;
}

/** A VM with the filter and a host it can call. */
export class FilterRig implements AsyncDisposable {
  readonly clock: VirtualClock;
  readonly clusters: Clusters;
  readonly vm: Vm;
  host: TestHost;

  private constructor(clock: VirtualClock, clusters: Clusters, vm: Vm, host: TestHost) {
    this.clock = clock;
    this.clusters = clusters;
    this.vm = vm;
    this.host = host;
  }

  /** Starts host and VM and configures one plugin. Disposing of it ends both. */
  static async start(options: RigOptions = {}): Promise<FilterRig> {
    const clock = new VirtualClock({ startUnixMs: Date.UTC(2026, 4, 4, 12) });
    const { usageStore } = options;
    const host = await TestHost.open({ clock, ...(usageStore && { usageStore }) });
    const resources = options.resources ?? RESOURCES;
    if (resources !== '') await host.apply(resources);
    const clusters = new Clusters();
    clusters.set(CLUSTER, options.reachable === false ? 'refused' : host.serve);
    const { module } = options;
    const loaded = typeof module === 'object' ? module : filterModule(module);
    const vm = new Vm(loaded, {
      ...{ clock, clusters, random: seededRandom(7) },
      ...(options.environment && { environment: options.environment }),
      properties: { 'xds.node.id': 'sidecar~1', 'xds.node.cluster': 'orders' },
    });
    const rig = new FilterRig(clock, clusters, vm, host);
    rig.configure(options.config ?? CONFIG);
    return rig;
  }

  /** Adds a plugin to the VM; a refusal fails the test. */
  configure(configuration: string, name = 'sidegate') {
    const root = this.vm.createRoot({ name, configuration });
    assert.equal(root.state, 'live', this.logText());
    return root;
  }

  /** Everything the filter logged. */
  logText(): string {
    return this.vm.logs.map(({ message }) => message).join('\n');
  }

  /** Lets what the host has begun to answer be answered. */
  async settle(): Promise<void> {
    let quiet = 0;
    for (let turn = 0; turn < 1_000 && quiet < 3; turn++) {
      await new Promise((go) => setImmediate(go));
      quiet = this.host.pending === 0 ? quiet + 1 : 0;
    }
  }

  /** Lets time pass in steps of at most `stepMs`, the host answering in between. */
  async advance(ms: number, stepMs = 10): Promise<void> {
    await this.settle();
    for (let left = ms; left > 0; left -= stepMs) {
      this.clock.advance(Math.min(stepMs, left));
      await this.settle();
    }
    assert.equal(this.vm.failure, undefined, JSON.stringify(this.vm.failure));
  }

  /** Begins a request to the product of `RESOURCES`. */
  request(headers: readonly Pair[] = [], path = '/orders', method = 'GET'): Stream {
    return this.vm.request({
      headers: [
        [':method', method],
        [':path', path],
        [':authority', 'orders.example.com'],
        [':scheme', 'http'],
        ...headers,
      ],
    });
  }

  /** Sends a request with a key, waits for its decision and ends it. */
  async send(key: string, path = '/orders', method = 'GET'): Promise<Stream> {
    const stream = this.request([['x-api-key', key]], path, method);
    await this.decided(stream);
    stream.end();
    return stream;
  }

  /** Waits until a stream is decided, at most ten virtual seconds. */
  async decided(stream: Stream): Promise<void> {
    for (let ms = 0; stream.outcome === 'paused' && ms < 10_000; ms += 5) await this.advance(5);
    assert.notEqual(stream.outcome, 'paused', 'the request is still held');
  }

  /** Ends everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.vm.destroy();
    await this.host.close();
  }
}
