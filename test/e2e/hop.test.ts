/**
 * A filter on the gateway and one behind it, two real Envoys with mutual TLS between them: a
 * request is decided and counted once, and the inner filter believes nobody who is not the gateway.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Authority, clientTransport, type Pair, serverTransport } from '../support/certificates.ts';
import { Envoy } from '../support/envoy.ts';
import * as config from '../support/envoy-config.ts';
import { valuesOf } from '../support/origin.ts';
import type { PluginConfig } from '../support/plugin.ts';
import { APPLICATION } from '../support/policies.ts';
import { codeOf, type RequestOptions, send } from '../support/requests.ts';
import { HOLD_MS, LISTENER, RELEASE_MODULE, Rig } from '../support/rig.ts';
import { until } from '../support/wait.ts';

const GATEWAY = 'spiffe://cluster.local/ns/istio-system/sa/ingress';
const HOP = 'x-sidegate-hop';
const KEY = 'a-key-of-the-proxy-group-with-32-bytes';
const QUOTA = 20;

function filter(plugin: Partial<PluginConfig>): config.Config {
  return config.wasmFilter({
    module: RELEASE_MODULE,
    plugin: { clusters: ['sidegate'], holdMs: HOLD_MS, ...plugin },
    env: { SIDEGATE_HOP_KEY: KEY },
  });
}

/** The inner proxy is the rig's; the gateway stands in front of it, or in front of the origin. */
async function start() {
  const authority = new Authority();
  const rig = await Rig.start({
    setting: { limits: [{ name: 'daily', quota: QUOTA, window: '1d' }] },
    transport: serverTransport(authority, authority.issue('spiffe://cluster.local/ns/a/sa/orders')),
    filters: () => [filter({ hop: 'accept', hopPrincipals: [GATEWAY] })],
  });
  const gatewayTo = (name: string, port: number, extra: config.Config = {}) => {
    const listener = config.listener({
      name: LISTENER,
      filters: [filter({ hop: 'mint' })],
      cluster: name,
      // As at a real gateway: ids of callers are not believed, and every request is traced anew.
      manager: { generate_request_id: true },
    });
    const clusters = [
      config.cluster('sidegate', rig.host.syncPort),
      config.cluster(name, port, extra),
    ];
    return Envoy.start({ config: config.bootstrap(`gateway-${name}`, [listener], clusters) });
  };
  const own = authority.issue(GATEWAY);
  const gateway = await gatewayTo('inner', rig.port(), {
    transport_socket: clientTransport(authority, own),
  });
  // What the gateway hands on, seen by somebody who should not: a replay has it from there.
  const tapped = await gatewayTo('origin', rig.origin.port);
  const { key } = await rig.host.createKey(APPLICATION);
  const call = (envoy: Envoy, options: Partial<RequestOptions> = {}) =>
    send({
      port: envoy.port(LISTENER),
      path: '/orders',
      headers: { 'x-api-key': key },
      ...options,
    });
  await until('the key is known at both', async () =>
    [await call(gateway), await call(tapped)].every(({ status }) => status === 200),
  );
  rig.origin.reset();
  return {
    ...{ rig, authority, own, gateway, tapped, key, call },
    async [Symbol.asyncDispose]() {
      await tapped[Symbol.asyncDispose]();
      await gateway[Symbol.asyncDispose]();
      await rig[Symbol.asyncDispose]();
    },
  };
}

// Guarantees S10 "both": counted once over gateway and workload, and no token at the service.
test('a request through gateway and workload is counted once', async () => {
  await using setting = await start();
  const { rig, gateway, call, own } = setting;
  let passed = 0;
  let last = await call(gateway);
  for (; last.status === 200 && passed <= QUOTA; last = await call(gateway)) passed += 1;
  assert.equal(codeOf(last), 'quota_exceeded');
  assert.equal(passed, rig.origin.arrivals.length);
  // Two or more went to find out that the key is known; had both counted, it would be half.
  assert.ok(passed >= QUOTA - 6, `${passed} of ${QUOTA}`);
  for (const arrival of rig.origin.arrivals) {
    assert.deepEqual(valuesOf(arrival, 'x-consumer'), ['orders-buyer']);
    assert.deepEqual(valuesOf(arrival, HOP), []);
  }
  const direct = await rig.call(undefined, { tls: own });
  assert.equal(codeOf(direct), 'key_missing', 'the certificate of the gateway alone');
});

// Guarantees that the inner filter needs token and certificate both, for this request, in time.
test('a token is worth nothing for another request, from another peer, or late', async () => {
  await using setting = await start();
  const { rig, tapped, call, own, authority } = setting;
  assert.equal((await call(tapped)).status, 200);
  const [arrival] = rig.origin.arrivals;
  assert.ok(arrival);
  const [token = ''] = valuesOf(arrival, HOP);
  const [id = ''] = valuesOf(arrival, 'x-request-id');
  const [host = ''] = valuesOf(arrival, 'host');
  const mintedMs = Date.now();
  const replay = async (tls: Partial<Pair>, more: Partial<RequestOptions> = {}, requestId = id) =>
    codeOf(
      await rig.call(undefined, {
        tls,
        headers: { host, 'x-request-id': requestId, [HOP]: token },
        ...more,
      }),
    );
  assert.equal(await replay(own), 'pass', 'what remains: the gateway itself, the same request');
  assert.equal(await replay({}), 'key_missing');
  assert.equal(await replay(authority.issue(`${GATEWAY}-2`)), 'key_missing');
  assert.equal(await replay(own, { path: '/orders?other' }), 'key_missing');
  assert.equal(await replay(own, { method: 'POST' }), 'key_missing');
  assert.equal(
    await replay(
      own,
      {},
      id.replace(/^./, (digit) => (digit === '0' ? '1' : '0')),
    ),
    'key_missing',
  );
  await until('its ten seconds are over', async () => (await replay(own)) === 'key_missing', {
    deadlineMs: 30_000,
  });
  assert.ok(Date.now() - mintedMs > 8_000, 'and not before');
});
