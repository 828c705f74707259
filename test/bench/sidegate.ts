/**
 * The Sidegate chains: the release module, with a host of its own that knows as many keys as the
 * chain is named after. Keys are declared by their digests in a file, because making 100,000 over
 * the admin API would take longer than the bench.
 */
import { randomBytes } from 'node:crypto';
import { makeKey } from '../../host/credential/key.ts';
import * as config from '../support/envoy-config.ts';
import { Host } from '../support/host.ts';
import { resourcesOf } from '../support/policies.ts';
import { HOLD_MS, RELEASE_MODULE } from '../support/rig.ts';
import { CALLER_HEADERS, type Chain, KEY_HEADER, pick, thousands } from './chains.ts';

/** Keys of one application; the memory figure is stated for this share. */
const KEYS_PER_APPLICATION = 5;
/** Keys a round chooses from: few, so that their accounts stay warm over the rounds. */
const KEYS_USED = 8;

/** A cold account may wait longer than by default: all of this runs on two cores. */
const PLUGIN = { clusters: ['sidegate'], holdMs: HOLD_MS };

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
  const made = Array.from({ length: count }, () => makeKey('sg', randomBytes));
  const declared = made.map(({ digest }, index) =>
    [
      'apiVersion: sidegate.dev/v1alpha1',
      'kind: Credential',
      `metadata: { name: key-${index} }`,
      'spec:',
      `  application: ${applications[index % applications.length]}`,
      `  digest: "${Buffer.from(digest).toString('hex')}"`,
      '',
    ].join('\n'),
  );
  const host = await Host.start({
    resources: { ...resourcesOf({ applications, limits }), 'keys.yaml': declared.join('---\n') },
    args: ['--log-level', 'warn'],
    ...(core === undefined ? {} : { core }),
  });
  const used = made.filter((_, index) => index % Math.ceil(count / KEYS_USED) === 0);
  const keys = used.map(({ key }) => key.reveal());
  return { host, count, keys, [Symbol.asyncDispose]: () => host[Symbol.asyncDispose]() };
}

/** The chain with good keys. */
export function sidegateChain({ host, count, keys }: KeyedHost): Chain {
  return {
    name: `Sidegate, ${thousands(count)} keys`,
    does: 'key + 2 exact limits, fleet-wide and per subscription + 3 header edits',
    filters: [config.wasmFilter({ module: RELEASE_MODULE, plugin: PLUGIN })],
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
