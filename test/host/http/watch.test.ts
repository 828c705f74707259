/**
 * The watch call over real sockets: answered at once when there is something to say, else held;
 * woken by changes, by the end of the hold and by the host's stop.
 */
import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import { RecordKind } from '../../../host/compile/output.ts';
import { MEDIA_TYPE } from '../../../host/wire/host.ts';
import { encodeWatchRequest, type WatchReply } from '../../../host/wire/watch.ts';
import { resourcesOf } from '../../support/policies.ts';
import { ProtocolClient } from '../../support/protocol-client.ts';
import { TrialHost } from '../../support/trial-host.ts';
import { until } from '../../support/wait.ts';

/** A host that listens, and a client that holds all it has. */
async function startPair(options: Parameters<typeof TrialHost.start>[0] = {}) {
  const host = await TrialHost.start({ resources: resourcesOf(), ...options });
  const port = await host.listenSync();
  const client = new ProtocolClient({ port: () => port, group: 'default' });
  await client.catchUp();
  const stack = new AsyncDisposableStack();
  stack.use(host);
  stack.defer(() => client.stop());
  return { host, client, port, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

function kinds(reply: WatchReply): string[] {
  const records = reply.page?.records ?? [];
  return records.map(({ kind, id, present }) => `${kind}.${id}${present ? '' : ' gone'}`);
}

// Guarantees that a change of keys travels with the answer itself, so that it costs one way.
test('a watch is answered with the records that changed', async () => {
  await using pair = await startPair();
  const { host, client } = pair;
  const watch = client.calls.watch(client.watchRequest());
  await until('the watch is held', () => host.hub.open === 1);
  const { id } = await host.createKey('shop');
  const reply = await watch;
  assert.deepEqual(kinds(reply), [`${RecordKind.credential}.${id}`]);
  assert.deepEqual([reply.fetch, reply.policyRevision, reply.page?.complete], [false, 1, true]);
  assert.equal(reply.page?.after, client.revision);
  assert.equal(reply.page?.upTo, 2);
  assert.equal(host.hub.open, 0);
});

// Guarantees that a filter behind the host never waits to hear so.
test('a watch is answered at once when the host has more', async () => {
  await using pair = await startPair();
  const { host, client } = pair;
  const held = client.watchRequest();
  const ask = (more: Partial<typeof held>) => client.calls.watch({ ...held, ...more });
  await host.createKey('shop');
  assert.equal((await ask({})).page?.records.length, 1);
  assert.deepEqual(
    [(await ask({ complete: false })).fetch, (await ask({ policyRevision: 0 })).policyRevision],
    [true, 1],
  );
  const other = await ask({ storeId: new Uint8Array(16), directoryRevision: 99 });
  assert.deepEqual(other.host.storeId, host.store.identity.storeId);
});

// Guarantees that a filling filter hears of policy only, and one ahead of its host waits.
test('a filling filter and one ahead of the host are held', async () => {
  await using pair = await startPair({ holdMs: 250 });
  const { host, client } = pair;
  await host.createKey('shop');
  const held = client.watchRequest();
  const filling = await client.calls.watch({ ...held, filling: true, complete: false });
  assert.deepEqual([filling.page, filling.fetch], [undefined, false]);
  const ahead = await client.calls.watch({ ...held, directoryRevision: 50, policyRevision: 50 });
  assert.deepEqual([ahead.page, ahead.fetch, ahead.host.revision], [undefined, false, 2]);
});

// Guarantees that what does not fit a page is announced, not cut.
test('a change that does not fit a page is to be fetched', async () => {
  await using pair = await startPair();
  const { host, client } = pair;
  for (let count = 0; count < 450; count += 1) await host.createKey('shop');
  const reply = await client.calls.watch(client.watchRequest());
  assert.deepEqual([reply.fetch, reply.page], [true, undefined]);
  await client.catchUp();
  assert.equal(client.directory.size, 452);
});

// Guarantees that a policy change wakes the watches of its proxy group and no other.
test('a policy change wakes its own proxy group', async () => {
  await using pair = await startPair();
  const { host, client, port } = pair;
  const group = (proxyGroup: string, header: string) => {
    const steps = [{ remove: header }];
    return resourcesOf({ product: proxyGroup, applications: [proxyGroup], proxyGroup, steps });
  };
  const resources = { ...resourcesOf(), ...group('edge', 'x-one') };
  await host.apply(resources);
  const edge = new ProtocolClient({ port: () => port, group: 'edge' });
  try {
    await Promise.all([client.catchUp(), edge.catchUp()]);
    const watches = [client, edge].map((one) => one.calls.watch(one.watchRequest()));
    await until('both are held', () => host.hub.open === 2);
    const revision = await host.apply({ ...resources, ...group('edge', 'x-two') });
    const reply = await watches[1];
    assert.deepEqual([reply?.policyRevision, reply?.page], [revision, undefined]);
    assert.deepEqual([host.hub.openOf('default'), host.hub.openOf('edge')], [1, 0]);
    host.hub.close();
    assert.equal((await watches[0])?.policyRevision, client.held?.revision);
  } finally {
    edge.stop();
  }
});

// Guarantees that a watch is never held beyond its time, so that it outlives no time-out.
test('a watch without a change is answered after its hold', async () => {
  await using pair = await startPair({ holdMs: 500 });
  const { client } = pair;
  const began = performance.now();
  const reply = await client.calls.watch(client.watchRequest());
  const tookMs = performance.now() - began;
  assert.deepEqual([reply.fetch, reply.page], [false, undefined]);
  assert.ok(tookMs > 200 && tookMs < 5_000, `${tookMs} ms`);
});

// Guarantees that callers who went away cost nothing, however they went.
test('a watch whose caller went away is let go', async () => {
  await using pair = await startPair();
  const { host, client, port } = pair;
  const body = encodeWatchRequest(client.watchRequest());
  const request = http.request({
    host: '127.0.0.1',
    port,
    method: 'POST',
    path: '/v1/watch/default',
    headers: { 'content-type': MEDIA_TYPE, 'content-length': body.length },
  });
  request.on('error', () => undefined);
  request.end(body);
  await until('the watch is held', () => host.hub.open === 1);
  request.destroy();
  await until('the watch is let go', () => host.hub.open === 0);
});

// Guarantees that one engine holds one watch: the older is answered when a newer comes.
test('a second watch of an engine ends the first', async () => {
  await using pair = await startPair();
  const { host, client } = pair;
  const first = client.calls.watch(client.watchRequest());
  await until('the first is held', () => host.hub.open === 1);
  const second = client.calls.watch(client.watchRequest());
  assert.equal((await first).page, undefined);
  assert.equal(host.hub.open, 1);
  host.hub.close();
  await second;
});

// Guarantees that stopping answers what is open and takes nothing more.
test('a host that stops answers its watches', async () => {
  await using pair = await startPair();
  const { host, client } = pair;
  const watch = client.calls.watch(client.watchRequest());
  await until('the watch is held', () => host.hub.open === 1);
  host.hub.close();
  assert.equal((await watch).fetch, false);
  await assert.rejects(client.calls.watch(client.watchRequest()), { status: 503 });
});

// Guarantees that a change reaches a waiting filter in milliseconds, not in heartbeats.
test('a change wakes a watch within milliseconds', async (t) => {
  await using pair = await startPair();
  const { host, client } = pair;
  const tookMs: number[] = [];
  for (let count = 0; count < 40; count += 1) {
    const watch = client.calls.watch(client.watchRequest());
    await until('the watch is held', () => host.hub.open === 1, { everyMs: 2 });
    const began = performance.now();
    await host.createKey('shop');
    const { page } = await watch;
    tookMs.push(performance.now() - began);
    assert.ok(page);
    client.directory.apply(page, false);
    client.revision = page.upTo;
  }
  tookMs.sort((a, b) => a - b);
  const median = tookMs[20] ?? 0;
  t.diagnostic(
    `change to answer: median ${median.toFixed(1)} ms, worst ${tookMs[39]?.toFixed(1)} ms`,
  );
  assert.ok(median < 100, `${median} ms`);
});
