/**
 * `sidegate token`: what goes to which stream, exit codes, and that a token works once it is made
 * and not once it is ended.
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { parse } from 'yaml';
import { Folder } from '../../support/folders.ts';
import { resourcesOf } from '../../support/policies.ts';
import { TrialHost } from '../../support/trial-host.ts';
import { sidegate } from './command.ts';

// Guarantees that a token is on stdout alone, works from a file, and ends at once.
test('token create, list and revoke', async () => {
  await using host = await TrialHost.start({ resources: resourcesOf() });
  await using folder = await Folder.make();
  const env = { SIDEGATE_HOST: await host.listenAdmin(), SIDEGATE_ADMIN_TOKEN: host.adminToken };
  const token = (...args: string[]) => sidegate(['token', ...args], { env });
  const made = await token('create', 'ci', '--role', 'view', '--expires', '1d');
  assert.equal(made.exit, 0);
  assert.match(made.stdout, /^sgadmin_[0-9A-Za-z]{36}\n$/);
  assert.match(made.stderr, /^Access token ci: role view, all namespaces; it expires 2/);
  assert.ok(!made.stderr.includes(made.stdout.trim()));
  const file = folder.join('token');
  await writeFile(file, made.stdout);
  const asCi = (...args: string[]) => sidegate([...args, '--token-file', file], { env });
  assert.equal((await asCi('key', 'list')).exit, 0);
  const beyond = await asCi('key', 'create', 'shop');
  assert.equal(beyond.exit, 7);
  assert.match(beyond.stderr, /needs the role operate; your token has view/);
  const near = await token('create', 'a', '--role', 'operate', '--namespace', 'x', '-o', 'json');
  assert.deepEqual(JSON.parse(near.stdout).namespaces, ['x']);
  const named = await token('create', 'b', '--role', 'operate', '-o', 'name');
  assert.equal(named.stdout, 'b\n');
  const table = await token('list');
  const shown =
    /^NAME +ROLE +NAMESPACES +TOKEN +EXPIRES +CREATED +BY\na +operate +x +sgadmin_\w{6}…/;
  assert.match(table.stdout, shown);
  assert.equal(parse((await token('list', '-o', 'yaml')).stdout).length, 3);
  assert.equal((await token('revoke', 'ci')).stderr, 'Revoked access token ci.\n');
  assert.equal((await asCi('key', 'list')).exit, 7);
});

// Guarantees the exit codes, which are the same for every output format.
test('every failure of token has its exit code', async () => {
  await using host = await TrialHost.start();
  const env = { SIDEGATE_HOST: await host.listenAdmin(), SIDEGATE_ADMIN_TOKEN: host.adminToken };
  const cases: [string[], number, RegExp][] = [
    [['create', 'ci'], 2, /--role/],
    [['create', 'ci', '--role', 'boss'], 2, /Allowed choices/],
    [['create', 'Ci', '--role', 'view'], 2, /body\/name/],
    [['create', 'root', '--role', 'view'], 2, /started with/],
    [['create', 'ci', '--role', 'view', '--expires', 'soon'], 2, /--expires "soon"/],
    [['revoke', 'nobody'], 5, /no access token "nobody"/],
    [['list', '--host', '127.0.0.1:9'], 6, /no host answers/],
  ];
  for (const [args, exit, text] of cases) {
    for (const format of ['table', 'json', 'yaml', 'name']) {
      const ended = await sidegate(['token', ...args, '-o', format], { env });
      assert.equal(ended.exit, exit, `${args.join(' ')}: ${ended.stderr}`);
      assert.match(ended.stderr, text);
      assert.equal(ended.stdout, '');
    }
  }
});
