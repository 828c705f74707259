/**
 * The RateLimit fields: what a caller is told of its limits, on answers and on denials, read as
 * strictly as the strictest caller would.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Stream } from '../../host/emulator/index.ts';
import { parseList } from '../support/structured-fields.ts';
import { CLUSTER, CONFIG, FilterRig, RESOURCES } from './support/filter.ts';

const DAILY = '{ name: daily, class: exact, quota: 100, window: 1d }';
const BOTH = `${DAILY}
    - { name: hourly, class: exact, quota: 40, window: 1h }`;

interface Setting {
  limits?: string;
  /** Value of the product's rateLimitFields. */
  fields?: string;
  config?: string;
}

/** A rig whose plan has these limits, ready to decide, and one good key. */
async function ready({ limits = DAILY, fields, config = CONFIG }: Setting = {}) {
  const product = fields === undefined ? '' : `\n  rateLimitFields: ${fields}`;
  const resources = RESOURCES.replace(DAILY, limits).replace(
    '  hosts: [orders.example.com]',
    `  hosts: [orders.example.com]${product}`,
  );
  const rig = await FilterRig.start({ resources, config });
  const { key } = await rig.host.createKey('shop');
  await rig.advance(200);
  return { rig, key };
}

/** One request, and the service's answer if it gets so far. */
async function exchange(rig: FilterRig, key: string, method = 'GET'): Promise<Stream> {
  const stream = rig.request([['x-api-key', key]], '/orders', method);
  await rig.decided(stream);
  if (stream.outcome === 'continued') {
    // A service that counts by itself knows less than we do.
    stream.respond({
      headers: [
        [':status', '200'],
        ['ratelimit', '"service";r=1;t=1'],
      ],
    });
  }
  return stream;
}

function header(stream: Stream, name: string): string | undefined {
  const values = (stream.answer?.headers ?? []).filter(([each]) => each === name);
  assert.ok(values.length <= 1, `${name} stands ${values.length} times`);
  return values[0]?.[1];
}

/** What `RateLimit` says: the limit's name, what is left, seconds until it is renewed. */
function standing(stream: Stream): { name?: string; r?: number; t?: number } {
  const [item, ...more] = parseList(header(stream, 'ratelimit') ?? '');
  assert.deepEqual(more, [], 'one limit is named');
  return { ...(item && { name: item.value }), ...item?.parameters };
}

// Guarantees the form of the draft: every enforced limit in the policy, one of them with what is
// left, which goes down by the cost of each request.
test('an answer says what is promised and what is left', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  const stream = await exchange(rig, key);
  assert.deepEqual(parseList(header(stream, 'ratelimit-policy') ?? ''), [
    { value: 'daily', parameters: { q: 100, w: 86_400 } },
  ]);
  const { name, r, t = 0 } = standing(stream);
  assert.deepEqual({ name, r }, { name: 'daily', r: 99 });
  assert.ok(t > 11 * 3_600 && t <= 12 * 3_600 + 60, `${t} s until midnight`);
  assert.equal(standing(await exchange(rig, key, 'POST')).r, 94, 'a cost of five');
  assert.equal(header(stream, 'x-ratelimit-limit'), undefined);
  assert.equal(header(stream, 'retry-after'), undefined);
});

// Guarantees that of several limits the one is shown that ends first, by its share and not by its
// number of units.
test('the limit with the least share is shown', async () => {
  const { rig, key } = await ready({
    limits: `{ name: daily, class: exact, quota: 50, window: 1d }
    - { name: hourly, class: exact, quota: 2000, window: 1h }
    - { name: minute, class: exact, quota: 45, window: 1m }`,
  });
  await using _ = rig;
  const stream = await exchange(rig, key);
  assert.equal(standing(stream).name, 'minute');
  assert.deepEqual(
    parseList(header(stream, 'ratelimit-policy') ?? '').map(({ value }) => value),
    ['daily', 'hourly', 'minute'],
  );
  for (let i = 0; i < 30; i++) await exchange(rig, key);
  await rig.advance(60_000, 1_000);
  assert.equal(standing(await exchange(rig, key)).name, 'daily', 'the minute is new');
});

// Guarantees that a denial describes the limit that denied, and that both fields which say when to
// come back mean the same moment.
test('a denial describes the limit that denied', async () => {
  const { rig, key } = await ready({ limits: BOTH });
  await using _ = rig;
  for (let i = 0; i < 40; i++) assert.equal((await exchange(rig, key)).status, 200);
  const denied = await exchange(rig, key);
  assert.equal(denied.status, 429);
  const { name, r, t } = standing(denied);
  assert.deepEqual({ name, r }, { name: 'hourly', r: 0 });
  assert.equal(String(t), header(denied, 'retry-after'));
  assert.equal(parseList(header(denied, 'ratelimit-policy') ?? '').length, 2);
  const dear = await ready({ limits: '{ name: daily, class: exact, quota: 7, window: 1d }' });
  await using __ = dear.rig;
  for (let i = 0; i < 4; i++) await exchange(dear.rig, dear.key);
  const short = await exchange(dear.rig, dear.key, 'POST');
  assert.equal(short.status, 429);
  assert.equal(standing(short).r, 3, 'too few for this request, enough for others');
});

// Guarantees that the product chooses the form, and that the older one says the same.
test('a product chooses standard, legacy, both or none', async () => {
  for (const fields of ['legacy', 'both', 'none']) {
    const { rig, key } = await ready({ fields, limits: BOTH });
    await using _ = rig;
    for (const expected of [200, 429]) {
      if (expected === 429) for (let i = 0; i < 39; i++) await exchange(rig, key);
      const stream = await exchange(rig, key);
      assert.equal(stream.status, expected);
      const legacy = ['limit', 'remaining', 'reset'].map((each) =>
        header(stream, `x-ratelimit-${each}`),
      );
      if (fields === 'none') assert.deepEqual(legacy, [undefined, undefined, undefined]);
      else assert.deepEqual(legacy.slice(0, 2), ['40', expected === 200 ? '39' : '0']);
      const own = expected === 200 ? '"service";r=1;t=1' : undefined;
      if (fields !== 'both') assert.equal(header(stream, 'ratelimit'), own, fields);
      else assert.equal(String(standing(stream).t), legacy[2]);
      assert.equal(header(stream, 'ratelimit-policy') !== undefined, fields === 'both');
    }
  }
});

// Guarantees that nothing is told where nothing holds: no key, no limit, a plan that withholds,
// limits and proxies that do not enforce.
test('nothing is told where nothing is enforced', async () => {
  const { rig } = await ready();
  await using _ = rig;
  const anonymous = rig.request([], '/health');
  anonymous.respond({ headers: [[':status', '200']] });
  assert.deepEqual(anonymous.answer?.headers, [[':status', '200']]);
  assert.equal(header(rig.request(), 'ratelimit-policy'), undefined, 'a request without a key');
  const silent: Setting[] = [
    { limits: `${DAILY}\n  rateLimitFields: none` },
    { limits: '{ name: daily, class: exact, quota: 100, window: 1d, mode: shadow }' },
    { limits: '{ name: daily, class: exact, quota: 100, window: 1d, mode: off }' },
    { config: JSON.stringify({ clusters: [CLUSTER], mode: 'shadow' }) },
  ];
  for (const setting of silent) {
    const each = await ready(setting);
    await using __ = each.rig;
    const stream = await exchange(each.rig, each.key);
    assert.equal(stream.status, 200);
    assert.equal(header(stream, 'ratelimit-policy'), undefined, JSON.stringify(setting));
    assert.equal(header(stream, 'ratelimit'), '"service";r=1;t=1');
  }
  const mixed = await ready({
    limits: `{ name: daily, class: exact, quota: 100, window: 1d }
    - { name: trial, class: exact, quota: 5, window: 1h, mode: shadow }`,
  });
  await using __ = mixed.rig;
  const stream = await exchange(mixed.rig, mixed.key);
  assert.equal(header(stream, 'ratelimit-policy'), '"daily";q=100;w=86400');
  assert.equal(standing(stream).name, 'daily');
});

// Guarantees that the largest quota is told as a number that a structured field can hold.
test('a quota beyond the Integers of structured fields is told as the largest', async () => {
  const quota = Number.MAX_SAFE_INTEGER;
  const { rig, key } = await ready({
    limits: `{ name: daily, class: exact, quota: ${quota}, window: 1d }`,
  });
  await using _ = rig;
  const stream = await exchange(rig, key);
  const [policy] = parseList(header(stream, 'ratelimit-policy') ?? '');
  assert.equal(policy?.parameters.q, 999_999_999_999_999);
  assert.equal(standing(stream).r, 999_999_999_999_999);
});

// Guarantees that what is told is never more than there is, whatever was granted to this holder and
// given back meanwhile.
test('what is left counts no unit twice', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  for (let i = 0; i < 10; i++) {
    const { r = 0 } = standing(await exchange(rig, key));
    assert.equal(r, 99 - i);
    await rig.advance(500, 100);
  }
});

// Guarantees that a host that does not answer is not made up for by a number.
test('without word from the host only the policy is told', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  rig.clusters.set(CLUSTER, 'refused');
  const stream = await exchange(rig, key);
  assert.equal(stream.status, 503);
  assert.equal(header(stream, 'ratelimit'), undefined);
  assert.equal(header(stream, 'ratelimit-policy'), '"daily";q=100;w=86400');
});

// Guarantees the price of the fields: two edits and no read.
test('the fields cost two calls', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  await rig.send(key);
  const stream = rig.request([['x-api-key', key]]);
  rig.vm.abi.reset();
  stream.respond({ headers: [[':status', '200']] });
  assert.deepEqual(rig.vm.abi.in('proxy_on_response_headers'), {
    proxy_replace_header_map_value: 2,
  });
});
