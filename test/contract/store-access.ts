/**
 * What every store promises about access tokens and the audit trail.
 */
import assert from 'node:assert/strict';
import { RecordKind } from '../../host/compile/output.ts';
import { NO_RULES } from '../../host/credential/rules.ts';
import type { NewAccessToken } from '../../host/store/access.ts';
import {
  application,
  type ContractTest,
  change,
  digestOf,
  group,
  newKey,
  record,
} from './store-kit.ts';

function newToken(name: string, more: Partial<NewAccessToken> = {}): NewAccessToken {
  return {
    name,
    role: 'operate',
    namespaces: ['default', 'other'],
    displayPrefix: 'sgadmin_ab',
    digest: digestOf(name),
    createdAtMs: 7,
    createdBy: 'root',
    notAfterMs: null,
    ...more,
  };
}

/** The promises. */
export const accessContract: readonly ContractTest[] = [
  // Guarantees that a token is found by its digest, ends by its name and frees it.
  {
    name: 'access tokens are made, found, ended and made again',
    async run({ store }) {
      const made = await store.createAccessToken(newToken('ci'));
      assert.ok(made.ok);
      const { digest: _, ...facts } = newToken('ci');
      assert.deepEqual(made.value, { ...facts, id: made.value.id, revokedAtMs: null });
      assert.deepEqual(await store.accessTokenWithDigest(digestOf('ci')), made.value);
      assert.equal(await store.accessTokenWithDigest(digestOf('no')), undefined);
      const twice = await store.createAccessToken(newToken('ci', { digest: digestOf('x') }));
      assert.equal(twice.ok === false && twice.code, 'name_taken');
      await store.createAccessToken(newToken('a', { namespaces: [], notAfterMs: 9 }));
      assert.deepEqual(
        (await store.accessTokens()).map(({ name }) => name),
        ['a', 'ci'],
      );
      const ended = await store.revokeAccessToken('ci', 'root', 8);
      assert.equal(ended.ok && ended.value.revokedAtMs, 8);
      assert.equal((await store.accessTokenWithDigest(digestOf('ci')))?.revokedAtMs, 8);
      const again = await store.revokeAccessToken('ci', 'root', 9);
      assert.equal(again.ok === false && again.code, 'not_found');
      const fresh = await store.createAccessToken(newToken('ci', { digest: digestOf('y') }));
      assert.ok(fresh.ok && fresh.value.id !== made.value.id);
      assert.equal(await store.revision(), 0, 'tokens are no part of what proxies get');
    },
  },

  // Guarantees that everything that changed is in the trail with who, what and the revision, and
  // that a refused change leaves no trace.
  {
    name: 'every change is written down, newest first',
    async run(kit) {
      const { store } = kit;
      await kit.applied('default');
      const made = await store.createCredential(newKey('k', { by: 'ci' }));
      await store.createCredential(newKey('k'));
      assert.ok(made.ok);
      await store.revokeCredential(made.value.id, 9, 'eve');
      const resources = [{ ...application('app'), text: '{"spec":2}' }, application('b')];
      const groups = [{ group: 'default', policy: new Uint8Array(1), records: [] }];
      const more = { by: 'ann', cause: 'rollback to 1' };
      await store.applyResources(change({ resources, groups, ...more }));
      await store.applyResources(change({ resources: [application('b')], groups, by: 'bob' }));
      const trail = await store.audit({ limit: 10 });
      assert.deepEqual(
        trail.map((e) => `${e.revision} ${e.actor}: ${e.action} ${e.namespace}/${e.name}`),
        [
          '5 bob: resource.delete default/app',
          '4 ann: resource.create default/b',
          '4 ann: resource.update default/app',
          `3 eve: key.revoke default/${made.value.name}`,
          `2 ci: key.create default/${made.value.name}`,
          '1 host: resource.create default/app',
        ],
      );
      const [, , update, revoke] = trail;
      assert.deepEqual([update?.before, update?.after], ['{"spec":"app"}', '{"spec":2}']);
      assert.equal(JSON.parse(revoke?.before ?? '').state, 'enabled');
      assert.equal(JSON.parse(revoke?.after ?? '').state, 'revoked');
      assert.ok(!('digest' in JSON.parse(revoke?.after ?? '')));
      assert.deepEqual(
        await store.audit({ limit: 2, beforeSeq: trail[1]?.seq ?? 0 }),
        trail.slice(2, 4),
      );
      assert.equal((await store.audit({ limit: 9, kind: 'Credential', actor: 'ci' })).length, 1);
      assert.equal((await store.audit({ limit: 9, namespaces: ['other'] })).length, 0);
      assert.equal((await store.audit({ limit: 9, revision: 4, name: 'b' })).length, 1);
    },
  },

  // Guarantees that resources can be taken back to any revision that is remembered, and that keys
  // made in between neither count as a change of resources nor stand in the way of one.
  {
    name: 'revisions of resources are listed and can be undone',
    async run(kit) {
      const { store } = kit;
      await kit.applied('default');
      await store.createCredential(newKey('k'));
      assert.deepEqual([await store.revision(), await store.resourceRevision()], [2, 1]);
      const groups = [{ group: 'default', policy: new Uint8Array(1), records: [] }];
      const resources = [application('app'), application('b'), application('c')];
      const next = change({ resources, groups, ifRevision: 1, nowMs: 5, by: 'ann', cause: 'x' });
      assert.ok((await store.applyResources(next)).ok);
      const late = await store.applyResources(next);
      assert.equal(late.ok === false && late.subject, '3');
      assert.deepEqual(await store.resourceRevisions(10), [
        { revision: 3, actor: 'ann', atMs: 5, cause: 'x', changes: 2 },
        { revision: 1, actor: 'host', atMs: 1_000, cause: 'apply', changes: 1 },
      ]);
      assert.equal((await store.resourceRevisions(10, 3)).length, 1);
      assert.equal((await store.resourceRevisions(1)).length, 1);
      const after = await store.resourceChangesAfter(1);
      assert.deepEqual(
        after?.map(({ name, before }) => [name, before]),
        [
          ['c', null],
          ['b', null],
        ],
      );
      assert.equal((await store.resourceChangesAfter(0))?.length, 3);
    },
  },

  // Guarantees that large sets are read page by page, narrowed where they lie.
  {
    name: 'resources are read one by one and page by page',
    async run({ store }) {
      const names = ['a/x', 'a/y', 'b/x', 'b/xy', 'c/z'];
      const resources = names.map((place) => {
        const [namespace = '', name = ''] = place.split('/');
        return { kind: 'Consumer', namespace, name, text: place };
      });
      const plan = { kind: 'Plan', namespace: 'a', name: 'p', text: 'p' };
      await store.applyResources(change({ resources: [...resources, plan] }));
      assert.deepEqual(await store.resource('Consumer', 'b', 'x'), 'b/x');
      assert.equal(await store.resource('Plan', 'b', 'x'), undefined);
      const page = async (more: object) => {
        const found = await store.resourcePage({ kind: 'Consumer', limit: 9, ...more });
        return found.map(({ text }) => text);
      };
      assert.deepEqual(await page({}), names);
      assert.deepEqual(await page({ limit: 2 }), ['a/x', 'a/y']);
      const after = { namespace: 'a', name: 'y' };
      assert.deepEqual(await page({ limit: 2, after }), ['b/x', 'b/xy']);
      assert.deepEqual(await page({ search: 'x' }), ['a/x', 'b/x', 'b/xy']);
      assert.deepEqual(await page({ namespaces: ['a', 'c'], search: 'z' }), ['c/z']);
      assert.deepEqual(await page({ namespaces: [] }), []);
    },
  },

  // Guarantees that whoever only asks what would happen leaves nothing behind, not even an id.
  {
    name: 'a dry run finds every refusal and changes nothing',
    async run(kit) {
      await kit.reopen({ credentialsMax: 1 });
      const { store } = kit;
      await kit.applied('default');
      await store.createCredential(newKey('k'));
      const key = { kind: 'Plan', namespace: 'default', name: 'new' } as const;
      const [rehearsed] = await store.reserveIds([key], true);
      const [next] = await store.reserveIds([{ ...key, name: 'other' }]);
      assert.equal(next, rehearsed, 'the id was not kept');
      const resources = [application('app'), application('late')];
      const groups = [group('default', [record(RecordKind.application, kit.app)])];
      const dry = await store.applyResources(change({ resources, groups, dryRun: true }));
      assert.deepEqual(dry, { ok: true, revision: 2, changed: false, value: null });
      assert.equal((await store.resources()).length, 1);
      const credential = {
        ...{ namespace: 'default', application: 'app', name: 'd', digest: digestOf('d') },
        ...{ state: 'enabled' as const, notBeforeMs: null, notAfterMs: null },
        rules: NO_RULES,
      };
      const credentials = [credential];
      const full = await store.applyResources(
        change({ resources, groups, credentials, dryRun: true }),
      );
      assert.equal(full.ok === false && full.code, 'directory_full');
      assert.deepEqual([await store.revision(), (await store.audit({ limit: 9 })).length], [2, 2]);
    },
  },
];
