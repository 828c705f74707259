/**
 * Quotas of subscriptions over the admin API and the command line: what is left, more of it, and
 * that every addition is written down before it is made.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LedgerError } from '../../../host/store/ledger.ts';
import { Holder, namedAccount } from '../../support/holder.ts';
import { type LimitSpec, resourcesOf } from '../../support/policies.ts';
import { Relay } from '../../support/relay.ts';
import { TrialHost } from '../../support/trial-host.ts';
import { sidegate } from '../cli/command.ts';

const URL = '/v1/subscriptions/default/shop/quota';
const LIMITS: LimitSpec[] = [
  { name: 'daily', quota: 10, window: '1d' },
  { name: 'hourly', quota: 1_000, window: '1h' },
];
/** Noon of a day, far from every window's edge. */
const NOON = Date.UTC(2026, 0, 15, 12);

async function started(limits = LIMITS) {
  const host = await TrialHost.start({ resources: resourcesOf({ limits }) });
  host.nowMs = () => NOON + host.aheadMs;
  const holder = new Holder(host, await namedAccount(host, 'shop/orders', 'daily'));
  const spend = (units: number) => holder.spend(units);
  return { host, spend, [Symbol.asyncDispose]: () => host[Symbol.asyncDispose]() };
}

// Guarantees that an operator sees what is left, adds what was agreed on, and that the trail says
// who added how much to what.
test('a quota is shown, added to and reset', async () => {
  await using setting = await started();
  const { host, spend } = setting;
  const daily = { limit: 'daily', quota: 10, windowSeconds: 86_400, endsInMs: 43_200_000 };
  const fresh = await host.ask('GET', URL);
  assert.deepEqual(fresh.body.items[0], { ...daily, extra: 0, used: 0, remaining: 10 });
  assert.equal(fresh.body.items[1].limit, 'hourly');
  await spend(10);
  assert.equal(await spend(10), 10);
  const change = (body: object) => host.ask('POST', URL, body);
  const added = await change({ limit: 'daily', add: 4 });
  assert.deepEqual(added.body, { ...daily, extra: 4, used: 10, remaining: 4 });
  await spend(4);
  assert.equal(await spend(4), 14);
  const reset = await change({ limit: 'daily', reset: true });
  assert.deepEqual(reset.body, { ...daily, extra: 14, used: 14, remaining: 10 });
  const again = await change({ limit: 'daily', reset: true });
  assert.deepEqual(again.body, reset.body, 'a reset that is said twice is made once');
  await spend(10);
  assert.equal(await spend(10), 24);
  const { body } = await host.ask('GET', '/v1/audit?kind=Quota');
  assert.deepEqual(
    body.items.map(({ action, actor, name }: Record<string, string>) => [action, actor, name]),
    [
      ['quota.reset', 'root', 'shop/daily'],
      ['quota.add', 'root', 'shop/daily'],
    ],
  );
  host.aheadMs = 86_400_000;
  const next = await host.ask('GET', URL);
  assert.deepEqual(next.body.items[0], { ...daily, extra: 0, used: 0, remaining: 10 });
});

// Guarantees that nothing is added where it would mean nothing, and nothing is written down then.
test('what cannot be added to is refused', async () => {
  const rate = { name: 'burst', class: 'rate', quota: 5, window: '1s' } as LimitSpec;
  await using setting = await started([...LIMITS, rate]);
  const { host } = setting;
  const cases: [object, number, RegExp][] = [
    [{ limit: 'burst', add: 1 }, 404, /no exact limit "burst"; it has daily, hourly/],
    [{ limit: 'weekly', reset: true }, 404, /no exact limit "weekly"/],
    [{ limit: 'daily', add: 0 }, 400, /form/],
    [{ limit: 'daily', add: 1.5 }, 400, /form/],
    [{ limit: 'daily', add: 1, reset: true }, 400, /form/],
    [{ limit: 'daily', add: Number.MAX_SAFE_INTEGER }, 400, /more than 2\^53/],
  ];
  for (const [body, status, detail] of cases) {
    const answer = await host.ask('POST', URL, body);
    assert.deepEqual([answer.status, detail.test(answer.body.detail)], [status, true]);
  }
  const other = await host.ask('POST', '/v1/tokens', {
    ...{ name: 'other', role: 'operate', namespaces: ['other'] },
  });
  const { token } = other.body;
  for (const method of ['GET', 'POST'] as const) {
    const body = method === 'GET' ? undefined : { limit: 'daily', add: 1 };
    assert.equal((await host.ask(method, URL, body, { token })).status, 403);
  }
  assert.equal((await host.ask('GET', URL.replace('shop', 'nobody'))).status, 404);
  assert.deepEqual((await host.ask('GET', '/v1/audit?kind=Quota')).body.items, []);
});

// Guarantees that a top-up which could not be written down is not made.
test('without the store nothing is added', async () => {
  await using setting = await started();
  const { host } = setting;
  const { note } = host.store;
  host.store.note = () => Promise.reject(Object.assign(new Error('disk'), { name: 'StoreError' }));
  const failed = await host.ask('POST', URL, { limit: 'daily', add: 4 });
  assert.deepEqual([failed.status, failed.body.code], [503, 'store_unavailable']);
  host.store.note = note;
  assert.equal((await host.ask('GET', URL)).body.items[0].extra, 0);
});

// Guarantees that a request which is sent again because its answer was lost adds nothing, that one
// which was cut short is made good, and that a key is good for one request only.
test('an idempotency key adds once', async () => {
  await using setting = await started();
  const { host, spend } = setting;
  const change = (body: object, key = 'abc') =>
    host.ask('POST', URL, body, { headers: { 'idempotency-key': key } });
  const add = { limit: 'daily', add: 4 };
  const first = await change(add);
  assert.deepEqual([first.status, first.body.extra], [200, 4]);
  assert.deepEqual((await change(add)).body, { ...first.body, replayed: true });
  assert.equal((await change(add, 'abd')).body.extra, 8);
  for (const other of [{ ...add, add: 5 }, { ...add, limit: 'hourly' }, resetOf('daily')]) {
    const refused = await change(other);
    assert.deepEqual([refused.status, refused.body.code], [422, 'idempotency_key_reused']);
  }
  assert.equal((await change(add, 'a b')).status, 400);

  const { topUp } = host.ledger;
  host.ledger.topUp = () => Promise.reject(new LedgerError('ledger_unavailable', 'cut short'));
  assert.equal((await change(add, 'cut')).status, 503);
  host.ledger.topUp = topUp;
  assert.equal((await change(add, 'cut')).body.extra, 12);
  assert.equal((await change(add, 'cut')).body.extra, 12);

  await change(resetOf('daily'), 'reset');
  await spend(14);
  const late = await change(resetOf('daily'), 'reset');
  assert.deepEqual(
    [late.body.extra, late.body.replayed],
    [12, true],
    'not asked for a second time',
  );
  host.aheadMs = 86_400_000;
  assert.equal((await change(add, 'abd')).body.extra, 0, 'the next window is another one');
});

function resetOf(limit: string) {
  return { limit, reset: true };
}

// Guarantees that the command line sends its request again when the answer is lost, that this adds
// once, and that whoever gives up knows how to ask again.
test('sidegate quota add, on a bad line', async () => {
  await using setting = await started();
  const { host } = setting;
  const admin = new globalThis.URL(await host.listenAdmin());
  await using relay = await Relay.start(() => Number(admin.port));
  const env = {
    ...{ SIDEGATE_HOST: `http://127.0.0.1:${relay.port}`, SIDEGATE_ADMIN_TOKEN: host.adminToken },
  };
  const add = (...more: string[]) => {
    const args = ['quota', 'add', 'shop', '--limit', 'daily', '--units', '5', ...more];
    return sidegate(args, { env });
  };
  relay.treat = () => ({ cut: relay.calls.length === 1 });
  const kept = await add();
  assert.equal(kept.exit, 0, kept.stderr);
  assert.match(kept.stderr, /This was done before, and is not done twice\.\n15 units of daily/);
  relay.treat = () => ({ cut: true });
  const lost = await add();
  assert.equal(lost.exit, 6);
  const key = /repeat it with --idempotency-key (\S+)\./.exec(lost.stderr)?.[1];
  assert.ok(key !== undefined, lost.stderr);
  relay.treat = () => ({});
  assert.match((await add('--idempotency-key', key)).stderr, /^This was .*\n20 units of daily/);
  const other = await add('--units', '6', '--idempotency-key', key);
  assert.equal(other.exit, 5);
  assert.match(other.stderr, /^error: this Idempotency-Key was sent with another request/);
  assert.equal((await add('--idempotency-key', 'a b')).exit, 2);
});

// Guarantees that the same can be done from a terminal, in every format.
test('sidegate quota', async () => {
  await using setting = await started();
  const { host, spend } = setting;
  const env = { SIDEGATE_HOST: await host.listenAdmin(), SIDEGATE_ADMIN_TOKEN: host.adminToken };
  const run = (...args: string[]) => sidegate(['quota', ...args], { env });
  await spend(9);
  const near = await run('near');
  assert.match(near.stdout, /^NAMESPACE +APPLICATION .*\ndefault +shop +orders .* 9\/10 +90% /);
  assert.equal((await run('near', '-o', 'name')).stdout, 'default/shop/orders/daily\n');
  assert.equal(JSON.parse((await run('near', '-o', 'json')).stdout)[0].fraction, 0.9);
  const table = await run('get', 'shop');
  assert.match(table.stdout, /^LIMIT +QUOTA +EXTRA +USED +REMAINING +WINDOW +ENDS IN\n/);
  assert.match(table.stdout, /daily +10 +0 +9 +1 +86400s +43200s\n/);
  const added = await run('add', 'shop', '--limit', 'daily', '--units', '5');
  assert.equal(added.stderr, '6 units of daily are left for 43200s.\n');
  const reset = await run('reset', 'shop', '--limit', 'daily', '-o', 'json');
  assert.equal(JSON.parse(reset.stdout)[0].remaining, 10);
  assert.equal((await run('near')).stderr, 'No account has used 80 % of a quota.\n');
  assert.equal((await run('add', 'shop', '--limit', 'daily', '--units', '-1')).exit, 2);
  assert.equal((await run('add', 'shop', '--limit', 'daily', '--units', '1e3')).exit, 2);
  assert.equal((await run('reset', 'shop', '--limit', 'weekly')).exit, 5);
});
