/**
 * The admin port: who may call, what it answers, what it never shows.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodePolicy } from '../../../host/wire/policy.ts';
import { resourcesOf } from '../../support/policies.ts';
import { TrialHost } from '../../support/trial-host.ts';

// Guarantees that a refused caller learns nothing: not whether it was close, not what is behind.
test('every failure of authorization is answered alike', async () => {
  await using host = await TrialHost.start({ resources: resourcesOf() });
  const tries = [
    undefined,
    '',
    'Bearer',
    'Bearer ',
    `Bearer ${host.adminToken}x`,
    `Bearer ${host.adminToken.slice(0, -1)}`,
    `Basic ${host.adminToken}`,
    'Bearer ü',
  ];
  const answers = new Set<string>();
  for (const url of ['/v1/credentials', '/v1/status', '/v1/credentials/1']) {
    for (const authorization of tries) {
      const headers = authorization === undefined ? {} : { authorization };
      const answer = await host.admin.inject({ method: 'GET', url, headers });
      assert.equal(answer.statusCode, 401);
      assert.match(String(answer.headers['content-type']), /^application\/problem\+json/);
      const { requestId, ...rest } = answer.json();
      assert.equal(requestId, answer.headers['x-request-id']);
      answers.add(JSON.stringify(rest) + answer.headers['www-authenticate']);
    }
  }
  assert.equal(answers.size, 1);
  assert.equal((await host.ask('GET', '/v1/status')).status, 200);
});

// Guarantees that a key is shown once, when it is made, and is nowhere afterwards.
test('a key is made, listed without itself, and revoked', async () => {
  await using host = await TrialHost.start({ resources: resourcesOf() });
  const made = await host.ask('POST', '/v1/credentials', { application: 'shop', name: 'first' });
  assert.equal(made.status, 201);
  const { key, revision, ...credential } = made.body;
  assert.match(key, /^sg_[0-9A-Za-z]{36}$/);
  assert.equal(revision, 2);
  assert.equal(credential.prefix, key.slice(0, 9));
  const listed = await host.ask('GET', '/v1/credentials?application=shop');
  assert.deepEqual(listed.body, { items: [credential], next: null });
  const shown = await host.ask('GET', `/v1/credentials/${credential.id}`);
  assert.deepEqual(shown.body, credential);
  const revoked = await host.ask('POST', `/v1/credentials/${credential.id}/revoke`);
  assert.deepEqual([revoked.body.state, revoked.body.changed], ['revoked', true]);
  const again = await host.ask('POST', `/v1/credentials/${credential.id}/revoke`, {});
  assert.deepEqual([again.status, again.body.changed], [200, false]);
  assert.ok(!host.log.join('').includes(key), 'the key is in no log');
});

// Guarantees that no secret reaches a log, even when code logs an object that holds one.
test('logs hold no key and no token, whatever is logged', async () => {
  await using host = await TrialHost.start({ resources: resourcesOf() });
  const { key } = await host.createKey('shop');
  await host.ask('POST', '/v1/credentials', { application: 'shop', name: 'Ä' });
  host.admin.log.info({ key, token: key, body: { key }, req: { headers: { authorization: key } } });
  await host.admin.inject({ method: 'GET', url: '/v1/status', headers: { authorization: key } });
  const log = host.log.join('');
  assert.ok(log.includes('[secret]'));
  assert.ok(!log.includes(key) && !log.includes(host.adminToken));
});

// Guarantees that what is wrong with a request is said with a code, all of it at once.
test('problems carry a code, all errors and the request id', async () => {
  await using host = await TrialHost.start({ resources: resourcesOf() });
  const cases: [string, object | undefined, number, string, string[]][] = [
    ['/v1/credentials', { application: 'nope' }, 404, 'not_found', []],
    ['/v1/credentials', {}, 400, 'bad_request', ['/body']],
    [
      '/v1/credentials',
      { application: 'shop', nam: 'x', brand: 1 },
      400,
      'bad_request',
      ['/body', '/body/brand'],
    ],
    ['/v1/credentials', { application: 'shop', brand: 'X' }, 400, 'bad_request', []],
    [
      '/v1/credentials',
      { application: 'shop', notAfter: '2001-01-01T00:00:00Z' },
      400,
      'bad_request',
      [],
    ],
    [
      '/v1/credentials',
      { application: 'shop', notAfter: 'soon' },
      400,
      'bad_request',
      ['/body/notAfter'],
    ],
    ['/v1/credentials/7/revoke', undefined, 404, 'not_found', []],
    ['/v1/credentials/x/revoke', undefined, 400, 'bad_request', ['/params/id']],
    ['/v1/nothing', {}, 404, 'not_found', []],
  ];
  for (const [url, payload, status, code, pointers] of cases) {
    const answer = await host.ask('POST', url, payload);
    assert.deepEqual([answer.status, answer.body.status, answer.body.code], [status, status, code]);
    assert.match(answer.body.requestId, /^[0-9a-f-]{36}$/);
    const found = answer.body.errors.map((error: { pointer: string }) => error.pointer);
    assert.deepEqual(found.sort(), pointers, JSON.stringify(answer.body));
  }
  const text = await host.admin.inject({
    method: 'POST',
    url: '/v1/credentials',
    headers: { authorization: `Bearer ${host.adminToken}`, 'content-type': 'text/plain' },
    payload: 'x',
  });
  assert.deepEqual([text.statusCode, text.json().code], [415, 'unsupported_media_type']);
  const long = await host.ask('POST', '/v1/credentials', { application: 'x'.repeat(70_000) });
  assert.deepEqual([long.status, long.body.code], [413, 'too_large']);
});

// Guarantees that whoever gets a request wrong is told in words what may stand there.
test('what is wrong with a request is said once and in words', async () => {
  await using host = await TrialHost.start({ resources: resourcesOf() });
  const said = async (url: string, payload: object) => {
    const { body } = await host.ask('POST', url, payload);
    return [body.detail, ...body.errors.map(({ message }: { message: string }) => message)];
  };
  const form = 'the request does not have the form it must have';
  const name = 'must be a name: a-z, 0-9 and, between them, -';
  assert.deepEqual(await said('/v1/credentials', { application: 'Ä' }), [form, name]);
  assert.deepEqual(await said('/v1/credentials', { application: 'a', key: 'x' }), [
    ...[form, 'unknown field "key"'],
  ]);
  assert.deepEqual(await said('/v1/tokens', { name: 'a', role: 'boss' }), [
    ...[form, 'must be one of view, operate, admin'],
  ]);
  assert.deepEqual(await said('/v1/credentials/1/rotate', { overlapSeconds: -1 }), [
    ...[form, 'must be >= 0'],
  ]);
  assert.deepEqual(await said('/v1/apply', { files: [], prun: true }), [
    'the body does not have the form it must have: /prun is an unknown field',
  ]);
  assert.deepEqual(await said('/v1/apply', []), [
    'the body does not have the form it must have: it must be object',
  ]);
});

// Guarantees that a directory never holds more than its bound and never drops a key for it.
test('a full directory refuses a key and keeps what it has', async () => {
  await using host = await TrialHost.start({ resources: resourcesOf(), credentialsMax: 2 });
  await host.createKey('shop');
  await host.createKey('shop');
  const third = await host.ask('POST', '/v1/credentials', { application: 'shop' });
  assert.deepEqual([third.status, third.body.code], [409, 'directory_full']);
  const listed = await host.ask('GET', '/v1/credentials');
  assert.equal(listed.body.items.length, 2);
});

// Guarantees that a list can be read page by page and narrowed by name and prefix.
test('lists go on after a page and filter by name and prefix', async () => {
  await using host = await TrialHost.start({ resources: resourcesOf() });
  const made = [];
  for (let count = 0; count < 5; count += 1) made.push(await host.createKey('shop'));
  const first = await host.ask('GET', '/v1/credentials?limit=3');
  const second = await host.ask('GET', `/v1/credentials?limit=3&after=${first.body.next}`);
  const ids = [...first.body.items, ...second.body.items].map(({ id }) => id);
  assert.deepEqual(
    ids,
    made.map(({ id }) => id),
  );
  assert.equal(second.body.next, null);
  const [one] = made;
  const prefix = one?.key.slice(0, 9);
  const byPrefix = await host.ask('GET', `/v1/credentials?prefix=${prefix}`);
  assert.deepEqual(
    byPrefix.body.items.map(({ id }: { id: number }) => id),
    [one?.id],
  );
  const byName = await host.ask('GET', `/v1/credentials?name=key-${one?.id}`);
  assert.deepEqual(
    byName.body.items.map(({ id }: { id: number }) => id),
    [one?.id],
  );
});

// Guarantees that a host is not given traffic before it can decide, and says why.
test('readiness needs resources, store and ledger; health needs the process alone', async () => {
  await using host = await TrialHost.start();
  const before = await host.admin.inject('/readyz');
  assert.deepEqual([before.statusCode, before.json().checks.resources], [503, false]);
  await host.apply(resourcesOf());
  assert.equal((await host.admin.inject('/readyz')).statusCode, 200);
  await host.ledger.close();
  const after = await host.admin.inject('/readyz');
  assert.deepEqual([after.statusCode, after.json().checks.ledger], [503, false]);
  assert.equal((await host.admin.inject('/healthz')).statusCode, 200);
});

// Guarantees that the metrics operators build alerts on are there under their names.
test('metrics are served in the text format with stable names', async () => {
  await using host = await TrialHost.start({ resources: resourcesOf() });
  const { body, headers } = await host.ask('GET', '/metrics');
  assert.match(String(headers['content-type']), /^text\/plain/);
  for (const line of [
    'sidegate_host_revision 1',
    'sidegate_host_policy_revision{group="default"} 1',
    'sidegate_host_watches{group="default"} 0',
    'sidegate_ledger_grants_total 0',
    'process_cpu_seconds_total',
  ]) {
    assert.ok(body.includes(line), line);
  }
  assert.ok(!body.includes('shop'), 'no application becomes a label');
});

// Guarantees that whoever speaks to consumers can see in time which of them are about to run out.
test('limits near exhaustion are told by the names of resources', async () => {
  const limits = [{ name: 'daily', quota: 10, window: '1d' }];
  await using host = await TrialHost.start({ resources: resourcesOf({ limits }) });
  assert.deepEqual((await host.ask('GET', '/v1/limits/near')).body, { items: [] });
  const [policy] = await host.store.policies('default');
  const decoded = decodePolicy(policy?.bytes ?? new Uint8Array(0));
  assert.ok(decoded.ok);
  const query = { group: 'default', after: 0, maxBytes: 65_536, overheadBytes: 0 };
  const page = await host.store.directoryAfter(query);
  assert.ok(page.outcome === 'page');
  const subscription = page.records.find(({ kind }) => kind === 3);
  const owner = BigInt(subscription?.id ?? 0);
  const limit = BigInt(decoded.value.limits[0]?.id ?? 0);
  const account = { owner, limit, windowKind: 86_400, partition: 0n };
  const counters = { generation: 1, next: false, released: 0, want: 0, need: 0 };
  const time = { nowMs: host.nowMs(), heartbeatMs: 1_000 };
  const asks = { account, ...counters, windowId: 0, used: 0, granted: 0, want: 10, need: 10 };
  const [reply] = await host.ledger.merge(1n, [asks], time);
  const { windowId = 0, granted = 0 } = reply ?? {};
  assert.equal(granted, 10);
  await host.ledger.merge(1n, [{ account, ...counters, windowId, granted, used: 9 }], time);
  const { items } = (await host.ask('GET', '/v1/limits/near')).body;
  assert.equal(items.length, 1);
  const { endsInMs, ...item } = items[0];
  assert.ok(endsInMs > 0 && endsInMs <= 86_400_000);
  assert.deepEqual(item, {
    ...{ namespace: 'default', application: 'shop', product: 'orders', plan: 'orders-gold' },
    ...{ limit: 'daily', subscriptionId: Number(owner), windowSeconds: 86_400 },
    ...{ used: 9, quota: 10, fraction: 0.9 },
  });
});
