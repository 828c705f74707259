/**
 * How many requests a chain can take, and how long they take at half of that: an even rate over
 * kept connections, many short rounds in random order, medians over the rounds. The generator runs
 * before everything else on its core, so that what it waits for is the proxy.
 */
import { writeFile } from 'node:fs/promises';
import type { Folder } from '../support/folders.ts';
import { Program, runToEnd } from '../support/programs.ts';
import type { Lane } from './lanes.ts';
import { CORES, PATH, shuffled } from './lanes.ts';
import { quantile } from './measure.ts';
import type { Row } from './results.ts';
import { rounded } from './results.ts';

const CONNECTIONS = 32;
const FULL_ROUNDS = 5;
const HALF_ROUNDS = 21;
const ROUND_SECONDS = 0.4;
const WARM_SECONDS = 0.2;
/** Where all chains that can take it get the same rate, so that they can be compared. */
const COMMON = 'Sidegate, 100,000 keys';
const BASE = 'no filter';

/** What the generator says of a round; times in microseconds. */
export interface Answered {
  sent: number;
  answered: number;
  failed: number;
  p50: number;
  p90: number;
  p99: number;
  p999: number;
  worst: number;
}

/** The same of calls that went on until they were told to end. */
export interface Streamed extends Answered {
  /** How long each answer took, so that several can be looked at as one. */
  times: readonly number[];
}

/** A round of even load against a lane. `perSecond` 0 sends as fast as answers come. */
export interface EvenLoad {
  lane: Lane;
  perSecond: number;
  seconds: number;
}

/** The same against a port. */
export interface RawLoad {
  port: number;
  bytes: Buffer;
  expect: number;
  perSecond: number;
  seconds: number;
  /** As many as the chains get when absent. */
  connections?: number;
}

/** Sends even load with the generator built before; `folder` is for the text of the request. */
export class Generator {
  readonly #program: string;
  readonly #folder: Folder;
  #requests = 0;

  constructor(program: string, folder: Folder) {
    this.#program = program;
    this.#folder = folder;
  }

  /** One round against a lane. Throws if there was no answer at all; failures are counted. */
  async send({ lane, perSecond, seconds }: EvenLoad): Promise<Answered> {
    const { chain, port } = lane;
    const headers = { host: '127.0.0.1', 'user-agent': 'bench', ...chain.headers() };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const bytes = Buffer.from(`GET ${PATH} HTTP/1.1\r\n${lines.join('')}\r\n`);
    return this.sendBytes({ port, bytes, expect: chain.expect, perSecond, seconds });
  }

  /**
   * Sends requests that do not count, and answers the lane that sends the same ones. An account
   * that was not used for a minute has no units in the proxy: every connection then waits once for
   * the first of them, and that is a hundredth of a round.
   */
  async warm(load: EvenLoad): Promise<Lane> {
    const { chain } = load.lane;
    const headers = chain.headers();
    const lane = { ...load.lane, chain: { ...chain, headers: () => headers } };
    await this.send({ ...load, lane, seconds: WARM_SECONDS });
    return lane;
  }

  /** The same with a request that is given as it goes over the wire. */
  async sendBytes(load: RawLoad): Promise<Answered> {
    const command = await this.#commandOf(load);
    return answeredIn<Answered>(load, await runToEnd(command[0] ?? '', command.slice(1)));
  }

  /** Sends until it is told to end, at the latest after the time of the load. */
  async stream(load: RawLoad): Promise<{ end(): Promise<Streamed> }> {
    const command = [...(await this.#commandOf(load)), 'times'];
    const program = new Program(command[0] ?? '', command.slice(1));
    const end = async () => {
      await program.stop();
      return answeredIn<Streamed>(load, program.output);
    };
    return { end };
  }

  async #commandOf(load: RawLoad): Promise<string[]> {
    const { port, bytes, expect, perSecond, seconds, connections = CONNECTIONS } = load;
    const file = this.#folder.join(`request-${this.#requests++ % 4}`);
    await writeFile(file, bytes);
    const numbers = [perSecond, seconds, connections, expect].map(String);
    const command = [this.#program, String(port), file, ...numbers];
    if (CORES.load !== undefined) command.unshift('taskset', '-c', String(CORES.load));
    // Only root may run before others; without it the figures are coarser, not wrong.
    if (process.getuid?.() === 0) command.unshift('chrt', '--fifo', '10');
    return command;
  }
}

function answeredIn<T extends Answered>({ port }: RawLoad, output: string): T {
  const answered = JSON.parse(output) as T;
  if (answered.answered === 0) throw new Error(`port ${port}: no answer came`);
  return answered;
}

/** Measures all lanes in one run; answers a row for each chain. */
export async function measureLatency(
  lanes: readonly Lane[],
  generator: Generator,
): Promise<Record<string, Row>> {
  const full = new Map(lanes.map((lane) => [lane, [] as number[]]));
  for (let round = 0; round < FULL_ROUNDS; round++) {
    for (const lane of shuffled(lanes)) {
      const { answered } = await generator.send({ lane, perSecond: 0, seconds: ROUND_SECONDS });
      full.get(lane)?.push(answered / ROUND_SECONDS);
    }
  }
  const throughput = new Map([...full].map(([lane, rates]) => [lane, quantile(rates, 0.5)]));
  const rates = ratesOf(throughput);
  const rounds: Map<Lane, Answered>[] = [];
  for (let round = 0; round < HALF_ROUNDS; round++) {
    const answers = new Map<Lane, Answered>();
    for (const lane of shuffled(lanes)) {
      const perSecond = rates.get(lane) ?? 0;
      const load = { lane, perSecond, seconds: ROUND_SECONDS };
      const warm = await generator.warm(load);
      answers.set(lane, await generator.send({ ...load, lane: warm }));
    }
    rounds.push(answers);
    console.log(`latency: round ${round + 1} of ${HALF_ROUNDS}`);
  }
  const base = lanes.find(({ chain }) => chain.name === BASE);
  return Object.fromEntries(
    lanes.map((lane) => {
      const rate = rates.get(lane) ?? 0;
      return [lane.chain.name, rowOf(lane, base, rounds, rate, throughput.get(lane) ?? 0)];
    }),
  );
}

/** Half of what the chain of reference can take, or of what a slower one can. */
function ratesOf(throughput: Map<Lane, number>): Map<Lane, number> {
  const reference = [...throughput].find(([{ chain }]) => chain.name === COMMON)?.[1];
  return new Map(
    [...throughput].map(([lane, most]) => {
      const half = Math.floor(most / 2);
      return [lane, reference === undefined ? half : Math.min(half, Math.floor(reference / 2))];
    }),
  );
}

function rowOf(
  lane: Lane,
  base: Lane | undefined,
  rounds: readonly Map<Lane, Answered>[],
  rate: number,
  throughput: number,
): Row {
  const median = (of: (answers: Map<Lane, Answered>) => number) =>
    rounded(quantile(rounds.map(of), 0.5));
  const own = (field: 'p50' | 'p99') => median((answers) => answers.get(lane)?.[field] ?? NaN);
  return {
    perSecondMax: Math.round(throughput),
    perSecond: rate,
    p50: own('p50'),
    p99: own('p99'),
    ...(base !== undefined && {
      // Of one round each, so that what disturbs both does not count.
      addedP99: median((answers) => {
        return (answers.get(lane)?.p99 ?? NaN) - (answers.get(base)?.p99 ?? NaN);
      }),
    }),
    failed: rounds.reduce((sum, answers) => sum + (answers.get(lane)?.failed ?? 0), 0),
  };
}
