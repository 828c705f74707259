/**
 * The contract of the store, part 3: how credentials come, change and end. It runs on every
 * implementation and must never look at how one keeps anything.
 */

import assert from 'node:assert/strict';
import { RecordKind } from '../../host/compile/output.ts';
import { NO_RULES } from '../../host/credential/rules.ts';
import {
  application,
  brief,
  type ContractTest,
  change,
  digestOf,
  group,
  newKey,
  record,
  walk,
} from './store-kit.ts';

/** Promises to run one by one, each on an empty store. */
export const credentialsContract: readonly ContractTest[] = [
  // Guarantees that a change of one key costs one record, not a table.
  {
    name: 'creating and revoking a credential touch its own record only',
    async run(kit) {
      await kit.applied('default');
      const made = await kit.store.createCredential(newKey('one'));
      assert.ok(made.ok);
      const { id } = made.value;
      assert.equal(made.value.name, `key-${id}`);
      assert.deepEqual(brief(await walk(kit.store, 'default', 1)), [`2:1.${id}`]);
      const ended = await kit.store.revokeCredential(id, 9_000);
      assert.ok(ended.ok && ended.value.state === 'revoked' && ended.value.revokedAtMs === 9_000);
      assert.deepEqual(brief(await walk(kit.store, 'default', 2)), [`3:1.${id} gone`]);
      const again = await kit.store.revokeCredential(id, 9_999);
      assert.ok(again.ok && !again.changed && again.value.revokedAtMs === 9_000);
      assert.equal(await kit.store.revision(), 3);
    },
  },

  // Guarantees the normative body of a credential record: 64 bytes as in docs/wire.md.
  {
    name: 'a credential record carries digest, application, validity and state',
    async run(kit) {
      await kit.applied('default');
      await kit.store.createCredential(newKey('one', { notBeforeMs: 7, notAfterMs: 2 ** 40 }));
      const [, row] = await walk(kit.store, 'default', 0);
      assert.ok(row);
      const body = Buffer.from(row.body);
      assert.equal(body.length, 64);
      assert.deepEqual(new Uint8Array(body.subarray(0, 32)), digestOf('one'));
      const numbers = [32, 40, 48].map((at) => Number(body.readBigUInt64LE(at)));
      assert.deepEqual([...numbers, body[56]], [kit.app, 7, 2 ** 40, 1]);
    },
  },

  // Guarantees that rules reach the record of a key as docs/wire.md lays them down, are kept, and
  // that a declared credential whose rules change is a changed record.
  {
    name: 'rules are kept, carried by the record and compared',
    async run(kit) {
      await kit.applied('default');
      const rules = {
        cidrs: ['10.0.0.0/8', '2001:db8::/32'],
        referers: ['a.example', '*.b.example'],
      };
      const made = await kit.store.createCredential(newKey('one', { rules }));
      assert.ok(made.ok);
      assert.deepEqual((await kit.store.credential(made.value.id))?.rules, rules);
      const row = (await walk(kit.store, 'default', 1)).find(({ id }) => id === made.value.id);
      const body = Buffer.from(row?.body ?? []);
      assert.equal(body.length, 64 + 2 * 17 + 1 + 9 + 1 + 10);
      assert.deepEqual([body.readUInt16LE(60), body[62], body[63]], [body.length - 64, 2, 2]);
      assert.deepEqual(
        [...body.subarray(64, 81)],
        [104, ...Array(10).fill(0), 255, 255, 10, 0, 0, 0],
      );
      assert.equal(body.subarray(98).toString('latin1'), '\x09a.example\x0a.b.example');
      const declared = { namespace: 'default', application: 'app', name: 'file' } as const;
      const more = { digest: digestOf('file'), state: 'enabled' } as const;
      const file = { ...declared, ...more, notBeforeMs: null, notAfterMs: null };
      const declare = (some: typeof rules) => {
        const credentials = [{ ...file, rules: some }];
        const resources = [application('app')];
        const records = [record(RecordKind.application, kit.app)];
        return kit.store.applyResources(
          change({ resources, groups: [group('default', records)], credentials }),
        );
      };
      const first = await declare({ cidrs: [], referers: [] });
      assert.ok(first.ok && first.changed);
      const second = await declare(rules);
      assert.ok(second.ok && second.changed);
      const third = await declare(rules);
      assert.ok(third.ok && !third.changed);
    },
  },

  // Guarantees that a key is never ambiguous and a name never says two things.
  {
    name: 'credentials are refused by application, name and digest',
    async run(kit) {
      await kit.applied('default');
      await kit.store.createCredential(newKey('one', { name: 'first' }));
      const before = await kit.store.revision();
      const refusals = [
        await kit.store.createCredential(newKey('two', { application: 'other' })),
        await kit.store.createCredential(newKey('two', { name: 'first' })),
        await kit.store.createCredential(newKey('one')),
        await kit.store.revokeCredential(123_456, 1),
      ];
      const codes = refusals.map((r) => (r.ok ? 'ok' : r.code));
      assert.deepEqual(codes, ['not_found', 'name_taken', 'digest_taken', 'not_found']);
      assert.equal(await kit.store.revision(), before);
    },
  },

  // Guarantees that a revoked key cannot come back by a file, nor a name be taken over.
  {
    name: 'a declared credential takes over nothing that key create made',
    async run(kit) {
      await kit.applied('default');
      const made = await kit.store.createCredential(newKey('one', { name: 'first' }));
      assert.ok(made.ok);
      await kit.store.revokeCredential(made.value.id, 1);
      const base = { namespace: 'default', application: 'app', state: 'enabled' } as const;
      const times = { notBeforeMs: null, notAfterMs: null, rules: NO_RULES };
      const declared = (name: string, key: string) =>
        kit.store.applyResources(
          change({ credentials: [{ ...base, ...times, name, digest: digestOf(key) }] }),
        );
      const digest = await declared('second', 'one');
      const name = await declared('first', 'two');
      assert.equal(digest.ok === false && digest.code, 'digest_taken');
      assert.equal(name.ok === false && name.code, 'name_taken');
      assert.equal((await kit.store.resources()).length, 1, 'a refused change changes nothing');
    },
  },

  // Guarantees that a declared credential follows its file in all that may change, and only that.
  {
    name: 'declared credentials come, change and go with the set',
    async run(kit) {
      await kit.applied('default');
      const base = { namespace: 'default', application: 'app', name: 'file', notBeforeMs: null };
      const digest = digestOf('file');
      const records = [record(RecordKind.application, kit.app)];
      const put = (state: 'enabled' | 'disabled', more = {}) =>
        kit.store.applyResources(
          change({
            resources: [application('app')],
            groups: [group('default', records)],
            credentials: [{ ...base, digest, state, notAfterMs: null, rules: NO_RULES, ...more }],
          }),
        );
      await put('enabled');
      const [made] = await kit.store.credentials({ limit: 10 });
      assert.ok(made && made.origin === 'resource' && made.createdAtMs === 1_000);
      const refused = await kit.store.revokeCredential(made.id, 1);
      assert.equal(refused.ok === false && refused.code, 'managed_by_resources');
      await put('disabled');
      const again = await put('disabled');
      assert.ok(again.ok && !again.changed);
      const renamed = await put('disabled', { name: 'renamed' });
      assert.ok(renamed.ok && renamed.revision === 4);
      assert.deepEqual(brief(await walk(kit.store, 'default', 1)), [`3:1.${made.id}`]);
      await put('disabled', { digest: digestOf('other') });
      const [other] = await kit.store.credentials({ limit: 10 });
      assert.ok(other && other.id !== made.id, 'another digest is another credential');
      const order = [`5:1.${made.id} gone`, `5:1.${other.id}`];
      assert.deepEqual(brief(await walk(kit.store, 'default', 4)), order);
      await kit.applied('default');
      assert.deepEqual(await kit.store.credentials({ limit: 10 }), []);
    },
  },

  // Guarantees that names can be exchanged between declared credentials in one change.
  {
    name: 'declared credentials may swap their names',
    async run(kit) {
      const base = { namespace: 'default', application: 'app', state: 'enabled' } as const;
      const times = { notBeforeMs: null, notAfterMs: null, rules: NO_RULES };
      const put = (a: string, b: string) =>
        kit.store.applyResources(
          change({
            credentials: [
              { ...base, ...times, name: a, digest: digestOf('x') },
              { ...base, ...times, name: b, digest: digestOf('y') },
            ],
          }),
        );
      await put('one', 'two');
      const before = await kit.store.credentials({ limit: 9 });
      await put('two', 'one');
      const after = await kit.store.credentials({ limit: 9 });
      assert.deepEqual(
        after.map((c) => c.id),
        before.map((c) => c.id),
      );
      assert.deepEqual(
        after.map((c) => c.name),
        ['two', 'one'],
      );
    },
  },

  // Guarantees that a long list can be read in pieces.
  {
    name: 'credentials are listed in the order of ids, by application and page',
    async run(kit) {
      await kit.store.applyResources(change({ resources: [application('app'), application('b')] }));
      for (const [i, name] of ['app', 'b', 'app'].entries()) {
        await kit.store.createCredential(newKey(`${i}`, { application: name, name: `n${i}` }));
      }
      const names = async (query: object) =>
        (await kit.store.credentials({ limit: 10, ...query })).map((c) => c.name);
      assert.deepEqual(await names({}), ['n0', 'n1', 'n2']);
      assert.deepEqual(await names({ application: 'app' }), ['n0', 'n2']);
      assert.deepEqual(await names({ namespace: 'other' }), []);
      const [first] = await kit.store.credentials({ limit: 1 });
      assert.deepEqual(await names({ afterId: first?.id }), ['n1', 'n2']);
      assert.deepEqual(await kit.store.credential(first?.id ?? 0), first);
    },
  },
];
