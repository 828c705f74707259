/**
 * The response side in a real Envoy: header edits, RateLimit fields as callers parse them, denials
 * that a page can read, and gRPC calls over HTTP/2 that are denied by trailers alone.
 */
import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { after, before, describe, test } from 'node:test';
import type { MadeKey } from '../support/host.ts';
import { APPLICATION } from '../support/policies.ts';
import { Rig } from '../support/rig.ts';
import { parseList } from '../support/structured-fields.ts';
import { until } from '../support/wait.ts';

const HOST = 'orders.example.com';
const SITE = 'https://app.example.com';
const STEPS = [
  { remove: 'x-powered-by' },
  { set: { name: 'x-frame-options', value: 'DENY' } },
  { setIfAbsent: { name: 'cache-control', value: 'no-store' } },
  { append: { name: 'x-trail', value: 'proxy' } },
  { rename: { from: 'x-old', to: 'x-new' } },
  { add: { name: 'set-cookie', value: 'b=2' } },
];

/** What the service answers with, name by name. */
const SERVICE: [string, string | string[]][] = [
  ['x-powered-by', 'node'],
  ['x-trail', 'service'],
  ['x-old', ['1', '2']],
  ['set-cookie', 'a=1'],
];

/** The answer to a gRPC call, and whether it came as headers alone. */
interface GrpcAnswer {
  headers: http2.IncomingHttpHeaders;
  trailersOnly: boolean;
  body: string;
}

describe('one proxy', () => {
  let rig: Rig;
  let good: MadeKey;
  /** Of an application that calls nothing before the host is down. */
  let idle: MadeKey;
  let session: http2.ClientHttp2Session;

  before(async () => {
    rig = await Rig.start({
      setting: {
        hosts: [HOST],
        applications: [APPLICATION, 'idle', 'other'],
        limits: [
          { name: 'daily', quota: 60, window: '1d' },
          { name: 'hourly', quota: 40, window: '1h' },
        ],
        responseSteps: STEPS,
        cors: { allowOrigins: [SITE], allowCredentials: true },
      },
    });
    rig.origin.answerWith(SERVICE);
    // Changes arrive in their order: once the second key is known, so is the first.
    idle = await rig.host.createKey('idle');
    good = await rig.host.createKey(APPLICATION);
    await until('the key is known', async () => (await call(good.key)).status === 200);
    session = http2.connect(`http://127.0.0.1:${rig.port()}`);
  });

  after(async () => {
    session.destroy();
    await rig[Symbol.asyncDispose]();
  });

  const call = (key?: string, headers: Record<string, string> = {}, method = 'GET') =>
    rig.call(key, { method, headers: { host: HOST, ...headers } });

  function callGrpc(type: string, headers: http2.OutgoingHttpHeaders): Promise<GrpcAnswer> {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/orders',
      ':authority': HOST,
      'content-type': type,
      te: 'trailers',
      ...headers,
    });
    return new Promise((resolve, reject) => {
      let answer: GrpcAnswer | undefined;
      let body = '';
      stream.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      stream.on('response', (got, flags) => {
        const trailersOnly = (flags & http2.constants.NGHTTP2_FLAG_END_STREAM) !== 0;
        answer = { headers: got, trailersOnly, body: '' };
      });
      stream.on('error', reject);
      stream.on('end', () => answer && resolve({ ...answer, body }));
      stream.setTimeout(10_000, () => reject(new Error('no answer')));
      stream.end();
    });
  }

  // Guarantees that what the emulator shows of edits is what Envoy does with them.
  test('responses are edited', async () => {
    const { headers } = await call(good.key);
    assert.equal(headers['x-powered-by'], undefined);
    assert.equal(headers['x-frame-options'], 'DENY');
    assert.equal(headers['cache-control'], 'no-store');
    assert.equal(headers['x-trail'], 'service, proxy');
    assert.equal(headers['x-old'], undefined);
    assert.equal(headers['x-new'], '1, 2');
    assert.deepEqual(headers['set-cookie'], ['a=1', 'b=2']);
  });

  // Guarantees that a browser reaches the service with its question, at no cost.
  test('a preflight reaches the service without a key', async () => {
    const before = rig.origin.count;
    const asked = { origin: SITE, 'access-control-request-method': 'GET' };
    const answer = await call(undefined, asked, 'OPTIONS');
    assert.equal(answer.status, 200);
    assert.equal(rig.origin.count, before + 1);
    const other = { ...asked, 'access-control-request-method': 'DELETE' };
    assert.equal((await call(undefined, other, 'OPTIONS')).status, 404);
  });

  // Guarantees trailers alone for each kind of gRPC content type, with our status and no other.
  test('gRPC calls are denied by trailers alone', async () => {
    for (const type of ['application/grpc', 'application/grpc+proto']) {
      const missing = await callGrpc(type, {});
      assert.equal(missing.headers[':status'], 200);
      assert.equal(missing.headers['grpc-status'], '16');
      assert.equal(missing.headers['grpc-message'], 'API key is missing');
      assert.equal(missing.headers['content-type'], 'application/grpc');
      assert.ok(missing.trailersOnly, 'the headers end the stream');
      assert.equal(missing.body, '');
    }
    const nowhere = await callGrpc('application/grpc', { ':path': '/nowhere' });
    assert.equal(nowhere.headers['grpc-status'], '12');
    const web = await callGrpc('application/grpc-web+proto', { origin: SITE });
    assert.equal(web.headers[':status'], 200);
    assert.equal(web.headers['grpc-status'], '16');
    assert.equal(web.headers['content-type'], 'application/grpc-web+proto');
    assert.equal(web.headers['access-control-allow-origin'], SITE);
    assert.ok(web.trailersOnly);
  });

  // Guarantees that the numbers mean what they say, down to the denial, which a page can read.
  test('RateLimit counts down to the denial that it describes', async () => {
    let left = Number.POSITIVE_INFINITY;
    let answer = await call(good.key);
    while (answer.status === 200) {
      const [item] = parseList(String(answer.headers.ratelimit));
      assert.equal(item?.value, 'hourly');
      assert.ok((item?.parameters.r ?? left) < left, `${answer.headers.ratelimit} after ${left}`);
      left = item?.parameters.r ?? 0;
      answer = await call(good.key, { origin: SITE });
    }
    assert.equal(left, 0, 'nothing was left before the denial');
    assert.equal(answer.status, 429);
    const [denied] = parseList(String(answer.headers.ratelimit));
    assert.deepEqual([denied?.value, denied?.parameters.r], ['hourly', 0]);
    assert.equal(answer.headers['retry-after'], String(denied?.parameters.t));
    assert.deepEqual(parseList(String(answer.headers['ratelimit-policy'])), [
      { value: 'daily', parameters: { q: 60, w: 86_400 } },
      { value: 'hourly', parameters: { q: 40, w: 3_600 } },
    ]);
    assert.equal(answer.headers['access-control-allow-origin'], SITE);
    assert.equal(answer.headers.vary, 'origin');
    assert.equal(answer.headers['x-frame-options'], undefined, 'a denial is not edited');
    const spent = await callGrpc('application/grpc', { 'x-api-key': good.key });
    assert.equal(spent.headers['grpc-status'], '8');
    assert.match(String(spent.headers.ratelimit), /^"hourly";r=0;t=\d+$/);
  });

  // Guarantees that an answer of Envoy itself, for a service that is down, says what is left too.
  test('an answer of the proxy is edited like one of the service', async () => {
    const key = (await rig.host.createKey('other')).key;
    await until('the key is known', async () => (await call(key)).status === 200);
    await rig.origin.stop();
    const answer = await call(key);
    assert.equal(answer.status, 503);
    assert.equal(answer.headers['x-frame-options'], 'DENY');
    const [item] = parseList(String(answer.headers.ratelimit));
    assert.equal(item?.value, 'hourly');
  });

  // Guarantees 7 for what nobody may have here, and 14 where no decision is possible.
  test('gRPC status 7 and 14', async () => {
    const elsewhere = await callGrpc('application/grpc', { ':authority': 'other.example.com' });
    assert.equal(elsewhere.headers['grpc-status'], '7');
    await rig.host.stop();
    const cold = await callGrpc('application/grpc', { 'x-api-key': idle.key });
    assert.equal(cold.headers['grpc-status'], '14');
    assert.equal(cold.headers['ratelimit-policy'], '"daily";q=60;w=86400, "hourly";q=40;w=3600');
    assert.equal(cold.headers.ratelimit, undefined, 'nobody knows what is left');
    assert.ok(cold.trailersOnly);
  });
});
