/**
 * What was and the way back: revisions with their diff, rollback and what it never gives back,
 * states of subscriptions and products.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resourcesOf } from '../../support/policies.ts';
import { TrialHost } from '../../support/trial-host.ts';

const FILES = Object.entries(resourcesOf()).map(([name, text]) => ({ name, text }));

function one(kind: string, name: string, spec: object) {
  const whole = { apiVersion: 'sidegate.dev/v1alpha1', kind, metadata: { name }, spec };
  return { name: `${name}.yaml`, text: JSON.stringify(whole) };
}

function declared(name: string, more: object = {}) {
  const digest = Buffer.from(name.padEnd(32)).toString('hex');
  return one('Credential', name, { application: 'shop', digest, ...more });
}

async function started() {
  const host = await TrialHost.start();
  assert.ok((await host.catalogue.start()).ok);
  const apply = async (files: object[], more: object = {}) => {
    const { status, body } = await host.ask('POST', '/v1/apply', { files, ...more });
    assert.equal(status, 200, JSON.stringify(body));
    return body;
  };
  const spec = async (kind: string, name: string) => {
    const { body } = await host.ask('GET', `/v1/resources/${kind}/default/${name}`);
    return body.spec;
  };
  return { host, apply, spec, [Symbol.asyncDispose]: () => host[Symbol.asyncDispose]() };
}

// Guarantees that who changed what is known for every revision, and that the way back is shown
// before it is gone.
test('revisions have a diff, and rollback leads back', async () => {
  await using setting = await started();
  const { host, apply, spec } = setting;
  const first = await apply(FILES);
  const exported = (await host.ask('GET', '/v1/export')).body;
  const late = one('Consumer', 'late', {});
  const plan = one('Plan', 'orders-gold', { limits: [{ name: 'daily', quota: 9, window: '1d' }] });
  const second = await apply([plan, late]);
  const { body: list } = await host.ask('GET', '/v1/revisions');
  assert.deepEqual(
    list.items.map(({ revision, actor, cause, changes }: Record<string, unknown>) => [
      ...[revision, actor, cause, changes],
    ]),
    [
      [second.revision, 'root', 'apply', 2],
      [first.revision, 'root', 'apply', 5],
    ],
  );
  const shown = await host.ask('GET', `/v1/revisions/${second.revision}`);
  assert.deepEqual(shown.body, { revision: second.revision, diff: second.diff });
  const url = `/v1/revisions/${first.revision}/rollback`;
  const dry = await host.ask('POST', url, { dryRun: true });
  assert.equal((await spec('plan', 'orders-gold')).limits[0].quota, 9);
  const back = await host.ask('POST', url);
  assert.equal(back.status, 200, JSON.stringify(back.body));
  assert.deepEqual(back.body.diff, dry.body.diff);
  assert.equal((await host.ask('GET', '/v1/export')).body, exported);
  assert.deepEqual((await host.ask('POST', url)).body.diff, []);
  assert.equal((await host.ask('GET', '/v1/revisions?limit=1')).body.items[0].changes, 2);
  assert.equal((await host.ask('GET', '/v1/revisions/999')).status, 404);
  assert.equal((await host.ask('POST', '/v1/revisions/999/rollback')).status, 404);
});

// Guarantees that going back never gives access back that was taken away since.
test('rollback brings back no credential and no subscription that was ended', async () => {
  await using setting = await started();
  const { host, apply, spec } = setting;
  const until = new Date(host.nowMs() + 3_600_000).toISOString();
  const names = ['gone', 'off', 'short', 'same'];
  const { revision } = await apply([...FILES, ...names.map((name) => declared(name))]);
  const made = await host.createKey('shop');
  const later = await host.createKey('shop');
  await host.ask('POST', `/v1/credentials/${made.id}/revoke`);
  await apply([declared('off', { state: 'disabled' }), declared('short', { notAfter: until })]);
  await host.ask('DELETE', '/v1/resources/credential/default/gone');
  await host.ask('POST', '/v1/subscriptions/default/shop/suspend');
  await apply([one('Consumer', 'late', {})]);
  const back = await host.ask('POST', `/v1/revisions/${revision}/rollback`);
  assert.deepEqual(
    back.body.diff.map(({ action, name }: Record<string, string>) => `${action} ${name}`),
    ['delete late'],
  );
  assert.equal((await spec('credential', 'off')).state, 'disabled');
  assert.equal((await spec('credential', 'short')).notAfter, until);
  assert.equal(await spec('credential', 'gone'), undefined);
  assert.equal((await spec('subscription', 'shop')).state, 'suspended');
  const states = await Promise.all(
    [made.id, later.id].map((id) => host.ask('GET', `/v1/credentials/${id}`)),
  );
  assert.deepEqual(
    states.map(({ body }) => body.state),
    ['revoked', 'enabled'],
  );
  await host.ask('DELETE', '/v1/resources/subscription/default/shop');
  await host.ask('POST', `/v1/revisions/${revision}/rollback`);
  assert.equal(await spec('subscription', 'shop'), undefined, 'it was suspended when it went');
});

// Guarantees that what was removed by mistake comes back.
test('rollback brings back a subscription that was active when it went', async () => {
  await using setting = await started();
  const { host, apply, spec } = setting;
  const { revision } = await apply(FILES);
  await host.ask('DELETE', '/v1/resources/subscription/default/shop');
  await host.ask('POST', `/v1/revisions/${revision}/rollback`);
  assert.equal((await spec('subscription', 'shop')).state, 'active');
});

// Guarantees that a product that asks for approval is used by nobody before somebody said so, and
// that a file without a state takes no decision back.
test('subscriptions wait for approval, and keep the state they were given', async () => {
  await using setting = await started();
  const { host, apply, spec } = setting;
  const files = FILES.map(({ name, text }) => {
    return { name, text: text.replace('"lifecycle"', '"approval": "manual", "lifecycle"') };
  });
  await apply(files);
  const state = async () => (await spec('subscription', 'shop')).state;
  const active = async () => {
    const page = await host.store.directoryAfter({
      ...{ group: 'default', after: 0, maxBytes: 1 << 20, overheadBytes: 0 },
    });
    assert.ok(page.outcome === 'page');
    return page.records
      .filter(({ kind }) => kind === 3)
      .map(({ body }) => Buffer.from(body).toString('hex'));
  };
  assert.equal(await state(), 'pending');
  const pending = await active();
  for (const [verb, wanted] of [
    ['approve', 'active'],
    ['suspend', 'suspended'],
    ['resume', 'active'],
    ['reject', 'rejected'],
  ]) {
    const answer = await host.ask('POST', `/v1/subscriptions/default/shop/${verb}`);
    assert.equal(answer.status, 200);
    assert.equal(await state(), wanted);
    assert.deepEqual((await apply(files)).diff, [], 'a file without a state keeps it');
    if (wanted !== 'active') assert.deepEqual(await active(), pending);
    else assert.notDeepEqual(await active(), pending);
  }
  const { body } = await host.ask('GET', '/v1/audit?kind=Subscription&limit=1');
  assert.deepEqual([body.items[0].cause, body.items[0].actor], ['subscription reject', 'root']);
  assert.equal((await host.ask('POST', '/v1/subscriptions/default/no/approve')).status, 404);
});

// Guarantees what each lifecycle means: who may call, and who may subscribe anew.
test('lifecycle decides on calls and on new subscriptions', async () => {
  await using setting = await started();
  const { host, apply } = setting;
  const as = (lifecycle: string) =>
    FILES.map(({ name, text }) => ({ name, text: text.replace('published', lifecycle) }));
  const records = async () => (await host.store.group('default'))?.directoryRevision;
  const served = async () => {
    const [policy] = await host.store.policies('default');
    return (
      Buffer.from(policy?.bytes ?? []).includes('orders.example') ||
      Buffer.from(policy?.bytes ?? []).includes('x-api-key')
    );
  };
  const late = one('Subscription', 'late', {
    ...{ application: 'late', product: 'orders', plan: 'orders-gold' },
  });
  const more = [one('Application', 'late', { consumer: 'orders-buyer' }), late];
  const subscribe = (files: object[]) => host.ask('POST', '/v1/diff', { files });
  const expected: [string, boolean, boolean][] = [
    ['draft', false, true],
    ['published', true, true],
    ['deprecated', true, false],
    ['retired', false, false],
  ];
  for (const [lifecycle, calls, subscriptions] of expected) {
    await apply(as(lifecycle));
    assert.equal(await served(), calls, lifecycle);
    const answer = await subscribe(more);
    assert.equal(answer.status === 200, subscriptions, lifecycle);
    if (!subscriptions) assert.equal(answer.body.errors[0].code, 'SG1504');
    assert.deepEqual((await apply(as(lifecycle))).diff, []);
  }
  assert.ok((await records()) !== undefined);
  const anew = await TrialHost.start();
  await using _ = anew;
  const restored = await anew.ask('POST', '/v1/apply', { files: as('retired') });
  assert.equal(restored.status, 200, 'a set with a retired product can be restored whole');
});

// Guarantees that what is said to be in force is what proxies fetch, and not what a file says.
test('the effective policy of a product', async () => {
  await using setting = await started();
  const { host, apply } = setting;
  const url = '/v1/products/default/orders/effective';
  assert.equal((await host.ask('GET', url)).status, 404);
  await apply(FILES);
  await host.ask('POST', '/v1/subscriptions/default/shop/suspend');
  const { body } = await host.ask('GET', url);
  assert.deepEqual([body.served, body.lifecycle, body.proxyGroup], [true, 'published', 'default']);
  assert.equal(body.policyRevision, (await host.store.group('default'))?.policyRevision);
  assert.deepEqual(body.sources, [{ place: 'header', name: 'x-api-key' }]);
  assert.deepEqual(
    body.operations.map(({ name, cost }: Record<string, unknown>) => [name, cost]).sort(),
    [
      ['health', 1],
      ['read', 1],
      ['write', 5],
    ],
  );
  assert.deepEqual(body.plans[0].subscriptions, { suspended: 1 });
  assert.equal(body.plans[0].limits[0].quota, 1_000_000);
  await apply(
    FILES.map(({ name, text }) => ({ name, text: text.replace('published', 'retired') })),
  );
  const retired = (await host.ask('GET', url)).body;
  assert.deepEqual([retired.served, retired.operations], [false, []]);
});
