/**
 * Who may call the sync port of a host that believes the mesh: the principals of the proxy group,
 * named by the host's own sidecar, and nobody else, whatever else a caller has or writes.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOwnSidecar, principalOf } from '../../../host/http/mesh-identity.ts';
import { decodeSyncReply, SyncStatus } from '../../../host/wire/sync.ts';
import { encodeWatchRequest } from '../../../host/wire/watch.ts';
import { resourcesOf } from '../../support/policies.ts';
import { accountOf, syncRequest } from '../../support/sync-calls.ts';
import { TrialHost } from '../../support/trial-host.ts';

const ORDERS = 'spiffe://cluster.local/ns/shop/sa/orders';
const EDGE = 'spiffe://cluster.local/ns/istio-system/sa/ingress';
const OTHER = 'spiffe://cluster.local/ns/shop/sa/web';

/** Two proxy groups, each with a product and a subscription of its own. */
function resources(edge = [EDGE]): Record<string, string> {
  return {
    ...resourcesOf({ hosts: ['orders.example'], principals: [ORDERS] }),
    ...resourcesOf({
      product: 'shop',
      hosts: ['shop.example'],
      proxyGroup: 'edge',
      principals: edge,
      applications: ['visitor'],
    }),
  };
}

function certificate(uri: string): Record<string, string> {
  return { 'x-forwarded-client-cert': `By=spiffe://cluster.local/ns/s/sa/h;Hash=1f;URI=${uri}` };
}

async function listening(options: { secret?: string } = {}) {
  const host = await TrialHost.start({ resources: resources(), meshIdentity: true, ...options });
  const port = await host.listenSync();
  const call = async (path: string, headers: Record<string, string>, body?: Uint8Array) => {
    const method = body === undefined ? 'GET' : 'POST';
    const more = body === undefined ? {} : { body: Buffer.from(body) };
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method, headers, ...more });
    return { status: answer.status, bytes: new Uint8Array(await answer.arrayBuffer()) };
  };
  return { host, call };
}

const WATCH = encodeWatchRequest({
  incarnation: 7n,
  storeId: new Uint8Array(16),
  policyRevision: 0,
  directoryRevision: 0,
  complete: false,
  filling: true,
  ...{ proxy: 'p', workload: 'w', version: '0' },
});

// Guarantees that each of the four calls is for the principals of its proxy group alone.
test('a principal may call for its proxy group and for no other', async () => {
  const { host, call } = await listening();
  await using _ = host;
  const paths: [string, Uint8Array?][] = [
    ['/v1/policy/GROUP'],
    [`/v1/policy/GROUP/${'0'.repeat(64)}/0`],
    ['/v1/directory/GROUP?after=0'],
    ['/v1/watch/GROUP', WATCH],
    ['/v1/sync/GROUP', new Uint8Array(3)],
  ];
  for (const [path, body] of paths) {
    const own = await call(path.replace('GROUP', 'default'), certificate(ORDERS), body);
    assert.notEqual(own.status, 403, path);
    const edge = await call(path.replace('GROUP', 'edge'), certificate(EDGE), body);
    assert.notEqual(edge.status, 403, path);
    for (const [group, headers] of [
      ['edge', certificate(ORDERS)],
      ['default', certificate(EDGE)],
      ['default', certificate(OTHER)],
      ['default', {}],
      ['none', certificate(ORDERS)],
    ] as const) {
      const refused = await call(path.replace('GROUP', group), headers, body);
      assert.equal(refused.status, 403, `${path} ${group}`);
      assert.match(new TextDecoder().decode(refused.bytes), /"code":"forbidden"/);
    }
  }
});

// Guarantees that the header is believed from the host's own sidecar alone: beyond the machine
// anybody could write it.
test('nobody beyond the machine names a principal', async () => {
  const { host } = await listening();
  await using _ = host;
  const ask = (remoteAddress: string) =>
    host.sync.inject({
      method: 'GET',
      url: '/v1/policy/default',
      headers: certificate(ORDERS),
      remoteAddress,
    });
  for (const address of ['10.1.2.3', '::ffff:10.1.2.3', '128.0.0.1', '2001:db8::1', '::7']) {
    assert.equal((await ask(address)).statusCode, 403, address);
    assert.equal(isOwnSidecar(address), false);
  }
  for (const address of ['127.0.0.1', '127.0.0.6', '::ffff:127.0.0.6', '::1', '::6']) {
    assert.equal((await ask(address)).statusCode, 200, address);
  }
});

// Guarantees that of the header only the last element counts, the certificate that the sidecar
// itself verified, and that no quoting makes another value of it.
test('the principal is that of the last hop', () => {
  const by = 'By=spiffe://h;Hash=ab';
  const cases: [string, string | undefined][] = [
    [`${by};URI=${ORDERS}`, ORDERS],
    [`${by};uri=${ORDERS}`, ORDERS],
    [`${by};Subject="";URI=${ORDERS}`, ORDERS],
    [`${by};Subject="CN=a,O=b;URI=${EDGE}";URI=${ORDERS}`, ORDERS],
    [`${by};Subject="O=\\",URI=${EDGE}";URI=${ORDERS}`, ORDERS],
    [`${by};URI="${ORDERS}"`, ORDERS],
    [`${by};URI=${EDGE},${by};URI=${ORDERS}`, ORDERS],
    [`${by};URI=${ORDERS}, ${by};URI=${EDGE}`, EDGE],
    [`${by};URI=${ORDERS},${by}`, undefined],
    [`${by};URI=${ORDERS},`, undefined],
    [`${by};URI=${ORDERS};URI=${EDGE}`, undefined],
    [`${by};URI=`, undefined],
    [`${by};Subject="CN=a;URI=${ORDERS}`, undefined],
    [`${by};Cert="URI=${ORDERS}"`, undefined],
    [`${by};XURI=${ORDERS}`, undefined],
    ['', undefined],
  ];
  for (const [field, principal] of cases) assert.equal(principalOf(field), principal, field);
});

// Guarantees that a change of principals holds from the next call on, and that a group that names
// nobody is open to nobody.
test('principals follow the resources in force', async () => {
  const { host, call } = await listening();
  await using _ = host;
  const asked = async (uri: string) => (await call('/v1/policy/edge', certificate(uri))).status;
  assert.deepEqual([await asked(EDGE), await asked(OTHER)], [200, 403]);
  await host.apply(resources([OTHER]));
  assert.deepEqual([await asked(EDGE), await asked(OTHER)], [403, 200]);
  await host.apply(resources([]));
  assert.deepEqual([await asked(EDGE), await asked(OTHER)], [403, 403]);
});

// Guarantees that a secret, where one is set, is asked for as well.
test('with a secret both locks are there', async () => {
  const { host, call } = await listening({ secret: 'a secret of the fleet'.replaceAll(' ', '-') });
  await using _ = host;
  const path = '/v1/policy/default';
  const authorization = 'Bearer a-secret-of-the-fleet';
  assert.equal((await call(path, certificate(ORDERS))).status, 401);
  assert.equal((await call(path, { authorization })).status, 403);
  assert.equal((await call(path, { ...certificate(ORDERS), authorization })).status, 200);
});

// Guarantees that proxies of one group neither draw nor report quota of another's subscriptions.
test('quota of another proxy group is out of reach', async () => {
  const { host, call } = await listening();
  await using _ = host;
  const account = await accountOf(async (path) => (await call(path, certificate(ORDERS))).bytes);
  const ask = async (group: string, uri: string, want: number) => {
    const payload = syncRequest(host, account, [{ want }]);
    const answer = await call(`/v1/sync/${group}`, certificate(uri), payload);
    assert.equal(answer.status, 200);
    const reply = decodeSyncReply(answer.bytes);
    assert.ok(reply.ok);
    return reply.value.items[0];
  };
  const foreign = await ask('edge', EDGE, 1_000);
  assert.deepEqual([foreign?.status, foreign?.granted], [SyncStatus.unknown, 0]);
  const own = await ask('default', ORDERS, 10);
  assert.equal(own?.status, SyncStatus.ok);
  assert.ok((own?.granted ?? 0) > 0);
});
