/**
 * `sidegate key disable`, `enable`, `expire`, `rotate` and `import`: what goes to which stream, and
 * that no key is ever an argument.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../../../host/credential/key.ts';
import { resourcesOf } from '../../support/policies.ts';
import { TrialHost } from '../../support/trial-host.ts';
import { sidegate } from './command.ts';

async function started() {
  const host = await TrialHost.start({ resources: resourcesOf() });
  const env = { SIDEGATE_HOST: await host.listenAdmin(), SIDEGATE_ADMIN_TOKEN: host.adminToken };
  const key = (...args: string[]) => sidegate(['key', ...args], { env });
  const pipe = (stdin: string, ...args: string[]) => sidegate(['key', ...args], { env, stdin });
  return { host, key, pipe, [Symbol.asyncDispose]: () => host[Symbol.asyncDispose]() };
}

// Guarantees that each verb does its work, says so in a line, and can be repeated.
test('key disable, enable, expire and rotate', async () => {
  await using setting = await started();
  const { key } = setting;
  await key('create', 'shop', '--name', 'one');
  const off = await key('disable', 'one');
  assert.match(off.stderr, /^Disabled key \d+ \(one\) of application shop\.\n$/);
  assert.match((await key('disable', 'one')).stderr, /^Nothing to do: key/);
  assert.equal(JSON.parse((await key('enable', 'one', '-o', 'json')).stdout).state, 'enabled');
  const rotated = await key('rotate', 'one', '--overlap', '2h');
  assert.match(rotated.stdout, /^sg_[0-9A-Za-z]{36}\n$/);
  assert.match(rotated.stderr, /takes the place of \d+ \(one\),\nwhich ends 2.*Z\.\n/);
  assert.ok(!rotated.stderr.includes(rotated.stdout.trim()));
  assert.equal((await key('expire', 'one', '-o', 'name')).stdout, 'one\n');
  assert.equal((await key('list', '-o', 'name')).stdout.split('\n').length, 3);
});

// Guarantees that an imported key comes in by standard input and goes out nowhere.
test('key import reads the key or its digest from standard input', async () => {
  await using setting = await started();
  const { pipe } = setting;
  const old = 'an-old-key-of-32-characters-0001';
  const made = await pipe(`${old}\n`, 'import', 'shop', '--name', 'old', '-o', 'json');
  assert.equal(made.exit, 0, made.stderr);
  assert.ok(!`${made.stdout}${made.stderr}`.includes(old));
  const digest = Buffer.from(digestOf('another')).toString('hex');
  const refused = await pipe(digest, 'import', 'shop', '--sha256');
  assert.equal(refused.exit, 2);
  assert.match(refused.stderr, /strengthChecked/);
  assert.equal((await pipe(digest, 'import', 'shop', '--sha256', '--strength-checked')).exit, 0);
});

// Guarantees the exit codes, which are the same for every output format.
test('every failure has its exit code', async () => {
  await using setting = await started();
  const { key, pipe } = setting;
  await key('create', 'shop', '--name', 'gone');
  await key('revoke', 'gone');
  const cases: [string[], string, number, RegExp][] = [
    [['disable', 'nobody'], '', 5, /no key "nobody"/],
    [['enable', 'gone'], '', 5, /revoked for good/],
    [['rotate', 'gone'], '', 5, /revoked for good/],
    [['rotate', 'gone', '--overlap', 'long'], '', 2, /--overlap "long"/],
    [['expire', 'gone', '--at', 'soon'], '', 2, /is no time/],
    [['import', 'shop'], '', 2, /nothing came/],
    [['import', 'shop'], 'short', 2, /at least 22/],
    [['import', 'nobody'], 'x'.repeat(30), 5, /no application/],
  ];
  for (const [args, stdin, exit, text] of cases) {
    for (const format of ['table', 'json', 'yaml', 'name']) {
      const ended = await pipe(stdin, ...args, '-o', format);
      assert.equal(ended.exit, exit, `${args.join(' ')}: ${ended.stderr}`);
      assert.match(ended.stderr, text);
      assert.equal(ended.stdout, '');
    }
  }
});
