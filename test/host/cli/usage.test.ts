/**
 * `sidegate usage` and `sidegate proxies`: what they print, in which form, and that what may be
 * missing is always said.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { encodeWatchRequest, type WatchRequest } from '../../../host/wire/watch.ts';
import { LABELS, report, row } from '../../contract/usage-contract.ts';
import { resourcesOf } from '../../support/policies.ts';
import { TrialHost } from '../../support/trial-host.ts';
import { until } from '../../support/wait.ts';
import { sidegate } from './command.ts';

async function startHost() {
  const host = await TrialHost.start({ resources: resourcesOf(), holdMs: 200 });
  const env = { SIDEGATE_HOST: await host.listenAdmin(), SIDEGATE_ADMIN_TOKEN: host.adminToken };
  const run = (...args: string[]) => sidegate(args, { env });
  return { host, run, [Symbol.asyncDispose]: () => host[Symbol.asyncDispose]() };
}

// Guarantees that a person sees who called what, and is told when something may be missing.
test('usage sums by what is asked for, and says what may be missing', async () => {
  await using setting = await startHost();
  const { host, run } = setting;
  const nowMs = host.nowMs();
  const denied = { reason: 'quota_exceeded', mode: 'enforce', status: 0, latency: 0 };
  await host.usageStore.merge(
    report(1, [row(5), row(2, { slot: 1, kind: denied })], { nowMs, touched: [] }),
  );
  const table = await run('usage');
  assert.equal(table.exit, 0, table.stderr);
  const [head, first, second] = table.stdout.split('\n');
  assert.match(head ?? '', /^CONSUMER +APPLICATION +PRODUCT +REASON +REQUESTS$/);
  assert.match(first ?? '', /^acme +shop +orders +allowed +5$/);
  assert.match(second ?? '', /^acme +shop +orders +quota_exceeded +2$/);
  assert.match(table.stderr, /^7 requests from .*Z to .*Z\.\n$/);
  const csv = await run('usage', '--by', 'plan', '--reason', 'allowed', '-o', 'csv');
  assert.equal(csv.stdout, 'plan,requests\r\ngold,5\r\n');
  assert.equal(parse((await run('usage', '-o', 'yaml')).stdout).complete, true);

  const gap = { holder: 'a', group: 'default', fromMs: nowMs, toMs: nowMs + 400, lostMs: 400 };
  await host.usageStore.end([{ ...gap, reportedMs: nowMs }]);
  assert.match((await run('usage')).stderr, /May lack what one holder counted in 400 ms/);
  const json = JSON.parse((await run('usage', '--records', '-o', 'json')).stdout);
  assert.equal(json.length, 2);
  assert.deepEqual([json[0].complete, json[0].gapMs, json[0].final], [false, 400, false]);
  assert.match(json[0].id, /^\d{4}-\d\d-\d\dT\d\dZ\.default\.s7\.p5\.o6\.gold\.allowed\.enforce$/);
  assert.equal((await run('usage', '--since', '3d', '--until', '2d')).stdout.split('\n').length, 2);
});

// Guarantees that what cannot be asked is said before anything is sent, or by the host.
test('usage refuses what means nothing', async () => {
  await using setting = await startHost();
  const never = await setting.run('usage', '--since', 'yesterday');
  assert.deepEqual([never.exit, never.stdout], [2, '']);
  assert.match((await setting.run('usage', '--by', 'colour')).stderr, /by is a list of hour, day/);
  assert.equal((await setting.run('usage', '--since', '1h', '--until', '2d')).exit, 2);
});

// Guarantees that a name that a spreadsheet would run as a formula stays a name.
test('CSV is safe to open', async () => {
  await using setting = await startHost();
  const labels = { ...LABELS, application: '=cmd,"x"' };
  await setting.host.usageStore.merge(report(1, [row(5, { labels })], { nowMs: Date.now() }));
  const csv = await setting.run('usage', '--by', 'application', '-o', 'csv');
  assert.equal(csv.stdout, `application,requests\r\n"'=cmd,""x""",5\r\n`);
});

function watching(host: TrialHost, more: Partial<WatchRequest>): void {
  const request: WatchRequest = {
    incarnation: 1n,
    storeId: host.store.identity.storeId,
    policyRevision: host.heads.get('default')?.policyRevision ?? 0,
    directoryRevision: host.heads.get('default')?.directoryRevision ?? 0,
    complete: true,
    filling: false,
    proxy: 'sidecar~1',
    workload: 'orders',
    version: '0.1.0',
    state: [11, 3, 2, 4, 0, 9, 2 * 1_048_576, 1_500, 0, 0, 6],
    ...more,
  };
  const payload = Buffer.from(encodeWatchRequest(request));
  void host.sync.inject({ method: 'POST', url: '/v1/watch/default', payload });
}

// Guarantees that whoever looks sees which engine lags since when, which one follows another
// store, and how full each is.
test('proxies shows who lags and who is full', async () => {
  await using setting = await startHost();
  const { host, run } = setting;
  watching(host, {});
  watching(host, { incarnation: 2n, proxy: 'sidecar~2', directoryRevision: 0 });
  watching(host, { incarnation: 3n, proxy: 'sidecar~3', storeId: new Uint8Array(16).fill(7) });
  await until('all are heard', async () => host.engines.list().length === 3);
  const table = await run('proxies');
  assert.match(
    table.stdout,
    /^PROXY +WORKLOAD +GROUP +VERSION +POLICY +DIRECTORY +STANDING +SINCE/,
  );
  assert.match(table.stdout, /sidecar~1 +orders +default +0\.1\.0 +1 +1 +current +-\n/);
  assert.match(table.stdout, /sidecar~2 .* behind +\d+s\n/);
  assert.match(table.stdout, /sidecar~3 .* other_store +-\n/);
  assert.match(table.stderr, /1 of 3 engines have what is in force \(revision 1\)\./);
  assert.match(table.stderr, /two hosts, two ledgers\?/);
  const wide = await run('proxies', '-o', 'wide', '--group', 'default');
  assert.match(wide.stdout, /0000000000000001 +11 +3 +2 +4 +0 +9 +6 +0 +0 +2\.0M +2s/);
  const json = JSON.parse((await run('proxies', '-o', 'json')).stdout);
  assert.equal(json.items[0].state.usageRows, 6);
  const status = await host.ask('GET', '/v1/status');
  assert.deepEqual([status.body.groups[0].engines, status.body.groups[0].current], [3, 1]);
  await until('their watches are over', async () => host.engines.list().every(({ open }) => !open));
  host.aheadMs = 120_000;
  assert.match((await run('proxies')).stdout, /sidecar~1 .* silent +\d+s\n/);
});

// Guarantees that a script can wait until a change is in force everywhere, and learns when it is
// not.
test('proxies --wait ends when all have what is in force', async () => {
  await using setting = await startHost();
  const { host, run } = setting;
  const none = await run('proxies', '--wait', '1');
  assert.deepEqual([none.exit, /^0 of 0 engines/m.test(none.stderr)], [3, true], 'nobody is there');
  watching(host, { directoryRevision: 0 });
  await until('it is heard', async () => host.engines.list().length === 1);
  const late = await run('proxies', '--wait', '1', '-o', 'json');
  assert.deepEqual([late.exit, JSON.parse(late.stdout).current], [3, 0]);
  assert.equal((await run('proxies')).exit, 0, 'who only looks is told no problem');
  const waiting = run('proxies', '--wait', '60', '--group', 'default');
  watching(host, {});
  const ended = await waiting;
  assert.deepEqual([ended.exit, /^1 of 1 engines have/m.test(ended.stderr)], [0, true]);
  assert.equal((await run('proxies', '--wait', '1', '--group', 'other')).exit, 3);
  assert.equal((await run('proxies', '--wait', 'soon')).exit, 2);
});

// Guarantees that an operator sees who calls now, how often, and how much of it is denied.
test('top shows what usage grows by', async () => {
  await using setting = await startHost();
  const { host, run } = setting;
  const kind = { reason: 'quota_exceeded', mode: 'enforce', status: 0, latency: 0 };
  let batch = 0;
  const grow = async () => {
    batch += 1;
    const rows = [row(3 * batch), row(batch, { slot: 1, kind })];
    await host.usageStore.merge(report(batch, rows, { nowMs: host.nowMs() }));
  };
  await grow();
  const looking = { over: false };
  const looks = run('top', '--interval', '0.3', '--count', '2', '-o', 'json').finally(() => {
    looking.over = true;
  });
  await until('it has looked', async () => {
    await grow();
    return looking.over;
  });
  const ended = await looks;
  assert.equal(ended.exit, 0, ended.stderr);
  const [first] = JSON.parse(ended.stdout.slice(0, ended.stdout.indexOf(']') + 1));
  assert.deepEqual([first.consumer, first.application, first.product], ['acme', 'shop', 'orders']);
  assert.ok(first.perSecond > 0 && first.denied === 0.25, JSON.stringify(first));
  const idle = await run('top', '--interval', '0.1');
  assert.match(idle.stdout, /^CONSUMER +APPLICATION +PRODUCT +PER SECOND +DENIED\n$/);
  assert.equal(idle.stderr, 'Nobody called in 0.1 s.\n');
  assert.equal((await run('top', '--interval', 'soon')).exit, 2);
});
