/**
 * What a VM holds in memory over a no-op filter: the resident size of proxies with one and with
 * five workers, so that what the process itself needs falls out of the difference.
 */
import { Folder } from '../support/folders.ts';
import { writeNoopModule } from '../support/noop.ts';
import { until } from '../support/wait.ts';
import { type Chain, noopWasm, thousands } from './chains.ts';
import { CORES, openLanes } from './lanes.ts';
import type { Measured, Row } from './results.ts';
import { sidegateChain, startKeyedHost } from './sidegate.ts';

const WORKERS = [1, 5] as const;
const SIZES = [10_000, 100_000] as const;
const FILLED = 'wasmcustom.sidegate_directories_filled_total';

/** Measures a VM with each size of directory. */
export async function measureMemory(): Promise<Measured> {
  await using folder = await Folder.make();
  const noop = folder.join('noop.wasm');
  await writeNoopModule(noop);
  const base = await bytesPerWorker(noopWasm(noop), false);
  const rows: Record<string, Row> = {};
  for (const size of SIZES) {
    await using keyed = await startKeyedHost(size, CORES.load);
    const each = await bytesPerWorker(sidegateChain(keyed), true);
    rows[`${thousands(size)} keys`] = {
      residentPerVm: Math.round(each - base),
      how: `${thousands(size / 5)} applications and subscriptions; a pod has a VM per worker and one more`,
    };
    console.log(`memory: ${thousands(size)} keys: ${((each - base) / 2 ** 20).toFixed(1)} MB a VM`);
  }
  return { rows };
}

/** What each further worker adds to the resident size of the proxy. */
async function bytesPerWorker(chain: Chain, fills: boolean): Promise<number> {
  const sizes: number[] = [];
  for (const workers of WORKERS) {
    await using cleanup = new AsyncDisposableStack();
    const [lane] = await openLanes([chain], cleanup, workers);
    if (lane === undefined) throw new Error('there is a lane for each chain');
    const { envoy } = lane;
    const isFull = async () => (await envoy.stat(FILLED)) === workers + 1;
    if (fills) await until('every VM is full', isFull, { deadlineMs: 300_000, everyMs: 500 });
    sizes.push(await envoy.residentBytes());
  }
  const [small = 0, large = 0] = sizes;
  return (large - small) / (WORKERS[1] - WORKERS[0]);
}
