/**
 * What a request costs in CPU time through every chain: many short rounds in random order, the
 * scheduler's own account of each process, the 10th percentile, because on a shared machine
 * anything else measures the neighbours.
 */
import type { Lane } from './lanes.ts';
import { CORES, shuffled } from './lanes.ts';
import { cpuNanoseconds, quantile, ROUND_REQUESTS, sendRound } from './measure.ts';
import type { Row } from './results.ts';
import { rounded } from './results.ts';

const WARM_UP_ROUNDS = 3;
/** On a slow machine there are fewer rounds; how many stands in the results. */
const CPU_MS_MAX = 9 * 60_000;

/** Rounds so far of one lane, in nanoseconds per request. */
interface Samples {
  proxyNs: number[];
  helperNs: number[];
  /** Rounds with a wrong answer. */
  failed: number;
}

/** Measures all lanes in one run; answers a row for each chain. */
export async function measureCpu(
  lanes: readonly Lane[],
  rounds: number,
): Promise<Record<string, Row>> {
  const none = () => ({ proxyNs: [], helperNs: [], failed: 0 }) as Samples;
  const samples = new Map(lanes.map((lane) => [lane, none()]));
  const ends = performance.now() + CPU_MS_MAX;
  for (let round = 1 - WARM_UP_ROUNDS; round <= rounds && performance.now() < ends; round++) {
    for (const lane of shuffled(lanes)) await sample(lane, round > 0 ? samples.get(lane) : none());
    if (round > 0 && round % 10 === 0) console.log(`round ${round} of ${rounds}`);
  }
  const rows: Record<string, Row> = {};
  for (const [{ chain, envoy }, { proxyNs, helperNs, failed }] of samples) {
    rows[chain.name] = {
      does: chain.does,
      rounds: proxyNs.length,
      proxyNs: rounded(quantile(proxyNs, 0.1), 0),
      proxyMedianNs: rounded(quantile(proxyNs, 0.5), 0),
      helperNs: rounded(quantile(helperNs, 0.1), 0),
      residentBytes: await envoy.residentBytes(),
      failed,
    };
  }
  return rows;
}

/** One round. A round with a wrong answer is told of and counted, and is no sample. */
async function sample(lane: Lane, into: Samples | undefined): Promise<void> {
  try {
    const cost = await visit(lane);
    into?.proxyNs.push(cost.proxyNs);
    into?.helperNs.push(cost.helperNs);
  } catch (error) {
    if (into !== undefined) into.failed += 1;
    console.log(`FAILED ROUND: ${(error as Error).message}`);
  }
}

async function visit({ chain, envoy, port }: Lane): Promise<{ proxyNs: number; helperNs: number }> {
  const helpers = chain.helpers();
  const readHelpers = async () => {
    const times = await Promise.all(helpers.map(cpuNanoseconds));
    return times.reduce((sum, time) => sum + time, 0);
  };
  const [proxyBefore, helpersBefore] = [await cpuNanoseconds(envoy.pid), await readHelpers()];
  const { name, expect } = chain;
  await sendRound({ name, port, headers: chain.headers(), expect, core: CORES.load });
  const proxyNs = ((await cpuNanoseconds(envoy.pid)) - proxyBefore) / ROUND_REQUESTS;
  return { proxyNs, helperNs: ((await readHelpers()) - helpersBefore) / ROUND_REQUESTS };
}
