/**
 * Requests from outside the mesh, sent by the rig itself over connections it keeps: single ones,
 * and a load that counts what came back.
 */
import assert from 'node:assert/strict';
import http from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { until } from './processes.ts';

/** Where a request goes and what it carries. */
export interface Target {
  readonly address: string;
  readonly port: number;
  readonly host: string;
  readonly key?: string;
  readonly path?: string;
}

/** What came back; status 0 when nothing did. */
export interface Reply {
  readonly status: number;
  readonly body: string;
  readonly headers: http.IncomingHttpHeaders;
}

const TIMEOUT_MS = 10_000;

/** Sends one request; without an agent over a connection of its own. */
export function send(target: Target, agent?: http.Agent): Promise<Reply> {
  const { address, port, host, key, path = '/orders' } = target;
  const headers = { host, ...(key !== undefined && { 'x-api-key': key }) };
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

  /** Ends the load; answers what came back, as text. */
  async stop(): Promise<string> {
    this.#stopped = true;
    await Promise.all(this.#loops);
    for (const agent of this.#agents) agent.destroy();
    const counts = [...this.counts].sort(([a], [b]) => a - b);
    return counts.map(([status, count]) => `${status}: ${count}`).join(', ');
  }
}

/** Connections of a load beside a change. */
const CONNECTIONS = 12;

/**
 * Does something beside a load that runs already, of which every request must come back with an
 * allowed status; answers what came back, as text.
 */
export async function underLoad(
  targets: readonly Target[],
  pauseMs: number,
  run: (load: Load) => Promise<void>,
  allowed: readonly number[] = [200],
): Promise<string> {
  const load = new Load(targets, CONNECTIONS, pauseMs);
  let text = '';
  try {
    await until('the load runs', () => load.count(200) > 10 * CONNECTIONS, 20);
    await run(load);
  } finally {
    text = await load.stop();
  }
  assert.ok(
    [...load.counts.keys()].every((status) => allowed.includes(status)),
    text,
  );
  return text;
}
