/**
 * Who may call the admin API: every route with every role, namespaces, ends of tokens, and the
 * bound on wrong ones.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FAILURES_MAX } from '../../../host/http/failures.ts';
import { routesOf } from '../../../host/http/route-list.ts';
import { ROLES, type Role } from '../../../host/store/access.ts';
import { report, row } from '../../contract/usage-contract.ts';
import { resourcesOf } from '../../support/policies.ts';
import { TrialHost } from '../../support/trial-host.ts';
import { ROUTES } from './routes.ts';

let tokens = 0;

/** Makes an access token and answers it. */
async function tokenOf(host: TrialHost, role: Role, more: object = {}): Promise<string> {
  tokens += 1;
  const { status, body } = await host.ask('POST', '/v1/tokens', {
    ...{ name: `t-${tokens}`, role, ...more },
  });
  assert.equal(status, 201, JSON.stringify(body));
  return body.token;
}

// Guarantees that no route is open by mistake and none asks for another role than it says: the
// table names every route there is.
test('every route with every role', async () => {
  await using host = await TrialHost.start({ resources: resourcesOf() });
  await host.admin.ready();
  for (const { method, url, role } of ROUTES) {
    const at = url.replace(/:id/, '1').replace(/:\w+/g, 'shop');
    // A failure a second is what an address may always have.
    host.aheadMs += 1_000;
    const bare = await host.admin.inject({ method, url: at });
    assert.equal(bare.statusCode === 401, role !== undefined, `${method} ${url} without a token`);
    if (role === undefined) continue;
    for (const held of ROLES) {
      const token = await tokenOf(host, held);
      const answer = await host.ask(method, at, method === 'GET' ? undefined : {}, { token });
      const enough: boolean = ROLES.indexOf(held) >= ROLES.indexOf(role);
      const refused = answer.status === 403 && answer.body.code === 'forbidden';
      assert.equal(refused, !enough, `${method} ${url} as ${held}: ${answer.status}`);
    }
  }
});

// Guarantees that the table of the test above is whole: a route that is added must stand in it.
test('every route stands in the table of roles', async () => {
  await using host = await TrialHost.start();
  await host.admin.ready();
  const known = ROUTES.map(({ method, url }) => `${method} ${url}`);
  const there = routesOf(host.admin).map(({ method, url }) => `${method} ${url}`);
  assert.deepEqual(there.sort(), known.sort());
});

// Guarantees that a token is shown once and is nowhere afterwards: not in a list, an audit entry
// or a log line.
test('an access token is shown once', async () => {
  await using host = await TrialHost.start({ resources: resourcesOf() });
  const made = await host.ask('POST', '/v1/tokens', { name: 'ci', role: 'operate' });
  const { token, ...record } = made.body;
  assert.match(token, /^sgadmin_[0-9A-Za-z]{36}$/);
  const listed = await host.ask('GET', '/v1/tokens');
  assert.deepEqual(listed.body, { items: [record] });
  await host.ask('POST', '/v1/credentials', { application: 'shop' }, { token });
  await host.ask('POST', '/v1/tokens/ci/revoke');
  const trail = await host.store.audit({ limit: 100 });
  assert.deepEqual(
    trail.map(({ action, actor }) => `${actor}: ${action}`),
    [
      ...['root: token.revoke', 'ci: key.create', 'root: token.create'],
      ...Array(trail.length - 3).fill('host: resource.create'),
    ],
  );
  assert.ok(!`${JSON.stringify(trail)}${host.log.join('')}`.includes(token.slice(8)));
});

// Guarantees that a token ends when it is revoked or its time is over, with the answer of a
// stranger.
test('a token ends', async () => {
  await using host = await TrialHost.start({ resources: resourcesOf() });
  const notAfter = new Date(host.nowMs() + 60_000).toISOString();
  const short = await tokenOf(host, 'view', { notAfter });
  const ask = (token: string) => host.ask('GET', '/v1/status', undefined, { token });
  assert.equal((await ask(short)).status, 200);
  host.aheadMs = 60_001;
  assert.equal((await ask(short)).status, 401);
  await host.ask('POST', '/v1/tokens', { name: 'x', role: 'view' });
  const again = await host.ask('POST', '/v1/tokens', { name: 'x', role: 'view' });
  assert.deepEqual([again.status, again.body.code], [409, 'name_taken']);
  assert.equal((await host.ask('POST', '/v1/tokens/x/revoke')).status, 200);
  assert.equal((await host.ask('POST', '/v1/tokens/x/revoke')).status, 404);
  const past = { name: 'y', role: 'view', notAfter: '2001-01-01T00:00:00Z' };
  assert.equal((await host.ask('POST', '/v1/tokens', past)).status, 400);
  assert.equal((await host.ask('POST', '/v1/tokens', { name: 'root', role: 'view' })).status, 400);
});

// Guarantees that a token for a namespace neither sees nor changes what is in others, and makes
// no token that does.
test('a token keeps to its namespaces', async () => {
  await using host = await TrialHost.start({ resources: resourcesOf() });
  const { id } = await host.createKey('shop');
  const token = await tokenOf(host, 'admin', { namespaces: ['other'] });
  const ask = (method: 'GET' | 'POST', url: string, body?: object) =>
    host.ask(method, url, body, { token });
  assert.deepEqual((await ask('GET', '/v1/credentials')).body.items, []);
  assert.equal((await ask('GET', '/v1/credentials?namespace=default')).status, 403);
  assert.equal((await ask('GET', `/v1/credentials/${id}`)).status, 404);
  await host.usageStore.merge(report(1, [row(5)], { nowMs: host.nowMs() }));
  assert.equal((await host.ask('GET', '/v1/usage')).body.requests, 5);
  assert.equal((await ask('GET', '/v1/usage')).body.requests, 0);
  assert.equal((await ask('GET', '/v1/usage?namespace=default')).status, 403);
  assert.equal((await ask('POST', `/v1/credentials/${id}/revoke`)).status, 404);
  assert.equal((await ask('POST', '/v1/credentials', { application: 'shop' })).status, 403);
  const wide = await ask('POST', '/v1/tokens', { name: 'wide', role: 'view' });
  assert.deepEqual([wide.status, wide.body.code], [403, 'forbidden']);
  const near = await ask('POST', '/v1/tokens', {
    ...{ name: 'near', role: 'view', namespaces: ['other'] },
  });
  assert.equal(near.status, 201);
  await host.ask('POST', '/v1/tokens', { name: 'all', role: 'view' });
  const seen = (await ask('GET', '/v1/tokens')).body.items;
  assert.ok(seen.every(({ namespaces }: { namespaces: string[] }) => namespaces.length === 1));
  assert.equal((await ask('POST', '/v1/tokens/all/revoke')).status, 404);
});

// Guarantees that nobody guesses at speed, that one address bars no other, and that it passes.
test('wrong tokens of one address are bounded', async () => {
  await using host = await TrialHost.start();
  const ask = (token: string, remoteAddress: string) =>
    host.admin.inject({
      ...{ method: 'GET', url: '/v1/status', remoteAddress },
      headers: { authorization: `Bearer ${token}` },
    });
  const start = host.nowMs();
  host.nowMs = () => start + host.aheadMs;
  for (let tried = 0; tried < FAILURES_MAX; tried += 1) {
    assert.equal((await ask('wrong', '10.0.0.1')).statusCode, 401);
  }
  for (const token of ['wrong', host.adminToken]) {
    const barred = await ask(token, '10.0.0.1');
    assert.deepEqual([barred.statusCode, barred.json().code], [429, 'too_many_failures']);
    assert.equal(barred.headers['retry-after'], '1');
  }
  assert.equal((await ask(host.adminToken, '10.0.0.2')).statusCode, 200);
  host.aheadMs = 2_000;
  assert.equal((await ask(host.adminToken, '10.0.0.1')).statusCode, 200);
});
