/**
 * What hands that know kubectl write without thinking, and what slips: both are understood, or said
 * to be wrong before anything happens.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, openSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { parse } from 'yaml';
import { ROOT } from '../../runner/layers.ts';
import { Folder } from '../../support/folders.ts';
import { resourcesOf } from '../../support/policies.ts';
import { TrialHost } from '../../support/trial-host.ts';
import { sidegate } from './command.ts';

async function started() {
  const host = await TrialHost.start({ resources: resourcesOf() });
  assert.ok((await host.catalogue.start()).ok);
  const address = await host.listenAdmin();
  const env = { SIDEGATE_HOST: address, SIDEGATE_ADMIN_TOKEN: host.adminToken };
  const run = (...args: string[]) => sidegate(args, { env });
  const pipe = (stdin: string, ...args: string[]) => sidegate(args, { env, stdin });
  const end = () => host[Symbol.asyncDispose]();
  return { host, address, env, run, pipe, [Symbol.asyncDispose]: end };
}

const consumer = (name: string, labels: string) => `apiVersion: sidegate.dev/v1alpha1
kind: Consumer
metadata: { name: ${name}, labels: { ${labels} } }
`;

// Guarantees that resources are chosen by labels as with kubectl, in every format.
test('get by labels', async () => {
  await using setting = await started();
  const { run, pipe } = setting;
  const files = [consumer('one', 'team: shop, eu: ""'), consumer('two', 'team: sales')];
  assert.equal((await pipe(files.join('---\n'), 'apply', '-f', '-')).exit, 0);
  const names = async (rules: string) =>
    (await run('get', 'consumers', '-l', rules, '-o', 'name')).stdout;
  assert.equal(await names('team=shop'), 'one\n');
  assert.equal(await names('team in (shop,sales),!eu'), 'two\n');
  assert.equal(await names('team!=shop'), 'orders-buyer\ntwo\n');
  assert.equal(await names('team=none'), '');
  const json = await run('get', 'consumers', '--selector', 'eu', '-o', 'json');
  assert.deepEqual(JSON.parse(json.stdout)[0].metadata.labels, { team: 'shop', eu: '' });
  const wide = await run('get', 'consumers', '-l', 'team', '-o', 'wide');
  assert.match(wide.stdout, / LABELS\n.* eu=,team=shop\n.* team=sales\n$/);
  for (const [args, said] of [
    [['consumers', '-l', 'team in'], /is no rule of labels/],
    [['consumer', 'one', '-l', 'team'], /a name and -l: use one of them/],
    [['consumers', '-A', '-n', 'default'], /-A and -n: use one of them/],
    [['consumer/one', '-A'], /a name and -A: use one of them/],
  ] as const) {
    const { exit, stdout, stderr } = await run('get', ...args);
    assert.deepEqual([exit, stdout], [2, ''], `${args}`);
    assert.match(stderr, said);
  }
});

// Guarantees that a resource is named as kubectl names one.
test('kind and name in one word, and all namespaces', async () => {
  await using setting = await started();
  const { run } = setting;
  const apart = await run('get', 'plan', 'orders-gold', '-o', 'yaml');
  assert.equal((await run('get', 'plans/orders-gold', '-o', 'yaml')).stdout, apart.stdout);
  const both = ['describe', 'plan', 'orders-gold'];
  assert.equal((await run('describe', 'plan/orders-gold')).stdout, (await run(...both)).stdout);
  assert.equal((await run('get', 'plans', '-A')).stdout, (await run('get', 'plans')).stdout);
  for (const [args, said] of [
    [['get', 'plan/a', 'b'], /"plan\/a" is no kind/],
    [['get', 'plan/'], /"plan\/" is no kind/],
    [['get', 'plan/a/b'], /"plan\/a\/b" is no kind/],
    [['get', 'palns/a'], /Did you mean plan\?/],
    [['describe', 'plan'], /name the plan/],
    [['delete', 'plan'], /name the plan/],
  ] as const) {
    const { exit, stderr } = await run(...args);
    assert.equal(exit, 2, `${args}`);
    assert.match(stderr, said);
  }
  assert.equal((await run('delete', 'subscription/shop')).stdout, '- Subscription default/shop\n');
});

// Guarantees that a command which failed before the pipe removes nothing, and is not taken for one
// that had nothing to say.
test('nothing on standard input is a mistake', async () => {
  await using setting = await started();
  const { pipe, host } = setting;
  const before = await host.store.resources();
  for (const stdin of ['', '\n \n', '# a comment\n---\n  # another\n...\n']) {
    for (const args of [['apply'], ['apply', '--prune', '--yes'], ['diff'], ['diff', '--prune']]) {
      const { exit, stdout, stderr } = await pipe(stdin, ...args, '-f', '-');
      assert.deepEqual([exit, stdout], [2, ''], `${args} ${JSON.stringify(stdin)}`);
      assert.match(stderr, /^error: there is no resource in -$/m);
    }
    assert.equal((await pipe(stdin, 'validate', '-')).exit, 2);
  }
  assert.deepEqual(await host.store.resources(), before);
});

// Guarantees that a slip in an address is told as one, and that what answers there but is no host
// is not taken for one, a proxy with the filter neither.
test('addresses of hosts', async () => {
  await using setting = await started();
  const { run, address } = setting;
  for (const host of [`${address}/v1`, `${address}?a`, 'ftp://example.com', 'HTTPS:/x', 'a b']) {
    const { exit, stderr } = await run('status', '--host', host);
    assert.equal(exit, 2, host);
    assert.match(stderr, /is not the address of a host\n.*without a path/);
  }
  assert.equal((await run('status', '--host', `${address}/`)).exit, 0);
  const server = createServer((_, reply) => {
    reply.writeHead(404, { 'content-type': 'application/problem+json' });
    reply.end('{"type":"about:blank","code":"operation_not_found","status":404}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const other = await run('get', 'plans', '--host', `127.0.0.1:${port}`);
  server.closeAllConnections();
  server.close();
  assert.equal(other.exit, 1);
  assert.match(other.stderr, /answered 404, which is no answer of a host[\s\S]*admin port/);
});

// Guarantees that everything about a key can be looked at but the key, and that what no key is
// called is told so.
test('key inspect', async () => {
  await using setting = await started();
  const { run } = setting;
  const { stdout: key } = await run('key', 'create', 'shop', '--name', 'one', '--cidr', '::1/128');
  await run('key', 'disable', 'one');
  const shown = await run('key', 'inspect', 'one');
  assert.equal(shown.exit, 0);
  const [about = '', changes = ''] = shown.stdout.split('# Last changes\n');
  const credential = parse(about);
  assert.deepEqual([credential.name, credential.cidrs], ['one', ['::1/128']]);
  assert.match(changes, /^# .* change +by root \(key disable\)\n# .* create +by root/);
  assert.ok(!shown.stdout.includes(key.trim()));
  for (const which of [String(credential.id), `${key.slice(0, 9)}…`]) {
    const json = await run('key', 'inspect', which, '-o', 'json');
    assert.deepEqual(JSON.parse(json.stdout), credential);
  }
  assert.equal((await run('key', 'inspect', 'one', '-o', 'name')).stdout, 'one\n');
  for (const which of ['nobody', 'key-', 'Ä', 'a b']) {
    const none = await run('key', 'inspect', which);
    assert.equal(none.exit, 5, none.stderr);
    assert.match(none.stderr, /^error: no key .*\n.*key list --all/);
  }
  const late = await run('key', 'expire', 'one', '--at', 'yesterday');
  assert.match(late.stderr, /^error: --at "yesterday" is no time/);
  assert.equal((await run('key', 'list', '-n', 'default', '-o', 'name')).stdout, 'one\n');
});

// Guarantees that the trail is asked by kinds as everything else is.
test('audit by a kind in any spelling', async () => {
  await using setting = await started();
  const { run } = setting;
  await run('key', 'create', 'shop');
  await run('token', 'create', 'ci', '--role', 'view');
  const plans = await run('audit', '--kind', 'Plan');
  assert.match(plans.stdout, / resource\.create +Plan default\/orders-gold /);
  assert.equal((await run('audit', '--kind', 'plans')).stdout, plans.stdout);
  assert.match((await run('audit', '--kind', 'credentials')).stdout, / key\.create /);
  assert.match((await run('audit', '--kind', 'access-tokens')).stdout, / token\.create +ci /);
  const wrong = await run('audit', '--kind', 'plam');
  assert.equal(wrong.exit, 2);
  assert.match(wrong.stderr, /Did you mean plan\?/);
});

const LAUNCHER = path.join(ROOT, 'host/cli/sidegate.mjs');

// Guarantees that a reader who has had enough, such as `head`, ends nothing with a stack trace: the
// command does its work and ends as it would have.
test('nobody reads to the end', async () => {
  await using setting = await started();
  await using folder = await Folder.make();
  const many = Array.from({ length: 400 }, (_, at) => consumer(`c-${at}`, 'a: b'));
  await writeFile(folder.join('all.yaml'), many.join('---\n'));
  for (const [args, exit] of [
    [['diff', '-f', folder.path], 4],
    [['apply', '-f', folder.path, '-o', 'name'], 0],
    [['get', 'consumers', '-o', 'json'], 0],
    [['get', 'plan', 'nobody'], 5],
  ] as const) {
    const env = { ...process.env, ...setting.env };
    const child = spawn(process.execPath, [LAUNCHER, ...args], { env });
    // Gone before the command has begun, so that all it says comes too late.
    child.stdout.destroy();
    const said = text(child.stderr);
    const code = await new Promise((resolve) => child.once('close', resolve));
    assert.equal(code, exit, await said);
    assert.doesNotMatch(await said, /EPIPE|node:|\bat /);
  }
  const stored = await setting.host.store.resources('Consumer');
  assert.equal(stored.length, 401);
});

// Guarantees that output which could not be written is an error, and not one of ours.
test('a full disk behind standard output', { skip: !existsSync('/dev/full') }, async () => {
  const full = openSync('/dev/full', 'w');
  const child = spawn(process.execPath, [LAUNCHER, 'explain'], { stdio: ['ignore', full, 'pipe'] });
  const said = child.stderr === null ? '' : await text(child.stderr);
  const code = await new Promise((resolve) => child.once('close', resolve));
  assert.equal(said, 'error: standard output cannot be written (ENOSPC)\n');
  assert.equal(code, 1);
});
