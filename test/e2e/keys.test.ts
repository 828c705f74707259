/**
 * How fast a change of keys reaches every worker of every proxy, while they are busy, and what it
 * costs on the wire.
 */
import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import { APPLICATION } from '../support/policies.ts';
import { Relay } from '../support/relay.ts';
import { Load, send } from '../support/requests.ts';
import { Rig } from '../support/rig.ts';
import { until } from '../support/wait.ts';

const CHANGES = 100;
/** Connections to each proxy; enough that every worker has some. */
const PROBES = 6;
const P50_MS = 100;
const P99_MS = 1000;

/** Kept connections to every proxy, to ask each worker the same question. */
class Probes implements Disposable {
  private readonly rig: Rig;
  private readonly agents: http.Agent[];

  constructor(rig: Rig) {
    this.rig = rig;
    this.agents = Array.from(
      { length: PROBES * rig.proxies.length },
      () => new http.Agent({ keepAlive: true, maxSockets: 1 }),
    );
  }

  /** Resolves when each connection has seen the status. */
  async allSee(status: number, key: string): Promise<void> {
    const look = async (agent: http.Agent, index: number) => {
      const port = this.rig.port(index % this.rig.proxies.length);
      const request = { port, path: '/orders', headers: { 'x-api-key': key }, agent };
      const sees = async () => (await send(request)).status === status;
      await until(`every worker answers ${status}`, sees, { everyMs: 5 });
    };
    await Promise.all(this.agents.map(look));
  }

  [Symbol.dispose](): void {
    for (const agent of this.agents) agent.destroy();
  }
}

function quantile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

// Guarantees that a new key works and a revoked key stops working everywhere in well under a
// second, on busy proxies.
test('100 changes of keys reach every worker of two busy proxies', async (t) => {
  await using rig = await Rig.start({ proxies: 2, workers: 2 });
  const busy = await rig.host.createKey(APPLICATION);
  using probes = new Probes(rig);
  await probes.allSee(200, busy.key);
  let turn = 0;
  await using load = new Load({
    connections: 8,
    perSecond: 300,
    next: () => {
      turn = 1 - turn;
      return { port: rig.port(turn), path: '/orders', headers: { 'x-api-key': busy.key } };
    },
  });
  const created: number[] = [];
  const revoked: number[] = [];
  for (let change = 0; change < CHANGES; change += 2) {
    let started = performance.now();
    const { id, key } = await rig.host.createKey(APPLICATION);
    await probes.allSee(200, key);
    created.push(performance.now() - started);
    started = performance.now();
    await rig.host.revokeKey(id);
    await probes.allSee(401, key);
    revoked.push(performance.now() - started);
  }
  await load.stop();
  for (const [what, took] of [
    ['created', created],
    ['revoked', revoked],
  ] as const) {
    const [p50, p99] = [quantile(took, 0.5), quantile(took, 0.99)];
    t.diagnostic(
      `${what}: p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms until all workers know`,
    );
    assert.ok(p50 < P50_MS, `p50 is ${p50} ms`);
    assert.ok(p99 < P99_MS, `p99 is ${p99} ms`);
  }
  assert.deepEqual([...load.statuses.keys()], [200]);
});

// Guarantees that a change costs its own bytes and not a table's: each VM is told less than 1 KiB.
test('a change of a key costs each VM less than 1 KiB', async (t) => {
  const workers = 2;
  // The main thread has a VM as well.
  const vms = workers + 1;
  await using relay = await Relay.start(() => rig.host.syncPort);
  await using rig: Rig = await Rig.start({ workers, startProxies: false, syncPort: relay.port });
  for (let i = 0; i < 200; i++) await rig.host.createKey(APPLICATION);
  await rig.startProxy();
  const { key } = await rig.host.createKey(APPLICATION);
  using probes = new Probes(rig);
  await probes.allSee(200, key);
  relay.bodyBytes.clear();
  const changes = 20;
  for (let change = 0; change < changes; change++) {
    const made = await rig.host.createKey(APPLICATION);
    await probes.allSee(200, made.key);
  }
  const { bodyBytes } = relay;
  const told = (bodyBytes.get('/v1/watch') ?? 0) + (bodyBytes.get('/v1/directory') ?? 0);
  const each = told / changes / vms;
  t.diagnostic(`${each.toFixed(0)} bytes per change and VM; ${JSON.stringify([...bodyBytes])}`);
  assert.ok(each > 0 && each < 1024, `${each} bytes`);
});
