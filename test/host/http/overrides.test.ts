/**
 * Overrides of subscriptions: another quota, burst or mode of a limit for one customer, live,
 * without a refill and without a new policy where somebody has the same already.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearLimits } from '../../../host/service/near.ts';
import { decodePolicy, type Policy } from '../../../host/wire/policy.ts';
import { Holder, namedAccount } from '../../support/holder.ts';
import { resource } from '../../support/policies.ts';
import { TrialHost } from '../../support/trial-host.ts';

const LIMITS = [
  { name: 'daily', quota: 100, window: '1d' },
  { name: 'burst', class: 'rate', quota: 10, burst: 5, window: '1s' },
];
const NAMES = ['shop', 'till', 'desk'];

function fileOf(...resources: object[]) {
  return resources.map((each, at) => ({ name: `${at}.yaml`, text: JSON.stringify(each, null, 2) }));
}

function subscription(name: string, overrides?: object[]) {
  const refers = { application: name, product: 'orders', plan: 'gold' };
  return resource('Subscription', name, { ...refers, ...(overrides && { overrides }) });
}

async function started() {
  const host = await TrialHost.start();
  assert.ok((await host.catalogue.start()).ok);
  const apply = async (...resources: object[]) => {
    const answer = await host.ask('POST', '/v1/apply', { files: fileOf(...resources) });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    await host.terms.settled();
    return answer.body;
  };
  await apply(
    resource('Product', 'orders', {
      identify: [{ apiKey: { header: 'x-api-key' } }],
      operations: [{ name: 'read', method: 'GET', path: '/orders' }],
    }),
    resource('Plan', 'gold', {
      limits: LIMITS,
      mediation: { request: [{ set: { name: 'x-plan', value: 'gold' } }] },
    }),
    resource('Consumer', 'acme', {}),
    ...NAMES.map((name) => resource('Application', name, { consumer: 'acme' })),
    ...NAMES.map((name) => subscription(name)),
  );
  const policy = async (): Promise<Policy> => {
    const [newest] = await host.store.policies('default');
    const decoded = decodePolicy(newest?.bytes ?? new Uint8Array());
    assert.ok(decoded.ok);
    return decoded.value;
  };
  /** Terms of a limit for a subscription, under ids that never change. */
  const termsOf = async (name: string, limit: 'daily' | 'burst') => {
    const windowKind = limit === 'daily' ? 86_400 : 1;
    const account = await namedAccount(host, `${name}/orders`, limit, windowKind);
    return { account, terms: host.terms.resolve(account, limit === 'daily' ? 'exact' : 'rate') };
  };
  const end = () => host[Symbol.asyncDispose]();
  return { host, apply, policy, termsOf, [Symbol.asyncDispose]: end };
}

// Guarantees that an override changes what it names for the one who has it, and nothing else.
test('an override is for one subscription and what it names', async () => {
  await using setting = await started();
  const { apply, policy, termsOf } = setting;
  const overrides = [
    { limit: 'burst', quota: 4 },
    { limit: 'daily', quota: 500, mode: 'shadow' },
  ];
  const { diff } = await apply(subscription('shop', overrides));
  assert.equal(diff.length, 1);
  assert.deepEqual((await termsOf('shop', 'daily')).terms?.quota, 500);
  assert.deepEqual((await termsOf('shop', 'burst')).terms, {
    ...{ quota: 4, class: 'rate', burst: 4 },
  });
  assert.deepEqual((await termsOf('till', 'daily')).terms?.quota, 100);
  assert.deepEqual((await termsOf('till', 'burst')).terms?.burst, 5);
  const { plans, limits, fields } = await policy();
  assert.deepEqual(
    plans.map(({ name }) => name),
    ['gold', 'gold'],
  );
  const [declared, variant] = plans;
  const of = (plan: typeof declared) =>
    limits.slice(plan?.limits.first, (plan?.limits.first ?? 0) + (plan?.limits.count ?? 0));
  assert.deepEqual(
    of(variant).map(({ id, windowKind }) => [id, windowKind]),
    of(declared).map(({ id, windowKind }) => [id, windowKind]),
    'accounts are those of the plan',
  );
  assert.equal(variant?.mediation, declared?.mediation, 'edits are written once');
  assert.deepEqual(fields, ['"daily";q=100;w=86400, "burst";q=10;w=1', '"burst";q=4;w=1']);
});

// Guarantees that what one customer has already is a record for the next one, and that the way
// back to the plan is one too.
test('equal overrides are one block of the policy', async () => {
  await using setting = await started();
  const { host, apply, policy, termsOf } = setting;
  const more = [{ limit: 'daily', quota: 500 }];
  const revisionOf = async () => (await host.store.group('default'))?.policyRevision;
  await apply(subscription('shop', more));
  const before = await revisionOf();
  await apply(subscription('till', more));
  await apply(subscription('desk', [{ quota: 500, limit: 'daily' }]));
  assert.equal(await revisionOf(), before, 'no proxy fetches a policy');
  assert.equal((await termsOf('desk', 'daily')).terms?.quota, 500);
  assert.equal((await policy()).plans.length, 2);
  await apply(subscription('till'));
  assert.equal(await revisionOf(), before);
  assert.equal((await termsOf('till', 'daily')).terms?.quota, 100);
  await apply(subscription('shop'), subscription('desk'));
  assert.equal((await policy()).plans.length, 1);
});

// Guarantees that an override refills nothing: what was used counts on, raising gives the
// difference, and lowering gives nothing until the next window.
test('an override changes the cap of the window now and keeps what was used', async () => {
  await using setting = await started();
  const { host, apply, termsOf } = setting;
  const { account } = await termsOf('shop', 'daily');
  const holder = new Holder(host, account);
  const spendAll = () => holder.spend(1_000);
  assert.equal(await spendAll(), 100);
  await apply(subscription('shop', [{ limit: 'daily', quota: 130 }]));
  assert.equal(await spendAll(), 130);
  await apply(subscription('shop', [{ limit: 'daily', quota: 50 }]));
  assert.equal(await spendAll(), 130);
  const [near] = await nearLimits(host, host.nowMs());
  assert.deepEqual([near?.plan, near?.quota, near?.used], ['gold', 50, 130]);
  const { body } = await host.ask('GET', '/v1/subscriptions/default/shop/quota');
  assert.deepEqual([body.items[0].quota, body.items[0].remaining], [50, 0]);
  await apply(subscription('shop', [{ limit: 'daily', quota: 140 }]));
  assert.equal(await spendAll(), 140);
});
