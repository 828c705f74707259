/**
 * The Sidegate chains: the release module, with a host of its own whose store holds as many keys as
 * the chain is named after. Keys are put into the store before the host opens it, because making
 * 100,000 over the admin API would take longer than the bench.
 */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { makeKey } from '../../host/credential/key.ts';
import { openInThread } from '../../host/store/open.ts';
import { DIRECTORY_CREDENTIALS_MAX, REMOVALS_KEPT_MAX } from '../../host/store/store.ts';
import * as config from '../support/envoy-config.ts';
import { Host } from '../support/host.ts';
import { resourcesOf } from '../support/policies.ts';
import { RELEASE_MODULE } from '../support/rig.ts';
import { CALLER_HEADERS, type Chain, KEY_HEADER, pick, thousands } from './chains.ts';

/** Keys of one application; the memory figure is stated for this share. */
const KEYS_PER_APPLICATION = 5;
/** Keys a round chooses from. */
const KEYS_USED = 100;

/** A host with its keys, from which chains are made. */
export interface KeyedHost extends AsyncDisposable {
  host: Host;
  /** How many keys it knows. */
  count: number;
  /** Some of them. */
  keys: readonly string[];
}

/** Starts a host that knows so many keys, pinned to a core where one is given. */
export async function startKeyedHost(
  count: number,
  core: number | undefined,
  say: (message: string) => void,
): Promise<KeyedHost> {
  say(`making ${thousands(count)} keys ...`);
  const applications = Array.from(
    { length: Math.ceil(count / KEYS_PER_APPLICATION) },
    (_, index) => `app-${index}`,
  );
  // Two limits that never refuse: what is measured is counting.
  const limits = [
    { name: 'hourly', quota: 1e12, window: '1h' },
    { name: 'daily', quota: 1e12, window: '1d' },
  ];
  const host = await Host.start({
    resources: resourcesOf({ applications, limits }),
    args: ['--log-level', 'warn'],
    ...(core === undefined ? {} : { core }),
  });
  await host.stop();
  const keys = await fillStore(host.storeFolder, applications, count);
  await host.restart();
  return { host, count, keys, [Symbol.asyncDispose]: () => host[Symbol.asyncDispose]() };
}

async function fillStore(
  folder: string,
  applications: readonly string[],
  count: number,
): Promise<string[]> {
  const store = openInThread({
    folder,
    freshStoreId: randomBytes(16),
    holder: { pid: process.pid, machine: hostname(), sinceMs: Date.now() },
    limits: { credentialsMax: DIRECTORY_CREDENTIALS_MAX, removalsKeptMax: REMOVALS_KEPT_MAX },
  });
  const keys: string[] = [];
  for (let index = 0; index < count; index++) {
    const { key, digest, displayPrefix } = makeKey('sg', randomBytes);
    const outcome = await store.createCredential({
      namespace: 'default',
      application: applications[index % applications.length] ?? '',
      brand: 'sg',
      displayPrefix,
      digest,
      notBeforeMs: null,
      notAfterMs: null,
      createdAtMs: Date.now(),
    });
    if (!outcome.ok) throw new Error(outcome.message);
    if (index % Math.ceil(count / KEYS_USED) === 0) keys.push(key.reveal());
  }
  await store.close();
  return keys;
}

/** The chain with good keys. */
export function sidegateChain({ host, count, keys }: KeyedHost): Chain {
  return {
    name: `Sidegate, ${thousands(count)} keys`,
    does: 'key + 2 exact limits, fleet-wide and per subscription + 3 header edits',
    filters: [config.wasmFilter({ module: RELEASE_MODULE, plugin: { clusters: ['sidegate'] } })],
    clusters: [config.cluster('sidegate', host.syncPort)],
    headers: () => ({ ...CALLER_HEADERS, [KEY_HEADER]: pick(keys) }),
    expect: 200,
    helpers: () => [host.pid],
  };
}

/** The chain with a key that nobody made, another in each round. */
export function refusingChain(keyed: KeyedHost): Chain {
  return {
    ...sidegateChain(keyed),
    name: 'Sidegate, unknown key',
    does: 'the same with 1,000 keys, refusing well-formed keys with 401',
    headers: () => ({ ...CALLER_HEADERS, [KEY_HEADER]: makeKey('sg', randomBytes).key.reveal() }),
    expect: 401,
  };
}
