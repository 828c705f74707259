/**
 * What the store's thread gets of a change, against what was sent: columns and shared memory are
 * the business of the way alone.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DeclaredCredential, RecordKind } from '../../../host/compile/output.ts';
import { NO_RULES } from '../../../host/credential/rules.ts';
import { memoryOf, packChange, unpackChange } from '../../../host/store/packed-change.ts';
import type { ResourceChange } from '../../../host/store/store.ts';
import { application, digestOf, group, record } from '../../contract/store-kit.ts';

const PLAIN: DeclaredCredential = {
  ...{ namespace: 'default', application: 'app', name: 'plain', digest: digestOf('plain') },
  ...{ state: 'enabled', notBeforeMs: null, notAfterMs: null, rules: NO_RULES },
};

const FULL: ResourceChange = {
  part: {
    resources: [{ kind: 'Application', namespace: 'default', name: 'app' }],
    credentials: [{ namespace: 'sales', application: 'shop/app', digest: digestOf('old') }],
    records: [{ kind: RecordKind.application, id: 7 }],
  },
  resources: [application('app'), application('other')],
  credentials: [
    PLAIN,
    {
      ...{ ...PLAIN, namespace: 'sales', application: 'shop/app', name: 'bound' },
      ...{ digest: digestOf('bound'), state: 'disabled', notBeforeMs: 0, notAfterMs: 2 ** 50 },
      rules: { cidrs: ['10.0.0.0/8'], referers: ['*.example.com'] },
    },
    { ...PLAIN, name: 'third', digest: digestOf('third') },
  ],
  groups: [
    group('a', [record(RecordKind.application, 7), record(RecordKind.subscription, 2 ** 40)]),
    group('b', []),
    group('c', [{ kind: RecordKind.application, id: 9, body: new Uint8Array(0) }]),
  ],
  ...{ compiledBy: 'one', ifRevision: 3, nowMs: 5, by: 'me', cause: 'apply', dryRun: true },
};

function carried(change: ResourceChange): ResourceChange {
  const packed = packChange(change);
  return unpackChange(structuredClone(packed, { transfer: memoryOf(packed) }));
}

// Guarantees that nothing of a change is lost, added or mixed up on the way between threads.
test('a change is the same behind the way between threads, and usable before it', () => {
  assert.deepEqual(carried(FULL), FULL);
  assert.deepEqual(carried(FULL), FULL, 'the sender still has all of it');
  const empty: ResourceChange = { resources: [], credentials: [], groups: [], nowMs: 1 };
  assert.deepEqual(carried(empty), empty);
});
