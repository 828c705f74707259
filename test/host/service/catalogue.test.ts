/**
 * The catalogue beside a folder: both use one compiler, which holds one set at a time.
 */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { InlineCompiler } from '../../../host/compile/compiler.ts';
import { RecordKind } from '../../../host/compile/output.ts';
import { NO_CHANGE } from '../../../host/resources/merge.ts';
import { Catalogue } from '../../../host/service/catalogue.ts';
import { compilerMark } from '../../../host/service/compiler-mark.ts';
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

/** The set that the default policies make, of two applications on one plan, in a store. */
async function twoApplications(compiler: InlineCompiler) {
  const store = openMemoryStore({ storeId: new Uint8Array(16) });
  const catalogue = new Catalogue({ store, compiler, nowMs: () => 1, folder: undefined });
  assert.ok((await catalogue.start()).ok);
  const texts = Object.entries(resourcesOf({ applications: ['one', 'two'] }));
  const files = texts.map(([name, text]) => ({ name, bytes: Buffer.from(text) }));
  assert.ok((await catalogue.apply({ ...NO_CHANGE, files }, { by: BY, cause: 'apply' })).ok);
  return { store, catalogue };
}

// Guarantees that what another version made of any resource is noticed at the first start of this
// one, and not only what it made of those that stand for the others.
test('a start compiles everything that something else compiled before', async () => {
  const { store, catalogue } = await twoApplications(new InlineCompiler('old'));
  assert.equal(await store.compiledBy(), 'old');
  const name = { kind: 'Application', namespace: 'default', name: 'two' } as const;
  const [id = 0] = await store.reserveIds([name]);
  const named = { kind: RecordKind.application, id };
  const bodyOf = async () => {
    const query = { group: 'default', after: 0, maxBytes: 1 << 20, overheadBytes: 0 };
    const page = await store.directoryAfter(query);
    assert.ok(page.outcome === 'page');
    return page.records.find((each) => each.id === id)?.body;
  };
  const right = await bodyOf();
  const part = { resources: [], credentials: [], records: [named] };
  const [{ bytes: policy } = { bytes: new Uint8Array() }] = await store.policies('default');
  const records = [{ ...named, body: new Uint8Array([7]) }];
  const groups = [{ group: 'default', policy, records }];
  const other = { part, resources: [], credentials: [], groups, nowMs: 1 };
  assert.ok((await store.applyResources(other)).ok);
  assert.ok((await catalogue.start()).ok);
  assert.deepEqual(await bodyOf(), new Uint8Array([7]), 'it is nobody to look at');
  const next = new Catalogue({
    ...{ store, nowMs: () => 2, folder: undefined, compiler: new InlineCompiler('new') },
  });
  assert.ok((await next.start()).ok);
  assert.deepEqual(await bodyOf(), right);
  assert.equal(await store.compiledBy(), 'new');
  const revision = await store.revision();
  assert.ok((await next.start()).ok);
  assert.equal(await store.revision(), revision, 'once is enough');
  await store.close();
});

// Guarantees that whoever changes the compiler has nothing else to remember.
test('the mark of the compiler is that of its sources', async () => {
  assert.match(compilerMark(), /^[0-9a-f]{32}$/);
  assert.equal(compilerMark(), compilerMark());
  await using folder = await Folder.make();
  for (const name of ['compile', 'credential', 'resources/schema', 'store', 'wire']) {
    await mkdir(folder.join(name), { recursive: true });
  }
  await writeFile(folder.join('store/directory.ts'), '');
  const marks = new Set([compilerMark(folder.path)]);
  for (const file of ['store/directory.ts', 'wire/a.ts', 'resources/schema/a.ts', 'compile/a.ts']) {
    await writeFile(folder.join(file), file);
    marks.add(compilerMark(folder.path));
  }
  assert.equal(marks.size, 5);
});

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
