/**
 * The port that filters call, as docs/wire.md lays it down: policy, directory, sync, and who may
 * call. Watches have a file of their own.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { TERMS_GRACE_MS } from '../../../host/service/terms.ts';
import { decodeDirectory } from '../../../host/wire/directory.ts';
import { REPLY_BYTES_MAX } from '../../../host/wire/host.ts';
import { decodeManifest, digestOf } from '../../../host/wire/manifest.ts';
import { decodePolicy } from '../../../host/wire/policy.ts';
import {
  decodeSyncReply,
  type SyncReportItem,
  type SyncRequest,
  SyncStatus,
} from '../../../host/wire/sync.ts';
import { resourcesOf } from '../../support/policies.ts';
import { accountOf, syncRequest, type WireAccount } from '../../support/sync-calls.ts';
import { HEARTBEAT_MS, TrialHost } from '../../support/trial-host.ts';

const LIMITS = [{ name: 'daily', quota: 100, window: '1d' }];

function ok<T>(decoded: { ok: true; value: T } | { ok: false; code: string }): T {
  assert.ok(decoded.ok, inspect(decoded));
  return decoded.value;
}

async function get(host: TrialHost, url: string, headers = {}) {
  const answer = await host.sync.inject({ method: 'GET', url, headers });
  assert.ok(answer.rawPayload.length <= REPLY_BYTES_MAX);
  return { ...answer, status: answer.statusCode, bytes: new Uint8Array(answer.rawPayload) };
}

async function manifestOf(host: TrialHost) {
  return ok(decodeManifest((await get(host, '/v1/policy/default')).bytes));
}

// Guarantees that a filter can fetch a whole policy and prove each of its pages.
test('a policy comes as a manifest and pages that match it', async () => {
  await using host = await TrialHost.start({ resources: manyOperations(1_500) });
  const manifest = await manifestOf(host);
  assert.ok(manifest.pageDigests.length > 1, 'more than one page');
  assert.deepEqual(manifest.host.storeId, host.store.identity.storeId);
  assert.equal(manifest.policyRevision, 1);
  const name = Buffer.from(manifest.digest).toString('hex');
  const pages = [];
  for (const [page, digest] of manifest.pageDigests.entries()) {
    const answer = await get(host, `/v1/policy/default/${name}/${page}`);
    assert.equal(answer.headers['content-type'], 'application/octet-stream');
    assert.deepEqual(digestOf(answer.bytes), digest);
    pages.push(answer.bytes);
  }
  const policy = ok(decodePolicy(new Uint8Array(Buffer.concat(pages))));
  assert.equal(policy.operations.length, 1_500);
  const beyond = await get(host, `/v1/policy/default/${name}/${pages.length}`);
  assert.deepEqual([beyond.status, beyond.json().code], [404, 'unknown_page']);
});

// Guarantees that a fetch which a change overtakes either ends with the old policy or starts again.
test('the policy before the current one is served, older ones are gone', async () => {
  await using host = await TrialHost.start({ resources: resourcesOf() });
  const names: string[] = [];
  for (const quota of [1, 2, 3]) {
    await host.apply(resourcesOf({ limits: [{ name: 'daily', quota: quota * 10, window: '1d' }] }));
    names.push(Buffer.from((await manifestOf(host)).digest).toString('hex'));
  }
  const statuses = [];
  for (const name of names) statuses.push((await get(host, `/v1/policy/default/${name}/0`)).status);
  assert.deepEqual(statuses, [410, 200, 200]);
  const manifest = await manifestOf(host);
  await host.createKey('shop');
  const later = await manifestOf(host);
  assert.equal(later.policyRevision, manifest.policyRevision, 'a key does not change the policy');
  assert.ok(later.host.revision > manifest.host.revision);
});

// Guarantees that a mistaken or hostile call is refused with a status docs/wire.md names.
test('calls that cannot be answered get the status docs/wire.md says', async () => {
  await using host = await TrialHost.start({ resources: resourcesOf() });
  const cases: [string, number, string][] = [
    ['/v1/policy/nope', 404, 'unknown_proxy_group'],
    [`/v1/policy/nope/${'0'.repeat(64)}/0`, 404, 'unknown_proxy_group'],
    [`/v1/policy/default/${'0'.repeat(64)}/0`, 410, 'policy_replaced'],
    ['/v1/policy/default/x/-1', 404, 'unknown_page'],
    ['/v1/directory/nope?after=0', 404, 'unknown_proxy_group'],
    ['/v1/directory/default', 400, 'bad_request'],
    ['/v1/directory/default?after=-1', 400, 'bad_request'],
    ['/v1/directory/default?after=9007199254740993', 400, 'bad_request'],
    ['/v1/directory/default?after=0&cursor=1.2', 400, 'bad_request'],
    ['/v1/directory/default?after=0&cursor=1.300.4', 400, 'bad_request'],
    ['/v1/directory/default?after=0&cursor=a.b.c', 400, 'bad_request'],
    ['/v1/directory/default?after=0&after=1', 400, 'bad_request'],
    [`/v1/policy/${'g'.repeat(300)}`, 404, 'unknown_proxy_group'],
    ['/v1/policy/%zz', 400, 'bad_request'],
  ];
  for (const [url, status, code] of cases) {
    const answer = await get(host, url);
    assert.deepEqual([answer.status, answer.json().code], [status, code], url);
    assert.match(String(answer.headers['content-type']), /^application\/problem\+json/);
  }
  const format = await get(host, '/v1/policy/default', { 'x-sidegate-format': '0' });
  assert.equal(format.status, 400);
  for (const payload of ['', 'x', Buffer.alloc(70_000)]) {
    for (const call of ['watch', 'sync']) {
      const url = `/v1/${call}/default`;
      const answer = await host.sync.inject({ method: 'POST', url, payload });
      assert.equal(answer.statusCode, payload.length > 65_536 ? 413 : 400);
    }
  }
});

// Guarantees that beyond loopback only proxies with the secret read digests or take quota.
test('with a secret every call needs it', async () => {
  const secret = randomBytes(24).toString('hex');
  await using host = await TrialHost.start({ resources: resourcesOf(), secret });
  for (const authorization of ['', `Bearer ${secret}0`, secret]) {
    for (const url of ['/v1/policy/default', '/v1/directory/default?after=0', '/v1/none']) {
      const answer = await get(host, url, { authorization });
      assert.ok([401, 404].includes(answer.status), url);
      assert.notEqual(answer.headers['content-type'], 'application/x-sidegate');
    }
    const url = '/v1/sync/default';
    const call = { method: 'POST', url, headers: { authorization }, payload: 'x' } as const;
    assert.equal((await host.sync.inject(call)).statusCode, 401);
  }
  const good = await get(host, '/v1/policy/default', { authorization: `Bearer ${secret}` });
  assert.equal(good.status, 200);
  assert.ok(!host.log.join('').includes(secret));
});

// Guarantees that a walk over pages sees every record once, in order, however large the directory.
test('a directory of several pages is walked by cursor', async () => {
  await using host = await TrialHost.start({ resources: resourcesOf() });
  for (let count = 0; count < 800; count += 1) await host.createKey('shop');
  const seen: string[] = [];
  let cursor = '';
  for (let pages = 1; ; pages += 1) {
    const answer = await get(host, `/v1/directory/default?after=0${cursor}`);
    const { page } = ok(decodeDirectory(answer.bytes));
    seen.push(...page.records.map(({ kind, id }) => `${kind}.${id}`));
    if (page.complete) {
      assert.ok(pages > 2);
      assert.equal(page.upTo, await host.store.revision());
      break;
    }
    const { revision, kind, id } = page.next;
    cursor = `&cursor=${revision}.${kind}.${id}`;
  }
  assert.equal(new Set(seen).size, 802, '800 credentials, an application, a subscription');
  assert.equal(seen.length, 802);
});

// Guarantees that a filter which slept through too many removals is told to begin anew.
test('a filter that is too far behind is told to start over', async () => {
  await using host = await TrialHost.start({ resources: resourcesOf(), removalsKeptMax: 2 });
  const keys = [];
  for (let count = 0; count < 6; count += 1) keys.push(await host.createKey('shop'));
  for (const { id } of keys) await host.keys.revoke(id);
  const { page } = ok(decodeDirectory((await get(host, '/v1/directory/default?after=8')).bytes));
  assert.deepEqual([page.startOver, page.complete, page.records.length], [true, false, 0]);
  assert.equal(page.after, 8);
});

/** Ids as a filter knows them: the one subscription and the limit of its plan. */
function ownAccount(host: TrialHost): Promise<WireAccount> {
  return accountOf(async (url) => (await get(host, url)).bytes);
}

async function sync(
  host: TrialHost,
  items: Partial<SyncReportItem>[],
  more: Partial<SyncRequest> = {},
) {
  const payload = syncRequest(host, await ownAccount(host), items, more);
  const url = '/v1/sync/default';
  const answer = await host.sync.inject({ method: 'POST', url, payload: Buffer.from(payload) });
  assert.equal(answer.statusCode, 200, answer.body);
  return ok(decodeSyncReply(new Uint8Array(answer.rawPayload)));
}

// Guarantees that a report reaches the ledger and the grant its holder, echo and times included.
test('a sync call is answered with grants from the ledger', async () => {
  await using host = await TrialHost.start({ resources: resourcesOf({ limits: LIMITS }) });
  const reply = await sync(host, [{}]);
  assert.deepEqual([reply.sequence, reply.heartbeatMs, reply.policyRevision], [5, HEARTBEAT_MS, 1]);
  const [item] = reply.items;
  assert.ok(item && item.status === SyncStatus.ok);
  assert.ok(item.granted >= 10 && item.granted <= 100 && item.quota === 100);
  assert.ok(item.windowId > 0 && item.windowLeftMs > 0 && item.windowLeftMs <= 86_400_000);
  const { windowId, granted } = item;
  const spent = await sync(host, [{ windowId, granted, used: granted, want: 1_000 }]);
  assert.equal((spent.items[0]?.granted ?? 0) + (spent.items[0]?.remaining ?? 0), 100);
});

// Guarantees that items are answered in their order, each on its own.
test('unknown accounts and classes are answered one by one', async () => {
  await using host = await TrialHost.start({ resources: resourcesOf({ limits: LIMITS }) });
  const reply = await sync(host, [
    { owner: 999_999n, generation: 1 },
    { generation: 2 },
    { class: 9, generation: 3 },
    { partition: 4n, generation: 4 },
    { windowKind: 60, generation: 5 },
  ]);
  const { unknown, ok: fine } = SyncStatus;
  assert.deepEqual(
    reply.items.map(({ status, generation }) => [generation, status]),
    [
      [1, unknown],
      [2, fine],
      [3, unknown],
      [4, unknown],
      [5, unknown],
    ],
  );
  assert.ok(reply.items.every(({ status, denyForMs }) => status === fine || denyForMs > 0));
});

// Guarantees that nobody is called unknown because the host is still reading what was committed.
test('a subscription that was just committed is unavailable until it is read, never unknown', async () => {
  await using host = await TrialHost.start({ resources: resourcesOf({ limits: LIMITS }) });
  // A port that is open keeps the timers of the host going, as it does everywhere else.
  await host.listenSync();
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const { store } = host;
  const read = store.directoryAfter.bind(store);
  store.directoryAfter = async (query) => {
    // Pages of filters have records with a head; what the host reads for itself has not.
    if (query.overheadBytes === 0) await gate;
    return read(query);
  };
  await host.apply(resourcesOf({ limits: LIMITS, applications: ['shop', 'late'] }));
  const key = { kind: 'Subscription', namespace: 'default', name: 'late/orders' } as const;
  const [id = 0] = await store.reserveIds([key]);
  const late = { owner: BigInt(id), generation: 3 };
  const [told] = (await sync(host, [late])).items;
  assert.equal(told?.status, SyncStatus.unavailable);
  assert.ok(told.denyForMs > 0 && told.denyForMs <= 1_000, 'it may ask again soon');
  open();
  await host.terms.settled();
  const reply = await sync(host, [late, { owner: 999_999n, generation: 4 }]);
  const statuses = reply.items.map(({ status }) => status);
  assert.deepEqual(statuses, [SyncStatus.ok, SyncStatus.unknown]);
});

// Guarantees that units of another ledger are never counted here, nor granted on a newer epoch.
test('another store and a newer epoch get nothing', async () => {
  await using host = await TrialHost.start({ resources: resourcesOf({ limits: LIMITS }) });
  const other = await sync(host, [{}], { storeId: new Uint8Array(16).fill(1) });
  assert.deepEqual(other.items, []);
  assert.deepEqual(other.host.storeId, host.store.identity.storeId);
  const newer = await sync(host, [{}], { epoch: 2 });
  assert.equal(newer.items[0]?.status, SyncStatus.unavailable);
  assert.equal(host.ledger.stats().items, 0);
});

// Guarantees that a holder keeps what it has when the ledger does not answer.
test('a ledger that does not answer is said to be unavailable', async () => {
  await using host = await TrialHost.start({ resources: resourcesOf({ limits: LIMITS }) });
  await host.ledger.close();
  const reply = await sync(host, [{}, { generation: 2 }]);
  assert.deepEqual(
    reply.items.map(({ status, generation }) => [generation, status]),
    [
      [1, SyncStatus.unavailable],
      [2, SyncStatus.unavailable],
    ],
  );
});

// Guarantees that a limit which left the plan is not refused before filters can know of it.
test('terms that ended hold for a moment, then no more', async () => {
  await using host = await TrialHost.start({ resources: resourcesOf({ limits: LIMITS }) });
  const account = await ownAccount(host);
  await host.apply(resourcesOf({ limits: [{ name: 'hourly', quota: 5, window: '1h' }] }));
  assert.equal((await sync(host, [account])).items[0]?.status, SyncStatus.ok);
  host.aheadMs = TERMS_GRACE_MS + 1_000;
  assert.equal(
    (await sync(host, [{ ...account, generation: 2 }])).items[0]?.status,
    SyncStatus.unknown,
  );
});

function manyOperations(count: number): Record<string, string> {
  const operations = Array.from({ length: count }, (_, at) => {
    return { name: `operation-${at}`, method: 'GET', path: `/things-${at}/{id}` };
  });
  const spec = { lifecycle: 'published', proxyGroup: 'default', operations };
  const identify = [{ apiKey: { header: 'x-api-key' } }];
  const product = {
    apiVersion: 'sidegate.dev/v1alpha1',
    kind: 'Product',
    metadata: { name: 'wide' },
    spec: { ...spec, identify },
  };
  return { 'wide.yaml': JSON.stringify(product) };
}
