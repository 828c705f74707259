/**
 * A host that is killed at random points of random changes: what it acknowledged is there when it
 * comes back, store, revision and audit trail agree, and proxies get to the same state. A few
 * kills by default; SIDEGATE_CHANGES=1000 for the long run. The seed is printed.
 */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { seededRandom } from '../../../host/quota/random.ts';
import { ROOT } from '../../runner/layers.ts';
import { Folder } from '../../support/folders.ts';
import { resourcesOf } from '../../support/policies.ts';
import { Program } from '../../support/programs.ts';
import { ProtocolClient } from '../../support/protocol-client.ts';
import { printSeed, seed } from '../../support/seed.ts';
import { until } from '../../support/wait.ts';

printSeed();

const CHANGES = Number(process.env.SIDEGATE_CHANGES ?? 40);
const CHANGES_A_KILL = 10;
const TOKEN = 'token-of-the-kill-test';

/** What was acknowledged: quotas by plan, keys by credential id. */
interface Acknowledged {
  readonly plans: Map<string, number>;
  readonly keys: Map<number, { digest: string; state: string }>;
  revision: number;
}

/** A host without a folder, in a process that may be killed. */
class Killed {
  admin = '';
  sync = 0;
  #program: Program | undefined;
  readonly #store: string;

  constructor(store: string) {
    this.#store = store;
  }

  async start(): Promise<void> {
    const main = path.join(ROOT, 'host/main.ts');
    const args = [main, '--store', this.#store, '--admin-port', '0', '--sync-port', '0'];
    const program = new Program(process.execPath, args, { env: { SIDEGATE_ADMIN_TOKEN: TOKEN } });
    this.#program = program;
    const line = await until(
      'the host is ready',
      () => {
        if (!program.isRunning) throw new Error(program.output);
        return /^\{"ready":true.*\}$/m.exec(program.output)?.[0];
      },
      { deadlineMs: 60_000 },
    );
    const { admin, sync } = JSON.parse(line);
    this.admin = admin;
    this.sync = Number(new URL(sync).port);
  }

  kill(): Promise<void> {
    return this.#program?.crash() ?? Promise.resolve();
  }

  /** The answer's body, or undefined when the host went away before it answered. */
  async ask(method: string, url: string, body?: object): Promise<Answer | undefined> {
    try {
      const answer = await fetch(new URL(url, this.admin), {
        method,
        headers: {
          authorization: `Bearer ${TOKEN}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      const read = (await answer.json()) as Answer;
      assert.ok(answer.ok, `${method} ${url}: ${JSON.stringify(read)}`);
      return read;
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      return undefined;
    }
  }
}

// biome-ignore lint/suspicious/noExplicitAny: the tests of each route hold its answers to a form.
type Answer = Record<string, any>;

const PLANS = ['plan-0', 'plan-1', 'plan-2'];

function planFile(name: string, quota: number) {
  const spec = { limits: [{ name: 'daily', quota, window: '1d' }] };
  const whole = { apiVersion: 'sidegate.dev/v1alpha1', kind: 'Plan', metadata: { name }, spec };
  return { name: `${name}.yaml`, text: JSON.stringify(whole) };
}

type Change = (host: Killed, known: Acknowledged) => Promise<boolean>;

/** A random change; answers whether it was acknowledged. What is unsure is taken off the books. */
function changeOf(random: () => number): Change {
  const draw = Math.floor(random() * 4);
  const quota = 10 + Math.floor(random() * 1_000);
  if (draw === 0) return (host, known) => applyPlan(host, known, PLANS[quota % 3] ?? '', quota);
  if (draw === 1) return createKey;
  const verb = draw === 2 ? 'revoke' : quota % 2 === 0 ? 'disable' : 'enable';
  return (host, known) => changeKey(host, known, verb, quota);
}

async function applyPlan(host: Killed, known: Acknowledged, name: string, quota: number) {
  const answer = await host.ask('POST', '/v1/apply', { files: [planFile(name, quota)] });
  if (answer === undefined) known.plans.delete(name);
  else known.plans.set(name, quota);
  known.revision = Math.max(known.revision, answer?.revision ?? 0);
  return answer !== undefined;
}

async function createKey(host: Killed, known: Acknowledged) {
  const made = await host.ask('POST', '/v1/credentials', { application: 'shop' });
  if (made === undefined) return false;
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(made.key));
  const digest = Buffer.from(hash).toString('hex');
  known.keys.set(made.id, { digest, state: 'enabled' });
  known.revision = Math.max(known.revision, made.revision);
  return true;
}

async function changeKey(host: Killed, known: Acknowledged, verb: string, at: number) {
  const living = [...known.keys].filter(([, { state }]) => state !== 'revoked');
  const [id, held] = living[at % Math.max(1, living.length)] ?? [];
  if (id === undefined || held === undefined) return true;
  const answer = await host.ask('POST', `/v1/credentials/${id}/${verb}`);
  if (answer === undefined) known.keys.delete(id);
  else known.keys.set(id, { ...held, state: answer.state });
  known.revision = Math.max(known.revision, answer?.revision ?? 0);
  return answer !== undefined;
}

/** Everything that was acknowledged is there, and the trail tells of the newest revision. */
async function check(host: Killed, known: Acknowledged, client: ProtocolClient): Promise<void> {
  const status = await host.ask('GET', '/v1/status');
  assert.ok((status?.revision ?? 0) >= known.revision, 'no acknowledged revision is gone');
  for (const [name, quota] of known.plans) {
    const plan = await host.ask('GET', `/v1/resources/plan/default/${name}`);
    assert.equal(plan?.spec.limits[0].quota, quota, name);
  }
  for (const [id, { state }] of known.keys) {
    const credential = await host.ask('GET', `/v1/credentials/${id}`);
    assert.equal(credential?.state, state, `credential ${id}`);
  }
  const trail = await host.ask('GET', '/v1/audit?limit=1');
  assert.equal(trail?.items[0].revision, status?.revision, 'the trail ends where the store does');
  await client.catchUp();
  for (const { digest, state } of known.keys.values()) {
    const decision = client.decide(digest, 'read');
    const { outcome } = decision;
    assert.equal(outcome, state === 'enabled' ? 'admitted' : 'denied', `${digest} is ${state}`);
  }
}

// Guarantees that a host that dies at any point loses nothing it said it had done.
test('kill -9 at random points of random changes', { timeout: 3_600_000 }, async () => {
  const random = seededRandom(seed);
  await using folder = await Folder.make();
  await mkdir(folder.join('store'));
  const host = new Killed(folder.join('store'));
  await host.start();
  const client = new ProtocolClient({ port: () => host.sync, group: 'default' });
  const known: Acknowledged = { plans: new Map(), keys: new Map(), revision: 0 };
  try {
    const files = Object.entries(resourcesOf()).map(([name, text]) => ({ name, text }));
    assert.ok(await host.ask('POST', '/v1/apply', { files }));
    for (let made = 0; made < CHANGES; ) {
      const ends = made + CHANGES_A_KILL;
      const killed = delay(Math.floor(random() * 600)).then(() => host.kill());
      while (made < ends && (await changeOf(random)(host, known))) made += 1;
      await killed;
      made += 1;
      await host.start();
      await check(host, known, client);
    }
  } finally {
    client.stop();
    await host.kill();
  }
});
