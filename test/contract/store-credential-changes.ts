/**
 * What every store promises about credentials that change and that take another's place.
 */
import assert from 'node:assert/strict';
import { RecordKind } from '../../host/compile/output.ts';
import { type ContractTest, newKey, walk } from './store-kit.ts';

const BY = { by: 'ann', cause: 'key disable', nowMs: 9 };

/** The promises. */
export const credentialChangesContract: readonly ContractTest[] = [
  // Guarantees that proxies are told of a change of a key once, and of none when nothing changed.
  {
    name: 'a credential changes in its row and its directories, once',
    async run(kit) {
      const { store } = kit;
      await kit.applied('default', 'other');
      const made = await store.createCredential(newKey('k'));
      assert.ok(made.ok);
      const { id } = made.value;
      const off = await store.changeCredential(id, { ...BY, state: 'disabled', notAfterMs: 77 });
      assert.ok(off.ok);
      assert.deepEqual(off.value, { ...made.value, state: 'disabled', notAfterMs: 77 });
      assert.deepEqual([off.revision, off.changed], [3, true]);
      assert.deepEqual(await store.credential(id), off.value);
      for (const group of ['default', 'other']) {
        const records = (await walk(store, group, 2)).filter(
          (r) => r.kind === RecordKind.credential,
        );
        assert.deepEqual(
          records.map(({ revision, present }) => [revision, present]),
          [[3, true]],
        );
      }
      const again = await store.changeCredential(id, { ...BY, state: 'disabled' });
      assert.deepEqual([again.ok && again.changed, await store.revision()], [false, 3]);
      const [entry] = await store.audit({ limit: 1 });
      assert.deepEqual([entry?.action, entry?.actor, entry?.revision], ['key.change', 'ann', 3]);
      await store.revokeCredential(id, 10);
      const late = await store.changeCredential(id, { ...BY, state: 'enabled' });
      assert.equal(late.ok === false && late.code, 'revoked');
      const none = await store.changeCredential(id + 99, { ...BY, state: 'enabled' });
      assert.equal(none.ok === false && none.code, 'not_found');
    },
  },

  // Guarantees that a rotation is one revision, and that one that is refused changes nothing.
  {
    name: 'a rotation makes and ends in one revision, or does nothing',
    async run(kit) {
      await kit.reopen({ credentialsMax: 2 });
      const { store } = kit;
      await kit.applied('default');
      const made = await store.createCredential(newKey('a'));
      assert.ok(made.ok);
      const rotated = await store.rotateCredential(made.value.id, newKey('b'), 50);
      assert.ok(rotated.ok);
      assert.deepEqual(rotated.value.before, { ...made.value, notAfterMs: 50 });
      assert.deepEqual([rotated.revision, (await walk(store, 'default', 2)).length], [3, 2]);
      const full = await store.rotateCredential(made.value.id, newKey('c'), 20);
      assert.equal(full.ok === false && full.code, 'directory_full');
      const taken = await store.rotateCredential(made.value.id, newKey('b'), 20);
      assert.equal(taken.ok === false && taken.code, 'digest_taken');
      assert.equal((await store.credential(made.value.id))?.notAfterMs, 50);
      assert.deepEqual([await store.revision(), (await store.audit({ limit: 9 })).length], [3, 4]);
    },
  },

  // Guarantees that one request makes one key, also when it is sent again after a restart.
  {
    name: 'what was made with an idempotency key is answered again',
    async run(kit) {
      const { store } = kit;
      await kit.applied('default');
      const make = (text: string, idempotencyKey: string, more = {}) =>
        store.createCredential(
          newKey(text, { by: 'ann', once: { idempotencyKey, request: 'r' }, ...more }),
        );
      const made = await make('a', 'k');
      const again = await make('b', 'k');
      assert.ok(made.ok && again.ok);
      assert.deepEqual([again.changed, again.value], [false, made.value]);
      const bob = await make('b', 'k', { by: 'bob' });
      assert.ok(bob.ok && bob.changed);
      const refused = await make('a', 'l');
      assert.equal(refused.ok === false && refused.code, 'digest_taken');
      const late = await make('c', 'l');
      assert.ok(late.ok && late.changed, 'a refused request used nothing up');
      assert.equal((await store.credentials({ limit: 9 })).length, 3);
      const next = await make('d', 'k', { createdAtMs: 86_405_001 });
      assert.ok(next.ok && next.changed, 'after a day it is forgotten');
    },
  },

  // Guarantees that a key which somebody took for a second request never passes off the first one's
  // answer as the second's, whatever each of them asked for.
  {
    name: 'an idempotency key is good for one request alone',
    async run(kit) {
      const { store } = kit;
      await kit.applied('default');
      const reused = {
        ...{ ok: false, code: 'idempotency_key_reused', subject: '' },
        message: 'this Idempotency-Key was sent with another request; use a new one',
      };
      const once = { idempotencyKey: 'k', request: 'r' };
      const other = { idempotencyKey: 'k', request: 's' };
      const facts = { kind: 'Quota', namespace: 'default', name: 'a/daily', before: null } as const;
      const note = (request: typeof once, actor = 'ann') =>
        store.note(
          { ...facts, action: 'quota.add', after: '1' },
          { actor, atMs: 5_000, cause: 'quota add' },
          request,
        );
      assert.equal(await store.doneOnce('ann', once, 5_000), undefined);
      const made = await store.createCredential(newKey('a', { by: 'ann', once }));
      assert.ok(made.ok);
      assert.deepEqual(await store.doneOnce('ann', once, 5_000), {
        ...{ ...once, actor: 'ann', atMs: 5_000, led: made.value.id },
      });
      assert.deepEqual(await store.doneOnce('ann', other, 5_000), reused);
      const second = newKey('b', { by: 'ann', once: other });
      assert.deepEqual(await store.createCredential(second), reused);
      assert.deepEqual(await note(other), reused, 'nor for what is done elsewhere');
      assert.equal(await note(once, 'bob'), undefined, 'each actor has its own');
      const third = newKey('b', { by: 'bob', once: other });
      assert.deepEqual(await store.createCredential(third), reused);
      assert.equal((await store.credentials({ limit: 9 })).length, 1);
      assert.equal((await store.audit({ kind: 'Quota', limit: 9 })).length, 1);
      const late = 5_000 + 86_400_001;
      assert.equal(await store.doneOnce('ann', other, late), undefined);
    },
  },

  // Guarantees that what is done outside the store is written down once for each time it was asked.
  {
    name: 'what was written down with an idempotency key is answered again',
    async run({ store }) {
      const facts = { kind: 'Quota', namespace: 'default', name: 'a/daily', before: null } as const;
      const note = (after: string, actor: string, atMs: number, idempotencyKey?: string) =>
        store.note(
          { ...facts, action: 'quota.add', after },
          { actor, atMs, cause: 'quota add' },
          idempotencyKey === undefined ? undefined : { idempotencyKey, request: 'r' },
        );
      assert.equal(await note('1', 'ann', 5, 'k'), undefined);
      const before = { ...facts, action: 'quota.add', after: '1', atMs: 5 };
      assert.deepEqual(await note('2', 'ann', 6, 'k'), before);
      assert.equal(await note('3', 'bob', 6, 'k'), undefined, 'each actor has its own');
      assert.equal(await note('4', 'ann', 6), undefined);
      const trail = await store.audit({ limit: 9 });
      assert.deepEqual(
        trail.map(({ after }) => after),
        ['4', '3', '1'],
      );
      assert.equal(await note('5', 'ann', 86_400_006, 'l'), undefined);
      assert.equal(
        await note('6', 'ann', 86_400_007, 'k'),
        undefined,
        'after a day it is forgotten',
      );
    },
  },
];
