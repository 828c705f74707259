/**
 * Keys in query and cookies in front of a real Envoy: what reaches the service, what the router
 * sees, what the access log prints, and what a caller learns by trying keys.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { valuesOf } from '../support/origin.ts';
import { APPLICATION } from '../support/policies.ts';
import { Rig } from '../support/rig.ts';
import { until } from '../support/wait.ts';

const IDENTIFY = [
  { apiKey: { header: 'x-api-key' } },
  { apiKey: { query: 'api_key' } },
  { apiKey: { cookie: 'sid' } },
];

/** Routes as a careless operator has them: one by the key's parameter, one with a rewrite. */
const ROUTES = [
  {
    match: { prefix: '/orders', query_parameters: [{ name: 'api_key', present_match: true }] },
    direct_response: { status: 418, body: { inline_string: 'routed by the key' } },
  },
  {
    match: { prefix: '/orders', query_parameters: [{ name: 'rewrite', present_match: true }] },
    route: { cluster: 'origin', prefix_rewrite: '/v1/orders' },
  },
  { match: { prefix: '/' }, route: { cluster: 'origin' } },
];

async function start() {
  const rig = await Rig.start({ setting: { identify: IDENTIFY }, routes: ROUTES });
  const { id, key } = await rig.host.createKey(APPLICATION);
  await until('the key is known', async () => (await rig.call(key)).status === 200);
  rig.origin.reset();
  return { rig, id, key };
}

// Guarantees that a key in query or cookie works on Envoy as it does in a header, that neither the
// service nor the router meets it, and that all else stays byte for byte.
test('a key in query or cookie is cut before the route is chosen', async () => {
  const { rig, key } = await start();
  await using _ = rig;
  const escaped = key.replace('_', '%5f');
  const cases: [string, Record<string, string>, string, string[]][] = [
    [`/orders?api_key=${key}`, {}, '/orders', []],
    [`/orders?a=%20+&api%5Fkey=${escaped}&&b`, {}, '/orders?a=%20+&&b', []],
    [`/orders?rewrite&api_key=${key}`, {}, '/v1/orders?rewrite', []],
    ['/orders?c', { cookie: `a=1; sid=${key}; b="2"` }, '/orders?c', ['a=1; b="2"']],
    ['/orders', { cookie: `sid="${key}"` }, '/orders', []],
    [`/health?api_key=${key}&d`, { cookie: `sid=${key}` }, '/health?d', []],
  ];
  for (const [path, headers, arrives, cookies] of cases) {
    rig.origin.reset();
    assert.equal((await rig.call(undefined, { path, headers })).status, 200, path);
    const [arrival] = rig.origin.arrivals;
    assert.ok(arrival);
    assert.equal(arrival.path, arrives);
    assert.deepEqual(valuesOf(arrival, 'cookie'), cookies);
    assert.ok(!JSON.stringify(arrival).includes(key.slice(5)), JSON.stringify(arrival));
  }
});

// Guarantees that whoever reads an access log learns no key from path or cookie, whatever became of
// the request; also what a proxy in front says that the path was.
test('no key of a path or cookie stands in the access log', async () => {
  const { rig, id, key } = await start();
  await using _ = rig;
  const other = (await rig.host.createKey(APPLICATION)).key;
  const carry = (path: string) => ({
    path: `${path}${path.includes('?') ? '&' : '?'}api_key=${key}`,
    headers: { cookie: `sid=${key}; b=2`, 'x-envoy-original-path': `/v0${path}?api_key=${key}` },
  });
  const calls: [string, string | undefined, number][] = [
    ['/orders', undefined, 200],
    ['/health', undefined, 200],
    ['/nothing', undefined, 404],
    ['/orders/../x', undefined, 400],
    [`/orders?api_key=${other}`, undefined, 401],
    ['/orders', other, 401],
  ];
  for (const [path, inHeader, status] of calls) {
    const { headers, ...rest } = carry(path);
    assert.equal((await rig.call(inHeader, { headers, ...rest })).status, status, path);
  }
  await rig.host.revokeKey(id);
  await until('it is revoked', async () => (await rig.call(key)).status === 401);
  assert.equal((await rig.call(undefined, carry('/orders'))).status, 401);
  const lines = await until('the access log is written', async () => {
    const written = await readFile(rig.accessLog(0), 'utf8');
    return written.split('\n').length > calls.length + 3 ? written : undefined;
  });
  assert.match(lines, /key_conflict/);
  for (const secret of [key, other]) {
    assert.ok(!lines.includes(secret.slice(10)), 'the access log holds a key');
    assert.ok(!(rig.proxies[0]?.log ?? '').includes(secret.slice(10)), "Envoy's log holds a key");
  }
});

// Guarantees that trying keys teaches nothing on the wire either: all that comes back is the same.
test('unknown and malformed keys get the same answer from Envoy', async () => {
  const { rig, id, key } = await start();
  await using _ = rig;
  await rig.host.revokeKey(id);
  await until('it is revoked', async () => (await rig.call(key)).status === 401);
  const answers = new Set<string>();
  for (const wrong of [key, `${key.slice(0, -1)}~`, 'sg_x', `sg_${'a'.repeat(3_000)}`]) {
    for (const [path, headers] of [
      ['/orders', { 'x-api-key': wrong }],
      [`/orders?api_key=${wrong}`, {}],
      ['/orders', { cookie: `sid=${wrong}` }],
    ] as const) {
      const { status, headers: got, body } = await rig.call(undefined, { path, headers });
      const { date, ...rest } = got;
      assert.ok(date);
      answers.add(JSON.stringify({ status, headers: rest, body }));
    }
  }
  assert.equal(answers.size, 1, [...answers].join('\n'));
  assert.match([...answers].join(), /^\{"status":401/);
});

// Guarantees that Envoy's own idea of the peer is what networks are compared with, and that trusted
// hops are counted in the header as Envoy hands it on, its own entry included.
test('a key bound to networks works from them alone', async () => {
  await using rig = await Rig.start({
    plugin: { clientAddress: 'peer' },
    manager: { use_remote_address: true },
  });
  const home = await rig.host.createKey(APPLICATION, { cidrs: ['127.0.0.0/8'] });
  const away = await rig.host.createKey(APPLICATION, { cidrs: ['10.0.0.0/8', '2001:db8::/32'] });
  const page = await rig.host.createKey(APPLICATION, { referers: ['*.example.com'] });
  await until('the keys are known', async () => (await rig.call(home.key)).status === 200);
  const forged = { headers: { 'x-forwarded-for': '10.1.2.3' } };
  assert.equal((await rig.call(away.key, forged)).status, 403);
  const refused = await rig.call(page.key, { headers: { referer: 'https://evil.example/' } });
  assert.match(refused.body, /referer_denied/);
  const headers = { referer: 'https://app.example.com/map' };
  assert.equal((await rig.call(page.key, { headers })).status, 200);
});

test('behind trusted hops the address is the one they wrote', async () => {
  await using rig = await Rig.start({ plugin: { clientAddress: 'xff', trustedHops: 1 } });
  const { key } = await rig.host.createKey(APPLICATION, { cidrs: ['10.0.0.0/8'] });
  const from = async (list: string) => {
    return (await rig.call(key, { headers: { 'x-forwarded-for': list } })).status;
  };
  await until('the key is known', async () => (await from('9.9.9.9, 10.1.2.3')) === 200);
  assert.equal(await from('10.1.2.3, 9.9.9.9'), 403);
  assert.equal((await rig.call(key)).status, 403);
});
