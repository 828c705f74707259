/**
 * References across namespaces: what they bring to proxies, and the rights they need in both.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearLimits } from '../../../host/service/near.ts';
import { decodePolicy } from '../../../host/wire/policy.ts';
import { decodeRecordBody } from '../../../host/wire/records.ts';
import { Holder } from '../../support/holder.ts';
import { TrialHost } from '../../support/trial-host.ts';

type Space = 'sales' | 'shop' | 'plans';

function one(kind: string, namespace: Space, name: string, spec: object) {
  const metadata = { name, namespace };
  const whole = { apiVersion: 'sidegate.dev/v1alpha1', kind, metadata, spec };
  return { name: `${namespace}-${name}.yaml`, text: JSON.stringify(whole, null, 2) };
}

const PRODUCT = one('Product', 'shop', 'orders', {
  identify: [{ apiKey: { header: 'x-api-key' } }],
  operations: [{ name: 'read', method: 'GET', path: '/orders', cost: 2 }],
});
const LIMITS = [{ name: 'daily', quota: 9, window: '1d' }];
const BASE = [
  PRODUCT,
  one('Plan', 'plans', 'gold', { limits: LIMITS }),
  one('Consumer', 'sales', 'acme', {}),
  one('Application', 'sales', 'web', { consumer: 'acme' }),
];
const REFERS = { application: 'web', product: 'shop/orders', plan: 'plans/gold' };
const SUBSCRIPTION = one('Subscription', 'sales', 'web', REFERS);

async function started() {
  const host = await TrialHost.start();
  assert.ok((await host.catalogue.start()).ok);
  const apply = (files: object[], token?: string) =>
    host.ask('POST', '/v1/apply', { files }, token === undefined ? {} : { token });
  const tokenOf = async (...namespaces: Space[]) => {
    const request = { name: namespaces.join('-'), role: 'operate', namespaces };
    return (await host.ask('POST', '/v1/tokens', request)).body.token as string;
  };
  return { host, apply, tokenOf, [Symbol.asyncDispose]: () => host[Symbol.asyncDispose]() };
}

async function recordsOf(host: TrialHost) {
  const page = await host.store.directoryAfter({
    ...{ group: 'default', after: 0, maxBytes: 1 << 20, overheadBytes: 0 },
  });
  assert.ok(page.outcome === 'page');
  return page.records.map(({ kind, id, body }) => {
    const decoded = decodeRecordBody(kind, body);
    assert.ok(decoded.ok);
    return { id, ...decoded.value };
  });
}

// Guarantees that a product of one team is sold to another on a plan of a third, and that every id
// that proxies meet leads to what was meant.
test('a subscription across namespaces reaches the proxies whole', async () => {
  await using setting = await started();
  const { host, apply } = setting;
  assert.equal((await apply([...BASE, SUBSCRIPTION])).status, 200);
  const made = await host.ask('POST', '/v1/credentials', {
    ...{ namespace: 'sales', application: 'web' },
  });
  assert.equal(made.status, 201);
  const [newest] = await host.store.policies('default');
  const policy = decodePolicy(newest?.bytes ?? new Uint8Array());
  assert.ok(policy.ok);
  const [product] = policy.value.products;
  const [plan] = policy.value.plans;
  assert.deepEqual([product?.name, plan?.name], ['orders', 'gold']);
  const records = await recordsOf(host);
  const application = records.find(({ kind }) => kind === 'application');
  const subscription = records.find((each) => each.kind === 'subscription');
  assert.ok(subscription?.kind === 'subscription');
  assert.deepEqual(
    [subscription.application, subscription.product, subscription.plan],
    [application?.id, product?.id, plan?.id],
  );
  assert.equal(records.filter(({ kind }) => kind === 'credential').length, 1);
  await host.terms.settled();
  const owner = BigInt(subscription.id);
  const limit = BigInt(policy.value.limits[0]?.id ?? 0);
  const account = { owner, limit, windowKind: 86_400, partition: 0n };
  assert.equal(host.terms.resolve(account)?.quota, 9);
  assert.equal(await new Holder(host, account).spend(9), 9);
  const [near] = await nearLimits(host, host.nowMs());
  assert.deepEqual(
    [near?.namespace, near?.application, near?.product, near?.plan],
    ['sales', 'web', 'shop/orders', 'gold'],
  );
  const effective = await host.ask('GET', '/v1/products/shop/orders/effective');
  assert.deepEqual(effective.body.plans, [
    { name: 'plans/gold', limits: LIMITS.map(withDefaults), subscriptions: { active: 1 } },
  ]);
});

function withDefaults(limit: object) {
  return { class: 'exact', mode: 'enforce', ...limit };
}

// Guarantees that a reference needs rights in both namespaces, when it is made and whenever what
// holds it is changed, and that who lacks them learns nothing of what is there.
test('a reference needs rights in both namespaces', async () => {
  await using setting = await started();
  const { host, apply, tokenOf } = setting;
  await apply(BASE);
  const sales = await tokenOf('sales');
  const both = await tokenOf('sales', 'shop');
  const all = await tokenOf('sales', 'shop', 'plans');
  for (const [token, missing] of [
    [sales, 'plans'],
    [both, 'plans'],
  ]) {
    const refused = await apply([SUBSCRIPTION], token);
    assert.deepEqual([refused.status, refused.body.code], [403, 'forbidden']);
    assert.match(refused.body.detail, new RegExp(`"${missing}"`));
  }
  const probes = ['shop/orders', 'shop/order', 'shop/nothing'].map((product) =>
    apply([one('Subscription', 'sales', 'web', { ...REFERS, product })], sales),
  );
  const [there, near, none] = await Promise.all(probes);
  assert.deepEqual([near?.status, near?.body.detail], [there?.status, there?.body.detail]);
  assert.deepEqual([none?.status, none?.body.detail], [there?.status, there?.body.detail]);
  assert.equal((await apply([SUBSCRIPTION], all)).status, 200);
  const verb = (name: string, token: string) =>
    host.ask('POST', `/v1/subscriptions/sales/web/${name}`, undefined, { token });
  assert.equal((await verb('suspend', sales)).status, 403);
  assert.equal((await verb('suspend', all)).status, 200);
  const url = '/v1/resources/subscription/sales/web';
  assert.equal((await host.ask('GET', url, undefined, { token: sales })).status, 200);
  assert.equal((await host.ask('DELETE', url, undefined, { token: sales })).status, 200);
});

// Guarantees that nobody tries out what stands in a namespace that is not theirs: that a guess is
// right would be told by "no difference".
test('a resource of a foreign namespace may not even be named', async () => {
  await using setting = await started();
  const { host, apply, tokenOf } = setting;
  await apply(BASE);
  const token = await tokenOf('sales');
  const answers: object[] = [];
  for (const quota of [9, 10]) {
    const plan = one('Plan', 'plans', 'gold', { limits: [{ ...LIMITS[0], quota }] });
    for (const url of ['/v1/diff', '/v1/apply']) {
      const { status, body } = await host.ask('POST', url, { files: [plan] }, { token });
      answers.push([status, body.code, body.detail, body.errors]);
    }
  }
  const refused = [403, 'forbidden', 'your token is not for namespace "plans"', []];
  assert.deepEqual(answers, [refused, refused, refused, refused]);
});

// Guarantees that what others refer to stays, and that its owner is told so without being shown
// a resource that is none of theirs.
test('what is referred to from another namespace stays', async () => {
  await using setting = await started();
  const { host, apply, tokenOf } = setting;
  await apply([...BASE, SUBSCRIPTION]);
  const token = await tokenOf('shop');
  const url = '/v1/resources/product/shop/orders';
  const refused = await host.ask('DELETE', url, undefined, { token });
  assert.deepEqual([refused.status, refused.body.errors.length], [422, 1]);
  const [error] = refused.body.errors;
  assert.equal(error.message, 'no Product "orders" in namespace "shop"');
  assert.deepEqual([error.file, error.excerpt], ['(a resource of another namespace)', '']);
  const owner = await host.ask('DELETE', url);
  assert.equal(owner.body.errors[0].file, 'Subscription sales/web');
});

// Guarantees that an application has one subscription to a product, wherever it stands, and that
// neither the place of a subscription nor the way it is written refills what was used.
test('one subscription of an application to a product in all namespaces', async () => {
  await using setting = await started();
  const { host, apply } = setting;
  await apply([...BASE, SUBSCRIPTION]);
  const refers = { application: 'sales/web', product: 'orders', plan: 'plans/gold' };
  const other = one('Subscription', 'shop', 'web', refers);
  const twice = await apply([other]);
  assert.deepEqual([twice.status, twice.body.errors[0].code], [422, 'SG1304']);
  const idOf = async () =>
    (await recordsOf(host)).filter(({ kind }) => kind === 'subscription').map(({ id }) => id);
  const before = await idOf();
  await apply([one('Subscription', 'sales', 'web', { ...REFERS, application: 'sales/web' })]);
  assert.deepEqual(await idOf(), before);
  const files = [...BASE, other];
  assert.equal((await host.ask('POST', '/v1/apply', { files, prune: true })).status, 200);
  assert.deepEqual(await idOf(), before);
});

// Guarantees that a credential declared in one namespace may be of an application in another, and
// ends with the subscription of that application.
test('a credential of an application in another namespace', async () => {
  await using setting = await started();
  const { host, apply } = setting;
  const digest = 'ab'.repeat(32);
  const credential = one('Credential', 'shop', 'partner', { application: 'sales/web', digest });
  assert.equal((await apply([...BASE, SUBSCRIPTION, credential])).status, 200);
  const credentials = async () =>
    (await recordsOf(host)).filter(({ kind }) => kind === 'credential').length;
  assert.equal(await credentials(), 1);
  await host.ask('DELETE', '/v1/resources/subscription/sales/web');
  const page = await host.store.group('default');
  assert.equal(page?.credentials, 0);
});
