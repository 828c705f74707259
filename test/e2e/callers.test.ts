/**
 * Callers without a key in front of a real Envoy: known by the certificate of their connection, and
 * by a token that Envoy's own filter has verified, as Istio configures it.
 */
import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { test } from 'node:test';
import { Authority, type Pair, serverTransport } from '../support/certificates.ts';
import { wasmFilter } from '../support/envoy-config.ts';
import { valuesOf } from '../support/origin.ts';
import { APPLICATION, documents, resource } from '../support/policies.ts';
import { codeOf } from '../support/requests.ts';
import { HOLD_MS, RELEASE_MODULE, Rig } from '../support/rig.ts';
import { until } from '../support/wait.ts';

const CALLER = 'spiffe://cluster.local/ns/shop/sa/web';
const ISSUER = 'https://id.example';

/** The filter that verifies tokens, as RequestAuthentication makes it. */
function jwtFilter(jwk: object) {
  const type = 'type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication';
  return {
    name: 'envoy.filters.http.jwt_authn',
    typed_config: {
      '@type': type,
      providers: {
        id: {
          issuer: ISSUER,
          local_jwks: { inline_string: JSON.stringify({ keys: [jwk] }) },
          payload_in_metadata: 'payload',
          forward: true,
        },
      },
      rules: [
        {
          match: { prefix: '/' },
          requires: {
            requires_any: { requirements: [{ provider_name: 'id' }, { allow_missing: {} }] },
          },
        },
      ],
    },
  };
}

const SIDEGATE = wasmFilter({
  module: RELEASE_MODULE,
  plugin: { clusters: ['sidegate'], holdMs: HOLD_MS },
});

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

/** A token with these claims, signed by the key that Envoy was given or by another. */
function token(claims: object, key = privateKey): string {
  const text = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const exp = Math.floor(Date.now() / 1000) + 600;
  const body = `${text({ alg: 'ES256', typ: 'JWT' })}.${text({ iss: ISSUER, exp, ...claims })}`;
  const signature = sign('sha256', Buffer.from(body), { key, dsaEncoding: 'ieee-p1363' });
  return `${body}.${signature.toString('base64url')}`;
}

async function start() {
  const authority = new Authority();
  const server = authority.issue('spiffe://cluster.local/ns/shop/sa/orders');
  const callers = [
    resource('Credential', 'web', { application: APPLICATION, principal: CALLER }),
    resource('Credential', 'app', {
      application: APPLICATION,
      claim: { issuer: ISSUER, name: 'azp', value: 'mobile' },
    }),
    resource('Credential', 'eight', {
      application: APPLICATION,
      claim: { issuer: ISSUER, name: 'azp', value: 'client-1' },
    }),
  ];
  const rig = await Rig.start({
    setting: {
      identify: [
        { apiKey: { header: 'x-api-key' } },
        { mtls: {} },
        { jwt: { issuer: ISSUER, audiences: ['orders', 'all'], claim: 'azp' } },
      ],
    },
    resources: { 'credentials.yaml': documents(callers) },
    transport: serverTransport(authority, server),
    filters: () => [jwtFilter(publicKey.export({ format: 'jwk' })), SIDEGATE],
  });
  const call = (tls: Partial<Pair>, headers: Record<string, string> = {}) =>
    rig.call(undefined, { tls, headers });
  const known = authority.issue(CALLER);
  await until('the caller is known', async () => (await call(known)).status === 200);
  rig.origin.reset();
  return { rig, call, authority, known };
}

// Guarantees on the real thing what the emulator assumes: where Envoy keeps the certificate's URI,
// that a connection without one has none, and that no header stands for it.
test('a certificate names its application, and nothing else does', async () => {
  const { rig, call, authority, known } = await start();
  await using _ = rig;
  const forged = { 'x-forwarded-client-cert': `URI=${CALLER}`, 'x-sidegate-principal': CALLER };
  assert.equal(codeOf(await call(known)), 'pass');
  const [arrival] = rig.origin.arrivals;
  assert.ok(arrival);
  assert.deepEqual(valuesOf(arrival, 'x-consumer'), ['orders-buyer']);
  assert.equal(codeOf(await call({}, forged)), 'caller_missing');
  const other = authority.issue(`${CALLER}-2`);
  assert.equal(codeOf(await call(other, forged)), 'caller_unknown');
  const stranger = new Authority().issue(CALLER);
  assert.equal((await call(stranger)).status, 0, 'a certificate of another authority is refused');
  const { key } = await rig.host.createKey(APPLICATION);
  const keyed = { 'x-api-key': key };
  await until('the key is known', async () => codeOf(await call({}, keyed)) === 'pass');
  assert.equal(codeOf(await call(known, { 'x-api-key': `${key.slice(0, -1)}~` })), 'key_unknown');
});

// Guarantees in which form Envoy hands over each type of claim, and that a claim counts only from a
// token that was verified, of the one issuer and for an audience of the product.
test('a claim of a verified token names its application', async () => {
  const { rig, call } = await start();
  await using _ = rig;
  const withToken = (claims: object, key = privateKey) =>
    call({}, { authorization: `Bearer ${token(claims, key)}` });
  const cases: [string, object][] = [
    ['pass', { azp: 'mobile', aud: 'orders' }],
    ['pass', { azp: 'mobile', aud: ['other', 'all'] }],
    ['pass', { azp: 'client-1', aud: ['orders'] }],
    ['caller_missing', { azp: 'mobile', aud: ['other'] }],
    ['caller_missing', { azp: 'mobile', aud: [] }],
    ['caller_missing', { azp: 'mobile' }],
    ['caller_unknown', { azp: 'other', aud: 'orders' }],
    ['caller_missing', { sub: 'mobile', aud: 'orders' }],
    ['caller_missing', { azp: 12345, aud: 'orders' }],
    ['caller_missing', { azp: true, aud: 'orders' }],
    ['caller_missing', { azp: ['mobile'], aud: 'orders' }],
    ['caller_missing', { azp: { mobile: 'mobile' }, aud: 'orders' }],
    ['caller_missing', { azp: '', aud: 'orders' }],
  ];
  for (const [outcome, claims] of cases) {
    assert.equal(codeOf(await withToken(claims)), outcome, JSON.stringify(claims));
  }
  const claims = { azp: 'mobile', aud: 'orders' };
  const mallory = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  assert.match((await withToken(claims, mallory)).body, /Jwt verification fails/);
  assert.match((await withToken({ ...claims, iss: 'https://x.example' })).body, /not configured/);
  assert.match((await withToken({ ...claims, exp: 1 })).body, /expired/);
  assert.match((await withToken({ ...claims, aud: 7 })).body, /not a string or string list/);
});
