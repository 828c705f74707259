/**
 * Keys bound to networks and pages, in the release filter: whose address counts, what an unknown
 * one comes to, and that a key without rules pays for none of it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pair, Stream } from '../../host/emulator/index.ts';
import { CLUSTER, FilterRig } from './support/filter.ts';

interface Caller {
  headers?: Pair[];
  source?: string;
  /** 1 = inbound, 2 = outbound. */
  direction?: bigint;
}

async function ready(config: Record<string, unknown>, rules: object) {
  const rig = await FilterRig.start({
    config: JSON.stringify({ clusters: [CLUSTER], ...config }),
  });
  const made = await rig.host.createKey('shop', { rules: { cidrs: [], referers: [], ...rules } });
  await rig.advance(200);
  const call = async ({ headers = [], source, direction }: Caller): Promise<Stream> => {
    const stream = rig.vm.request({
      headers: [
        [':method', 'GET'],
        [':path', '/orders'],
        [':authority', 'orders.example.com'],
        ['x-api-key', made.key],
        ...headers,
      ],
      properties: {
        ...(source !== undefined && { 'source.address': source }),
        ...(direction !== undefined && { 'xds.listener_direction': direction }),
      },
    });
    await rig.decided(stream);
    return stream;
  };
  return { rig, call, ...made };
}

/** `pass` or the reason of a refusal. */
function outcomeOf(stream: Stream): string {
  return stream.details === undefined ? 'pass' : stream.details.replace('sidegate_', '');
}

// Guarantees that a key works from its networks and from nowhere else, IPv4 and IPv6 alike, and
// that a caller whose address nobody knows is outside.
test('a key bound to networks is refused from elsewhere', async () => {
  const { rig, call } = await ready(
    { clientAddress: 'peer' },
    { cidrs: ['10.0.0.0/8', '2001:db8::/32'] },
  );
  await using _ = rig;
  for (const [source, outcome] of [
    ['10.1.2.3:4711', 'pass'],
    ['[::ffff:10.1.2.3]:4711', 'pass'],
    ['[2001:db8:1::5]:1', 'pass'],
    ['11.0.0.1:4711', 'cidr_denied'],
    ['[2001:db9::1]:1', 'cidr_denied'],
    ['@/run/socket', 'cidr_denied'],
    [undefined, 'cidr_denied'],
  ] as const) {
    const stream = await call(source === undefined ? {} : { source });
    assert.equal(outcomeOf(stream), outcome, source);
    if (outcome === 'pass') continue;
    assert.equal(stream.status, 403);
    assert.match(stream.answer?.body ?? '', /"code":"cidr_denied"/);
    assert.ok(!(stream.answer?.body ?? '').includes('10.'), 'the answer tells no network');
  }
});

// Guarantees that nothing is believed before somebody has said what to believe.
test('without a setting no address is known', async () => {
  const { rig, call } = await ready({}, { cidrs: ['0.0.0.0/0', '::/0'] });
  await using _ = rig;
  const headers: Pair[] = [['x-forwarded-for', '10.1.2.3']];
  assert.equal(outcomeOf(await call({ headers, source: '10.1.2.3:1' })), 'cidr_denied');
});

// Guarantees that in a sidecar, where any caller in the mesh may write the address that Envoy
// believes, no network is believed either until somebody has said how many hops to trust.
test('an inbound listener knows no address of its own', async () => {
  const { rig, call } = await ready({ clientAddress: 'peer' }, { cidrs: ['10.0.0.0/8'] });
  await using _ = rig;
  const source = '10.1.2.3:4711';
  assert.equal(outcomeOf(await call({ source, direction: 2n })), 'pass');
  assert.equal(outcomeOf(await call({ source, direction: 0n })), 'pass');
  assert.equal(outcomeOf(await call({ source, direction: 1n })), 'cidr_denied');
});

// Guarantees that with trusted hops the address is the one that the outermost of them wrote, and
// never one that the caller put in front.
test('trusted hops are counted from the right', async () => {
  const config = { clientAddress: 'xff', trustedHops: 2 };
  const { rig, call } = await ready(config, { cidrs: ['10.0.0.0/8'] });
  await using _ = rig;
  for (const [value, outcome] of [
    ['10.1.2.3, 192.0.2.1', 'pass'],
    ['9.9.9.9, 10.1.2.3, 192.0.2.1', 'pass'],
    ['10.1.2.3, 9.9.9.9, 192.0.2.1', 'cidr_denied'],
    ['10.1.2.3', 'cidr_denied'],
    ['', 'cidr_denied'],
  ] as const) {
    const headers: Pair[] = [['x-forwarded-for', value]];
    const stream = await call({ headers, source: '10.1.2.3:1', direction: 1n });
    assert.equal(outcomeOf(stream), outcome, value);
  }
});

// Guarantees that a key for some pages is of no use on others.
test('a key bound to pages is refused on others', async () => {
  const { rig, call } = await ready({}, { referers: ['app.example.com', '*.example.org'] });
  await using _ = rig;
  for (const [referer, outcome] of [
    ['https://app.example.com/map?x=1', 'pass'],
    ['http://A.B.example.org:8080', 'pass'],
    ['https://example.org/', 'referer_denied'],
    ['https://app.example.com.evil.net/', 'referer_denied'],
    [undefined, 'referer_denied'],
  ] as const) {
    const headers: Pair[] = referer === undefined ? [] : [['referer', referer]];
    assert.equal(outcomeOf(await call({ headers })), outcome, referer);
  }
});

// Guarantees that rules reach a filter as changes of keys do, and that one without them costs no
// call into the proxy for them.
test('a key without rules is asked for no address', async () => {
  const { rig, call } = await ready({}, {});
  await using _ = rig;
  await call({});
  rig.vm.abi.reset();
  assert.equal(outcomeOf(await call({ source: '9.9.9.9:1' })), 'pass');
  assert.equal(rig.vm.abi.in('proxy_on_request_headers').proxy_get_property, undefined);
  const bound = await rig.host.createKey('shop', {
    rules: { cidrs: ['10.0.0.0/8'], referers: ['a.example'] },
  });
  await rig.advance(50);
  const headers: Pair[] = [
    [':method', 'GET'],
    [':path', '/orders'],
    [':authority', 'orders.example.com'],
    ['x-api-key', bound.key],
  ];
  const refused = rig.vm.request({ headers, properties: { 'source.address': '10.0.0.1:1' } });
  assert.equal(refused.details, 'sidegate_referer_denied');
});
