/**
 * The thread of declared resources: that it does what the catalogue does, that no set crosses the
 * thread which answers proxies, and that its death is not the host's.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serialize } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { ResourceThread } from '../../../host/service/resource-thread.ts';
import { openSqliteStore } from '../../../host/store/sqlite.ts';
import { Folder } from '../../support/folders.ts';
import { resource, resourcesOf } from '../../support/policies.ts';

const BY = { name: 'test', role: 'admin', namespaces: [] } as const;
const OPTIONS = { by: BY, cause: 'apply' };

/** Applications of the large set: with their subscriptions some 400 KiB in the store. */
const APPLICATIONS = 1_000;
/** What a change of one resource may cost the thread that answers proxies, whatever is stored. */
const CROSSING_MAX = 16 * 1024;

async function started() {
  const folder = await Folder.make();
  const store = await openSqliteStore({
    folder: folder.join('store'),
    freshStoreId: new Uint8Array(16).fill(7),
    holder: { pid: 1, machine: 'test', sinceMs: 0 },
  });
  const thread = new ResourceThread({ store, nowMs: Date.now, folder: undefined });
  const apply = (files: Record<string, string>, more: object = {}) => {
    const list = Object.entries(files).map(([name, text]) => ({ name, text }));
    const body = new TextEncoder().encode(JSON.stringify({ files: list, ...more }));
    return thread.resources.applyBatch([body], OPTIONS);
  };
  const end = async () => {
    await thread.close();
    await store.close();
    await folder[Symbol.asyncDispose]();
  };
  return { store, thread, apply, [Symbol.asyncDispose]: end };
}

/** Bytes that this thread copies to and from others while something is done. */
async function crossing(work: () => Promise<unknown>): Promise<number> {
  let bytes = 0;
  const count = (message: unknown) => {
    bytes += serialize(message).length;
  };
  const { postMessage, emit } = Worker.prototype;
  Worker.prototype.postMessage = function (this: Worker, message, ...more) {
    count(message);
    return Reflect.apply(postMessage, this, [message, ...more]);
  };
  Worker.prototype.emit = function (this: Worker, name: string | symbol, ...values: unknown[]) {
    if (name === 'message') count(values[0]);
    return Reflect.apply(emit, this, [name, ...values]);
  };
  try {
    await work();
  } finally {
    Object.assign(Worker.prototype, { postMessage, emit });
  }
  return bytes;
}

const names = Array.from({ length: APPLICATIONS }, (_, at) => `application-${at}`);

// Guarantees that answers to proxies never wait for a set to be copied: what a change costs the
// thread that gives them is bounded by the change, not by what is stored.
test('no set of resources crosses the thread that answers proxies', {
  timeout: 170_000,
}, async () => {
  await using setting = await started();
  const { store, apply, thread } = setting;
  const files = resourcesOf({ applications: names });
  const first = await apply(files);
  assert.ok(first.ok, JSON.stringify(first));
  assert.equal(first.count, 2 * APPLICATIONS + 3);
  const plan = resource('Plan', 'orders-gold', {
    limits: [{ name: 'daily', quota: 7, window: '1d' }],
  });
  const one = { 'plan.yaml': JSON.stringify(plan) };
  const changes = {
    'a change': () => apply(one),
    'no change': () => apply(one),
    'one resource that goes': () =>
      thread.resources.changeOne(
        { kind: 'Subscription', namespace: 'default', name: names[0] ?? '' },
        { match: undefined, absent: false },
        {
          ...{ files: [], prune: false, namespaces: [] },
          remove: [{ kind: 'Subscription', namespace: 'default', name: names[0] ?? '' }],
        },
        OPTIONS,
      ),
    'a decision on a subscription': () =>
      thread.resources.setSubscription(
        { namespace: 'default', name: names[1] ?? '', state: 'suspended' },
        OPTIONS,
      ),
    'the way back': () => thread.resources.rollback(first.revision, OPTIONS),
  };
  for (const [what, change] of Object.entries(changes)) {
    const bytes = await crossing(async () => {
      const outcome = await change();
      assert.ok(outcome.ok, `${what}: ${JSON.stringify(outcome)}`);
    });
    assert.ok(bytes < CROSSING_MAX, `${what}: ${bytes} bytes`);
  }
  assert.equal((await store.resources('Subscription')).length, APPLICATIONS);
  const exported = await thread.resources.export(BY, {});
  assert.ok(exported.length > 200_000);
});

// Guarantees that a thread which dies takes no change with it that was not made, and is replaced.
test('a thread that dies is replaced with the next call', async () => {
  await using setting = await started();
  const { apply, thread, store } = setting;
  const dying = apply(resourcesOf());
  await thread.close();
  await assert.rejects(dying, /ended/);
  const again = await apply(resourcesOf());
  assert.ok(again.ok);
  assert.equal((await store.resources()).length, 5);
  assert.equal((await apply({ 'bad.yaml': 'kind: Plam' })).ok, false);
  const body = await thread.resources.applyBatch([new TextEncoder().encode('{')], OPTIONS);
  assert.ok(!body.ok && body.code === 'bad_request');
});
