/**
 * Changes of keys: what each does to the directory of the proxies, to the audit trail, and what is
 * refused.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../../../host/credential/key.ts';
import { decodeRecordBody } from '../../../host/wire/records.ts';
import { resourcesOf } from '../../support/policies.ts';
import { TrialHost } from '../../support/trial-host.ts';

const IMPORTED = 'an-old-key-of-32-characters-0001';

/** What proxies know of a credential: undefined once it has left. */
async function known(host: TrialHost, wanted: number) {
  const page = await host.store.directoryAfter({
    ...{ group: 'default', after: 0, maxBytes: 1 << 20, overheadBytes: 0 },
  });
  assert.ok(page.outcome === 'page');
  const record = page.records.find(({ kind, id }) => kind === 1 && id === wanted);
  if (record?.present !== true) return undefined;
  const decoded = decodeRecordBody(1, record.body);
  assert.ok(decoded.ok && decoded.value.kind === 'credential');
  return decoded.value;
}

async function actions(host: TrialHost) {
  const { body } = await host.ask('GET', '/v1/audit?kind=Credential');
  return body.items.map(({ action, cause }: Record<string, string>) => `${action}: ${cause}`);
}

// Guarantees that a key that is out of use is refused by proxies and can come back, and that one
// that was revoked cannot.
test('disable, enable and expire', async () => {
  await using host = await TrialHost.start({ resources: resourcesOf() });
  const { id } = await host.createKey('shop');
  const act = (verb: string, body?: object) => {
    return host.ask('POST', `/v1/credentials/${id}/${verb}`, body);
  };
  const before = await known(host, id);
  const off = await act('disable');
  assert.deepEqual([off.status, off.body.state, off.body.changed], [200, 'disabled', true]);
  assert.notDeepEqual(await known(host, id), before);
  assert.equal((await act('disable')).body.changed, false);
  assert.equal((await act('enable')).body.state, 'enabled');
  assert.deepEqual(await known(host, id), before);
  const at = new Date(host.nowMs() + 3_600_000).toISOString();
  assert.equal((await act('expire', { at })).body.notAfter, at);
  const now = (await act('expire', {})).body.notAfter;
  assert.ok(Date.parse(now) <= host.nowMs());
  await act('revoke');
  for (const verb of ['disable', 'enable', 'expire']) {
    const refused = await act(verb);
    assert.deepEqual([refused.status, refused.body.code], [409, 'revoked'], verb);
  }
  assert.equal(await known(host, id), undefined);
  assert.deepEqual((await actions(host)).slice(0, 3), [
    ...['key.revoke: key revoke', 'key.change: key expire', 'key.change: key expire'],
  ]);
});

// Guarantees that a key is changed without a moment in which neither works, in one revision.
test('rotate makes a key in the place of another, which goes on for a while', async () => {
  await using host = await TrialHost.start({ resources: resourcesOf() });
  const { id } = await host.createKey('shop');
  const revision = await host.store.revision();
  const made = await host.ask('POST', `/v1/credentials/${id}/rotate`, { overlapSeconds: 3600 });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  assert.equal(await host.store.revision(), revision + 1);
  assert.match(made.body.key, /^sg_/);
  assert.equal(made.body.application, 'shop');
  const leftMs = Date.parse(made.body.before.notAfter) - host.nowMs();
  assert.ok(leftMs > 3_500_000 && leftMs <= 3_600_000);
  assert.notEqual(await known(host, id), undefined);
  const record = await known(host, made.body.id);
  assert.deepEqual(record?.digest, digestOf(made.body.key));
  assert.ok(!host.log.join('').includes(made.body.key));
  assert.deepEqual((await actions(host)).slice(0, 2), [
    ...['key.change: key rotate', 'key.create: key rotate'],
  ]);
  const again = await host.ask('POST', `/v1/credentials/${id}/rotate`, { overlapSeconds: 7200 });
  const end = again.body.before.notAfter;
  assert.equal(end, made.body.before.notAfter, 'a rotation never makes a key live longer');
});

// Guarantees that a full directory refuses a rotation whole: the key before goes on unchanged.
test('a rotation that does not fit changes nothing', async () => {
  await using host = await TrialHost.start({ resources: resourcesOf(), credentialsMax: 1 });
  const { id } = await host.createKey('shop');
  const before = await host.ask('GET', `/v1/credentials/${id}`);
  const refused = await host.ask('POST', `/v1/credentials/${id}/rotate`, { overlapSeconds: 0 });
  assert.deepEqual([refused.status, refused.body.code], [409, 'directory_full']);
  assert.deepEqual((await host.ask('GET', `/v1/credentials/${id}`)).body, before.body);
  assert.equal((await actions(host)).length, 1);
});

// Guarantees that a key from elsewhere is hashed at once and kept nowhere, that short ones are
// refused, and that a digest is taken on an explicit word alone.
test('import of keys that were made elsewhere', async () => {
  await using host = await TrialHost.start({ resources: resourcesOf() });
  const bring = (more: object) =>
    host.ask('POST', '/v1/credentials/import', { application: 'shop', ...more });
  const made = await bring({ key: IMPORTED, name: 'old' });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  assert.deepEqual((await known(host, made.body.id))?.digest, digestOf(IMPORTED));
  assert.deepEqual([(await bring({ key: IMPORTED })).status], [409]);
  const sha256 = Buffer.from(digestOf('another')).toString('hex');
  for (const [body, pattern] of [
    [{ key: 'x'.repeat(21) }, /21 characters, at least 22/],
    [{ sha256 }, /strengthChecked/],
    [{ key: IMPORTED, sha256 }, /exactly one/],
    [{}, /exactly one/],
    [{ key: 'y'.repeat(30), notAfter: '2001-01-01T00:00:00Z' }, /never be valid/],
  ] as const) {
    const refused = await bring(body);
    assert.equal(refused.status, 400);
    assert.match(refused.body.detail, pattern);
  }
  assert.equal((await bring({ sha256, strengthChecked: true })).status, 201);
  assert.deepEqual((await actions(host)).slice(0, 2), [
    ...['key.import: key import', 'key.import: key import'],
  ]);
  const trail = JSON.stringify(await host.store.audit({ limit: 100 }));
  assert.ok(!`${trail}${host.log.join('')}`.includes(IMPORTED));
});

// Guarantees that a request that was sent twice, because its answer was lost, makes one key, and
// that the key is not shown a second time.
test('an idempotency key makes one key', async () => {
  await using host = await TrialHost.start({ resources: resourcesOf() });
  const make = (key: string, token = host.adminToken) => {
    const headers = { 'idempotency-key': key };
    return host.ask('POST', '/v1/credentials', { application: 'shop' }, { headers, token });
  };
  const first = await make('abc');
  const again = await make('abc');
  assert.deepEqual([first.status, again.status], [201, 200]);
  assert.deepEqual([again.body.id, again.body.key], [first.body.id, null]);
  assert.equal(again.body.replayed, true);
  assert.notEqual((await make('abd')).body.id, first.body.id);
  const ci = await host.ask('POST', '/v1/tokens', { name: 'ci', role: 'operate' });
  const other = await make('abc', ci.body.token);
  assert.notEqual(other.body.id, first.body.id, 'each actor has its own');
  assert.equal((await make('')).status, 400);
  host.aheadMs = 86_400_001;
  assert.equal((await make('abe')).status, 201);
  assert.equal((await make('abc')).status, 201, 'after a day it is forgotten');
});
