/**
 * Opens one Envoy for every proxy that some chains go through, keeps them running side by side, and
 * lets a section visit the chains in random order. It knows nothing of what is measured.
 */
import { availableParallelism } from 'node:os';
import { ENVOY_VERSION } from '../../envoy/locate.ts';
import { Envoy } from '../support/envoy.ts';
import type { Config } from '../support/envoy-config.ts';
import * as config from '../support/envoy-config.ts';
import { send } from '../support/requests.ts';
import { until } from '../support/wait.ts';
import { type Chain, KEY_HEADER, type ProxySpec } from './chains.ts';

/** A path that the product of the Sidegate chains has; the other chains answer any. */
export const PATH = '/orders';
const LISTENER = 'in';

/** Cores for the proxies and for the load; undefined where there is but one. */
export const CORES: { proxy: number | undefined; load: number | undefined } =
  availableParallelism() > 1 ? { proxy: 0, load: 1 } : { proxy: undefined, load: undefined };

/** A chain with its running proxy. */
export interface Lane {
  chain: Chain;
  envoy: Envoy;
  port: number;
}

/** The configuration of a proxy. */
export function configOf({ filters, clusters, upstream }: ProxySpec): Config {
  const listener = { name: LISTENER, filters, ...(upstream && { cluster: upstream }) };
  return config.bootstrap('bench', [config.listener(listener)], clusters);
}

/** Starts a service that says ok, on the core of the load; answers its port. */
export async function startService(cleanup: AsyncDisposableStack): Promise<number> {
  const envoy = cleanup.use(await startProxy({ filters: [], clusters: [] }, 1, CORES.load));
  return envoy.port(LISTENER);
}

/** Starts the proxies of all chains; each answers as expected when this resolves. */
export async function openLanes(
  chains: readonly Chain[],
  cleanup: AsyncDisposableStack,
  workers = 1,
): Promise<Lane[]> {
  const running = new Map<ProxySpec, Envoy>();
  const lanes: Lane[] = [];
  for (const chain of chains) {
    console.log(`starting: ${chain.name}`);
    const envoy =
      running.get(chain.proxy) ?? cleanup.use(await startProxy(chain.proxy, workers, CORES.proxy));
    running.set(chain.proxy, envoy);
    const lane = { chain, envoy, port: envoy.port(LISTENER) };
    await becomeReady(lane);
    lanes.push(lane);
  }
  return lanes;
}

/** The same, but a chain that does not come up is told of and left out. */
export async function openPossible(
  chains: readonly Chain[],
  cleanup: AsyncDisposableStack,
  missing: Record<string, string>,
): Promise<Lane[]> {
  const lanes: Lane[] = [];
  // One by one would start a proxy for each of the chains that share one.
  for (const sharing of Map.groupBy(chains, ({ proxy }) => proxy).values()) {
    try {
      lanes.push(...(await openLanes(sharing, cleanup)));
    } catch (error) {
      const [why = ''] = String(error).split('\n');
      for (const { name } of sharing) missing[name] = why;
      console.log(`LEFT OUT: ${sharing.map(({ name }) => name).join('; ')}: ${error}`);
    }
  }
  return lanes;
}

function startProxy(spec: ProxySpec, workers: number, core?: number): Promise<Envoy> {
  return Envoy.start({
    config: configOf(spec),
    version: ENVOY_VERSION,
    logLevel: 'warning',
    workers,
    ...(core === undefined ? {} : { core }),
  });
}

async function becomeReady({ chain, port }: Lane): Promise<void> {
  const ask = async (headers: Record<string, string>) =>
    (await send({ port, path: PATH, headers })).status;
  const isUp = async () => (await ask(chain.headers())) === chain.expect;
  await until(`${chain.name} answers`, isUp, { deadlineMs: 120_000, everyMs: 200 });
  if (!chain.knowsKeys) return;
  const status = await ask({ ...chain.headers(), [KEY_HEADER]: 'sg_nobody' });
  if (status !== 401 && status !== 403) throw new Error(`an unknown key was answered ${status}`);
}

/** The same things in random order. */
export function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, place: Math.random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item);
}
