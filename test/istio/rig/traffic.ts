/**
 * Requests from outside the mesh, sent by the rig itself over connections it keeps: single ones,
 * and a load that counts what came back.
 */
import assert from 'node:assert/strict';
import http from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { Hopeless } from '../../support/wait.ts';
import { until } from './processes.ts';

/** Where a request goes and what it carries. */
export interface Target {
  readonly address: string;
  readonly port: number;
  readonly host: string;
  readonly key?: string;
  readonly token?: string;
  readonly path?: string;
}

/** What came back; status 0 when nothing did. */
export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** An answer with its headers. */
export interface Reply extends Answer {
  readonly headers: http.IncomingHttpHeaders;
}

/** A request that was counted and given up on would be missing where units are counted. */
const TIMEOUT_MS = 60_000;

/** Sends one request; without an agent over a connection of its own. */
export function send(target: Target, agent?: http.Agent): Promise<Reply> {
  const { address, port, host, key, token, path = '/orders' } = target;
  const headers = {
    host,
    ...(key !== undefined && { 'x-api-key': key }),
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  };
  return new Promise((resolve) => {
    const none = () => resolve({ status: 0, body: '', headers: {} });
    const options = {
      host: address,
      port,
      path,
      headers,
      timeout: TIMEOUT_MS,
      agent: agent ?? false,
    };
    const request = http.get(options, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', none);
      response.on('end', () => {
        const body = Buffer.concat(parts).toString();
        resolve({ status: response.statusCode ?? 0, body, headers: response.headers });
      });
    });
    request.on('timeout', () => request.destroy());
    request.on('error', none);
  });
}

/** Requests one after another on each of some connections, until it is stopped. */
export class Load {
  readonly counts = new Map<number, number>();
  /** Connections that were opened; as many as asked for when none was lost. */
  opened = 0;
  readonly #agents: http.Agent[];
  readonly #loops: Promise<void>[];
  #stopped = false;

  /** Spreads connections over targets; each pauses between two requests. */
  constructor(targets: readonly Target[], connections: number, pauseMs = 0) {
    this.#agents = Array.from({ length: connections }, () => this.#agent());
    this.#loops = this.#agents.map(async (agent, i) => {
      const target = targets[i % targets.length];
      while (!this.#stopped && target !== undefined) {
        const { status } = await send(target, agent);
        this.counts.set(status, (this.counts.get(status) ?? 0) + 1);
        if (pauseMs > 0) await delay(pauseMs);
      }
    });
  }

  #agent(): http.Agent {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const connect = agent.createConnection.bind(agent);
    agent.createConnection = (...args) => {
      this.opened += 1;
      return connect(...args);
    };
    return agent;
  }

  /** How many requests came back with a status. */
  count(status: number): number {
    return this.counts.get(status) ?? 0;
  }

  /** Waits until so many more requests have passed. */
  async goesOn(requests = 10 * this.#agents.length): Promise<void> {
    const before = this.count(200);
    await until('the load goes on', () => this.count(200) > before + requests);
  }

  /** Ends the load. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#loops);
    for (const agent of this.#agents) agent.destroy();
  }

  /** What came back, as text. */
  told(): string {
    const counts = [...this.counts].sort(([a], [b]) => a - b);
    return counts.map(([status, count]) => `${status}: ${count}`).join(', ');
  }
}

/** How a load runs beside a change. */
export interface LoadOptions {
  readonly connections: number;
  readonly pauseMs: number;
  /** What every answer must be one of; 200 when nothing else may come. */
  readonly allowed?: readonly number[];
}

/**
 * Does something beside a load that runs already. Every request must come back with an allowed
 * status. Answers the load, which has ended.
 */
export async function underLoad(
  targets: readonly Target[],
  { connections, pauseMs, allowed = [200] }: LoadOptions,
  run: (load: Load) => Promise<void>,
): Promise<Load> {
  await everyWorkerPasses(targets);
  const load = new Load(targets, connections, pauseMs);
  try {
    await load.goesOn();
    await run(load);
  } finally {
    await load.stop();
  }
  const statuses = [...load.counts.keys()];
  assert.ok(
    statuses.every((status) => allowed.includes(status)),
    load.told(),
  );
  return load;
}

/** Enough connections that the kernel gives some to each worker. */
const MANY = 24;

/** Waits until requests pass at every worker: each hears of a key itself, and asks for units. */
export async function everyWorkerPasses(targets: readonly Target[]): Promise<void> {
  const all = targets.flatMap((target) => Array<Target>(MANY).fill(target));
  await inARow('requests pass at every worker', async () => {
    const replies = await Promise.all(all.map((target) => send(target)));
    return replies.every(({ status }) => status === 200);
  });
}

/** Asks until a status comes back; answers that reply. A status of `never` ends it. */
export function answered<T extends Answer>(
  expected: number,
  ask: () => T | Promise<T>,
  never: readonly number[] = [],
): Promise<T> {
  return until(`${expected} comes back`, async () => {
    const reply = await ask();
    if (reply.status === expected) return reply;
    const told = `${reply.status} ${reply.body}`;
    throw never.includes(reply.status) ? new Hopeless(told) : new Error(told);
  });
}

/**
 * Waits until something holds some times in a row: workers hear of a change each for itself, and
 * a pooled connection gives one more answer from the listener that was.
 */
export async function inARow(
  what: string,
  holds: () => boolean | Promise<boolean>,
  times = 3,
): Promise<void> {
  let row = 0;
  await until(what, async () => {
    row = (await holds()) ? row + 1 : 0;
    return row === times;
  });
}
