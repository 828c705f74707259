/**
 * The store at the size it promises: 100,000 credentials of 20,000 applications in one directory.
 * It prints its figures; its bounds are wide, because the machines that run tests are shared.
 */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { compileSet } from '../../../host/compile/compile.ts';
import { Ids, idNames } from '../../../host/compile/ids.ts';
import type { DeclaredCredential } from '../../../host/compile/output.ts';
import { NO_RULES } from '../../../host/credential/rules.ts';
import { NO_EDITS, type ResourceSet } from '../../../host/resources/model.ts';
import { openSqliteStore } from '../../../host/store/sqlite.ts';
import type { Store } from '../../../host/store/store.ts';
import { newKey, walk } from '../../contract/store-kit.ts';

const APPLICATIONS = 20_000;
const CREDENTIALS = 100_000;
const PAGE_BYTES = 32_768;

const root = mkdtempSync(join(tmpdir(), 'sidegate-scale-'));
after(() => rmSync(root, { recursive: true }));

async function timed<T>(what: string, work: () => T | Promise<T>): Promise<T> {
  const began = performance.now();
  const result = await work();
  console.log(`# ${what}: ${Math.round(performance.now() - began)} ms`);
  return result;
}

/** Operations as many as a large product has. */
function largeOperations() {
  return Array.from({ length: 500 }, (_, i) => ({
    name: `o${i}`,
    methods: ['GET'],
    segments: [{ literal: `things-${i}` }, 'any' as const, { literal: 'parts' }],
    rest: false,
    cost: 1,
    anonymous: false,
    mediation: NO_EDITS,
  }));
}

/** A set with one product of 500 operations, and every application subscribed to it. */
function largeSet(): ResourceSet {
  const named = { namespace: 'default', origin: undefined };
  const to = (name: string) => ({ namespace: 'default', name });
  const product = {
    passUnmatched: false,
    denyStale: false,
    isServed: true,
    mode: 'enforce' as const,
    countsResponses: false,
    mediation: NO_EDITS,
    rateLimitFields: 'standard' as const,
    cors: undefined,
    basePath: ['v1'],
  };
  const source = { place: 'header', name: 'x-api-key', prefix: '', index: 0 } as const;
  const applications = Array.from({ length: APPLICATIONS }, (_, i) => `app-${i}`);
  return {
    products: [
      {
        ...named,
        ...product,
        name: 'orders',
        proxyGroup: 'default',
        hosts: ['orders.example.com'],
        sources: [source],
        identities: [],
        brands: ['sg'],
        operations: largeOperations(),
      },
    ],
    plans: [
      {
        ...named,
        name: 'gold',
        ...{ mediation: NO_EDITS, showsLimits: true },
        limits: [
          {
            ...{ name: 'minute', quota: 9, windowSeconds: 60, burst: 0, localShare: 10 },
            ...{ class: 'exact' as const, mode: 'enforce' as const },
            onHostUnavailable: 'deny' as const,
          },
        ],
      },
    ],
    consumers: [{ ...named, name: 'acme' }],
    applications: applications.map((name) => ({ ...named, name, consumer: to('acme') })),
    subscriptions: applications.map((application) => {
      const refers = { application: to(application), product: to('orders'), plan: to('gold') };
      const more = { active: true, overrides: [] };
      return { ...named, name: application, ...more, ...refers };
    }),
    credentials: [],
    proxyGroups: [],
  };
}

function declared(): DeclaredCredential[] {
  return Array.from({ length: CREDENTIALS }, (_, i) => ({
    namespace: 'default',
    application: `app-${i % APPLICATIONS}`,
    name: `key-of-file-${i}`,
    digest: new Uint8Array(createHash('sha256').update(`file ${i}`).digest()),
    state: 'enabled',
    notBeforeMs: null,
    notAfterMs: null,
    rules: NO_RULES,
  }));
}

async function fill(store: Store): Promise<void> {
  const set = largeSet();
  const names = idNames(set, ['default']);
  const given = await timed(`give ${names.length} ids`, () => store.reserveIds(names));
  const ids = new Ids(names, given);
  const compiled = await timed(`compile 500 operations, ${APPLICATIONS} subscriptions`, () =>
    compileSet(set, ['default'], ids),
  );
  assert.ok(compiled.ok);
  const { groups } = compiled.value;
  const resources = set.applications.map(({ namespace, name }) => {
    return { kind: 'Application', namespace, name, text: '{}' };
  });
  const credentials = declared();
  const base = { resources, credentials, nowMs: 1 };
  const empty = groups.map((each) => ({ ...each, records: [] }));
  await timed(`store ${CREDENTIALS} credentials`, () =>
    store.applyResources({ ...base, groups: empty }),
  );
  const applied = await timed(`project ${CREDENTIALS} credentials into a directory`, () =>
    store.applyResources({ ...base, groups }),
  );
  assert.ok(applied.ok && applied.changed);
  const again = await timed('apply the same set again', () =>
    store.applyResources({ ...base, groups }),
  );
  assert.ok(again.ok && !again.changed);
}

async function createAndRevoke(store: Store, times: number): Promise<void> {
  const tookMs: number[] = [];
  for (let i = 0; i < times; i++) {
    const began = performance.now();
    const made = await store.createCredential(newKey(`key ${i}`, { application: `app-${i}` }));
    tookMs.push(performance.now() - began);
    assert.ok(made.ok);
    const page = await walk(store, 'default', made.revision - 1);
    assert.equal(page.length, 1, 'one key, one record');
    await store.revokeCredential(made.value.id, 2);
  }
  tookMs.sort((a, b) => a - b);
  const median = tookMs[times >> 1] ?? 0;
  console.log(`# create a key among ${CREDENTIALS}: median ${median.toFixed(1)} ms`);
  assert.ok(median < 500, `a key takes ${median} ms`);
}

// Guarantees the size that the directory promises, and that one key costs one key there.
test('100,000 credentials fit, and one more is refused whole', async () => {
  const holder = { pid: process.pid, machine: 'test', sinceMs: 0 };
  const limits = { credentialsMax: CREDENTIALS + 1 };
  const folder = join(root, 'store');
  const store = await openSqliteStore({ folder, freshStoreId: new Uint8Array(16), holder, limits });
  try {
    await fill(store);
    await createAndRevoke(store, 20);
    const last = await store.createCredential(newKey('last', { application: 'app-1' }));
    assert.ok(last.ok);
    const over = await store.createCredential(newKey('over', { application: 'app-2' }));
    assert.equal(over.ok === false && over.code, 'directory_full');
    const records = await timed('walk the directory in pages of 32 KiB', () =>
      walk(store, 'default', 0, PAGE_BYTES),
    );
    const removals = records.filter(({ present }) => !present).length;
    assert.equal(records.length - removals, CREDENTIALS + 1 + 2 * APPLICATIONS);
    assert.equal((await store.group('default'))?.credentials, CREDENTIALS + 1);
  } finally {
    await store.close();
  }
});
