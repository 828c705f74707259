/**
 * The contract of the store, part 1: what a change of the resource set does. It runs on every
 * implementation and must never look at how one keeps anything.
 */
import assert from 'node:assert/strict';
import { RecordKind } from '../../host/compile/output.ts';
import type { CommitEvent } from '../../host/store/store.ts';
import { application, brief, type ContractTest, change, group, record, walk } from './store-kit.ts';

/** Promises to run one by one, each on an empty store. */
export const changesContract: readonly ContractTest[] = [
  // Guarantees that position and order never identify anything: a name keeps its number for ever.
  {
    name: 'ids are stable, distinct and never reused',
    async run(kit) {
      const one = { kind: 'Plan', namespace: 'default', name: 'gold' } as const;
      const two = { kind: 'Plan', namespace: 'other', name: 'gold' } as const;
      const three = { kind: 'Limit', namespace: 'default', name: 'gold' } as const;
      const first = await kit.store.reserveIds([one, two, three, one]);
      assert.equal(new Set(first).size, 3);
      assert.equal(first[0], first[3]);
      assert.ok(first.every((id) => Number.isSafeInteger(id) && id > 0));
      await kit.store.applyResources(change({ resources: [application('app')] }));
      await kit.store.applyResources(change({}));
      assert.deepEqual(await kit.store.reserveIds([three, two, one]), [
        first[2],
        first[1],
        first[0],
      ]);
      assert.equal(await kit.store.revision(), 2, 'reserving ids makes no revision');
    },
  },

  // Guarantees that a reload of unchanged files disturbs no filter.
  {
    name: 'equal resources make no new revision',
    async run(kit) {
      await kit.applied('default');
      const events: CommitEvent[] = [];
      kit.store.onCommit((event) => events.push(event));
      const again = (await kit.applied('default')) as { changed: boolean; revision: number };
      assert.deepEqual([again.changed, again.revision, await kit.store.revision()], [false, 1, 1]);
      assert.deepEqual(events, []);
    },
  },

  // Guarantees that a group that did not change hears nothing, and one that did hears what.
  {
    name: 'an event names the groups that changed, and how',
    async run(kit) {
      await kit.applied('a', 'b');
      const events: CommitEvent[] = [];
      const stop = kit.store.onCommit((event) => events.push(event));
      const records = [record(RecordKind.application, kit.app)];
      const groups = [group('a', records, 'other'), group('b', records)];
      await kit.store.applyResources(change({ resources: [application('app')], groups }));
      const more = [...records, record(RecordKind.subscription, 900)];
      const next = [group('a', records, 'other'), group('b', more)];
      await kit.store.applyResources(change({ resources: [application('app')], groups: next }));
      stop();
      await kit.applied('a', 'b');
      assert.deepEqual(events, [
        { revision: 2, groups: [{ group: 'a', policyChanged: true, directoryChanged: false }] },
        { revision: 3, groups: [{ group: 'b', policyChanged: false, directoryChanged: true }] },
      ]);
    },
  },

  // Guarantees that the applied set can be read back whole, in a fixed order.
  {
    name: 'the applied resources are what was applied last',
    async run(kit) {
      const plan = { kind: 'Plan', namespace: 'default', name: 'gold', text: '{}' };
      await kit.store.applyResources(change({ resources: [plan, application('app')] }));
      assert.deepEqual(await kit.store.resources(), [application('app'), plan]);
      assert.deepEqual(await kit.store.resources('Plan'), [plan]);
      await kit.store.applyResources(change({ resources: [{ ...plan, text: '{"a":1}' }] }));
      assert.deepEqual(await kit.store.resources(), [{ ...plan, text: '{"a":1}' }]);
    },
  },

  // Guarantees that what a change is not about stays, in the set and in directories, and what it is
  // about and does not name ends.
  {
    name: 'a change of a part leaves the rest as it is',
    async run(kit) {
      const named = [application('app'), application('b'), application('c')];
      const keys = named.map(({ namespace, name }) => {
        return { kind: 'Application', namespace, name } as const;
      });
      const ids = await kit.store.reserveIds(keys);
      const records = ids.map((id) => record(RecordKind.application, id));
      await kit.store.applyResources(
        change({ resources: named, groups: [group('a', records), group('b', [])] }),
      );
      const [, b = 0, c = 0] = ids;
      const part = {
        resources: keys.slice(1),
        credentials: [],
        records: [b, c].map((id) => ({ kind: RecordKind.application, id })),
      };
      const changed = { ...application('b'), text: '{"b":1}' };
      const only = change({ part, resources: [changed], groups: [group('a', []), group('b', [])] });
      const moved = { ...only, groups: [group('a', []), group('b', records.slice(1, 2))] };
      assert.ok((await kit.store.applyResources(moved)).ok);
      assert.deepEqual(await kit.store.resources(), [application('app'), changed]);
      const left = [`2:2.${b} gone`, `2:2.${c} gone`];
      assert.deepEqual(brief(await walk(kit.store, 'a', 1)), left);
      assert.equal((await walk(kit.store, 'a', 0)).filter(({ present }) => present).length, 1);
      assert.deepEqual(brief(await walk(kit.store, 'b', 1)), [`2:2.${b}`]);
      const again = await kit.store.applyResources(moved);
      assert.deepEqual([again.ok && again.changed, await kit.store.revision()], [false, 2]);
    },
  },

  // Guarantees that two writers cannot overwrite one another unseen.
  {
    name: 'a change against another revision is refused',
    async run(kit) {
      await kit.applied('default');
      const stale = await kit.store.applyResources(change({ ifRevision: 0 }));
      assert.equal(stale.ok === false && stale.code, 'revision_conflict');
      assert.equal((await kit.store.resources()).length, 1);
      const fresh = await kit.store.applyResources(change({ ifRevision: 1 }));
      assert.deepEqual([fresh.ok, await kit.store.revision()], [true, 2]);
    },
  },

  // Guarantees that a filter in the middle of a policy is not cut off by the next one.
  {
    name: 'the last two policies of a group are kept, newest first',
    async run(kit) {
      for (const policy of ['one', 'two', 'three']) {
        await kit.store.applyResources(change({ groups: [group('a', [], policy)] }));
      }
      const kept = await kit.store.policies('a');
      assert.deepEqual(
        kept.map((p) => [p.revision, Buffer.from(p.bytes).toString()]),
        [
          [3, 'three'],
          [2, 'two'],
        ],
      );
      assert.equal((await kit.store.group('a'))?.policyRevision, 3);
      assert.deepEqual(await kit.store.policies('none'), []);
    },
  },

  // Guarantees that a host can tell at its start that another version compiled what is stored, and
  // never takes for compiled anew what was not.
  {
    name: 'what compiled the whole set is kept; a part, a trial and a refusal leave it',
    async run(kit) {
      assert.equal(await kit.store.compiledBy(), '');
      await kit.applied('a');
      const records = [record(RecordKind.application, kit.app)];
      const set = { resources: [application('app')], groups: [group('a', records)] };
      const by = (compiledBy: string, more: object = {}) => {
        return kit.store.applyResources(change({ ...set, compiledBy, ...more }));
      };
      const made = await by('one');
      assert.deepEqual(
        [made.ok, made.ok && made.revision, made.ok && made.changed],
        [true, 1, false],
      );
      assert.equal(await kit.store.compiledBy(), 'one');
      const part = { resources: [], credentials: [], records: [] };
      assert.ok((await by('two', { part, resources: [], groups: [group('a', [])] })).ok);
      assert.ok((await by('two', { dryRun: true })).ok);
      assert.equal((await by('two', { ifRevision: 99 })).ok, false);
      await kit.applied('a');
      assert.equal(await kit.store.compiledBy(), 'one');
      assert.ok((await by('two')).ok);
      assert.equal(await kit.store.compiledBy(), 'two');
    },
  },

  // Guarantees that nothing is answered from a store that was given up.
  {
    name: 'a closed store rejects',
    async run(kit) {
      await kit.store.close();
      await assert.rejects(kit.store.revision(), /closed/);
      await kit.store.close();
    },
  },
];
