/**
 * Tries the ways to an Envoy with programs that only pretend to be one, so that the order of the
 * search and every way out are held without a download.
 */
import assert from 'node:assert/strict';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, test } from 'node:test';
import { ENVOY_VERSION, EnvoyUnavailable, fetchEnvoy, locateEnvoy } from '../../envoy/locate.ts';
import { Folder } from '../support/folders.ts';

const environment = { ...process.env };
let folder: Folder;
let said: string[];
const say = (message: string) => said.push(message);

beforeEach(async () => {
  folder = await Folder.make();
  said = [];
  await mkdir(folder.join('bin'));
  process.env.PATH = `${folder.join('bin')}:${environment.PATH}`;
  delete process.env.SIDEGATE_ENVOY;
});

afterEach(async () => {
  process.env = { ...environment };
  await folder[Symbol.asyncDispose]();
});

async function writeProgram(name: string, script: string): Promise<string> {
  const file = folder.join('bin', name);
  await writeFile(file, `#!/bin/sh\n${script}\n`);
  await chmod(file, 0o755);
  return file;
}

const writeEnvoy = (name: string, version: string) =>
  writeProgram(name, `echo "envoy  version: 0123abc/${version}/Clean/RELEASE/BoringSSL"`);

// Guarantees that what the operator names is taken before anything else.
test('SIDEGATE_ENVOY comes first', async () => {
  await writeEnvoy('envoy', ENVOY_VERSION);
  process.env.SIDEGATE_ENVOY = await writeEnvoy('mine', '1.37.0');
  assert.deepEqual(await locateEnvoy(say), { path: folder.join('bin/mine'), version: '1.37.0' });
});

// Guarantees that a wrong name is said, and never quietly replaced by another Envoy.
test('SIDEGATE_ENVOY that is no Envoy is refused', async () => {
  await writeEnvoy('envoy', ENVOY_VERSION);
  process.env.SIDEGATE_ENVOY = await writeProgram('mine', 'echo hello');
  await assert.rejects(locateEnvoy(say), (error: Error) => {
    return error instanceof EnvoyUnavailable && /SIDEGATE_ENVOY is .*mine/.test(error.message);
  });
});

// Guarantees that an installed Envoy is used only if the filter was tested on its version.
test('envoy on PATH is taken if its version is a tested one', async () => {
  const file = await writeEnvoy('envoy', '1.40.7');
  assert.deepEqual(await locateEnvoy(say), { path: file, version: '1.40.7' });
});

// Guarantees that func-e is asked next, for the pinned version.
test('an untested envoy on PATH is passed over for func-e', async () => {
  await writeEnvoy('envoy', '1.20.0');
  const file = await writeEnvoy('fetched', ENVOY_VERSION);
  await writeProgram('func-e', `[ "$ENVOY_VERSION" = ${ENVOY_VERSION} ] && echo ${file}`);
  assert.deepEqual(await locateEnvoy(say), { path: file, version: ENVOY_VERSION });
  assert.match(said.join('\n'), /1\.20\.0/);
});

/** The ways in which Python can be of no use, and what has to be said about each. */
const PYTHONS: [string, string | undefined, RegExp][] = [
  ['is not there', undefined, /Python 3 was not found[\s\S]*SIDEGATE_ENVOY/],
  [
    'has neither pip nor venv',
    '[ "$1" = --version ]',
    /neither pip nor venv[\s\S]*apt-get install/,
  ],
  [
    'cannot reach its index',
    'case "$*" in *download*) echo no route to host >&2; exit 1;; *) exit 0;; esac',
    /could not be downloaded[\s\S]*no route to host[\s\S]*SIDEGATE_ENVOY/,
  ],
];

for (const [what, script, said] of PYTHONS) {
  // Guarantees that whoever has no Envoy learns what is missing and what to install or set.
  test(`a Python that ${what} is explained`, async () => {
    if (script !== undefined) await writeProgram('python3', script);
    process.env.PATH = folder.join('bin');
    await assert.rejects(fetchEnvoy('0.0.1', say), (error: Error) => {
      assert.ok(error instanceof EnvoyUnavailable, String(error));
      assert.match(error.message, said);
      return true;
    });
  });
}
