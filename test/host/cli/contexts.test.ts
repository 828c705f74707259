/**
 * Several hosts by name, and a folder to begin with: what works without a host, and which host is
 * called when there are several.
 */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { Folder } from '../../support/folders.ts';
import { TrialHost } from '../../support/trial-host.ts';
import { sidegate } from './command.ts';

// Guarantees that a command goes to the host that was named, with the token of that host and no
// other's.
test('contexts name hosts', async () => {
  await using one = await TrialHost.start();
  await using two = await TrialHost.start();
  await using folder = await Folder.make();
  await writeFile(folder.join('one'), one.adminToken);
  await writeFile(folder.join('two'), two.adminToken);
  const env = { XDG_CONFIG_HOME: folder.join('config') };
  const run = (...args: string[]) => sidegate(args, { env, folder: folder.join('.') });
  for (const [name, host] of Object.entries({ one, two })) {
    const address = await host.listenAdmin();
    const set = await run('context', 'set', name, '--host', address, '--token-file', name);
    assert.equal(set.exit, 0, set.stderr);
  }
  assert.equal((await run('token', 'list')).exit, 2, 'none is current yet');
  assert.equal((await run('context', 'use', 'one')).exit, 0);
  assert.equal((await run('token', 'create', 'a', '--role', 'view')).exit, 0);
  assert.equal((await run('token', 'list', '--context', 'two', '-o', 'name')).stdout, '');
  assert.equal((await run('token', 'list', '-o', 'name')).stdout, 'a\n');
  const other = await run('token', 'list', '--host', '127.0.0.1:9');
  assert.equal(other.exit, 2, 'the token of one host goes to no other');
  const list = await run('context', 'list');
  assert.match(list.stdout, /^CURRENT +NAME +HOST +TOKEN-FILE\n\* +one +http.*\n +two /);
  assert.equal((await run('context', 'remove', 'one')).exit, 0);
  assert.equal((await run('context', 'use', 'one')).exit, 2);
  const kept = await readFile(folder.join('config', 'sidegate', 'contexts.json'), 'utf8');
  assert.ok(!kept.includes(one.adminToken) && !kept.includes(two.adminToken));
});

// Guarantees that what init writes is free of problems, and that it writes over nothing.
test('init writes resources that validate and apply', async () => {
  await using host = await TrialHost.start();
  await using folder = await Folder.make();
  const env = { SIDEGATE_HOST: await host.listenAdmin(), SIDEGATE_ADMIN_TOKEN: host.adminToken };
  const at = { folder: folder.join('.'), env };
  const made = await sidegate(['init', folder.join('mine')], at);
  assert.equal(made.exit, 0, made.stderr);
  assert.equal(made.stdout.trim().split('\n').length, 5);
  const again = await sidegate(['init', folder.join('mine')], at);
  assert.deepEqual([again.exit, again.stdout], [5, '']);
  assert.equal((await sidegate(['validate', folder.join('mine')])).exit, 0);
  const applied = await sidegate(['apply', '-f', folder.join('mine')], at);
  assert.equal(applied.exit, 0, applied.stderr);
  assert.match((await sidegate(['key', 'create', 'demo'], at)).stdout, /^sg_/);
});
