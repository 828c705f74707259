/**
 * Hop tokens, in the release filter: what a filter in front writes, held to HMAC of Node, and when
 * the filter behind it believes that: with the token and the peer it trusts, never with one alone.
 */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import type { Pair, Stream } from '../../host/emulator/index.ts';
import { decodePolicy } from '../../host/wire/policy.ts';
import { CLUSTER, FilterRig, RESOURCES } from './support/filter.ts';

const KEY = 'a key of the proxy group, shared'.replaceAll(' ', '-');
const NEXT = 'the key of next week, also known'.replaceAll(' ', '-');
const GATEWAY = 'spiffe://cluster.local/ns/istio-system/sa/ingress';
const CERTIFICATE = 'connection.uri_san_peer_certificate';
const HOP = 'x-sidegate-hop';
const ID = '6c4b1f0e-5a3d-4c2b-9a18-0123456789ab';
const QUOTA = RESOURCES.replace('quota: 100', 'quota: 5');

interface Call {
  readonly key?: string;
  readonly path?: string;
  readonly method?: string;
  readonly authority?: string;
  readonly id?: string;
  readonly headers?: readonly Pair[];
  readonly peer?: string;
}

function requestOf(call: Call) {
  const { path = '/orders', method = 'GET', authority = 'orders.example.com', id = ID } = call;
  const headers: Pair[] = [
    [':method', method],
    [':path', path],
    [':authority', authority],
    ...(id === '' ? [] : [['x-request-id', id] as Pair]),
    ...(call.key === undefined ? [] : [['x-api-key', call.key] as Pair]),
    ...(call.headers ?? []),
  ];
  return { headers, ...(call.peer !== undefined && { properties: { [CERTIFICATE]: call.peer } }) };
}

async function start(config: object, environment: Record<string, string> = {}) {
  const rig = await FilterRig.start({
    config: JSON.stringify({ clusters: [CLUSTER], ...config }),
    resources: QUOTA,
    environment: { SIDEGATE_HOP_KEY: KEY, ...environment },
  });
  await rig.advance(200);
  const call = async (asked: Call): Promise<Stream> => {
    const stream = rig.vm.request(requestOf(asked));
    await rig.decided(stream);
    return stream;
  };
  return { rig, call };
}

const startGateway = () => start({ hop: 'mint' });
const startInner = (environment = {}) =>
  start({ hop: 'accept', hopPrincipals: ['spiffe://other', GATEWAY] }, environment);

function valuesOf(stream: Stream, name: string): string[] {
  return (stream.upstreamHeaders ?? []).filter(([each]) => each === name).map(([, value]) => value);
}

/** `pass` or the reason of a refusal. */
function outcomeOf(stream: Stream): string {
  return stream.details === undefined ? 'pass' : stream.details.replace('sidegate_', '');
}

/** A token as docs/wire.md lays it down, made without the filter. */
function tokenOf(
  { path = '/orders', method = 'GET', authority = 'orders.example.com', id = ID }: Call,
  ids: { product: bigint; subscription: bigint },
  expiry: bigint,
  key = KEY,
): string {
  const sized = (text: string) => {
    const size = Buffer.alloc(4);
    size.writeUInt32LE(text.length);
    return Buffer.concat([size, Buffer.from(text)]);
  };
  const head = Buffer.alloc(24);
  head.writeBigUInt64LE(expiry);
  head.writeBigUInt64LE(ids.subscription, 8);
  head.writeBigUInt64LE(ids.product, 16);
  const untraced = `${id.slice(0, 14)}\0${id.slice(15)}`;
  const parts = [sized(untraced), sized(method), sized(authority), sized(path)];
  const mac = createHmac('sha256', key).update(Buffer.concat([head, ...parts]));
  const hex = (value: bigint) => value.toString(16).padStart(16, '0');
  return hex(expiry) + hex(ids.subscription) + mac.digest('hex');
}

async function productOf({ host }: FilterRig): Promise<bigint> {
  const [policy] = await host.store.policies('default');
  assert.ok(policy);
  const decoded = decodePolicy(policy.bytes);
  assert.ok(decoded.ok);
  return BigInt(decoded.value.products[0]?.id ?? 0);
}

async function mintedBy(gateway: Awaited<ReturnType<typeof startGateway>>, key: string) {
  const stream = await gateway.call({ key });
  const [token = ''] = valuesOf(stream, HOP);
  const subscription = BigInt(`0x${token.slice(16, 32)}`);
  const expiry = BigInt(`0x${token.slice(0, 16)}`);
  const ids = { product: await productOf(gateway.rig), subscription };
  return { token, expiry, ids };
}

// Guarantees the bytes of a token, against another implementation of HMAC, keys of every length.
test('a filter in front writes what HMAC of the request is', async () => {
  for (const key of [KEY, 'k'.repeat(64), 'k'.repeat(65), 'k'.repeat(256)]) {
    const gateway = await start({ hop: 'mint' }, { SIDEGATE_HOP_KEY: key });
    await using _ = gateway.rig;
    const made = await gateway.rig.host.createKey('shop');
    await gateway.rig.advance(50);
    const { token, expiry, ids } = await mintedBy(gateway, made.key);
    assert.equal(token, tokenOf({}, ids, expiry, key));
    const early = BigInt(gateway.rig.clock.unixMs) + 10_000n - expiry;
    assert.ok(early >= 0n && early < 100n, 'ten seconds by the clock of the host');
  }
});

// Guarantees that only what was decided and counted gets a token, and that no caller sends one in.
test('a token is for requests of a subscription that passed, and the only one', async () => {
  const gateway = await startGateway();
  await using _ = gateway.rig;
  const { key } = await gateway.rig.host.createKey('shop');
  await gateway.rig.advance(50);
  const forged: Pair[] = [
    [HOP, 'forged'],
    [HOP, '0'.repeat(96)],
  ];
  const passed = await gateway.call({ key, headers: forged });
  assert.equal(valuesOf(passed, HOP).length, 1);
  assert.match(valuesOf(passed, HOP)[0] ?? '', /^[0-9a-f]{96}$/);
  for (const call of [
    { path: '/health' },
    { key, id: '' },
    { key, path: `/orders?${'x'.repeat(9_000)}` },
  ]) {
    const stream = await gateway.call({ ...call, headers: forged });
    assert.equal(outcomeOf(stream), 'pass');
    assert.deepEqual(valuesOf(stream, HOP), []);
  }
  for (const [environment, config] of [
    [{ SIDEGATE_HOP_KEY: 'short' }, { hop: 'mint' }],
    [{}, {}],
  ]) {
    const other = await start(config ?? {}, environment as Record<string, string>);
    await using _rig = other.rig;
    const made = await other.rig.host.createKey('shop');
    await other.rig.advance(50);
    assert.deepEqual(valuesOf(await other.call({ key: made.key }), HOP), []);
  }
});

// Guarantees that a request is decided and counted once, by the filter in front: behind it the
// request passes as it came, without key and quota, and the service sees no token.
test('with token and trusted peer a request passes as it is, uncounted', async () => {
  const gateway = await startGateway();
  const inner = await startInner();
  await using _ = gateway.rig;
  await using __ = inner.rig;
  const { key } = await gateway.rig.host.createKey('shop');
  await gateway.rig.advance(50);
  for (let i = 0; i < 6; i++) {
    const front = await gateway.call({ key, path: '/orders?a=1' });
    const isLast = i === 5;
    assert.equal(outcomeOf(front), isLast ? 'quota_exceeded{limit=daily}' : 'pass');
    if (isLast) break;
    const headers = (front.upstreamHeaders ?? []).filter(([name]) => !name.startsWith(':'));
    const traced = `${ID.slice(0, 14)}9${ID.slice(15)}`;
    const passedOn = headers.filter(([name]) => name !== 'x-request-id');
    const back = await inner.call({
      path: '/orders?a=1',
      id: traced,
      headers: passedOn,
      peer: GATEWAY,
    });
    assert.equal(outcomeOf(back), 'pass');
    const state = Buffer.from(back.filterState.get('wasm.sidegate') ?? []).toString();
    assert.match(state, /reason=hop/);
    assert.deepEqual(valuesOf(back, 'x-consumer'), ['acme']);
    assert.ok(!(back.upstreamHeaders ?? []).some(([name]) => name.startsWith('x-sidegate-')));
    back.end();
  }
  assert.deepEqual([await countedBy(gateway.rig), await countedBy(inner.rig)], [6, 0]);
});

/** Requests that the filter of a rig has reported. */
async function countedBy(rig: FilterRig): Promise<number> {
  await rig.advance(2_000);
  const asked = { sinceMs: 0, untilMs: Number.MAX_SAFE_INTEGER, filter: {} };
  return (await rig.host.usage.sum({ ...asked, by: ['day'] })).requests;
}

// Guarantees that nothing is believed but the token of this very request, in time, of a key of the
// group, from a peer that is named; everything else is decided as if there were no token.
test('without one of its conditions a token is worth nothing', async () => {
  const gateway = await startGateway();
  const inner = await startInner({ SIDEGATE_HOP_KEY_2: NEXT });
  await using _ = gateway.rig;
  await using __ = inner.rig;
  const made = await gateway.rig.host.createKey('shop');
  await gateway.rig.advance(50);
  const { token, ids } = await mintedBy(gateway, made.key);
  const now = () => BigInt(inner.rig.clock.unixMs);
  const sent = async (call: Call, ...tokens: string[]) => {
    const headers = tokens.map((each): Pair => [HOP, each]);
    const forged: Pair[] = [...headers, ['x-consumer', 'mallory']];
    const stream = await inner.call({ peer: GATEWAY, headers: forged, ...call });
    return outcomeOf(stream);
  };
  assert.equal(await sent({}, token), 'pass');
  assert.equal(await sent({}, tokenOf({}, ids, now() + 5_000n, NEXT)), 'pass', 'the second key');
  const refused: [string, Call, string[]][] = [
    ['no peer', { peer: '' }, [token]],
    ['another peer', { peer: `${GATEWAY}2` }, [token]],
    ['another path', { path: '/orders?b' }, [token]],
    ['another method', { method: 'POST' }, [token]],
    ['another id', { id: ID.replace('6', '7') }, [token]],
    ['no id', { id: '' }, [token]],
    ['no token', {}, []],
    ['two tokens', {}, [token, token]],
    ['a digit more', {}, [`${token}0`]],
    ['another subscription', {}, [token.replace(/^(.{31})./, '$1f')]],
    ['a later end', {}, [token.replace(/^(.{15})./, '$1f')]],
    ['another product', {}, [tokenOf({}, { ...ids, product: 1n }, now() + 5_000n)]],
    ['another key', {}, [tokenOf({}, ids, now() + 5_000n, KEY.toUpperCase())]],
    ['an end too far', {}, [tokenOf({}, ids, now() + 12_500n)]],
    ['an end that is past', {}, [tokenOf({}, ids, now() - 100n)]],
  ];
  for (const [what, call, tokens] of refused) {
    assert.equal(await sent(call, ...tokens), 'key_missing', what);
  }
  assert.equal(await sent({ authority: 'x.example.com' }, token), 'host_not_governed');
  await inner.rig.advance(10_100, 100);
  assert.equal(await sent({}, token), 'key_missing', 'after ten seconds');
  const key = (await inner.rig.host.createKey('shop')).key;
  await inner.rig.advance(50);
  const own = await inner.call({ key, headers: [[HOP, token]], peer: GATEWAY });
  assert.equal(outcomeOf(own), 'pass', 'a key of its own is decided as ever');
  assert.deepEqual(valuesOf(own, HOP), []);
});

// Guarantees that nobody pays for what is not asked for.
test('only a good token costs a call into the proxy', async () => {
  const inner = await startInner();
  await using _ = inner.rig;
  const { key } = await inner.rig.host.createKey('shop');
  await inner.rig.advance(50);
  await inner.call({ key });
  inner.rig.vm.abi.reset();
  await inner.call({ key, headers: [[HOP, '0'.repeat(96)]] });
  assert.equal(inner.rig.vm.abi.in('proxy_on_request_headers').proxy_get_property, undefined);
});
