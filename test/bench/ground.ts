/**
 * What the sections that drive Envoys stand on: hosts with keys, services of rivals, and the list
 * of chains made from them. It starts only what the chosen chains need.
 */
import { Folder } from '../support/folders.ts';
import { writeNoopModule } from '../support/noop.ts';
import type { Chain } from './chains.ts';
import * as chains from './chains.ts';
import { CORES, startService } from './lanes.ts';
import { startRivals } from './rivals.ts';
import {
  answeringChain,
  limitedChain,
  quietChain,
  refusingChain,
  sidegateChain,
  startKeyedHost,
} from './sidegate.ts';
import { needTool } from './toolchains.ts';

/** How many keys the small, the middle and the large host know. */
const FEW = 1000;
const SOME = 10_000;
const MANY = 100_000;

/** Chains with all that they need running, and rivals that could not be had. */
export interface Ground extends AsyncDisposable {
  chains: Chain[];
  missing: Record<string, string>;
  folder: Folder;
  cleanup: AsyncDisposableStack;
}

/** Keys of rivals: as long as ours, but theirs to know in the clear. */
export function plainKeys(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `sg_${String(index).padStart(36, '0')}`);
}

/** Prepares every chain whose name holds `only`, or all of them. */
export async function prepareGround(only?: string): Promise<Ground> {
  for (const [command, debianPackage] of TOOLS) needTool(command, debianPackage);
  await using parts = new AsyncDisposableStack();
  const folder = parts.use(await Folder.make());
  const noop = folder.join('noop.wasm');
  await writeNoopModule(noop);
  const isWanted = (name: string) => only === undefined || name.includes(only);
  const wanted = (...made: Chain[]) => made.filter(({ name }) => isWanted(name));
  const large = (chain: Chain) => [chain, chains.withManyHeaders(chain)];
  const made = [...large(chains.noFilter()), ...large(chains.noopWasm(noop))];
  if (isWanted('Sidegate')) made.push(...(await ownChains(parts)));
  made.push(chains.nativeChain(plainKeys(FEW)), ...large(chains.nativeChain(plainKeys(MANY))));
  const names = ['Lua', 'Rust SDK', 'solo-io runtime', 'ext_authz to Go', 'ext_authz to Node'];
  let missing = {};
  if (names.some(isWanted)) {
    const options = { keys: plainKeys(FEW), folder, core: CORES.load, cleanup: parts };
    const rivals = await startRivals(options);
    made.push(...rivals.chains);
    missing = rivals.missing;
  }
  const cleanup = parts.move();
  const dispose = () => cleanup.disposeAsync();
  return { chains: wanted(...made), missing, folder, cleanup, [Symbol.asyncDispose]: dispose };
}

const TOOLS = [
  ['h2load', 'nghttp2-client'],
  ['taskset', 'util-linux'],
] as const;

async function ownChains(cleanup: AsyncDisposableStack): Promise<Chain[]> {
  const few = cleanup.use(await startKeyedHost(FEW, CORES.load));
  const some = cleanup.use(await startKeyedHost(SOME, CORES.load));
  const answering = cleanup.use(await startKeyedHost(FEW, CORES.load, { answers: true }));
  const many = cleanup.use(await startKeyedHost(MANY, CORES.load));
  const service = await startService(cleanup);
  const served = [chains.noFilter(), sidegateChain(few), refusingChain(few), limitedChain(few)];
  // One proxy for all that ask the same host: their accounts are the same.
  const before = served.map((chain) => chains.beforeService(chain, service));
  const [, allowed] = before;
  const shared = before.map((chain) => {
    return allowed && chain.knowsKeys ? { ...chain, proxy: allowed.proxy } : chain;
  });
  return [
    sidegateChain(few),
    sidegateChain(some),
    sidegateChain(many),
    chains.withManyHeaders(sidegateChain(many)),
    refusingChain(few),
    limitedChain(few),
    quietChain(few),
    answeringChain(answering),
    ...shared,
  ];
}
