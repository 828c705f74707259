/**
 * Who is calling: keys from header, query and cookie in the release filter, what is left of the
 * request once they are cut, and what nobody can find out by trying keys.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pair, Stream } from '../../host/emulator/index.ts';
import { CLUSTER, FilterRig, RESOURCES } from './support/filter.ts';

const HOST = 'orders.example.com';
const GOOD_LOOKING = 'sg_000000000000000000000000000000zzzzzz';

const EVERYWHERE = RESOURCES.replace(
  '    - apiKey: { header: x-api-key }\n',
  `    - apiKey: { header: x-api-key }
    - apiKey: { query: api_key }
    - apiKey: { cookie: sid }
`,
);

/** A rig whose product takes keys from everywhere, with one good key. */
async function ready(config: Record<string, unknown> = {}) {
  const rig = await FilterRig.start({
    config: JSON.stringify({ clusters: [CLUSTER], ...config }),
    resources: EVERYWHERE,
  });
  const { key } = await rig.host.createKey('shop');
  await rig.advance(200);
  return { rig, key };
}

/** A request as it stands, pseudo headers and all, decided; it ends with its VM. */
async function decide(rig: FilterRig, headers: readonly Pair[]): Promise<Stream> {
  const stream = rig.vm.request({ headers: [...headers] });
  await rig.decided(stream);
  return stream;
}

function get(path: string, ...headers: Pair[]): Pair[] {
  return [[':method', 'GET'], [':path', path], [':authority', HOST], ...headers];
}

/** What the request looks like to whoever comes after the filter, the access log included. */
function left(stream: Stream): Record<string, string> {
  return Object.fromEntries(stream.readable('request')?.pairs() ?? stream.upstreamHeaders ?? []);
}

// Guarantees that a caller is known by its key wherever the product says one may stand, and that
// the service sees the request as if it had never been there.
test('a key in query or cookie identifies the caller and is cut', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  const escaped = key.replace('_', '%5F');
  const cases: [Pair[], string, string | undefined][] = [
    [get(`/orders?api_key=${key}`), '/orders', undefined],
    [get(`/orders?a=1&api%5Fkey=${escaped}&b=%20`), '/orders?a=1&b=%20', undefined],
    [get('/orders?a', ['cookie', `a=1; sid=${key}; b=2`]), '/orders?a', 'a=1; b=2'],
    [get('/orders', ['cookie', 'a=1'], ['cookie', `sid="${key}"`]), '/orders', 'a=1'],
    [
      get(`/orders?api_key=${key}`, ['x-api-key', key], ['cookie', `sid=${key}`]),
      '/orders',
      undefined,
    ],
  ];
  for (const [headers, path, cookie] of cases) {
    const stream = await decide(rig, headers);
    assert.equal(stream.outcome, 'continued', JSON.stringify(headers));
    const seen = left(stream);
    assert.equal(seen[':path'], path);
    assert.equal(seen.cookie, cookie);
    assert.equal(seen['x-consumer'], 'acme');
    assert.equal(seen['x-api-key'], undefined);
  }
});

// Guarantees that a query or cookie that carries no key of the product reaches the service as sent,
// byte for byte.
test('what is no key stays as it is', async () => {
  const { rig } = await ready();
  await using _ = rig;
  const path = '/health?api_key=&API_KEY=sg_1&a=%zz&&b=+;c?d=e&api_key=other';
  const cookie = ' sid=eyJhbGci ;; a="b';
  const stream = await decide(rig, get(path, ['cookie', cookie]));
  assert.equal(stream.outcome, 'continued');
  assert.equal(left(stream)[':path'], path);
  assert.equal(left(stream).cookie, cookie);
});

// Guarantees that no log learns a key from a path or cookie, whatever becomes of the request; also
// where the product is not known, and where a proxy in front kept the path before its rewrite.
test('keys are cut from query and cookies before every refusal', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  const other = (await rig.host.createKey('shop')).key;
  await rig.advance(50);
  const cases: [string, string, Pair[], string][] = [
    ['/orders', HOST, [['x-api-key', other]], 'key_conflict'],
    [`/orders?api_key=${key}`, HOST, [], 'key_conflict'],
    ['/nothing', HOST, [], 'operation_not_found'],
    ['/orders/../a', HOST, [], 'path_ambiguous'],
    ['/orders', 'other.example.com', [], 'host_not_governed'],
    ['/orders', '', [], 'host_not_governed'],
  ];
  for (const [path, authority, extra, reason] of cases) {
    const joined = path.includes('?') ? '&' : '?';
    const headers: Pair[] = [
      [':method', 'GET'],
      [':path', `${path}${joined}a=1&api_key=${key}`],
      [':authority', authority],
      ['x-envoy-original-path', `/v1${path}?api_key=${key}&b`],
      ['cookie', `sid=${key}; b=2`],
      ...extra,
    ];
    const stream = await decide(rig, headers);
    assert.equal(stream.details, `sidegate_${reason}`, path);
    const seen = left(stream);
    assert.ok(!JSON.stringify(seen).includes(key.slice(5)), JSON.stringify(seen));
    assert.equal(seen[':path'], `${path.split('?')[0]}?a=1`);
    assert.equal(seen['x-envoy-original-path'], `/v1${path.split('?')[0]}?b`);
    assert.equal(seen.cookie, 'b=2');
  }
});

// Guarantees the same while the filter has no policy to know names from.
test('a refusal without a policy leaves no key in the path', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  await using empty = await FilterRig.start({ reachable: false });
  const stream = await decide(empty, get(`/orders?whatever=${key}&a=1`));
  assert.equal(stream.details, 'sidegate_no_policy');
  assert.equal(left(stream)[':path'], '/orders?a=1');
});

// Guarantees that trying keys teaches nothing: whatever is wrong with a key, wherever it stands,
// the answer is the same to the byte in status, headers and body.
test('unknown and malformed keys get the same answer from every source', async () => {
  const { rig } = await ready();
  await using _ = rig;
  const { id, key: unknown } = await rig.host.createKey('shop');
  await rig.host.revokeKey(id);
  await rig.advance(50);
  const wrong = [unknown, GOOD_LOOKING, 'sg_x', `sg_${'a'.repeat(2_000)}`, `${unknown}0`];
  const answers = new Set<string>();
  const reasons = new Set<string | undefined>();
  for (const key of wrong) {
    for (const headers of [
      get('/orders', ['x-api-key', key]),
      get('/orders', ['authorization', `Bearer ${key}`]),
      get(`/orders?api_key=${key}`),
      get('/orders', ['cookie', `sid=${key}`]),
    ]) {
      const stream = await decide(rig, headers);
      answers.add(JSON.stringify(stream.answer));
      reasons.add(stream.details);
    }
  }
  assert.equal(answers.size, 1, [...answers].join('\n'));
  assert.match([...answers].join(), /"status":401/);
  assert.deepEqual([...reasons].sort(), ['sidegate_key_malformed', 'sidegate_key_unknown']);
});

// Guarantees that a key is cut from an operation that asks for none, and gives it no identity.
test('an operation open to everybody knows no caller', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  const stream = await decide(rig, get(`/health?api_key=${key}`, ['cookie', `sid=${key}`]));
  assert.equal(stream.outcome, 'continued');
  assert.equal(left(stream)[':path'], '/health');
  assert.equal(left(stream).cookie, undefined);
  assert.equal(left(stream)['x-consumer'], undefined);
});

// Guarantees that the request a host is asked about is the one that is governed, however its
// authority is written, and that one which has none never slips by.
test('an authority is read as servers read it', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  const governed = [HOST, 'ORDERS.Example.COM', `${HOST}.`, `${HOST}:443`, `${HOST}.:8080`];
  governed.push(`${HOST}:`);
  for (const authority of governed) {
    const headers: Pair[] = [
      [':method', 'GET'],
      [':path', '/orders'],
      [':authority', authority],
    ];
    const stream = await decide(rig, [...headers, ['x-api-key', key]]);
    assert.equal(stream.outcome, 'continued', authority);
    const without = await decide(rig, headers);
    assert.equal(without.details, 'sidegate_key_missing', authority);
  }
  const others = ['[::1]', '[::1]:80', '[', '::1', '', '.', ':', `x${HOST}`, `${HOST}..`];
  others.push(`${HOST}@evil.example`, `evil.example:80@${HOST}`);
  for (const authority of others) {
    const headers: Pair[] = [
      [':method', 'GET'],
      [':path', '/orders'],
      [':authority', authority],
    ];
    const stream = await decide(rig, [...headers, ['x-api-key', key]]);
    assert.equal(stream.details, 'sidegate_host_not_governed', authority);
  }
});

// Guarantees that a request which lacks what every request has is refused and traps nothing.
test('a request without path, authority or method is refused', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  const cases: [Pair[], string][] = [
    [
      [
        [':method', 'GET'],
        [':authority', HOST],
      ],
      'path_ambiguous',
    ],
    [
      [
        [':method', 'GET'],
        [':path', ''],
        [':authority', HOST],
      ],
      'path_ambiguous',
    ],
    [
      [
        [':method', 'GET'],
        [':path', '/orders'],
      ],
      'host_not_governed',
    ],
    [
      [
        [':path', '/orders'],
        [':authority', HOST],
      ],
      'operation_not_found',
    ],
    [[], 'host_not_governed'],
  ];
  for (const [headers, reason] of cases) {
    const stream = await decide(rig, [...headers, ['x-api-key', key]]);
    assert.equal(stream.details, `sidegate_${reason}`, JSON.stringify(headers));
  }
  assert.equal((await decide(rig, get('/orders', ['x-api-key', key]))).outcome, 'continued');
});
