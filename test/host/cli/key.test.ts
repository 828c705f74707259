/**
 * `sidegate key`: exit codes, what goes to which stream, and where the host is looked for. Scripts
 * rely on all three.
 */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { parse } from 'yaml';
import { Folder } from '../../support/folders.ts';
import { resourcesOf } from '../../support/policies.ts';
import { TrialHost } from '../../support/trial-host.ts';
import { sidegate } from './command.ts';

async function startHost() {
  const host = await TrialHost.start({ resources: resourcesOf() });
  const address = await host.listenAdmin();
  const env = { SIDEGATE_HOST: address, SIDEGATE_ADMIN_TOKEN: host.adminToken };
  const key = (...args: string[]) => sidegate(['key', ...args], { env });
  return { host, env, address, key, [Symbol.asyncDispose]: () => host[Symbol.asyncDispose]() };
}

// Guarantees that a script gets the key and nothing else, and a person the warning.
test('key create prints the key on stdout and the talk on stderr', async () => {
  await using setting = await startHost();
  const { exit, stdout, stderr } = await setting.key('create', 'shop');
  assert.equal(exit, 0);
  assert.match(stdout, /^sg_[0-9A-Za-z]{36}\n$/);
  assert.match(stderr, /^Key \d+ \(key-\d+\) of application shop: it does not expire\.\n/);
  assert.match(stderr, /the only time the key is shown/);
  assert.ok(!stderr.includes(stdout.trim()));
});

// Guarantees that every format shows the same key, and that -o name never shows it.
test('key create in other formats', async () => {
  await using setting = await startHost();
  const json = await setting.key('create', 'shop', '--name', 'a', '--expires', '2d', '-o', 'json');
  const made = JSON.parse(json.stdout);
  assert.match(made.key, /^sg_/);
  const leftMs = Date.parse(made.notAfter) - Date.now();
  assert.ok(Math.abs(leftMs - 2 * 86_400_000) < 60_000);
  const yaml = await setting.key('create', 'shop', '--name', 'b', '-o', 'yaml');
  assert.equal(parse(yaml.stdout).name, 'b');
  const name = await setting.key('create', 'shop', '--name', 'c', '-o', 'name');
  assert.equal(name.stdout, 'c\n');
  assert.ok(!name.stderr.includes('sg_'));
});

// Guarantees that a key can be bound to networks and pages where it is made, and that what it is
// bound to is shown.
test('key create with rules', async () => {
  await using setting = await startHost();
  const rules = ['--cidr', '10.0.0.0/8', '--cidr', '::1/128', '--referer', '*.example.com'];
  const made = JSON.parse((await setting.key('create', 'shop', ...rules, '-o', 'json')).stdout);
  assert.deepEqual(made.cidrs, ['10.0.0.0/8', '::1/128']);
  assert.deepEqual(made.referers, ['*.example.com']);
  const [listed] = JSON.parse((await setting.key('list', '-o', 'json')).stdout);
  assert.deepEqual(listed.cidrs, made.cidrs);
  assert.deepEqual(listed.referers, made.referers);
});

// Guarantees that a list shows what exists, hides what is over, and never a key.
test('key list in all formats', async () => {
  await using setting = await startHost();
  const { stdout: key } = await setting.key('create', 'shop', '--name', 'one');
  await setting.key('create', 'shop', '--name', 'two');
  await setting.key('revoke', 'two');
  const table = await setting.key('list');
  const [head, ...rows] = table.stdout.trimEnd().split('\n');
  assert.match(head ?? '', /^ID +NAME +APPLICATION +KEY +STATE +EXPIRES +CREATED +LAST USED$/);
  assert.equal(rows.length, 1);
  assert.match(rows[0] ?? '', /one +default\/shop +sg_\w{6}… +enabled +never/);
  assert.match(table.stderr, /1 revoked not shown/);
  assert.equal((await setting.key('list', '--all', '-o', 'name')).stdout, 'one\ntwo\n');
  const json = JSON.parse(
    (await setting.key('list', '--application', 'shop', '-o', 'json')).stdout,
  );
  assert.deepEqual(
    json.map(({ name }: { name: string }) => name),
    ['one'],
  );
  assert.equal(parse((await setting.key('list', '-o', 'yaml')).stdout).length, 1);
  assert.ok(!JSON.stringify(json).includes(key.trim()));
  assert.equal((await setting.key('list', '--application', 'none', '-o', 'json')).stdout, '[]\n');
});

// Guarantees that exactly the key that was named is ended, by whichever of its names.
test('key revoke takes an id, a name or a prefix', async () => {
  await using setting = await startHost();
  const ids: number[] = [];
  const keys: string[] = [];
  for (let count = 0; count < 3; count += 1) {
    const made = JSON.parse((await setting.key('create', 'shop', '-o', 'json')).stdout);
    ids.push(made.id);
    keys.push(made.key);
  }
  const states = async () => {
    const { stdout } = await setting.key('list', '--all', '-o', 'json');
    return JSON.parse(stdout).map(({ state }: { state: string }) => state);
  };
  const many = await setting.key('revoke', 'sg_');
  assert.equal(many.exit, 5);
  assert.match(many.stderr, /3 keys begin with sg_/);
  assert.deepEqual(await states(), ['enabled', 'enabled', 'enabled']);
  const whole = await setting.key('revoke', keys[0] ?? '');
  assert.equal(whole.exit, 2);
  assert.ok(!whole.stderr.includes(keys[0] ?? ''));
  assert.equal((await setting.key('revoke', String(ids[0]))).exit, 0);
  assert.equal((await setting.key('revoke', `key-${ids[1]}`)).exit, 0);
  assert.equal((await setting.key('revoke', `${keys[2]?.slice(0, 9)}…`)).exit, 0);
  assert.deepEqual(await states(), ['revoked', 'revoked', 'revoked']);
  const again = await setting.key('revoke', String(ids[0]));
  assert.deepEqual([again.exit, again.stdout], [0, '']);
  assert.match(again.stderr, /^Nothing to do/);
  assert.equal((await setting.key('revoke', 'nobody')).exit, 5);
});

// Guarantees the exit codes, which are the same for every output format.
test('every failure has its exit code', async () => {
  await using setting = await startHost();
  await using folder = await Folder.make();
  const wrong = folder.join('wrong');
  await writeFile(wrong, 'wrong\n');
  const cases: [string[], number, RegExp][] = [
    [['create', 'nobody'], 5, /no application "nobody"/],
    [['create', 'shop', '--brand', 'X'], 2, /brand/],
    [['create', 'shop', '--expires', 'soon'], 2, /--expires "soon"/],
    [['create', 'shop', '--expires', '2001-01-01T00:00:00Z'], 2, /expired from the start/],
    [['create', 'shop', '--cidr', '10.1.0.0/8'], 2, /did you mean 10\.0\.0\.0\/8\?/],
    [['create', 'shop', '--referer', 'https://a.example/'], 2, /is a URL and not a host/],
    [['create'], 2, /missing required argument/],
    [['list', '--token-file', wrong], 7, /Check SIDEGATE_ADMIN_TOKEN/],
    [['list', '--token-file', folder.join('none')], 2, /no such file/],
    [['list', '--host', '127.0.0.1:9'], 6, /no host answers/],
    [['list', '--host', '::::'], 2, /not the address of a host/],
    [['revoke', '424242'], 5, /no credential/],
    [['list', '-o', 'xml'], 2, /Allowed choices/],
    [['lsit'], 2, /Did you mean list/],
  ];
  for (const [args, exit, text] of cases) {
    for (const format of [[], ['-o', 'json']]) {
      const ended = await setting.key(...args, ...(args.includes('-o') ? [] : format));
      assert.equal(ended.exit, exit, `${args.join(' ')}: ${ended.stderr}`);
      assert.match(ended.stderr, text);
      assert.equal(ended.stdout, '');
    }
  }
});

// Guarantees that the demo works without options, and that its token goes to no other host.
test('the host and its token are found in .sidegate/demo.json', async () => {
  await using setting = await startHost();
  await using folder = await Folder.make();
  await mkdir(folder.join('.sidegate'));
  await mkdir(folder.join('below', 'further'), { recursive: true });
  const demo = { host: setting.address, adminToken: setting.host.adminToken };
  await writeFile(folder.join('.sidegate', 'demo.json'), JSON.stringify(demo));
  const below = { folder: folder.join('below', 'further') };
  assert.equal((await sidegate(['key', 'list'], below)).exit, 0);
  const elsewhere = await sidegate(['key', 'list', '--host', '127.0.0.1:9'], below);
  assert.equal(elsewhere.exit, 2);
  assert.match(elsewhere.stderr, /no admin token for http:\/\/127\.0\.0\.1:9/);
});

// Guarantees that colour never reaches a pipe or a terminal whose owner does not want it.
test('talk is coloured on a terminal only', async () => {
  const colour = '\u001b[';
  const args = ['key', 'list', '--host', '::::'];
  assert.ok((await sidegate(args, { terminal: true })).stderr.includes(colour));
  assert.ok(!(await sidegate(args)).stderr.includes(colour));
  const env = { NO_COLOR: '1' };
  assert.ok(!(await sidegate(args, { terminal: true, env })).stderr.includes(colour));
});
