/**
 * Requests with an Idempotency-Key, on every route that takes one: the same again is answered, and
 * everything else under the same key is refused.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resourcesOf } from '../../support/policies.ts';
import { TrialHost } from '../../support/trial-host.ts';

interface Request {
  readonly url: string;
  readonly body: object;
}

const SHOP = '/v1/subscriptions/default/shop/quota';
const KEY: Request = { url: '/v1/credentials', body: { application: 'shop', name: 'a' } };

/** A request of each route that takes the header, and others that are not the same. */
const ROUTES: Readonly<Record<string, { sent: Request; others: readonly Request[] }>> = {
  '/v1/credentials': {
    sent: KEY,
    others: [
      { ...KEY, body: { ...KEY.body, name: 'b' } },
      { ...KEY, body: { ...KEY.body, namespace: 'default' } },
      { ...KEY, body: { application: 'nobody' } },
      { url: SHOP, body: { limit: 'daily', add: 4 } },
    ],
  },
  '/v1/subscriptions/{namespace}/{name}/quota': {
    sent: { url: SHOP, body: { limit: 'daily', add: 4 } },
    others: [
      { url: SHOP, body: { limit: 'daily', add: 5 } },
      { url: SHOP, body: { limit: 'daily', reset: true } },
      { url: SHOP, body: { limit: 'none', add: 4 } },
      { url: SHOP.replace('shop', 'nobody'), body: { limit: 'daily', add: 4 } },
      KEY,
    ],
  },
};

const send = (host: TrialHost, { url, body }: Request, token = host.adminToken) =>
  host.ask('POST', url, body, { headers: { 'idempotency-key': 'k' }, token });

// Guarantees that no route that takes the header is left out here.
test('every route that takes the header is tried', async () => {
  await using host = await TrialHost.start();
  const { paths } = (await host.ask('GET', '/v1/openapi.json')).body;
  const taking = Object.keys(paths).filter((path) =>
    Object.values<{ parameters: { name: string }[] }>(paths[path]).some(({ parameters }) =>
      parameters.some(({ name }) => name === 'idempotency-key'),
    ),
  );
  assert.deepEqual(taking, Object.keys(ROUTES));
});

for (const [route, { sent, others }] of Object.entries(ROUTES)) {
  // Guarantees that nobody takes the answer of one request for that of another, and that a refused
  // reuse changes nothing.
  test(`${route}: a key is good for one request`, async () => {
    await using host = await TrialHost.start({ resources: resourcesOf() });
    const first = await send(host, sent);
    assert.ok(first.status === 200 || first.status === 201, JSON.stringify(first.body));
    const trail = (await host.store.audit({ limit: 99 })).length;
    for (const other of others) {
      const { status, body } = await send(host, other);
      assert.deepEqual([status, body.code], [422, 'idempotency_key_reused'], JSON.stringify(other));
    }
    const turned = Object.fromEntries(Object.entries(sent.body).reverse());
    const again = await send(host, { ...sent, body: turned });
    assert.deepEqual([again.status, again.body.replayed], [200, true], 'order says nothing');
    assert.equal((await host.store.audit({ limit: 99 })).length, trail);
    const { body } = await host.ask('POST', '/v1/tokens', { name: 'ci', role: 'operate' });
    const [other = sent] = others;
    const foreign = await send(host, other, body.token);
    assert.ok(foreign.status < 300 && foreign.body.replayed === undefined, 'each has its own');
  });

  // Guarantees that a request which is sent again before the first one is done does nothing beside
  // it, also when whoever sent the first has hung up.
  test(`${route}: one request at a time`, async () => {
    await using host = await TrialHost.start({ resources: resourcesOf() });
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    const { doneOnce } = host.store;
    host.store.doneOnce = async (...args) => {
      begin();
      await held;
      return doneOnce.apply(host.store, args);
    };
    const gone = new AbortController();
    const url = new URL(sent.url, await host.listenAdmin());
    const left = fetch(url, {
      ...{ method: 'POST', body: JSON.stringify(sent.body), signal: gone.signal },
      headers: {
        ...{ authorization: `Bearer ${host.adminToken}`, 'idempotency-key': 'k' },
        'content-type': 'application/json',
      },
    }).catch(() => undefined);
    await begun;
    gone.abort();
    await left;
    // One that waits for the first instead would wait for ever: what holds that is ours.
    const hung = setTimeout(release, 60_000);
    const busy = await send(host, sent);
    clearTimeout(hung);
    assert.deepEqual([busy.status, busy.body.code], [409, 'idempotency_key_in_use']);
    assert.equal(busy.headers['retry-after'], '1');
    release();
    // Its work goes on behind the connection that is gone.
    let last = await send(host, sent);
    for (const end = performance.now() + 30_000; last.status === 409; ) {
      assert.ok(performance.now() < end, 'the first is done some day');
      last = await send(host, sent);
    }
    assert.deepEqual([last.status, last.body.replayed], [200, true]);
  });
}
