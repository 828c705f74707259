/**
 * The contract of the store, part 2: what a proxy group's directory holds and how it is read. It
 * runs on every implementation and must never look at how one keeps anything.
 */

import assert from 'node:assert/strict';
import { RecordKind } from '../../host/compile/output.ts';
import { NO_RULES } from '../../host/credential/rules.ts';
import {
  ALL,
  application,
  brief,
  type ContractTest,
  change,
  digestOf,
  group,
  newKey,
  OVERHEAD,
  record,
  walk,
} from './store-kit.ts';

/** Promises to run one by one, each on an empty store. */
export const directoryContract: readonly ContractTest[] = [
  // Guarantees that an application brings its credentials when it enters a directory, at the
  // revision it enters, because a filter asks only for what is newer than what it holds.
  {
    name: 'an application enters and leaves a directory with its credentials',
    async run(kit) {
      await kit.applied('a');
      const key = await kit.store.createCredential(newKey('one'));
      assert.ok(key.ok);
      const { id } = key.value;
      await kit.applied('a', 'b');
      assert.deepEqual(brief(await walk(kit.store, 'b', 2)), [`3:1.${id}`, `3:2.${kit.app}`]);
      assert.deepEqual(await walk(kit.store, 'a', 2), [], 'the first group saw no change');
      await kit.applied('b');
      const gone = [`4:1.${id} gone`, `4:2.${kit.app} gone`];
      assert.deepEqual(brief(await walk(kit.store, 'a', 3)), gone);
      assert.equal((await kit.store.group('a'))?.credentials, 0);
      assert.equal((await kit.store.group('b'))?.credentials, 1);
    },
  },

  // Guarantees that a revoked key does not return with its application.
  {
    name: 'a revoked credential stays out when its application comes back',
    async run(kit) {
      await kit.applied('a');
      const key = await kit.store.createCredential(newKey('one'));
      assert.ok(key.ok);
      await kit.store.revokeCredential(key.value.id, 1);
      await kit.store.applyResources(change({ groups: [group('a', [])] }));
      await kit.applied('a');
      assert.deepEqual(brief(await walk(kit.store, 'a', 0)), [`5:2.${kit.app}`]);
    },
  },

  // Guarantees that a directory bound is refused whole, never met by dropping something.
  {
    name: 'directory_full refuses the whole change',
    async run(kit) {
      await kit.reopen({ credentialsMax: 2 });
      await kit.applied('a');
      await kit.store.createCredential(newKey('one'));
      await kit.store.createCredential(newKey('two'));
      const third = await kit.store.createCredential(newKey('three'));
      assert.equal(third.ok === false && third.code, 'directory_full');
      assert.match(third.ok ? '' : third.message, /proxy group "a" would hold 3 .* at most 2/);
      assert.equal((await kit.store.credentials({ limit: 9 })).length, 2);
      const base = { namespace: 'default', application: 'app', name: 'file' } as const;
      const times = { notBeforeMs: null, notAfterMs: null, rules: NO_RULES };
      const records = [record(RecordKind.application, kit.app)];
      const whole = await kit.store.applyResources(
        change({
          resources: [application('app'), application('other')],
          groups: [group('a', records, 'next'), group('new', [])],
          credentials: [{ ...base, ...times, digest: digestOf('file'), state: 'enabled' }],
        }),
      );
      assert.equal(whole.ok === false && whole.code, 'directory_full');
      assert.equal((await kit.store.resources()).length, 1);
      assert.equal(await kit.store.group('new'), undefined);
      assert.equal((await kit.store.policies('a')).length, 1);
      assert.equal(await kit.store.revision(), 3);
    },
  },

  // Guarantees that every record is read exactly once, whatever the size of a page.
  {
    name: 'pages of any size give the same walk in the order (revision, kind, id)',
    async run(kit) {
      await kit.applied('a');
      for (let i = 0; i < 7; i++) await kit.store.createCredential(newKey(`key ${i}`));
      const others = [3, 1, 2].map((n) => record(RecordKind.subscription, 10_000 + n));
      const records = [record(RecordKind.application, kit.app), ...others];
      await kit.store.applyResources(
        change({ resources: [application('app')], groups: [group('a', records)] }),
      );
      const whole = await walk(kit.store, 'a', 0);
      assert.equal(whole.length, 11);
      const sorted = [...whole].sort(
        (x, y) => x.revision - y.revision || x.kind - y.kind || x.id - y.id,
      );
      assert.deepEqual(whole, sorted);
      for (const bytes of [1, 90, 170, 500]) {
        assert.deepEqual(await walk(kit.store, 'a', 0, bytes), whole);
      }
    },
  },

  // Guarantees that a page says how far it is whole, so that a filter never holds half a revision.
  {
    name: 'a page that ends inside a revision is whole up to the one before',
    async run(kit) {
      await kit.applied('a');
      const records = [1, 2, 3].map((n) => record(RecordKind.subscription, 10_000 + n));
      await kit.store.applyResources(change({ groups: [group('a', records)] }));
      const query = { group: 'a', after: 1, maxBytes: 1, overheadBytes: OVERHEAD };
      const page = await kit.store.directoryAfter(query);
      assert.ok(page.outcome === 'page');
      assert.deepEqual([page.complete, page.upTo, page.head], [false, 1, 2]);
      const rest = await kit.store.directoryAfter({ ...query, maxBytes: ALL });
      assert.ok(rest.outcome === 'page');
      assert.deepEqual([rest.complete, rest.upTo], [true, 2]);
    },
  },

  // Guarantees that a record removed between two pages of a first fill is removed in the filter.
  {
    name: 'a first fill learns of what is removed while it goes on',
    async run(kit) {
      await kit.applied('a');
      const first = await kit.store.createCredential(newKey('one'));
      const second = await kit.store.createCredential(newKey('two'));
      assert.ok(first.ok && second.ok);
      const query = { group: 'a', after: 0, maxBytes: 120, overheadBytes: OVERHEAD };
      const page = await kit.store.directoryAfter(query);
      assert.ok(page.outcome === 'page' && !page.complete);
      assert.deepEqual(
        page.records.map((r) => r.id),
        [kit.app, first.value.id],
      );
      await kit.store.revokeCredential(first.value.id, 1);
      const cursor = page.records.at(-1);
      assert.ok(cursor);
      const next = await kit.store.directoryAfter({ ...query, maxBytes: ALL, cursor });
      assert.ok(next.outcome === 'page' && next.complete);
      const expected = [`3:1.${second.value.id}`, `4:1.${first.value.id} gone`];
      assert.deepEqual(brief(next.records), expected);
      const fresh = await walk(kit.store, 'a', 0);
      assert.ok(fresh.every((r) => r.present));
    },
  },

  // Guarantees that a filter which misses forgotten removals starts over instead of keeping keys.
  {
    name: 'removals are kept up to a bound and then forgotten by whole revisions',
    async run(kit) {
      await kit.reopen({ removalsKeptMax: 4 });
      await kit.applied('a');
      const ids: number[] = [];
      for (let i = 0; i < 6; i++) {
        const made = await kit.store.createCredential(newKey(`key ${i}`));
        ids.push(made.ok ? made.value.id : 0);
      }
      for (const id of ids.slice(0, 4)) await kit.store.revokeCredential(id, 1);
      assert.equal((await walk(kit.store, 'a', 7)).length, 4, 'all four are still there');
      await kit.store.revokeCredential(ids[4] ?? 0, 1);
      const query = { group: 'a', maxBytes: ALL, overheadBytes: OVERHEAD };
      const late = await kit.store.directoryAfter({ ...query, after: 8 });
      assert.deepEqual(late, { outcome: 'start_over', head: 12 });
      const early = await kit.store.directoryAfter({ ...query, after: 9 });
      assert.ok(early.outcome === 'page');
      assert.deepEqual([early.records.length, early.forgotten], [3, 9]);
      const fill = await kit.store.directoryAfter({ ...query, after: 0 });
      assert.ok(fill.outcome === 'page' && fill.forgotten === 9);
    },
  },

  // Guarantees that filters of a group that lost its last product are told so, not left behind.
  {
    name: 'a group that is no longer named loses its records and keeps its policy',
    async run(kit) {
      await kit.applied('a');
      await kit.store.applyResources(change({}));
      assert.deepEqual(brief(await walk(kit.store, 'a', 1)), [`2:2.${kit.app} gone`]);
      assert.equal((await kit.store.policies('a')).length, 1);
      assert.deepEqual(
        (await kit.store.groups()).map((g) => g.group),
        ['a'],
      );
      const query = { group: 'none', after: 0, maxBytes: ALL, overheadBytes: OVERHEAD };
      assert.deepEqual(await kit.store.directoryAfter(query), { outcome: 'no_group', head: 2 });
    },
  },

  // Guarantees that a host behind what a filter holds answers quietly and never starts it over.
  {
    name: 'a page after a revision that is not here yet is empty and complete',
    async run(kit) {
      await kit.applied('a');
      const query = { group: 'a', after: 99, maxBytes: ALL, overheadBytes: OVERHEAD };
      const page = await kit.store.directoryAfter(query);
      assert.ok(page.outcome === 'page');
      assert.deepEqual([page.records, page.complete, page.head], [[], true, 1]);
    },
  },
];
