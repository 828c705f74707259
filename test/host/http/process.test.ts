/**
 * The host as a process: starting, refusing to start, reloading, dying and coming back. What it
 * says and how it ends is part of what operators rely on.
 */
import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { ROOT } from '../../runner/layers.ts';
import { Folder } from '../../support/folders.ts';
import { Host } from '../../support/host.ts';
import { resourcesOf } from '../../support/policies.ts';
import { Program } from '../../support/programs.ts';
import { ProtocolClient } from '../../support/protocol-client.ts';
import { send } from '../../support/requests.ts';
import { until } from '../../support/wait.ts';

/** Well below the time after which a host that stops closes connections by force. */
const PROMPT_MS = 2_000;
/** For what comes in a moment, on a machine that is busy with other things. */
const LONG = { deadlineMs: 30_000 };
const LIMITS = [{ name: 'daily', quota: 100, window: '1d' }];

/** Runs a host that is expected to end by itself, and answers how. */
async function runHost(args: readonly string[], env: Record<string, string> = {}) {
  await using program = serve(args, env);
  const exit = await program.ended;
  return { exit, output: program.output };
}

function serve(args: readonly string[], env: Record<string, string> = {}): Program {
  const main = path.join(ROOT, 'host/main.ts');
  return new Program(process.execPath, [main, '--admin-port', '0', '--sync-port', '0', ...args], {
    env: { SIDEGATE_ADMIN_TOKEN: '', SIDEGATE_SYNC_SECRET: '', ...env },
  });
}

/** A folder with resources of its own and an empty place for a store. */
async function setting(files: Record<string, string> = resourcesOf()) {
  const folder = await Folder.make();
  await mkdir(folder.join('resources'));
  for (const [name, text] of Object.entries(files)) {
    await writeFile(folder.join('resources', name), text);
  }
  const args = ['--resources', folder.join('resources'), '--store', folder.join('store')];
  return { folder, args, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

async function readyLine(program: Program): Promise<{ admin: string; sync: string }> {
  const line = await until(
    'the host is ready',
    () => {
      if (!program.isRunning) throw new Error(program.output);
      return /^\{"ready":true.*\}$/m.exec(program.output)?.[0];
    },
    { deadlineMs: 30_000 },
  );
  return JSON.parse(line);
}

async function askSync(host: Host, client: ProtocolClient, more = {}) {
  const subscription = 3;
  const page = (await client.calls.directory(0, { revision: 0, kind: 0, id: 0 })).page;
  const owner = page.records.find(({ kind }) => kind === subscription)?.id ?? 0;
  const limit = client.held?.policy.limits[0];
  assert.ok(limit && owner > 0 && host.pid > 0);
  const reply = await client.sync([
    {
      ...{ owner: BigInt(owner), limit: BigInt(limit.id), windowKind: limit.windowKind },
      ...{ partition: 0n, generation: 1, windowId: 0, used: 0, released: 0, granted: 0 },
      ...{ want: 40, need: 1, class: 1, next: false },
      ...more,
    },
  ]);
  const [item] = reply.items;
  assert.ok(item);
  return item;
}

// Guarantees that kill -9 loses no key, no revocation and no grant, and changes no identity.
test('a host that is killed comes back with all it had acknowledged', async () => {
  await using host = await Host.start({ resources: resourcesOf({ limits: LIMITS }) });
  const client = new ProtocolClient({ port: () => host.syncPort, group: 'default' });
  try {
    const kept = await host.createKey('shop');
    const gone = await host.createKey('shop');
    await host.revokeKey(gone.id);
    await client.catchUp();
    const before = await askSync(host, client);
    const storeId = client.storeId;
    await host.crash();
    await host.restart();
    await client.catchUp();
    assert.deepEqual(client.storeId, storeId);
    assert.equal(client.generations, 1, 'the same store: no new generation');
    const { windowId, granted } = before;
    const again = await askSync(host, client, { windowId, granted, want: 0 });
    assert.deepEqual([again.granted, again.remaining], [granted, 100 - granted]);
    const listed = (await host.ask('GET', '/v1/credentials')) as {
      items: { id: number; state: string }[];
    };
    const states = new Map(listed.items.map(({ id, state }) => [id, state]));
    assert.deepEqual([states.get(kept.id), states.get(gone.id)], ['enabled', 'revoked']);
    for (const secret of [kept.key, gone.key, host.adminToken]) {
      assert.ok(!host.log.includes(secret), 'no key and no token is logged');
    }
  } finally {
    client.stop();
  }
});

// Guarantees that two hosts never grant from one ledger, which would double every quota.
test('a second host on the same store refuses to start and says who has it', async () => {
  await using host = await Host.start({ resources: resourcesOf() });
  await using place = await setting();
  const second = await runHost([
    '--resources',
    place.folder.join('resources'),
    '--store',
    host.storeFolder,
  ]);
  assert.equal(second.exit, 5);
  assert.match(second.output, /store_locked/);
  assert.match(second.output, new RegExp(`process ${host.pid}`));
  assert.equal((await send({ port: host.adminPort, path: '/readyz' })).status, 200);
});

// Guarantees that a ledger that was lost cannot refill every quota in silence.
test('a store without its ledger refuses to start until somebody says so', async () => {
  await using place = await setting();
  await using first = serve(place.args);
  await readyLine(first);
  await first.stop();
  const ledger = place.folder.join('store', 'ledger.db');
  await rm(ledger);
  const refused = await runHost(place.args);
  assert.equal(refused.exit, 5);
  assert.match(refused.output, /ledger_missing: .*ledger\.db is gone/);
  await writeFile(ledger, '');
  await using program = serve(place.args);
  await readyLine(program);
});

// Guarantees that a first start with a bad folder ends with every problem and serves nothing.
test('a first start with problems prints all of them', async () => {
  const files = resourcesOf();
  await using place = await setting({
    ...files,
    'bad.yaml': 'apiVersion: sidegate.dev/v1alpha1\nkind: Plam\nmetadata: { name: x }\n',
    'worse.yaml': '{ kind: Plan, metadata: { name: "" } }\n',
  });
  const { exit, output } = await runHost(place.args);
  assert.equal(exit, 3, output);
  assert.match(output, /bad\.yaml:2:\d+ {2}error SG1102/);
  assert.match(output, /worse\.yaml:1:\d+ {2}error/);
  assert.ok(!output.includes('"ready":true'));
});

// Guarantees that a bad file changes nothing that is in force, and that operators can see it.
test('a bad reload keeps what was in force and says so', async () => {
  const files = resourcesOf();
  await using host = await Host.start({ resources: files });
  const metric = async (name: string) => {
    const headers = { authorization: `Bearer ${host.adminToken}` };
    const { body } = await send({ port: host.adminPort, path: '/metrics', headers });
    return Number(new RegExp(`^${name} (\\d+)`, 'm').exec(body)?.[1]);
  };
  const revision = await metric('sidegate_host_revision');
  await host.writeResource('orders-plan.yaml', 'kind: [');
  await until(
    'the problem is seen',
    async () => {
      return (await metric('sidegate_host_resource_problems')) > 0;
    },
    LONG,
  );
  const ready = await send({ port: host.adminPort, path: '/readyz' });
  assert.equal(ready.status, 200);
  assert.equal(JSON.parse(ready.body).resources.state, 'refused');
  const status = (await host.ask('GET', '/v1/status')) as {
    revision: number;
    resources: { problems: string[] };
  };
  assert.equal(status.revision, revision);
  assert.match(status.resources.problems.join('\n'), /orders-plan\.yaml:1/);
  await until('the log says so too', () => /the resource folder was refused/.test(host.log), LONG);
  const good = resourcesOf({ limits: [{ name: 'daily', quota: 7, window: '1d' }] });
  await host.writeResource('orders-plan.yaml', good['orders-plan.yaml'] ?? '');
  await until(
    'the new revision is in force',
    async () => {
      return (await metric('sidegate_host_revision')) === revision + 1;
    },
    LONG,
  );
  // The store says so before whoever read the folder does.
  await until(
    'no problem is left',
    async () => {
      return (await metric('sidegate_host_resource_problems')) === 0;
    },
    LONG,
  );
});

// Guarantees that an operator can have the folder read again without touching it.
test('SIGHUP reads the folder again', async () => {
  await using host = await Host.start({ resources: resourcesOf() });
  const readings = () => host.log.match(/the resource folder was read/g)?.length ?? 0;
  await until('the first reading is told of', () => readings() === 1, LONG);
  process.kill(host.pid, 'SIGHUP');
  await until('the folder was read again', () => readings() === 2, LONG);
  assert.match(host.log, /"outcome":"unchanged"/);
});

// Guarantees that a bad file does not turn a restart in the night into an outage.
test('a host that ran before starts with what it had when the folder is bad', async () => {
  await using host = await Host.start({ resources: resourcesOf() });
  const { id } = await host.createKey('shop');
  await host.stop();
  await host.writeResource('orders-plan.yaml', 'kind: [');
  await host.restart();
  const ready = await send({ port: host.adminPort, path: '/readyz' });
  assert.deepEqual([ready.status, JSON.parse(ready.body).resources.state], [200, 'refused']);
  assert.equal(((await host.ask('GET', `/v1/credentials/${id}`)) as { id: number }).id, id);
});

// Guarantees that settings are refused all at once, and that nothing listens beyond loopback open.
test('bad settings end the host with every problem', async () => {
  const { exit, output } = await runHost(
    ['--sync-listen', '0.0.0.0', '--heartbeat', '5', '--colour', '--log-level', 'loud'],
    { SIDEGATE_ADMIN_TOKEN: 'short' },
  );
  assert.equal(exit, 2);
  for (const part of [
    'SIDEGATE_SYNC_SECRET',
    '--heartbeat is "5"',
    '"--colour"',
    '--log-level',
    'SIDEGATE_ADMIN_TOKEN has 5 characters',
  ]) {
    assert.ok(output.includes(part), `${part} in ${output}`);
  }
});

// Guarantees that a port in use is named, with the way out.
test('a taken port is named', async () => {
  await using place = await setting();
  const taken = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => taken.once('listening', resolve));
  const { port } = taken.address() as net.AddressInfo;
  try {
    const main = path.join(ROOT, 'host/main.ts');
    await using clash = new Program(process.execPath, [
      main,
      ...place.args,
      ...['--admin-port', String(port), '--sync-port', '0'],
    ]);
    assert.equal(await clash.ended, 5, clash.output);
    assert.match(clash.output, new RegExp(`port ${port} cannot be opened: another program`));
    assert.match(clash.output, /--admin-port/);
  } finally {
    taken.close();
  }
});

// Guarantees that stopping loses no call: open watches are answered, then the process ends well.
test('SIGTERM answers the open watches and ends with 0', async () => {
  await using place = await setting();
  const token = 'a-token-of-this-test';
  const headers = { authorization: `Bearer ${token}` };
  await using program = serve(place.args, { SIDEGATE_ADMIN_TOKEN: token });
  const { sync, admin } = await readyLine(program);
  const port = Number(new URL(sync).port);
  const client = new ProtocolClient({ port: () => port, group: 'default' });
  try {
    await client.catchUp();
    const watch = client.calls.watch(client.watchRequest());
    await until('the watch is held', async () => {
      const { body } = await send({ port: Number(new URL(admin).port), path: '/metrics', headers });
      return body.includes('sidegate_host_watches{group="default"} 1');
    });
    const began = performance.now();
    await program.stop('SIGTERM');
    assert.ok(performance.now() - began < PROMPT_MS, 'no kept connection holds the end up');
    assert.equal((await watch).fetch, false);
    assert.equal(await program.ended, 0);
  } finally {
    client.stop();
  }
});

// Guarantees that an admin token made by the host is shown once, kept as a digest, and works.
test('the admin token is made once and only its digest is kept', async () => {
  await using place = await setting();
  let token = '';
  for (const start of [1, 2]) {
    await using program = serve(place.args);
    const { admin } = await readyLine(program);
    const shown = /Admin token: (\S+)/.exec(program.output)?.[1];
    assert.equal(shown === undefined, start === 2);
    token = shown ?? token;
    const headers = { authorization: `Bearer ${token}` };
    const port = Number(new URL(admin).port);
    assert.equal((await send({ port, path: '/v1/status', headers })).status, 200);
  }
  assert.match(token, /^sgadmin_/);
  const store = place.folder.join('store');
  for (const name of await readdir(store)) {
    const bytes = await readFile(path.join(store, name));
    assert.ok(!bytes.includes(token), `${name} holds the token`);
  }
});

// Guarantees that a token file is made for its owner alone, and is used when it is there.
test('a token file is made when absent and read when present', async () => {
  await using place = await setting();
  const file = place.folder.join('private', 'token');
  const args = [...place.args, '--admin-token-file', file, '--ready-file', place.folder.join('r')];
  for (const given of ['', 'a-token-from-somewhere-else']) {
    if (given !== '') {
      await writeFile(file, `${given}\n`);
      await chmod(file, 0o600);
    }
    await using program = serve(args);
    const { admin } = await readyLine(program);
    assert.equal(JSON.parse(await readFile(place.folder.join('r'), 'utf8')).admin, admin);
    const token = (await readFile(file, 'utf8')).trim();
    assert.ok(given === '' || token === given);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.ok(!program.output.includes(token));
    const headers = { authorization: `Bearer ${token}` };
    const port = Number(new URL(admin).port);
    assert.equal((await send({ port, path: '/v1/status', headers })).status, 200);
  }
});
