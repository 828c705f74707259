/**
 * The terms of accounts as the host follows them: the same as filters read, through every change,
 * and for a moment longer.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TERMS_GRACE_MS, Terms } from '../../../host/service/terms.ts';
import { resourcesOf } from '../../support/policies.ts';
import { ProtocolClient } from '../../support/protocol-client.ts';
import { TrialHost } from '../../support/trial-host.ts';
import { until } from '../../support/wait.ts';

const LATE_MS = TERMS_GRACE_MS + 1;
/** Pages of a directory that are read before the rest is held. */
const HELD_AFTER = 12;

/** A host with one subscription, and the account of its one limit. */
async function start() {
  const host = await TrialHost.start({ resources: gold(100) });
  const port = await host.listenSync();
  const client = new ProtocolClient({ port: () => port, group: 'default' });
  const { digest } = await host.createKey('shop');
  await client.catchUp();
  const decision = client.decide(digest, 'read');
  assert.ok(decision.outcome === 'admitted');
  const limit = client.held?.policy.limits[0]?.id ?? 0;
  const account = {
    owner: BigInt(decision.subscription),
    limit: BigInt(limit),
    windowKind: 86_400,
  };
  client.stop();
  const quota = async () => {
    await host.terms.settled();
    return host.terms.resolve({ ...account, partition: 0n })?.quota;
  };
  return { host, account, quota, [Symbol.asyncDispose]: () => host[Symbol.asyncDispose]() };
}

function gold(quota: number, name = 'daily', applications = ['shop']): Record<string, string> {
  return resourcesOf({ applications, limits: [{ name, quota, window: '1d' }] });
}

// Guarantees that a new quota counts from its revision on, for the same account.
test('a changed quota counts at once', async () => {
  await using setting = await start();
  assert.equal(await setting.quota(), 100);
  await setting.host.apply(gold(7));
  assert.equal(await setting.quota(), 7);
});

// Guarantees that nothing resolves that no policy names.
test('another limit, window, partition or owner has no terms', async () => {
  await using setting = await start();
  const { host, account } = setting;
  const named = { ...account, partition: 0n };
  assert.ok(host.terms.resolve(named));
  assert.equal(host.terms.resolve({ ...named, partition: 1n }), undefined);
  assert.equal(host.terms.resolve({ ...named, windowKind: 60 }), undefined);
  assert.equal(host.terms.resolve({ ...named, limit: named.limit + 1n }), undefined);
  assert.equal(host.terms.resolve({ ...named, owner: named.owner + 1_000n }), undefined);
});

// Guarantees that an ended subscription's holders may still report, but not for long.
test('an ended subscription keeps its terms for the grace and no longer', async () => {
  await using setting = await start();
  const { host } = setting;
  await host.apply(gold(100, 'daily', ['other']));
  assert.equal(await setting.quota(), 100);
  host.aheadMs = LATE_MS;
  assert.equal(await setting.quota(), undefined);
  // A further change sweeps what ended; the newcomer stays.
  await host.apply(gold(101, 'daily', ['other']));
  await host.terms.settled();
  assert.equal(host.terms.size, 1);
  // The same application and product again are the same account.
  await host.apply(gold(100));
  assert.equal(await setting.quota(), 100);
});

// Guarantees that a limit which left its plan ends after the grace.
test('a limit that left the plan keeps its terms for the grace and no longer', async () => {
  await using setting = await start();
  const { host } = setting;
  await host.apply(gold(5, 'other'));
  assert.equal(await setting.quota(), 100);
  host.aheadMs = LATE_MS;
  assert.equal(await setting.quota(), undefined);
});

// Guarantees that the proxies of a product that moved may report what they used, for a moment.
test('a subscription is served by its own proxy group, and by the one before for the grace', async () => {
  await using setting = await start();
  const { host, account } = setting;
  const servedBy = async () => {
    await host.terms.settled();
    return ['default', 'edge'].filter((group) => host.terms.isServedBy(account.owner, group));
  };
  assert.deepEqual(await servedBy(), ['default']);
  await host.apply(resourcesOf({ proxyGroup: 'edge' }));
  assert.deepEqual(await servedBy(), ['default', 'edge']);
  host.aheadMs = LATE_MS;
  assert.deepEqual(await servedBy(), ['edge']);
});

// Guarantees that a host which was restarted knows the same terms from its store alone.
test('terms read from a store are those that were followed', async () => {
  await using setting = await start();
  const { host, account } = setting;
  await host.apply(gold(42));
  const fresh = await Terms.open(host.store, Date.now, (error) => assert.fail(String(error)));
  assert.equal(fresh.resolve({ ...account, partition: 0n })?.quota, 42);
  assert.equal(fresh.size, 1);
  await fresh.close();
});

// Guarantees that answers to filters never wait for an import to be read: the account they are
// about was there before, or is asked for again.
test('no call waits for what an import has brought', async () => {
  await using host = await TrialHost.start({ resources: gold(100) });
  const { promise: held, resolve: goOn } = Promise.withResolvers<void>();
  // Before the host is stopped, which ends what it reads.
  using _ = { [Symbol.dispose]: () => goOn() };
  let pages = 0;
  const read = host.store.directoryAfter.bind(host.store);
  host.store.directoryAfter = async (query) => {
    pages += 1;
    // Far behind the first pages, and not at the end.
    if (pages > HELD_AFTER) await held;
    return read({ ...query, maxBytes: 1 });
  };
  const applications = Array.from({ length: 3 * HELD_AFTER }, (_, at) => `app-${at}`);
  await host.apply(gold(100, 'daily', ['shop', ...applications]));
  await until('the import is being read', () => pages > HELD_AFTER);
  assert.ok(host.terms.isBehind);
  const later = new Promise<string>((go) => setImmediate(go, 'after the calls that came in'));
  const soon = host.terms.settledSoon().then(() => 'at once');
  assert.equal(await Promise.race([soon, later]), 'at once');
  goOn();
  await host.terms.settled();
  assert.equal(host.terms.size, 1 + applications.length);
});
