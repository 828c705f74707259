/**
 * The resource folder: what is read from it, when it is read again, and what happens to a reading
 * that fails.
 */
import assert from 'node:assert/strict';
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { InlineCompiler } from '../../../host/compile/compiler.ts';
import { readFolder, watchFolder } from '../../../host/service/folder.ts';
import { applyFolder, type Reading } from '../../../host/service/folder-reading.ts';
import { Reloader } from '../../../host/service/reload.ts';
import { openMemoryStore } from '../../../host/store/memory.ts';
import { Folder } from '../../support/folders.ts';
import { resourcesOf } from '../../support/policies.ts';
import { until } from '../../support/wait.ts';

async function filled(files: Record<string, string> = resourcesOf()): Promise<Folder> {
  const folder = await Folder.make();
  for (const [name, text] of Object.entries(files)) await writeFile(folder.join(name), text);
  return folder;
}

function openStore(credentialsMax = 100) {
  return openMemoryStore({ storeId: new Uint8Array(16).fill(3), limits: { credentialsMax } });
}

function reloaderOf(path: string, store = openStore()) {
  const readings: Reading[] = [];
  const compiler = new InlineCompiler();
  const reloader = new Reloader({
    path,
    nowMs: Date.now,
    read: () => applyFolder({ path, store, compiler, nowMs: Date.now }),
    onRead: (reading) => readings.push(reading),
  });
  return { reloader, readings, store };
}

// Guarantees that mounted configuration, which is links to files, is read like files.
test('YAML files are read at every depth, through links, and nothing else is', async () => {
  await using folder = await Folder.make();
  await mkdir(folder.join('a', '.hidden'), { recursive: true });
  await writeFile(folder.join('a', 'one.yaml'), '1');
  await writeFile(folder.join('a', '.hidden', 'no.yaml'), '');
  await writeFile(folder.join('a', '.no.yaml'), '');
  await writeFile(folder.join('a', 'no.json'), '');
  await symlink(folder.join('a', 'one.yaml'), folder.join('two.yml'));
  await symlink(folder.join('nowhere'), folder.join('three.yml'));
  const files = readFolder(folder.path).map(({ name, bytes }) => [name, String(bytes)]);
  assert.deepEqual(files, [
    [folder.join('a', 'one.yaml'), '49'],
    [folder.join('two.yml'), '49'],
  ]);
  assert.equal(readFolder(folder.join('two.yml')).length, 1);
});

// Guarantees that a link to a folder above does not make the host read for ever.
test('a folder that contains itself is refused', async () => {
  await using folder = await Folder.make();
  await symlink(folder.path, folder.join('again'));
  assert.throws(() => readFolder(folder.path), /folders deep/);
});

// Guarantees that a change is noticed however it is made: written, renamed over, removed.
test('changes of the folder are noticed', async () => {
  await using folder = await filled({ 'a.yaml': '1' });
  let changes = 0;
  const stop = watchFolder(folder.path, () => changes++, { debounceMs: 10, pollMs: 50 });
  try {
    const noticed = async (count: number) => until(`change ${count}`, () => changes >= count);
    await writeFile(folder.join('a.yaml'), '22');
    await noticed(1);
    await writeFile(folder.join('new'), '333');
    await rename(folder.join('new'), folder.join('a.yaml'));
    await noticed(2);
    await rm(folder.join('a.yaml'));
    await noticed(3);
    await rm(folder.path, { recursive: true });
    await noticed(4);
  } finally {
    stop();
  }
});

// Guarantees that equal files make no revision, and a changed one exactly one.
test('a reading applies what changed and nothing else', async () => {
  await using folder = await filled();
  const { reloader, store } = reloaderOf(folder.path);
  assert.deepEqual(await reloader.reload(), { outcome: 'applied', revision: 1 });
  assert.deepEqual(await reloader.reload(), { outcome: 'unchanged', revision: 1 });
  assert.equal(reloader.status.state, 'applied');
  assert.equal(await store.revision(), 1);
});

// Guarantees that nothing of a bad folder is applied, and that the status names its problems.
test('a bad folder changes nothing', async () => {
  await using folder = await filled();
  const { reloader, readings, store } = reloaderOf(folder.path);
  await reloader.reload();
  await writeFile(folder.join('bad.yaml'), 'kind: [');
  const refused = await reloader.reload();
  assert.equal(refused.outcome, 'refused');
  assert.equal(reloader.status.state, 'refused');
  assert.match(reloader.status.problems.join(), /bad\.yaml:1/);
  await rm(folder.path, { recursive: true });
  assert.equal((await reloader.reload()).outcome, 'refused');
  assert.match(reloader.status.problems.join(), /cannot be read/);
  assert.equal(await store.revision(), 1);
  assert.deepEqual(
    readings.map(({ outcome }) => outcome),
    ['applied', 'refused', 'refused'],
  );
});

// Guarantees that a directory beyond its bound is refused at its place in the files.
test('a refusal of the store names the place', async () => {
  const declared = [1, 2, 3].map((at) => {
    const digest = String(at).repeat(64);
    const metadata = { name: `declared-${at}` };
    const spec = { application: 'shop', digest };
    return JSON.stringify({
      apiVersion: 'sidegate.dev/v1alpha1',
      kind: 'Credential',
      metadata,
      spec,
    });
  });
  await using folder = await filled({ ...resourcesOf(), 'keys.yaml': declared.join('\n---\n') });
  const { reloader } = reloaderOf(folder.path, openStore(2));
  assert.equal((await reloader.reload()).outcome, 'refused');
  assert.match(reloader.status.problems.join(), /SG1503/);
});

// Guarantees that many changes at once are one reading more, and that the last one counts.
test('askings during a reading become one more', async () => {
  await using folder = await filled();
  const { reloader, readings } = reloaderOf(folder.path);
  const all = await Promise.all(Array.from({ length: 20 }, () => reloader.reload()));
  assert.equal(readings.length, 2);
  assert.deepEqual(new Set(all.map(({ outcome }) => outcome)), new Set(['applied', 'unchanged']));
});

// Guarantees that a volume which is not mounted, or a checkout that is only begun, ends nobody's
// calls, and that all of it can still be removed on purpose.
test('a folder without any file removes nothing', async () => {
  await using folder = await filled();
  const store = openStore();
  const read = () =>
    applyFolder({ path: folder.path, store, compiler: new InlineCompiler(), nowMs: Date.now });
  assert.equal((await read()).outcome, 'applied');
  const before = await store.resources();
  for (const name of Object.keys(resourcesOf())) await rm(folder.join(name));
  const refused = await read();
  assert.ok(refused.outcome === 'refused');
  assert.match(String(refused.problems), /there are no files any more: nothing is removed/);
  assert.deepEqual(await store.resources(), before);
  await writeFile(folder.join('none.yaml'), '# nothing any more\n');
  assert.equal((await read()).outcome, 'applied');
  assert.deepEqual(await store.resources(), []);
  await rm(folder.join('none.yaml'));
  assert.equal((await read()).outcome, 'unchanged');
  await store.close();
});
