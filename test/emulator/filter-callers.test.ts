/**
 * Callers without a key, in the release filter: known by the certificate they showed or by a claim
 * of a token that Istio has verified. Who counts, who does not, in which order, and what it costs.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pair, Stream } from '../../host/emulator/index.ts';
import { documents, resource } from '../support/policies.ts';
import { FilterRig } from './support/filter.ts';

const CERTIFICATE = 'connection.uri_san_peer_certificate';
const WEB = 'spiffe://cluster.local/ns/shop/sa/web';
const ISSUER = 'https://id.example';

const PARTIES = ['web', 'app', 'keyed'].flatMap((application) => [
  resource('Application', application, { consumer: 'acme' }),
  resource('Subscription', application, { application, product: 'orders', plan: 'gold' }),
]);

const RESOURCES = `
apiVersion: sidegate.dev/v1alpha1
kind: Product
metadata: { name: orders }
spec:
  hosts: [orders.example.com]
  identify:
    - apiKey: { header: x-api-key }
    - apiKey: { query: api_key }
    - mtls: {}
    - jwt: { issuer: ${ISSUER}, audiences: [api, web], claim: azp }
  keyFormat: opaque
  operations:
    - { name: list, method: GET, path: /orders }
    - { name: health, method: GET, path: /health, security: none }
  mediation:
    request:
      - { set: { name: x-application, value: "\${application.name}" } }
---
apiVersion: sidegate.dev/v1alpha1
kind: Plan
metadata: { name: gold }
spec: { limits: [{ name: daily, quota: 5, window: 1d }] }
---
apiVersion: sidegate.dev/v1alpha1
kind: Consumer
metadata: { name: acme }
---
${documents(PARTIES)}---
apiVersion: sidegate.dev/v1alpha1
kind: Credential
metadata: { name: web-pod }
spec: { application: web, principal: "${WEB}" }
---
apiVersion: sidegate.dev/v1alpha1
kind: Credential
metadata: { name: app-token }
spec: { application: app, claim: { issuer: "${ISSUER}", name: azp, value: mobile } }
`;

/** What the filter that verifies tokens leaves behind; a list as the proxy writes one. */
function token(
  claims: Record<string, string | number | string[]>,
): Record<string, string | Uint8Array> {
  return Object.fromEntries(
    Object.entries(claims).map(([name, value]) => {
      const path = ['metadata', 'filter_metadata', 'envoy.filters.http.jwt_authn', 'payload', name];
      return [path.join('\0'), bytesOf(value)];
    }),
  );
}

function bytesOf(value: string | number | string[]): string | Uint8Array {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return new Uint8Array(new Float64Array([value]).buffer);
  const sizes = value.flatMap((each) => [each.length, 0]);
  return Buffer.concat([
    new Uint8Array(new Uint32Array([value.length, ...sizes]).buffer),
    ...value.map((each) => Buffer.from(`${each}\0\0`)),
  ]);
}

const TOKEN = { iss: ISSUER, aud: 'api', azp: 'mobile' };

interface Caller {
  readonly headers?: Pair[];
  readonly path?: string;
  readonly properties?: Record<string, string | Uint8Array>;
}

async function start() {
  const rig = await FilterRig.start({ resources: RESOURCES });
  const made = await rig.host.createKey('keyed');
  await rig.advance(200);
  const call = async ({ headers = [], path = '/orders', properties = {} }: Caller) => {
    const stream = rig.vm.request({
      headers: [
        [':method', 'GET'],
        [':path', path],
        [':authority', 'orders.example.com'],
        ...headers,
      ],
      properties,
    });
    await rig.decided(stream);
    return stream;
  };
  return { rig, call, key: made.key };
}

/** The application that was let pass, or the reason of a refusal. */
function outcomeOf(stream: Stream): string {
  if (stream.details !== undefined) return stream.details.replace('sidegate_', '');
  return Object.fromEntries(stream.upstreamHeaders ?? [])['x-application'] ?? 'nobody';
}

// Guarantees that a certificate and a verified token lead to the application that declared them,
// and to none other: compared whole, of the one issuer, for an audience of the product.
test('a verified certificate or token is a caller, and nothing near it is', async () => {
  const { rig, call } = await start();
  await using _ = rig;
  const cases: [string, Record<string, string | Uint8Array>][] = [
    ['web', { [CERTIFICATE]: WEB }],
    ['caller_unknown', { [CERTIFICATE]: `${WEB}x` }],
    ['caller_unknown', { [CERTIFICATE]: WEB.slice(0, -1) }],
    ['caller_unknown', { [CERTIFICATE]: WEB.toUpperCase() }],
    ['caller_missing', { [CERTIFICATE]: '' }],
    ['caller_missing', { [CERTIFICATE]: `${WEB}\0` }],
    ['caller_missing', { [CERTIFICATE]: `spiffe://${'a'.repeat(300)}` }],
    ['caller_missing', {}],
    ['app', token(TOKEN)],
    ['app', token({ ...TOKEN, aud: ['other', 'web'] })],
    ['caller_missing', token({ ...TOKEN, aud: ['other'] })],
    ['caller_missing', token({ ...TOKEN, aud: 'apiweb' })],
    ['caller_missing', token({ iss: ISSUER, azp: 'mobile' })],
    ['caller_missing', token({ ...TOKEN, iss: `${ISSUER}.evil` })],
    ['caller_missing', token({ ...TOKEN, azp: 12 })],
    ['caller_missing', token({ ...TOKEN, azp: ['mobile'] })],
    ['caller_missing', token({ iss: ISSUER, aud: 'api', sub: 'mobile' })],
    ['caller_unknown', token({ ...TOKEN, azp: 'desktop' })],
  ];
  for (const [outcome, properties] of cases) {
    const stream = await call({ properties });
    assert.equal(outcomeOf(stream), outcome, JSON.stringify(properties));
    if (outcome.startsWith('caller')) assert.equal(stream.status, 401);
    stream.end();
  }
});

// Guarantees the order of the product: a key that counts is never passed over, right or wrong; then
// the certificate, then the token.
test('a key goes before a certificate and a certificate before a token', async () => {
  const { rig, call, key } = await start();
  await using _ = rig;
  const properties = { [CERTIFICATE]: WEB, ...token(TOKEN) };
  assert.equal(outcomeOf(await call({ properties })), 'web');
  assert.equal(outcomeOf(await call({ properties, headers: [['x-api-key', key]] })), 'keyed');
  const wrong: Pair[] = [['x-api-key', 'nobodys']];
  assert.equal(outcomeOf(await call({ properties, headers: wrong })), 'key_unknown');
  const two: Pair[] = [
    ['x-api-key', key],
    ['x-api-key', 'other'],
  ];
  assert.equal(outcomeOf(await call({ properties, headers: two })), 'key_conflict');
  const stranger = { ...properties, [CERTIFICATE]: 'spiffe://cluster.local/ns/shop/sa/other' };
  assert.equal(outcomeOf(await call({ properties: stranger })), 'caller_unknown');
});

// Guarantees that no caller speaks for a principal by a header, and that no key a caller can send
// stands for one, not even the bytes that the digest is taken of.
test('neither a header nor a key can stand for a principal', async () => {
  const { rig, call } = await start();
  await using _ = rig;
  const headers: Pair[] = [
    ['x-forwarded-client-cert', `By=spiffe://x;URI=${WEB}`],
    ['x-jwt-payload', Buffer.from(JSON.stringify(TOKEN)).toString('base64url')],
    ['x-sidegate-principal', WEB],
  ];
  assert.equal(outcomeOf(await call({ headers })), 'caller_missing');
  for (const text of [`mtls\0${WEB}`, `jwt\0${ISSUER}\0azp\0mobile`, WEB, 'mobile']) {
    const path = `/orders?api_key=${encodeURIComponent(text)}`;
    assert.equal(outcomeOf(await call({ path })), 'key_unknown', text);
    const both = await call({ path, properties: { [CERTIFICATE]: WEB } });
    assert.equal(outcomeOf(both), 'key_unknown', 'remembered for the key, not for the principal');
  }
  assert.equal(outcomeOf(await call({ properties: { [CERTIFICATE]: WEB } })), 'web');
});

// Guarantees that what holds for credentials holds for these: quota, end of validity, removal.
test('a principal has quota and can be taken away', async () => {
  const { rig, call } = await start();
  await using _ = rig;
  const properties = { [CERTIFICATE]: WEB };
  const outcomes: string[] = [];
  for (let i = 0; i < 7; i++) outcomes.push(outcomeOf(await call({ properties })));
  const expected = [...Array(5).fill('web'), ...Array(2).fill('quota_exceeded{limit=daily}')];
  assert.deepEqual(outcomes, expected);
  const disabled = RESOURCES.replace('application: web, principal', 'state: disabled, $&');
  await rig.host.apply(disabled);
  await rig.advance(200);
  assert.equal(outcomeOf(await call({ properties })), 'key_disabled');
  await rig.host.apply(RESOURCES.replace(/---\s+apiVersion: \S+\s+kind: Credential[\s\S]*/, ''));
  await rig.advance(200);
  assert.equal(outcomeOf(await call({ properties })), 'caller_unknown');
  assert.equal(outcomeOf(await call({ properties: token(TOKEN) })), 'caller_unknown');
});

// Guarantees that the proxy is asked only where it must be: not for a key, not for an operation
// that is open to all, once for a certificate, and three times for a token.
test('only a request that needs it costs calls into the proxy', async () => {
  const { rig, call, key } = await start();
  await using _ = rig;
  const asked = async (caller: Caller) => {
    await call(caller);
    rig.vm.abi.reset();
    await call(caller);
    return rig.vm.abi.in('proxy_on_request_headers').proxy_get_property ?? 0;
  };
  assert.equal(await asked({ headers: [['x-api-key', key]] }), 0);
  assert.equal(await asked({ path: '/health' }), 0);
  assert.equal(await asked({ properties: { [CERTIFICATE]: WEB } }), 1);
  assert.equal(await asked({ properties: token(TOKEN) }), 4);
  assert.equal(await asked({ properties: token({ iss: 'https://other.example' }) }), 2);
});
