/**
 * Usage through real Envoys: after faults it is what was answered, or it says what may be missing.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Envoy } from '../support/envoy.ts';
import * as config from '../support/envoy-config.ts';
import { APPLICATION, resourcesOf } from '../support/policies.ts';
import { send } from '../support/requests.ts';
import { RELEASE_MODULE, Rig } from '../support/rig.ts';
import { TrialHost } from '../support/trial-host.ts';
import { until } from '../support/wait.ts';

interface UsageAnswer {
  requests: number;
  complete: boolean;
  items: { reason: string; application: string; requests: number }[];
}

// Guarantees that what is billed is what was answered, over two proxies of two workers, with the
// host killed and started anew in between: nothing lost, nothing doubled.
test('usage equals what was answered, the host killed meanwhile', async () => {
  const limits = [{ name: 'daily', quota: 1_000_000, window: '1d' }];
  await using rig = await Rig.start({ setting: { limits }, proxies: 2, workers: 2 });
  const { id, key } = await rig.host.createKey(APPLICATION);
  const answered = new Map<number, number>();
  const call = async (at: number, given: string | undefined = key) => {
    const { status } = await rig.call(given, {}, at % 2);
    assert.notEqual(status, 0, 'every request is answered');
    answered.set(status, (answered.get(status) ?? 0) + 1);
  };
  await until('the key is known', async () => {
    await call(0);
    await call(1);
    return (answered.get(200) ?? 0) > 20;
  });
  for (let i = 0; i < 100; i++) await call(i, i % 5 === 0 ? 'sg_guess' : key);
  await rig.host.crash();
  for (let i = 0; i < 100; i++) await call(i);
  await rig.host.restart();
  for (let i = 0; i < 100; i++) await call(i);
  const sent = [...answered.values()].reduce((sum, count) => sum + count, 0);
  const usage = () =>
    rig.host.ask('GET', '/v1/usage?by=application,reason') as Promise<UsageAnswer>;
  const told = await until(
    'everything is told',
    async () => {
      const found = await usage();
      assert.ok(found.requests <= sent, `${found.requests} of ${sent}: some were doubled`);
      return found.requests === sent && found;
    },
    { deadlineMs: 40_000, everyMs: 200 },
  );
  assert.equal(told.complete, true);
  const allowed = told.items.find(({ reason }) => reason === 'allowed');
  assert.deepEqual(allowed, {
    application: APPLICATION,
    reason: 'allowed',
    requests: answered.get(200),
  });
  const credential = (await rig.host.ask('GET', `/v1/credentials/${id}`)) as { lastUsedAt: string };
  assert.ok(Math.abs(Date.parse(credential.lastUsedAt) - Date.now()) < 300_000);
});

// Guarantees that a proxy killed without a word loses a heartbeat at most, and that the records of
// its hour say so.
test('a killed proxy leaves a marked gap of at most a heartbeat', async () => {
  const resources = resourcesOf({ limits: [] });
  const asks = '"usage":{"responses":"counted"},"operations"';
  for (const [name, text] of Object.entries(resources)) {
    resources[name] = text.replace('"operations"', asks);
  }
  await using host = await TrialHost.start({ resources, holdMs: 300 });
  const { key } = await host.createKey(APPLICATION);
  const filter = config.wasmFilter({ module: RELEASE_MODULE, plugin: { clusters: ['sidegate'] } });
  const listener = config.listener({ name: 'in', filters: [filter] });
  const clusters = [config.cluster('sidegate', await host.listenSync())];
  await using envoy = await Envoy.start({
    config: config.bootstrap('killed', [listener], clusters),
  });
  const call = () =>
    send({ port: envoy.port('in'), path: '/orders', headers: { 'x-api-key': key } });
  const told = async () => {
    const untilMs = host.nowMs() + 3_600_000;
    return host.usage.sum({ sinceMs: untilMs - 7_200_000, untilMs, filter: {}, by: ['reason'] });
  };
  let sent = 0;
  for (; sent < 50; sent++) assert.equal((await call()).status, 200);
  await until('the first requests are told', async () => (await told()).requests === sent);
  const before = sent;
  const untilResponsesMs = host.nowMs() + 3_600_000;
  const responses = await host.usage.sum({
    ...{ sinceMs: untilResponsesMs - 7_200_000, untilMs: untilResponsesMs },
    ...{ filter: {}, by: ['status'] },
  });
  // Read when a stream is over, where only Envoy itself can say whether the status is still there.
  assert.deepEqual(responses.items, [{ status: '2xx', requests: sent }]);
  for (let i = 0; i < 20; i++, sent++) await call();
  await envoy.crash();
  const found = (await told()).requests;
  assert.ok(found >= before && found <= sent, `${found} of ${sent}`);
  // Time passes for the host: what died stays silent.
  host.aheadMs = 61_000;
  await host.usage.sweep();
  const { gaps } = await told();
  assert.equal(gaps.length, 1, 'one worker had told something');
  assert.ok((gaps[0]?.lostMs ?? 0) <= 1_000, `${gaps[0]?.lostMs} ms`);
  const untilMs = host.nowMs() + 3_600_000;
  const range = { sinceMs: untilMs - 7_200_000, untilMs, filter: {} };
  const records = await host.usage.records(range, 0, 100);
  assert.ok(records.length > 0 && records.every(({ complete }) => !complete));
});
