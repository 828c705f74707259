/**
 * The failure table on a real Envoy with the release module: the host away, slow or talking
 * nonsense. Each row is a promise to whoever is woken by it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { APPLICATION, resourcesOf } from '../support/policies.ts';
import { Relay } from '../support/relay.ts';
import { Rig, type RigOptions, TEST_MODULE } from '../support/rig.ts';
import { until } from '../support/wait.ts';

const START_HOLD_MS = 1500;

/** A rig whose proxies reach the host through a relay. */
async function startRelayed(options: RigOptions = {}): Promise<Relayed> {
  let hostPort = 0;
  const relay = await Relay.start(() => hostPort);
  try {
    const rig = await Rig.start({ ...options, startProxies: false, syncPort: relay.port });
    hostPort = rig.host.syncPort;
    return new Relayed(rig, relay);
  } catch (error) {
    await relay[Symbol.asyncDispose]();
    throw error;
  }
}

class Relayed implements AsyncDisposable {
  readonly rig: Rig;
  readonly relay: Relay;

  constructor(rig: Rig, relay: Relay) {
    this.rig = rig;
    this.relay = relay;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.rig[Symbol.asyncDispose]();
    await this.relay[Symbol.asyncDispose]();
  }
}

/** Something that a test lets go of. */
function gate(): { opened: Promise<void>; open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}

// Guarantees that a proxy that never had a policy lets nothing through, says so in time, and
// recovers by itself.
test('a proxy without a host holds, then refuses, then recovers', async () => {
  await using rig = await Rig.start({
    startProxies: false,
    plugin: { startHoldMs: START_HOLD_MS },
  });
  const { key } = await rig.host.createKey(APPLICATION);
  await rig.host.stop();
  await rig.startProxy();
  const started = performance.now();
  const answer = await rig.call(key);
  const tookMs = performance.now() - started;
  assert.equal(answer.status, 503);
  assert.match(answer.body, /no[_-]policy/);
  assert.ok(tookMs > START_HOLD_MS * 0.8 && tookMs < START_HOLD_MS * 3, `took ${tookMs} ms`);
  assert.equal(rig.origin.count, 0);
  await rig.host.restart();
  await until('it recovers', async () => (await rig.call(key)).status === 200, {
    deadlineMs: 20_000,
  });
});

// Guarantees the choice of an operator who would rather be open than shut.
test('noPolicy allow passes requests when there is no policy', async () => {
  await using rig = await Rig.start({
    startProxies: false,
    plugin: { startHoldMs: 200, noPolicy: 'allow' },
  });
  await rig.host.stop();
  await rig.startProxy();
  const answer = await rig.call('anything', { headers: { 'x-sidegate-consumer': 'mallory' } });
  assert.equal(answer.status, 200);
  assert.doesNotMatch(String(rig.origin.arrivals[0]?.headers), /mallory/);
});

// Guarantees that a request that comes while the first policy is on its way is answered late
// instead of refused.
test('a request is held while policy and directory are fetched', async () => {
  await using relayed = await startRelayed({ plugin: { startHoldMs: 5000 } });
  const { rig, relay } = relayed;
  const { key } = await rig.host.createKey(APPLICATION);
  const { opened, open } = gate();
  relay.treat = () => ({ hold: opened });
  await rig.startProxy();
  const answer = rig.call(key);
  await until('the proxy has asked', () => relay.calls.length > 0);
  open();
  assert.equal((await answer).status, 200);
});

// Guarantees that a good key is never called unknown because the table of keys is still on its way.
test('with a half-filled directory a good key is not 401', async () => {
  await using relayed = await startRelayed({ plugin: { startHoldMs: 700 } });
  const { rig, relay } = relayed;
  const made = await Promise.all(
    Array.from({ length: 900 }, () => rig.host.createKey(APPLICATION)),
  );
  const last = made.toSorted((a, b) => a.id - b.id).at(-1);
  assert.ok(last);
  const { opened, open } = gate();
  const isLaterPage = (path: string) => path.includes('/v1/directory/') && path.includes('cursor=');
  relay.treat = ({ path }) => (isLaterPage(path) ? { hold: opened } : {});
  await rig.startProxy();
  const early = await rig.call(last.key);
  assert.equal(early.status, 503, early.body);
  assert.ok(
    relay.calls.some(({ path }) => isLaterPage(path)),
    'the directory has several pages',
  );
  open();
  await until('the key works', async () => (await rig.call(last.key)).status === 200);
});

// Guarantees that calls go on while the host is away and quota is held, and that afterwards the
// caller is told that nobody can decide, not that the quota is used up.
test('a host that is down: held quota is spent, then 503', async () => {
  const limits = [{ name: 'daily', quota: 100_000, window: '1d' }];
  await using rig = await Rig.start({ setting: { limits } });
  const { key } = await rig.host.createKey(APPLICATION);
  await until('the first call passes', async () => (await rig.call(key)).status === 200);
  for (let i = 0; i < 20; i++) assert.equal((await rig.call(key)).status, 200);
  await rig.host.crash();
  assert.equal((await rig.call(key)).status, 200);
  const unavailable = await until(
    'the held quota is spent',
    async () => {
      const answer = await rig.call(key);
      assert.ok(answer.status === 200 || answer.status === 503, `${answer.status} ${answer.body}`);
      return answer.status === 503 ? answer : undefined;
    },
    { deadlineMs: 90_000, everyMs: 1 },
  );
  assert.match(unavailable.body, /quota[_-]unavailable/);
  assert.ok(Number(unavailable.headers['retry-after']) >= 1);
  await rig.host.restart();
  await until('calls pass again', async () => (await rig.call(key)).status === 200, {
    deadlineMs: 20_000,
  });
});

// Guarantees that a limit may choose to let calls pass when nobody can decide.
test('onHostUnavailable allow lets calls pass', async () => {
  const limits = [{ name: 'daily', quota: 5, window: '1d', onHostUnavailable: 'allow' as const }];
  await using relayed = await startRelayed({ setting: { limits } });
  const { rig, relay } = relayed;
  const { key } = await rig.host.createKey(APPLICATION);
  relay.treat = ({ path }) => ({ cut: path.startsWith('/v1/sync/') });
  await rig.startProxy();
  for (let i = 0; i < 10; i++) assert.equal((await rig.call(key)).status, 200);
});

// Guarantees that a slow host costs a caller at most the hold of a cold account.
test('a slow host: a cold account is held for holdMs and no longer', async () => {
  const holdMs = 100;
  await using relayed = await startRelayed({ plugin: { holdMs } });
  const { rig, relay } = relayed;
  const { key } = await rig.host.createKey(APPLICATION);
  const { opened, open } = gate();
  relay.treat = ({ path }) => (path.startsWith('/v1/sync/') ? { hold: opened } : {});
  await rig.startProxy();
  await until('policy and directory are there', async () => (await rig.call()).status === 401);
  const started = performance.now();
  const answer = await rig.call(key);
  const tookMs = performance.now() - started;
  assert.equal(answer.status, 503);
  assert.match(answer.body, /quota[_-]unavailable/);
  assert.ok(tookMs < holdMs + 400, `took ${tookMs} ms`);
  open();
  await until('the host answers', async () => (await rig.call(key)).status === 200);
});

// Guarantees that damaged bytes change nothing: what was in force stays in force.
test('a corrupt policy is refused and the old one stays', async () => {
  await using relayed = await startRelayed();
  const { rig, relay } = relayed;
  const { key } = await rig.host.createKey(APPLICATION);
  await rig.startProxy();
  await until('the key works', async () => (await rig.call(key)).status === 200);
  const isPage = (path: string) => /^\/v1\/policy\/[^/]+\/[0-9a-f]{64}\//.test(path);
  let damaged = 0;
  relay.treat = ({ path }) => {
    if (!isPage(path)) return {};
    damaged++;
    return {
      alter: (body) => {
        const copy = Buffer.from(body);
        copy[copy.length >> 1] = (copy[copy.length >> 1] ?? 0) ^ 0xff;
        return copy;
      },
    };
  };
  const next = resourcesOf({ steps: [{ set: { name: 'x-new', value: 'yes' } }] });
  await rig.host.writeResource('orders-product.yaml', next['orders-product.yaml'] ?? '');
  await until('the damaged policy was fetched', () => damaged > 0, { deadlineMs: 20_000 });
  rig.origin.reset();
  assert.equal((await rig.call(key)).status, 200);
  assert.doesNotMatch(String(rig.origin.arrivals[0]?.headers), /x-new/);
  relay.treat = () => ({});
  await until(
    'the sound policy is in force',
    async () => {
      rig.origin.reset();
      await rig.call(key);
      return String(rig.origin.arrivals[0]?.headers).includes('x-new');
    },
    { deadlineMs: 30_000 },
  );
});

// Guarantees that a fault of the module closes the worker for about a second and no longer, lets
// nothing through meanwhile, and gives no unit out twice.
test('a trap: 503 for about a second, then the quota holds', async (t) => {
  const quota = 200;
  const limits = [{ name: 'daily', quota, window: '1d' }];
  await using rig = await Rig.start({ setting: { limits }, module: TEST_MODULE });
  const { key } = await rig.host.createKey(APPLICATION);
  await until('the key works', async () => (await rig.call(key)).status === 200);
  for (let i = 0; i < 10; i++) assert.equal((await rig.call(key)).status, 200);
  const trapped = await rig.call(key, { headers: { 'x-sidegate-test-trap': '1' } });
  assert.equal(trapped.status, 503);
  const started = performance.now();
  const before = rig.origin.count;
  const statuses = new Set<number>();
  await until('it decides again', async () => {
    const { status } = await rig.call(key);
    statuses.add(status);
    return status === 200;
  });
  const tookMs = performance.now() - started;
  t.diagnostic(`closed for ${Math.round(tookMs)} ms`);
  assert.ok(tookMs < 5000);
  assert.deepEqual([...statuses].sort(), [200, 503]);
  assert.equal(rig.origin.count, before + 1);
  await until('the quota is used up', async () => (await rig.call(key)).status === 429, {
    deadlineMs: 60_000,
    everyMs: 0,
  });
  assert.ok(rig.origin.count <= quota, `${rig.origin.count} got through`);
});
