/**
 * The catalogue beside a folder: both use one compiler, which holds one set at a time.
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { InlineCompiler } from '../../../host/compile/compiler.ts';
import { NO_CHANGE } from '../../../host/resources/merge.ts';
import { Catalogue } from '../../../host/service/catalogue.ts';
import { Reloader } from '../../../host/service/reload.ts';
import { openMemoryStore } from '../../../host/store/memory.ts';
import type { Store } from '../../../host/store/store.ts';
import { Folder } from '../../support/folders.ts';
import { resourcesOf } from '../../support/policies.ts';

const BY = { name: 'test', role: 'admin', namespaces: [] } as const;

/** The same store, whose ids take a while: others get their turn between loading and compiling. */
function slowly(store: Store): Store {
  return new Proxy(store, {
    get(target, name) {
      const member = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      return async (...args: unknown[]) => {
        if (name === 'reserveIds') await setImmediate();
        return Reflect.apply(member, target, args);
      };
    },
  });
}

// Guarantees that asking what a change would do, at the moment the folder is read, never brings
// anything of it into force.
test('a dry run beside a reading of the folder changes nothing', async () => {
  await using folder = await Folder.make();
  const store = slowly(openMemoryStore({ storeId: new Uint8Array(16) }));
  const compiler = new InlineCompiler();
  const nowMs = () => 1;
  const catalogue = new Catalogue({ store, compiler, nowMs, folder: folder.path });
  const reloader = new Reloader({
    ...{ path: folder.path, nowMs, onRead: () => undefined },
    read: () => catalogue.readFolder(),
  });
  const things = {
    ...{ product: 'things', hosts: ['things.example.com'], applications: ['other', 'late'] },
  };
  const others = Object.entries(resourcesOf(things));
  const files = others.map(([name, text]) => ({ name, bytes: Buffer.from(text) }));
  const ask = () => {
    return catalogue.apply(
      { ...NO_CHANGE, files },
      {
        ...{ by: BY, cause: 'diff', dryRun: true, compares: true },
      },
    );
  };
  const hosts = ['orders.example.com'];
  for (let round = 0; round < 5; round += 1) {
    const applications = ['shop', `shop-${round}`];
    for (const [name, text] of Object.entries(resourcesOf({ applications, hosts }))) {
      await writeFile(folder.join(name), text);
    }
    const [, reading] = await Promise.all([ask(), reloader.reload(), ask(), ask()]);
    assert.equal(reading.outcome, 'applied', JSON.stringify(reading));
    const names = (await store.resources('Application')).map(({ name }) => name);
    assert.deepEqual(names, applications);
    const shown = await ask();
    assert.ok(shown.ok && shown.count > 0);
  }
  await store.close();
});
