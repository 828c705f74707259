/**
 * What browsers meet: preflights, which pass uncounted, and denials, which the pages of allowed
 * origins can read; and gRPC-Web, whose denials are read by a page too.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pair, Stream } from '../../host/emulator/index.ts';
import { FilterRig, RESOURCES } from './support/filter.ts';

const SITES = 'https://app.example.com, "https://*.example.org", "https://*.test:8443"';

/** A rig whose product has these lines more, ready to decide, and one good key. */
async function ready(cors = `{ allowOrigins: [${SITES}], allowCredentials: true }`) {
  const more = cors === '' ? '' : `  cors: ${cors}\n`;
  const rig = await FilterRig.start({
    resources: RESOURCES.replace('  hosts:', `${more}  hosts:`),
  });
  const { key } = await rig.host.createKey('shop');
  await rig.advance(200);
  return { rig, key };
}

const SITE: Pair = ['origin', 'https://app.example.com'];

function preflight(rig: FilterRig, method: string, path = '/orders', more: Pair[] = []): Stream {
  const headers: Pair[] = [SITE, ['access-control-request-method', method], ...more];
  return rig.request(headers, path, 'OPTIONS');
}

function headersOf(stream: Stream): Record<string, string> {
  return Object.fromEntries(stream.answer?.headers ?? []);
}

function reasonOf(stream: Stream): string | undefined {
  const state = Buffer.from(stream.filterState.get('wasm.sidegate') ?? []).toString();
  return /reason=(\w+)/.exec(state)?.[1];
}

// Guarantees that a page may ask first, without a key and at no cost, for every operation there is
// and for no other.
test('a true preflight passes uncounted', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  for (const [method, path] of [
    ['GET', '/orders'],
    ['POST', '/orders'],
    ['GET', '/health'],
  ] as const) {
    for (let i = 0; i < 60; i++) {
      const stream = preflight(rig, method, path, [['x-consumer', 'root']]);
      assert.equal(stream.outcome, 'continued', `${method} ${path}`);
      assert.equal(reasonOf(stream), 'preflight');
      assert.equal(Object.fromEntries(stream.upstreamHeaders ?? [])['x-consumer'], undefined);
      stream.end();
    }
  }
  let passed = 0;
  for (let i = 0; i < 110; i++) passed += (await rig.send(key)).outcome === 'continued' ? 1 : 0;
  assert.equal(passed, 100, 'the whole quota is still there');
  const keyed = preflight(rig, 'GET', '/orders', [['x-api-key', key]]);
  assert.ok(!JSON.stringify(keyed.upstreamHeaders).includes(key), 'a key in it is cut');
});

// Guarantees that OPTIONS is no way round the filter.
test('any other OPTIONS is a request like others', async () => {
  const { rig } = await ready();
  await using _ = rig;
  const asking: Pair = ['access-control-request-method', 'GET'];
  const cases: [string, Stream][] = [
    ['no origin', rig.request([asking], '/orders', 'OPTIONS')],
    ['no requested method', rig.request([SITE], '/orders', 'OPTIONS')],
    ['no such operation', preflight(rig, 'DELETE')],
    ['no such path', preflight(rig, 'GET', '/nothing')],
    ['an odd method', preflight(rig, 'BREW')],
    ['another method', rig.request([SITE, asking], '/orders', 'PUT')],
  ];
  for (const [name, stream] of cases) {
    assert.equal(stream.details, 'sidegate_operation_not_found', name);
    assert.equal(stream.status, 404, name);
  }
  const without = await ready('');
  await using __ = without.rig;
  assert.equal(preflight(without.rig, 'GET').status, 404, 'a product without CORS');
});

// Guarantees that a page of an allowed origin can read why it was refused and what is left, and
// that no other page, and no cache, is told so.
test('denials can be read by allowed origins alone', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  const allowed = [
    'https://app.example.com',
    'https://a.example.org',
    'https://a.b-1.example.org',
    'https://a.test:8443',
  ];
  for (const origin of allowed) {
    const headers = headersOf(rig.request([['origin', origin]]));
    assert.equal(headers['access-control-allow-origin'], origin);
    assert.equal(headers['access-control-allow-credentials'], 'true');
    assert.equal(headers.vary, 'origin');
    assert.equal(
      headers['access-control-expose-headers'],
      'RateLimit, RateLimit-Policy, Retry-After, Grpc-Status, Grpc-Message',
    );
  }
  const others = [
    ...['null', 'https://example.org', 'http://app.example.com', 'https://app.example.com:8443'],
    ...['https://app.example.com.evil', 'https://.example.org', 'https://evil/.example.org'],
    ...['https://a.test', 'https://A.example.org', 'https://x@a.example.org', ''],
  ];
  for (const origin of others) {
    const headers = headersOf(rig.request([['origin', origin]]));
    assert.equal(headers['access-control-allow-origin'], undefined, origin);
    assert.equal(headers['access-control-allow-credentials'], undefined, origin);
    assert.equal(headers.vary, 'origin', origin);
  }
  assert.equal(headersOf(rig.request()).vary, 'origin', 'for a cache, also without an origin');
  for (let i = 0; i < 100; i++) await rig.send(key);
  const spent = rig.request([SITE, ['x-api-key', key]]);
  await rig.decided(spent);
  assert.equal(spent.status, 429);
  assert.equal(headersOf(spent)['access-control-allow-origin'], SITE[1]);
  assert.match(headersOf(spent).ratelimit ?? '', /^"daily";r=0;t=\d+$/);
  const missing = preflight(rig, 'DELETE');
  assert.equal(headersOf(missing)['access-control-allow-origin'], SITE[1], 'a 404 too');
});

// Guarantees that "every origin" is said as such, and never with credentials.
test('every origin may be allowed', async () => {
  const { rig } = await ready('{ allowOrigins: ["*"], exposeHeaders: [X-Trace, RateLimit] }');
  await using _ = rig;
  const headers = headersOf(rig.request([['origin', 'https://anybody.example']]));
  assert.equal(headers['access-control-allow-origin'], '*');
  assert.equal(headers['access-control-allow-credentials'], undefined);
  assert.equal(headers.vary, undefined);
  assert.match(headers['access-control-expose-headers'] ?? '', /Grpc-Message, X-Trace$/);
  assert.equal(headersOf(rig.request())['access-control-allow-origin'], undefined);
});

// Guarantees that the service speaks for itself: what it answers is not touched.
test('answers of the service are its own', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  const stream = rig.request([SITE, ['x-api-key', key]]);
  await rig.decided(stream);
  const own: Pair[] = [
    [':status', '200'],
    ['access-control-allow-origin', 'https://other.example.com'],
  ];
  stream.respond({ headers: own });
  assert.equal(headersOf(stream)['access-control-allow-origin'], own[1]?.[1]);
  assert.equal(headersOf(stream).vary, undefined);
});

// Guarantees that a gRPC-Web caller is told the status that a gRPC caller is told, in the form that
// its clients take for an answer without messages.
test('a gRPC-Web call is denied with a gRPC status', async () => {
  const { rig } = await ready();
  await using _ = rig;
  for (const type of ['', '+proto', '-text', '-text+proto']) {
    const stream = rig.request([SITE, ['content-type', `application/grpc-web${type}`]]);
    const headers = headersOf(stream);
    assert.equal(stream.status, 200);
    assert.equal(headers['content-type'], 'application/grpc-web+proto');
    assert.equal(headers['grpc-status'], '16');
    assert.equal(headers['grpc-message'], 'API key is missing');
    assert.equal(headers['access-control-allow-origin'], SITE[1]);
    assert.equal(stream.answer?.body, '');
    assert.equal(stream.details, 'sidegate_key_missing');
  }
  const other = rig.request([['content-type', 'application/grpcweb']]);
  assert.equal(other.status, 401, 'no gRPC at all');
});
