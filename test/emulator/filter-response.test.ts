/**
 * The response side: which programs edit what, in which order, from what was decided and not from
 * what came later; and what it costs a stream that asks for none.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { loadModule, type Pair, type Stream } from '../../host/emulator/index.ts';
import { COUNTER, meter } from '../bench/meter.ts';
import { FilterRig, RESOURCES } from './support/filter.ts';

const RELEASE = new URL('../../build/filter.wasm', import.meta.url);

/** Resources whose product, plan and operation `list` all edit both ways. */
const EDITED = RESOURCES.replace(
  '- { name: list, method: GET, path: /orders }',
  `- name: list
      method: GET
      path: /orders
      mediation:
        request:
          - { append: { name: x-trail, value: operation } }
          - { rename: { from: x-old, to: x-new } }
        response:
          - { append: { name: x-trail, value: operation } }
          - { set: { name: x-who, value: "\${consumer.name}/\${application.name}/\${plan.name}" } }`,
)
  .replace(
    `- { set: { name: x-plan, value: "\${plan.name}" } }`,
    `- { set: { name: x-plan, value: "\${plan.name}" } }
      - { append: { name: x-trail, value: product } }
      - { setIfAbsent: { name: x-default, value: given } }
    response:
      - { append: { name: x-trail, value: product } }
      - { remove: server }
      - { rename: { from: x-old, to: x-new } }
      - { setIfAbsent: { name: cache-control, value: no-store } }
      - { add: { name: set-cookie, value: b=2 } }`,
  )
  .replace(
    '- { name: daily, class: exact, quota: 100, window: 1d }',
    `- { name: daily, class: exact, quota: 100, window: 1d }
  mediation:
    request: [{ append: { name: x-trail, value: plan } }]
    response: [{ append: { name: x-trail, value: "\${plan.name}" } }]`,
  );

async function ready(resources = EDITED, module = 'filter.wasm') {
  const rig = await FilterRig.start({ resources, module });
  const { key } = await rig.host.createKey('shop');
  await rig.advance(200);
  return { rig, key };
}

const ANSWER: Pair[] = [
  [':status', '200'],
  ['server', 'origin/1'],
  ['x-old', 'one'],
  ['x-old', 'two'],
  ['x-new', 'gone'],
  ['set-cookie', 'a=1'],
];

/** Begins a request and lets the service answer it. */
async function exchange(rig: FilterRig, headers: Pair[], answer = ANSWER, path = '/orders') {
  const stream = rig.request(headers, path);
  await rig.decided(stream);
  stream.respond({ headers: answer });
  return stream;
}

function answered(stream: Stream, name: string): string[] {
  return (stream.answer?.headers ?? []).filter(([each]) => each === name).map(([, value]) => value);
}

function sent(stream: Stream, name: string): string[] {
  return (stream.upstreamHeaders ?? []).filter(([each]) => each === name).map(([, value]) => value);
}

// Guarantees every kind of edit on the request, in the order product, plan, operation.
test('a request is edited by product, plan and operation', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  const trail: Pair[] = [
    ['x-trail', 'caller'],
    ['x-old', '1'],
    ['x-old', '2'],
  ];
  const stream = rig.request([['x-api-key', key], ...trail]);
  await rig.decided(stream);
  assert.deepEqual(sent(stream, 'x-trail'), ['caller, product, plan, operation']);
  assert.deepEqual(sent(stream, 'x-default'), ['given']);
  assert.deepEqual(sent(stream, 'x-old'), []);
  assert.deepEqual(sent(stream, 'x-new'), ['1', '2']);
  const own = rig.request([
    ['x-api-key', key],
    ['x-default', ''],
  ]);
  assert.deepEqual(sent(own, 'x-default'), [''], 'an empty value is one');
});

// Guarantees every kind of edit on the response, with what is known of the caller.
test('a response is edited by product, plan and operation', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  const stream = await exchange(rig, [['x-api-key', key]]);
  assert.equal(stream.status, 200);
  assert.deepEqual(answered(stream, 'x-trail'), ['product, gold, operation']);
  assert.deepEqual(answered(stream, 'x-who'), ['acme/shop/gold']);
  assert.deepEqual(answered(stream, 'server'), []);
  assert.deepEqual(answered(stream, 'x-old'), []);
  assert.deepEqual(answered(stream, 'x-new'), ['one', 'two']);
  assert.deepEqual(answered(stream, 'set-cookie'), ['a=1', 'b=2']);
  assert.deepEqual(answered(stream, 'cache-control'), ['no-store']);
  const cached: Pair[] = [
    [':status', '200'],
    ['cache-control', 'public'],
  ];
  const other = await exchange(rig, [['x-api-key', key]], cached);
  assert.deepEqual(answered(other, 'cache-control'), ['public']);
});

// Guarantees that operations without a key, and with no program of their own, get the product's.
test('an anonymous operation is edited by its product alone', async () => {
  const { rig } = await ready();
  await using _ = rig;
  const stream = await exchange(rig, [], ANSWER, '/health');
  assert.deepEqual(answered(stream, 'x-trail'), ['product']);
  assert.deepEqual(answered(stream, 'x-who'), []);
});

// Guarantees that an answer of the proxy itself, such as one for a service that is down, is edited
// like one of the service, and that a denial of ours is not edited at all.
test('answers of the proxy are edited, denials are not', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  const down = await exchange(rig, [['x-api-key', key]], [[':status', '503']]);
  assert.deepEqual(answered(down, 'x-trail'), ['product, gold, operation']);
  const denied = rig.request();
  assert.equal(denied.status, 401);
  assert.deepEqual(answered(denied, 'x-trail'), []);
  assert.deepEqual(answered(denied, 'cache-control'), []);
});

// Guarantees that a response is edited by what its own request was decided on: found again by id
// when the policy has changed meanwhile, and left alone when it is gone.
test('a policy that changes in between is met by id', async () => {
  const { rig, key } = await ready();
  await using _ = rig;
  const moved = rig.request([['x-api-key', key]]);
  await rig.decided(moved);
  const gone = rig.request([['x-api-key', key]]);
  // Names that sort first take the places of those that were there.
  const earlier = EDITED.replaceAll('value: product }', 'value: renewed }').replace(
    '- name: list\n',
    `- { name: aaa, method: GET, path: /aaa }
    - name: list\n`,
  );
  await rig.host.apply(earlier);
  await rig.advance(500);
  moved.respond({ headers: ANSWER });
  assert.deepEqual(answered(moved, 'x-trail'), ['renewed, gold, operation']);
  await rig.host.apply(earlier.replace('- name: list\n', '- name: other\n'));
  await rig.advance(500);
  gone.respond({ headers: ANSWER });
  assert.deepEqual(gone.answer?.headers, ANSWER);
  await rig.advance(1_500, 100);
  assert.equal(rig.vm.counters().sidegate_responses_unedited_total, 1n);
});

// Guarantees that a stream beyond the table of records is answered as the service answered it.
test('a stream without a record gets no edits and is counted', async () => {
  const { rig, key } = await ready(EDITED, 'filter.test.wasm');
  await using _ = rig;
  await rig.send(key);
  const streams: Stream[] = [];
  for (let i = 0; i < 17; i++) streams.push(rig.request([['x-api-key', key]]));
  for (const stream of streams) {
    await rig.decided(stream);
    stream.respond({ headers: ANSWER });
  }
  const [first] = streams;
  assert.deepEqual(first && answered(first, 'server'), []);
  assert.deepEqual(streams[16]?.answer?.headers, ANSWER);
  for (const stream of streams) stream.end();
  await rig.advance(1_500, 100);
  assert.equal(rig.vm.counters().sidegate_streams_unrecorded_total, 1n);
});

/** What the response phase of one request calls in the proxy. */
async function callsOf(resources: string) {
  const { rig, key } = await ready(resources);
  await using _ = rig;
  await rig.send(key);
  const stream = rig.request([['x-api-key', key]]);
  rig.vm.abi.reset();
  stream.respond({ headers: ANSWER });
  return rig.vm.abi.in('proxy_on_response_headers');
}

// Without the fields that callers get where nothing else is said.
const BARE = RESOURCES.replace('  hosts:', '  rateLimitFields: none\n  hosts:');

// Guarantees that response work costs those alone who ask for it: no call without programs, one per
// edit with them, and one more where a step asks what a header holds.
test('the response phase makes no call more than its edits need', async () => {
  assert.deepEqual(await callsOf(BARE), {});
  const removing = BARE.replace('  mediation:', '  mediation:\n    response: [{ remove: a }]');
  assert.deepEqual(await callsOf(removing), { proxy_remove_header_map_value: 1 });
  const reading = removing.replace('{ remove: a }', '{ append: { name: a, value: b } }');
  assert.deepEqual(await callsOf(reading), {
    proxy_get_header_map_pairs: 1,
    proxy_replace_header_map_value: 1,
  });
});

/** WebAssembly instructions of the response phase of one request. */
async function instructionsOf(resources: string): Promise<number> {
  const loaded = loadModule(meter(readFileSync(RELEASE)));
  assert.ok(loaded.ok);
  await using rig = await FilterRig.start({ module: loaded.module, resources });
  const { key } = await rig.host.createKey('shop');
  await rig.advance(200);
  await rig.send(key);
  const stream = rig.request([['x-api-key', key]]);
  const before = Number(rig.vm.guest.read(COUNTER));
  stream.respond({ headers: ANSWER });
  return Number(rig.vm.guest.read(COUNTER)) - before;
}

// Guarantees the other half of that price: who asks for nothing pays for one look at a record, and
// the fields are composed, not searched for.
test('the response phase executes next to nothing where nothing is asked for', async () => {
  const nothing = await instructionsOf(BARE);
  assert.ok(nothing <= 100, `${nothing} instructions`);
  const fields = await instructionsOf(RESOURCES);
  assert.ok(fields <= 2_000, `${fields} instructions`);
});
