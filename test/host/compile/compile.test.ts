/**
 * Tests of what compiling makes besides policies: directory records, ids of names, and the two
 * steps of the compiler that stands between files and store.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupsOf } from '../../../host/compile/compile.ts';
import { InlineCompiler } from '../../../host/compile/compiler.ts';
import { idNames } from '../../../host/compile/ids.ts';
import { RecordKind } from '../../../host/compile/output.ts';
import { encodeCredential } from '../../../host/compile/records.ts';
import { decodeRecordBody } from '../../../host/wire/records.ts';
import { compileGroups, goodFiles, idsOf, setOf, setOfFiles } from './support.ts';

const HEAD = 'apiVersion: sidegate.dev/v1alpha1\n';

function resource(kind: string, name: string, spec: string): string {
  return `${HEAD}kind: ${kind}\nmetadata: { name: ${name} }\nspec: { ${spec} }\n---\n`;
}

const PARTIES =
  resource('Consumer', 'acme', '') +
  resource('Application', 'shop', 'consumer: acme') +
  resource('Application', 'idle', 'consumer: acme') +
  resource('Plan', 'gold', '') +
  resource('ProxyGroup', 'edge', '') +
  resource('Product', 'orders', 'hosts: [o.x]') +
  resource('Product', 'status', 'hosts: [s.x], proxyGroup: edge');

function subscription(product: string, more = ''): string {
  return resource(
    'Subscription',
    `shop-${product}`,
    `application: shop, product: ${product}, plan: gold${more}`,
  );
}

/** Records of a group in short. */
function recordsOf(yaml: string, group: string): string[] {
  const compiled = compileGroups(setOf(yaml)).find((each) => each.group === group);
  return (compiled?.records ?? []).map(({ kind, body }) => {
    const decoded = decodeRecordBody(kind, body);
    assert.ok(decoded.ok);
    const { value } = decoded;
    if (value.kind === 'application') return `${value.consumerName}/${value.applicationName}`;
    return value.kind === 'subscription' ? `subscription ${value.active}` : value.kind;
  });
}

// Guarantees that a proxy holds what it protects, and nothing of others.
test('a directory holds applications with a subscription to a product of its group', () => {
  assert.deepEqual(recordsOf(PARTIES, 'default'), []);
  const one = PARTIES + subscription('orders');
  assert.deepEqual(recordsOf(one, 'default'), ['acme/shop', 'subscription true']);
  assert.deepEqual(recordsOf(one, 'edge'), []);
  const two = one + subscription('status', ', state: suspended');
  assert.deepEqual(recordsOf(two, 'edge'), ['acme/shop', 'subscription false']);
});

// Guarantees that references in records are the ids that policies and other records carry.
test('records refer by id', () => {
  const set = setOf(PARTIES + subscription('orders'));
  const ids = idsOf(set);
  const id = (kind: 'Product' | 'Plan' | 'Consumer' | 'Application', name: string) =>
    ids.of({ kind, namespace: 'default', name });
  const [application, subscribed] = compileGroups(set)[0]?.records ?? [];
  assert.ok(application && subscribed);
  assert.equal(application.id, id('Application', 'shop'));
  const first = decodeRecordBody(RecordKind.application, application.body);
  assert.ok(first.ok && first.value.kind === 'application');
  assert.equal(first.value.consumer, id('Consumer', 'acme'));
  const second = decodeRecordBody(RecordKind.subscription, subscribed.body);
  assert.ok(second.ok && second.value.kind === 'subscription');
  const { product, plan, application: owner } = second.value;
  const expected = [id('Product', 'orders'), id('Plan', 'gold'), id('Application', 'shop')];
  assert.deepEqual([product, plan, owner], expected);
});

// Guarantees that neither a new name nor another plan of a subscription refills what was used, and
// that another product is another account.
test('a uid belongs to application and product, a limit to its name', () => {
  const named = (yaml: string, kind: string) =>
    idNames(setOf(PARTIES + yaml), ['default'])
      .filter((key) => key.kind === kind)
      .map(({ name }) => name);
  const renamed = resource(
    'Subscription',
    'other',
    'application: shop, product: orders, plan: gold',
  );
  assert.deepEqual(named(renamed, 'Subscription'), named(subscription('orders'), 'Subscription'));
  assert.notDeepEqual(
    named(renamed, 'Subscription'),
    named(subscription('status'), 'Subscription'),
  );
  const limits =
    resource('Plan', 'a', 'limits: [{ name: m, quota: 1, window: 1m }]') +
    resource('Plan', 'b', 'limits: [{ name: m, quota: 2, window: 1h }]');
  assert.deepEqual(named(limits, 'Limit'), ['m', 'm']);
});

// Guarantees that proxies whose last product went away are told so.
test('every group that ever had a policy gets one', () => {
  const set = setOf(PARTIES);
  assert.deepEqual(groupsOf(set, ['old', 'edge']), ['default', 'edge', 'old']);
  const old = compileGroups(set, ['old']).find(({ group }) => group === 'old');
  assert.ok(old && old.policy.length > 0 && old.records.length === 0);
});

// Guarantees that the compiler's two steps give what compiling at once gives.
test('a compiler loads, then compiles with the ids it is given', async () => {
  const compiler = new InlineCompiler();
  await assert.rejects(compiler.compile([]), /no set is loaded/);
  const loaded = await compiler.load(goodFiles(), []);
  assert.ok(loaded.ok);
  const set = setOfFiles(goodFiles());
  const ids = idsOf(set);
  const { groups, credentials } = await compiler.compile(loaded.names.map((name) => ids.of(name)));
  assert.deepEqual(groups, compileGroups(set));
  assert.deepEqual(credentials, [
    {
      namespace: 'default',
      application: 'shop',
      name: 'shop-1',
      digest: set.credentials[0]?.digest,
      state: 'disabled',
      notBeforeMs: Date.UTC(2026, 0, 1),
      notAfterMs: Date.UTC(2026, 11, 31, 23),
      rules: {
        cidrs: ['10.0.0.0/8', '2001:db8::/32'],
        referers: ['app.example.com', '*.example.org'],
      },
    },
  ]);
  const refused = await compiler.load([{ name: 'x.yaml', bytes: new Uint8Array([0x7b]) }], []);
  assert.ok(!refused.ok && refused.problems.length === 1);
  await assert.rejects(compiler.compile([]), /no set is loaded/, 'a bad set replaces a good one');
});

// Guarantees that what compiling makes can cross threads.
test('compiled sets are plain values', () => {
  const groups = compileGroups(setOfFiles(goodFiles()));
  assert.deepEqual(structuredClone(groups), groups);
});

// Guarantees that a body of the wrong size never reaches a filter.
test('a credential record needs a digest of 32 bytes', () => {
  const bounds = { application: 1, notBeforeMs: null, notAfterMs: null, enabled: true };
  assert.throws(() => encodeCredential({ ...bounds, digest: new Uint8Array(31) }), RangeError);
  const body = encodeCredential({ ...bounds, digest: new Uint8Array(32).fill(7) });
  const decoded = decodeRecordBody(RecordKind.credential, body);
  assert.ok(decoded.ok && decoded.value.kind === 'credential' && decoded.value.enabled);
});
