/**
 * Settings of the host: where each comes from, which are refused, and that secrets stay secret.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { isLoopback, OPTIONS, optionsHelp, readSettings } from '../../../host/config/settings.ts';

function settingsOf(args: string[], env: Record<string, string> = {}) {
  const result = readSettings(args, env);
  assert.ok(result.ok, inspect(result));
  return result.settings;
}

function problemsOf(args: string[], env: Record<string, string> = {}): readonly string[] {
  const result = readSettings(args, env);
  assert.ok(!result.ok);
  return result.problems;
}

// Guarantees that a host without any option listens on this machine only.
test('the defaults are those of a host on one machine', () => {
  const settings = settingsOf([]);
  assert.deepEqual(
    [settings.listen, settings.adminPort, settings.syncListen, settings.syncPort],
    ['127.0.0.1', 8080, '127.0.0.1', 8081],
  );
  assert.deepEqual([settings.heartbeatMs, settings.watchHoldMs], [1_000, 25_000]);
});

// Guarantees that what stands on the command line wins over the environment.
test('arguments come before the environment, in both spellings', () => {
  const env = { SIDEGATE_STORE: 'of-env', SIDEGATE_ADMIN_PORT: '1' };
  const settings = settingsOf(['--store=of-args', '--sync-port', '0'], env);
  assert.deepEqual([settings.store, settings.adminPort, settings.syncPort], ['of-args', 1, 0]);
  assert.equal(settingsOf([], { SIDEGATE_STORE: '' }).store, '.sidegate/store');
});

// Guarantees that an operator sees everything that is wrong at once.
test('every problem is reported', () => {
  const problems = problemsOf(
    ['--heartbeat', '199', '--heartbeat', '5', 'loose', '--store', '', '--admin-port', '1e3'],
    { SIDEGATE_SYNC_SECRET: 'with space in it, long' },
  );
  const text = problems.join('\n');
  for (const part of [
    '--heartbeat is given twice',
    '--heartbeat is "199"',
    'unknown argument "loose"',
    '--store needs a value',
    '--admin-port is "1e3"',
    'SIDEGATE_SYNC_SECRET holds characters',
  ]) {
    assert.ok(text.includes(part), `${part} in\n${text}`);
  }
  assert.ok(!text.includes('with space'));
  assert.match(problemsOf(['--store']).join(), /needs a value/);
});

// Guarantees that an option without a value is not taken for one that ate its neighbour.
test('a flag stands alone or with a word', () => {
  assert.equal(settingsOf([]).meshIdentity, false);
  const args = ['--mesh-identity', '--sync-listen', '0.0.0.0'];
  assert.deepEqual([settingsOf(args).meshIdentity, settingsOf(args).syncListen], [true, '0.0.0.0']);
  assert.equal(settingsOf(['--sync-port', '0', '--mesh-identity']).meshIdentity, true);
  assert.equal(settingsOf(['--mesh-identity', 'true']).meshIdentity, true);
  assert.equal(settingsOf([], { SIDEGATE_MESH_IDENTITY: 'true' }).meshIdentity, true);
  const off = settingsOf(['--mesh-identity=false'], { SIDEGATE_MESH_IDENTITY: 'true' });
  assert.equal(off.meshIdentity, false);
  assert.match(problemsOf([], { SIDEGATE_MESH_IDENTITY: 'yes' }).join(), /not true or false/);
  assert.match(problemsOf(['--mesh-identity', 'yes']).join(), /unknown argument "yes"/);
});

// Guarantees that keys' digests and quota are never open to a network without a secret.
test('beyond loopback the sync port needs a secret', () => {
  const args = ['--sync-listen', '0.0.0.0'];
  assert.match(problemsOf(args).join(), /SIDEGATE_SYNC_SECRET/);
  const secret = 's'.repeat(32);
  const settings = settingsOf(args, { SIDEGATE_SYNC_SECRET: secret });
  assert.equal(settings.syncSecret?.reveal(), secret);
  assert.ok(!inspect(settings, { depth: 9 }).includes(secret));
  assert.ok(!JSON.stringify(settings).includes(secret));
  for (const address of ['127.0.0.1', '127.9.9.9', '::1', 'localhost']) {
    assert.ok(isLoopback(address));
  }
  for (const address of ['0.0.0.0', '::', '10.0.0.1', '127.0.0.1.example.com', '']) {
    assert.ok(!isLoopback(address), address);
  }
});

// Guarantees that every option can be found in the help.
test('the help names every option', () => {
  const help = optionsHelp();
  for (const { name } of OPTIONS) assert.ok(help.includes(`--${name} `), name);
});
