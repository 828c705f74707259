/**
 * Declared resources over the admin API: batches, single ones, conflicts, states, revisions and
 * the way back. Keys made by key create stand beside them and are never touched.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { LABELS_LOOKED_MAX, pageOf } from '../../../host/service/resource-reads.ts';
import type { ResourceQuery } from '../../../host/store/store.ts';
import { resourcesOf } from '../../support/policies.ts';
import { TrialHost } from '../../support/trial-host.ts';

type Files = { name: string; text: string }[];

function filesOf(setting: Parameters<typeof resourcesOf>[0] = {}): Files {
  return Object.entries(resourcesOf(setting)).map(([name, text]) => ({ name, text }));
}

function one(kind: string, name: string, spec: object): Files {
  const whole = { apiVersion: 'sidegate.dev/v1alpha1', kind, metadata: { name }, spec };
  return [{ name: `${name}.yaml`, text: JSON.stringify(whole, null, 2) }];
}

const credential = (more: object = {}) =>
  one('Credential', 'partner', { application: 'shop', digest: 'ab'.repeat(32), ...more });

/** Actions of a diff in short. */
function brief({ body }: { body: { diff: Record<string, string>[] } }): string[] {
  return body.diff.map(({ action, kind, name }) => `${action} ${kind} ${name}`);
}

async function started() {
  const host = await TrialHost.start();
  assert.ok((await host.catalogue.start()).ok);
  const apply = (files: Files, more: object = {}, headers: Record<string, string> = {}) =>
    host.ask('POST', '/v1/apply', { files, ...more }, { headers });
  return { host, apply, [Symbol.asyncDispose]: () => host[Symbol.asyncDispose]() };
}

// Guarantees that a batch is shown before it is made, is made whole, and made once.
test('apply does what diff said, and applying again changes nothing', async () => {
  await using setting = await started();
  const { host, apply } = setting;
  const files = filesOf();
  const before = await host.store.revision();
  const shown = await host.ask('POST', '/v1/diff', { files });
  assert.equal(await host.store.revision(), before);
  const made = await apply(files);
  assert.equal(made.status, 200, JSON.stringify(made.body));
  assert.deepEqual(made.body.diff, shown.body.diff);
  assert.equal(made.body.diff.length, 5);
  assert.deepEqual(await apply(files).then(({ body }) => body), {
    ...{ revision: made.body.revision, changed: false, diff: [] },
  });
  const plan = one('Plan', 'orders-gold', {
    limits: [{ name: 'daily', quota: 7, window: '1d' }],
  });
  const changed = await apply(plan);
  assert.deepEqual(changed.body.diff, [
    {
      ...{ action: 'update', kind: 'Plan', namespace: 'default', name: 'orders-gold' },
      fields: [{ path: 'spec.limits[0].quota', before: 1_000_000, after: 7 }],
    },
  ]);
});

// Guarantees that what was exported is what is there: applying it changes nothing, also on an
// empty host, where it makes everything again.
test('export then apply is no change', async () => {
  await using setting = await started();
  await setting.apply([...filesOf(), ...credential()]);
  const exported = await setting.host.ask('GET', '/v1/export');
  assert.match(String(exported.headers['content-type']), /yaml/);
  assert.equal(parseAllDocuments(exported.body).length, 6);
  const files = [{ name: 'all.yaml', text: exported.body }];
  assert.deepEqual((await setting.apply(files, { prune: true })).body.diff, []);
  await using other = await started();
  assert.equal((await other.apply(files)).body.diff.length, 6);
  assert.equal((await other.host.ask('GET', '/v1/export')).body, exported.body);
  const some = await setting.host.ask('GET', '/v1/export?kind=plan');
  assert.match(some.body, /^apiVersion.*\nkind: Plan\n/);
});

// Guarantees that prune removes what no file names, and never a key that was made here.
test('prune removes declared resources only', async () => {
  await using setting = await started();
  const { host, apply } = setting;
  await apply([...filesOf({ applications: ['shop', 'late'] }), ...credential()]);
  const { id } = await host.createKey('shop');
  const kept = await apply(filesOf());
  assert.deepEqual(kept.body.diff, []);
  const pruned = await apply(filesOf(), { prune: true });
  assert.deepEqual(brief(pruned), [
    'delete Application late',
    'delete Credential partner',
    'delete Subscription late',
  ]);
  assert.equal((await host.ask('GET', `/v1/credentials/${id}`)).body.state, 'enabled');
});

// Guarantees that nothing is applied in part, and that every problem is said with its place, those
// of resources the batch does not name included.
test('a batch with problems changes nothing and says all of them', async () => {
  await using setting = await started();
  const { host, apply } = setting;
  await apply(filesOf());
  const revision = await host.store.revision();
  const bad = [
    ...one('Plan', 'x', { limits: [{ name: 'a', quota: 5, window: '5min' }] }),
    ...one('Application', 'y', { consumer: 'nobody' }),
  ];
  const refused = await apply([...filesOf({ applications: ['z'] }), ...bad]);
  assert.deepEqual([refused.status, refused.body.code], [422, 'invalid_resources']);
  const codes = refused.body.errors.map(
    ({ code, file, line, column }: Record<string, string>) => `${code} ${file}:${line}:${column}`,
  );
  assert.deepEqual(codes, ['SG1203 x.yaml:12:19', 'SG1301 y.yaml:8:17']);
  const gone = await host.ask('DELETE', '/v1/resources/plan/default/orders-gold');
  assert.equal(gone.status, 422);
  assert.deepEqual(
    gone.body.errors.map(({ code, file }: Record<string, string>) => `${code} ${file}`),
    ['SG1301 Subscription default/shop'],
  );
  assert.equal(await host.store.revision(), revision);
});

// Guarantees that of two people who change the same state one wins and the other is told at which
// revision the resources are.
test('two applies of one state: one wins, one gets a conflict with the revision', async () => {
  await using setting = await started();
  const { host, apply } = setting;
  const { revision } = (await apply(filesOf())).body;
  const plan = (quota: number) =>
    one('Plan', 'orders-gold', { limits: [{ name: 'daily', quota, window: '1d' }] });
  const match = { 'if-match': `"${revision}"` };
  const both = await Promise.all([apply(plan(1_000), {}, match), apply(plan(2_000), {}, match)]);
  const [won, lost] = both[0].status === 200 ? both : [both[1], both[0]];
  assert.deepEqual([won.status, lost.status, lost.body.code], [200, 412, 'revision_conflict']);
  assert.match(lost.body.detail, new RegExp(`revision ${won.body.revision}, not ${revision}`));
  // A key made in between is no change of the resources.
  await host.createKey('shop');
  const next = { 'if-match': `"${won.body.revision}"` };
  assert.equal((await apply(plan(3_000), {}, next)).status, 200);
  assert.equal((await apply(plan(3_000), {}, { 'if-match': 'x' })).status, 400);
});

// Guarantees optimistic locking of a single resource by its tag.
test('one resource is made, read, changed and removed by its tag', async () => {
  await using setting = await started();
  const { host } = setting;
  const url = '/v1/resources/consumer/default/acme';
  const put = (spec: object, headers: Record<string, string> = {}) =>
    host.ask('PUT', url, { apiVersion: 'sidegate.dev/v1alpha1', spec }, { headers });
  assert.equal((await host.ask('GET', url)).status, 404);
  assert.equal((await put({ displayName: 'A' }, { 'if-match': '*' })).status, 412);
  assert.equal((await put({ displayName: 'A' }, { 'if-none-match': '*' })).status, 200);
  assert.equal((await put({ displayName: 'B' }, { 'if-none-match': '*' })).status, 412);
  const read = await host.ask('GET', url);
  assert.equal(read.body.spec.displayName, 'A');
  const tag = { 'if-match': String(read.headers.etag) };
  assert.equal((await put({ displayName: 'B' }, tag)).status, 200);
  assert.equal((await put({ displayName: 'C' }, tag)).status, 412);
  const wrong = await put({ displaName: 'C' });
  assert.deepEqual([wrong.status, wrong.body.errors[0].suggestion], [422, 'displayName']);
  const body = { kind: 'Plan', metadata: { name: 'acme' }, spec: {} };
  assert.equal((await host.ask('PUT', url, body)).status, 400);
  assert.equal((await host.ask('DELETE', url, undefined, { headers: tag })).status, 412);
  assert.equal((await host.ask('DELETE', url)).status, 200);
  assert.equal((await host.ask('DELETE', url)).status, 404);
  assert.equal((await host.ask('GET', '/v1/resources/nothing/default/x')).status, 400);
});

// Guarantees that lists go on after a page and are narrowed by namespace and name.
test('lists of resources', async () => {
  await using setting = await started();
  const names = ['a1', 'a2', 'b1', 'b2', 'c1'];
  await setting.apply(names.flatMap((name) => one('Consumer', name, {})));
  const list = async (query: string) =>
    (await setting.host.ask('GET', `/v1/resources/consumer${query}`)).body;
  const first = await list('?limit=3');
  const rest = await list(`?limit=3&after=${first.next}`);
  const found = [...first.items, ...rest.items].map(({ metadata }) => metadata.name);
  assert.deepEqual([found, rest.next], [names, null]);
  assert.equal((await list('?search=b')).items.length, 2);
  assert.equal((await list('?namespace=other')).items.length, 0);
});

// Guarantees that resources are found by their labels, page by page and beside the other filters,
// and that a selector nobody can read is an error.
test('lists by labels', async () => {
  await using setting = await started();
  const teams = { a1: 'shop', a2: 'sales', a3: 'shop', b1: 'shop', b2: undefined };
  const files = Object.entries(teams).map(([name, team]) => ({
    name: `${name}.yaml`,
    text: JSON.stringify({
      ...{ apiVersion: 'sidegate.dev/v1alpha1', kind: 'Consumer', spec: {} },
      metadata: { name, labels: team === undefined ? undefined : { team } },
    }),
  }));
  await setting.apply(files);
  const list = async (query: Record<string, string>) => {
    const asked = `/v1/resources/consumer?${new URLSearchParams(query)}`;
    const { body } = await setting.host.ask('GET', asked);
    const names = body.items.map(
      ({ metadata }: Record<string, { name: string }>) => metadata?.name,
    );
    return { names, next: body.next };
  };
  const first = await list({ labelSelector: 'team=shop', limit: '2' });
  assert.deepEqual(first, { names: ['a1', 'a3'], next: 'default/a3' });
  const rest = await list({ labelSelector: 'team=shop', limit: '2', after: first.next });
  assert.deepEqual(rest, { names: ['b1'], next: null });
  assert.deepEqual((await list({ labelSelector: 'team!=shop' })).names, ['a2', 'b2']);
  assert.deepEqual((await list({ labelSelector: 'team', search: 'b' })).names, ['b1']);
  assert.deepEqual((await list({ labelSelector: '!team', namespace: 'other' })).names, []);
  for (const wrong of ['', 'team in', 'x'.repeat(1_025)]) {
    const query = new URLSearchParams({ labelSelector: wrong });
    const refused = await setting.host.ask('GET', `/v1/resources/consumer?${query}`);
    assert.deepEqual([refused.status, refused.body.code], [400, 'bad_request'], wrong);
  }
});

// Guarantees that a selector that fits nothing keeps nobody waiting for a whole set: a page ends
// after so many looks and says where to go on, and all pages together look at everything once.
test('a page looks at so many labels and no more', async () => {
  const count = 2 * LABELS_LOOKED_MAX + 10;
  const all = Array.from({ length: count }, (_, at) => {
    const name = String(at).padStart(6, '0');
    const labels = at % 15_000 === 14_999 ? { rare: 'yes' } : {};
    const text = JSON.stringify({ metadata: { labels, name, namespace: 'default' }, spec: {} });
    return { kind: 'Consumer', namespace: 'default', name, text };
  });
  let looked = 0;
  const store = {
    resource: async () => undefined,
    resourcePage: async ({ after, limit }: ResourceQuery) => {
      const from = after === undefined ? 0 : Number(after.name) + 1;
      const some = all.slice(from, from + limit);
      looked += some.length;
      return some;
    },
  };
  const by = { name: 'root', role: 'admin', namespaces: [] } as const;
  const labels = [{ key: 'rare', is: 'in', values: ['yes'] }] as const;
  const pages: string[][] = [];
  let after: Pick<ResourceQuery, 'after'> = {};
  for (;;) {
    const before = looked;
    const { items, next } = await pageOf(store, by, {
      ...{ kind: 'Consumer', limit: 100, labels, ...after },
    });
    assert.ok(looked - before <= LABELS_LOOKED_MAX);
    pages.push(items.map(({ name }) => name));
    if (next === undefined) break;
    after = { after: next };
  }
  assert.deepEqual(pages, [['014999'], ['029999'], []]);
  assert.equal(looked, count);
});

// Guarantees that a host whose resources are files in git is changed there alone, and says so.
test('a host with a folder refuses changes and still shows what one would do', async () => {
  await using host = await TrialHost.start({ resources: resourcesOf(), folder: '/etc/sidegate' });
  const files = filesOf({ applications: ['late'] });
  const refused = await host.ask('POST', '/v1/apply', { files });
  assert.deepEqual([refused.status, refused.body.code], [409, 'read_only']);
  assert.match(refused.body.detail, /from the folder \/etc\/sidegate alone/);
  for (const call of [
    ['PUT', '/v1/resources/consumer/default/x'],
    ['DELETE', '/v1/resources/consumer/default/orders-buyer'],
    ['POST', '/v1/subscriptions/default/shop/suspend'],
    ['POST', '/v1/revisions/1/rollback'],
  ] as const) {
    const answer = await host.ask(call[0], call[1], call[0] === 'PUT' ? {} : undefined);
    assert.deepEqual([answer.status, answer.body.code], [409, 'read_only'], call.join(' '));
  }
  assert.equal((await host.ask('POST', '/v1/diff', { files })).body.diff.length, 2);
});

// Guarantees that a token for one namespace changes nothing in another, by no way there is.
test('changes keep to the namespaces of the token', async () => {
  await using setting = await started();
  const { host, apply } = setting;
  await apply(filesOf());
  const made = await host.ask('POST', '/v1/tokens', {
    ...{ name: 'o', role: 'admin', namespaces: ['other'] },
  });
  const { token } = made.body;
  const ask = (method: 'GET' | 'POST' | 'PUT' | 'DELETE', url: string, body?: object) =>
    host.ask(method, url, body, { token });
  const files = one('Consumer', 'mine', {});
  assert.equal((await ask('POST', '/v1/apply', { files })).body.code, 'forbidden');
  assert.equal((await ask('POST', '/v1/diff', { files })).body.code, 'forbidden');
  const other = [
    { ...files[0], text: files[0]?.text.replace('"name"', '"namespace": "other", "name"') },
  ];
  const pruned = await ask('POST', '/v1/apply', { files: other, prune: true });
  assert.deepEqual(brief(pruned), ['create Consumer mine']);
  assert.equal((await ask('GET', '/v1/resources/consumer')).body.items.length, 1);
  assert.ok(!(await ask('GET', '/v1/export')).body.includes('orders'));
  assert.equal((await ask('DELETE', '/v1/resources/plan/default/orders-gold')).status, 403);
  assert.equal((await ask('POST', '/v1/subscriptions/default/shop/suspend')).status, 403);
  assert.equal((await ask('POST', '/v1/revisions/1/rollback')).status, 403);
  assert.equal((await ask('GET', '/v1/audit')).body.items.length, 1);
  assert.equal((await ask('GET', '/v1/audit?namespace=default')).body.items.length, 0);
});
