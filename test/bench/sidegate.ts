/**
 * The Sidegate chains: the release module, with a host of its own that knows as many keys as the
 * chain is named after. Keys are declared by their digests in a file, because making 100,000 over
 * the admin API would take longer than the bench.
 */
import { randomBytes } from 'node:crypto';
import { makeKey } from '../../host/credential/key.ts';
import * as config from '../support/envoy-config.ts';
import { Host } from '../support/host.ts';
import { documents, resource, resourcesOf } from '../support/policies.ts';
import { HOLD_MS, RELEASE_MODULE } from '../support/rig.ts';
import { type Chain, callerHeaders, type ProxySpec, pick, thousands } from './chains.ts';
import { benchProduct, PRODUCT_FILE, type ProductOptions } from './policies.ts';

/** The setting of a proxy whose log is told of denials alone. */
export const QUIET = { filterState: 'denied' } as const;
/** Keys of one application; the memory figure is stated for this share. */
const KEYS_PER_APPLICATION = 5;
/** Keys a round chooses from: few, so that their accounts stay warm over the rounds. */
const KEYS_USED = 8;
/** Two limits that never refuse: what is measured is counting. */
export const LIMITS = [
  { name: 'hourly', quota: 1e12, window: '1h' },
  { name: 'daily', quota: 1e12, window: '1d' },
];
/** The application whose plan allows next to nothing. */
const GREEDY = 'greedy';

/** A cold account may wait longer than by default: all of this runs on two cores. */
export const PLUGIN = { clusters: ['sidegate'], holdMs: HOLD_MS };

/** Resource files with so many keys, and what the bench needs to know of them. */
export interface KeyedResources {
  files: Record<string, string>;
  /** Some keys of applications with `LIMITS`. */
  keys: readonly string[];
  /** The keys of one application of those: their accounts are the same. */
  siblings: readonly string[];
  /** A key whose quota is soon spent. */
  greedyKey: string;
}

/** A host with its keys and the proxy that asks it, from which chains are made. */
export interface KeyedHost extends AsyncDisposable {
  host: Host;
  resources: KeyedResources;
  /** How many keys it knows. */
  count: number;
  proxy: ProxySpec;
}

/** Makes resource files with so many keys, five to an application. */
export function keyedResources(count: number, product: ProductOptions = {}): KeyedResources {
  const applications = Array.from(
    { length: Math.ceil(count / KEYS_PER_APPLICATION) },
    (_, index) => `app-${index}`,
  );
  // One key of the number is the greedy one.
  const made = Array.from({ length: count - 1 }, () => makeKey('sg', randomBytes));
  const greedy = makeKey('sg', randomBytes);
  const declared = made.map(({ digest }, index) =>
    declare(`key-${index}`, applications[index % applications.length] ?? '', digest),
  );
  declared.push(declare('key-greedy', GREEDY, greedy.digest));
  const used = made.filter((_, index) => index % Math.ceil(count / KEYS_USED) === 0);
  return {
    files: {
      ...resourcesOf({ applications, limits: LIMITS }),
      [PRODUCT_FILE]: benchProduct(product),
      'scarce.yaml': scarcePlan(),
      'keys.yaml': declared.join('---\n'),
    },
    keys: used.map(({ key }) => key.reveal()),
    siblings: made
      .filter((_, index) => index % applications.length === 0)
      .map(({ key }) => key.reveal()),
    greedyKey: greedy.key.reveal(),
  };
}

/** Starts a host that knows so many keys, pinned to a core where one is given. */
export async function startKeyedHost(
  count: number,
  core: number | undefined,
  product: ProductOptions = {},
): Promise<KeyedHost> {
  console.log(`making ${thousands(count)} keys ...`);
  const resources = keyedResources(count, product);
  const host = await Host.start({
    resources: resources.files,
    args: ['--log-level', 'warn'],
    readyMs: 300_000,
    ...(core === undefined ? {} : { core }),
  });
  const proxy = {
    filters: [config.wasmFilter({ module: RELEASE_MODULE, plugin: PLUGIN })],
    clusters: [config.cluster('sidegate', host.syncPort)],
  };
  const dispose = () => host[Symbol.asyncDispose]();
  return { host, resources, count, proxy, [Symbol.asyncDispose]: dispose };
}

/** The chain with good keys. */
export function sidegateChain({ host, count, resources, proxy }: KeyedHost): Chain {
  return {
    name: `Sidegate, ${thousands(count)} keys`,
    does: 'key + 2 exact limits, fleet-wide and per subscription + 3 header edits',
    proxy,
    headers: () => callerHeaders(pick(resources.keys)),
    expect: 200,
    knowsKeys: true,
    helpers: () => [host.pid],
  };
}

/** The chain whose proxy tells access logs of denials alone. */
export function quietChain(keyed: KeyedHost): Chain {
  const plugin = { ...PLUGIN, ...QUIET };
  const filters = [config.wasmFilter({ module: RELEASE_MODULE, plugin })];
  return {
    ...sidegateChain(keyed),
    name: `Sidegate, ${thousands(keyed.count)} keys, filterState denied`,
    does: 'the same, writing filter state for denials alone',
    proxy: { ...keyed.proxy, filters },
  };
}

/** The chain whose responses are worked on; its host has a product that says so. */
export function answeringChain(keyed: KeyedHost): Chain {
  return {
    ...sidegateChain(keyed),
    name: 'Sidegate, response work',
    does: `the same with ${thousands(keyed.count)} keys, and on the response RateLimit fields + 1 header set + 1 removed`,
  };
}

/** The chain with a key that nobody made, another in each round. */
export function refusingChain(keyed: KeyedHost): Chain {
  return {
    ...sidegateChain(keyed),
    name: 'Sidegate, unknown key',
    does: `the same with ${thousands(keyed.count)} keys, refusing well-formed keys with 401`,
    headers: () => callerHeaders(makeKey('sg', randomBytes).key.reveal()),
    expect: 401,
  };
}

/** The chain with a good key whose quota is spent. */
export function limitedChain(keyed: KeyedHost): Chain {
  return {
    ...sidegateChain(keyed),
    name: 'Sidegate, limited',
    does: `the same with ${thousands(keyed.count)} keys, refusing a spent quota with 429`,
    headers: () => callerHeaders(keyed.resources.greedyKey),
    expect: 429,
  };
}

function declare(name: string, application: string, digest: Uint8Array): string {
  // Written out and not by a library: a file of 100,000 keys is read by the host as it stands.
  return [
    'apiVersion: sidegate.dev/v1alpha1',
    'kind: Credential',
    `metadata: { name: ${name} }`,
    'spec:',
    `  application: ${application}`,
    `  digest: "${Buffer.from(digest).toString('hex')}"`,
    '',
  ].join('\n');
}

function scarcePlan(): string {
  const limits = [{ name: 'few', quota: 5, window: '1d' }];
  return documents([
    resource('Plan', 'scarce', { limits }),
    resource('Application', GREEDY, { consumer: 'orders-buyer' }),
    resource('Subscription', GREEDY, { application: GREEDY, product: 'orders', plan: 'scarce' }),
  ]);
}
