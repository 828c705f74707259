/**
 * Keys stand in no log: not in the access log, not in Envoy's own, not in the host's.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { APPLICATION } from '../support/policies.ts';
import { Rig } from '../support/rig.ts';
import { until } from '../support/wait.ts';

// Guarantees that whoever reads logs learns no key, whatever happened to the request that had it:
// allowed, anonymous, refused for its path, its host, its quota or the key itself.
test('no key stands in any log', async () => {
  const limits = [{ name: 'daily', quota: 5, window: '1d' }];
  const setting = { hosts: ['orders.example.com'], limits };
  await using rig = await Rig.start({ setting, hostArgs: ['--log-level', 'debug'] });
  const { id, key } = await rig.host.createKey(APPLICATION);
  const host = 'orders.example.com';
  await until(
    'the key is known',
    async () => (await rig.call(key, { headers: { host } })).status === 200,
  );
  const calls: [string, Record<string, string>, number][] = [
    ['/health', { host }, 200],
    ['/orders/../x', { host }, 400],
    ['/nothing', { host }, 404],
    ['/orders', { host: 'other.example.com' }, 403],
    ['/orders', { host }, 200],
    ['/orders', { host }, 200],
    ['/orders', { host }, 200],
    ['/orders', { host }, 200],
    ['/orders', { host }, 429],
  ];
  for (const [path, headers, status] of calls) {
    assert.equal((await rig.call(key, { path, headers })).status, status, path);
  }
  await rig.host.revokeKey(id);
  await until(
    'it is revoked',
    async () => (await rig.call(key, { headers: { host } })).status === 401,
  );
  const wrong = `${key.slice(0, -3)}AAA`;
  assert.equal((await rig.call(wrong, { headers: { host } })).status, 401);

  const lines = await until('the access log is written', async () => {
    const written = await readFile(rig.accessLog(0), 'utf8');
    return written.split('\n').length > calls.length + 3 ? written : undefined;
  });
  assert.match(lines, /quota_exceeded/);
  for (const secret of [key, wrong]) {
    for (const [name, text] of [
      ['access log', lines],
      ["Envoy's log", rig.proxies[0]?.log ?? ''],
      ["the host's log", rig.host.log],
    ] as const) {
      assert.ok(!text.includes(secret.slice(10)), `${name} holds a key`);
    }
  }
});

// Guarantees the same for a caller who goes away while its request waits for quota: the log is then
// written from the headers as they stand.
test('no key of a request that was given up while it waited stands in the access log', async () => {
  await using rig = await Rig.start({ setting: { applications: ['early', 'late'] } });
  const waiting = await rig.host.createKey('late');
  const { key } = await rig.host.createKey('early');
  await until('the keys are known', async () => (await rig.call(key)).status === 200);
  await rig.host.crash();
  assert.equal((await rig.call(waiting.key, { timeoutMs: 300 })).status, 0, 'it still waits');
  const lines = await until('the access log is written', async () => {
    const written = await readFile(rig.accessLog(0), 'utf8');
    return written.includes('"status":0') ? written : undefined;
  });
  assert.ok(!lines.includes(waiting.key.slice(10)), lines);
});
