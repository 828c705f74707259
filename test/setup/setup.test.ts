/**
 * Runs the set-up script in small trees with a package manager that only pretends, so that its ways
 * through a fresh clone are tried in seconds and without a network.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmod, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { ROOT } from '../runner/layers.ts';
import { Folder } from '../support/folders.ts';
import { Program } from '../support/programs.ts';
import { until } from '../support/wait.ts';

const LOCK = { lockfileVersion: 3, packages: { '': {}, 'node_modules/one': { version: '1.0.0' } } };
/** Installs what the lock says, slowly enough that a second run meets it, and counts itself. */
const FAKE_NPM = `
const fs = require('node:fs');
fs.appendFileSync('npm-runs', 'run\\n');
setTimeout(() => {
  fs.mkdirSync('node_modules/.bin', { recursive: true });
  const lock = JSON.parse(fs.readFileSync('package-lock.json'));
  fs.writeFileSync('node_modules/.package-lock.json', JSON.stringify(lock));
}, 300);
`;

/** A clone with nothing installed. */
async function makeClone(): Promise<Folder> {
  const clone = await Folder.make();
  await mkdir(clone.join('envoy'));
  await copyFile(path.join(ROOT, 'envoy/setup.mjs'), clone.join('envoy/setup.mjs'));
  await writeFile(clone.join('package-lock.json'), JSON.stringify(LOCK));
  await writeFile(clone.join('npm.js'), FAKE_NPM);
  const script = `console.log(JSON.stringify(process.argv.slice(2)));process.exitCode = 7;`;
  await writeFile(clone.join('script.mjs'), script);
  return clone;
}

function setUp(clone: Folder, ...args: string[]): Program {
  return new Program(process.execPath, ['envoy/setup.mjs', ...args], {
    cwd: clone.path,
    env: { npm_execpath: clone.join('npm.js') },
  });
}

const npmRuns = async (clone: Folder) =>
  (await readFile(clone.join('npm-runs'), 'utf8').catch(() => '')).split('\n').length - 1;

// Guarantees that a fresh clone installs once and that a script is run as if called directly.
test('installs in a fresh clone, then hands on arguments and exit code', async () => {
  await using clone = await makeClone();
  const first = setUp(clone, 'script.mjs', 'a b', '--c');
  assert.equal(await first.ended, 7);
  assert.match(first.output, /installing npm packages/);
  assert.match(first.output, /\["a b","--c"\]/);
  const second = setUp(clone, 'script.mjs');
  assert.equal(await second.ended, 7);
  assert.equal(await npmRuns(clone), 1);
});

// Guarantees that two commands started at once in a fresh clone do not install over each other.
test('concurrent runs install once', async () => {
  await using clone = await makeClone();
  const runs = [setUp(clone, 'script.mjs'), setUp(clone, 'script.mjs'), setUp(clone, 'script.mjs')];
  assert.deepEqual(await Promise.all(runs.map(({ ended }) => ended)), [7, 7, 7]);
  assert.equal(await npmRuns(clone), 1);
});

// Guarantees that packages are never replaced under a command that is using them.
test('does not install while another command runs', async () => {
  await using clone = await makeClone();
  await writeFile(clone.join('wait.mjs'), `console.log('up');setInterval(() => {}, 1000);`);
  await using running = setUp(clone, 'wait.mjs');
  await until('the script runs', () => running.output.includes('up'));
  const changed = structuredClone(LOCK);
  changed.packages['node_modules/one'].version = '2.0.0';
  await writeFile(clone.join('package-lock.json'), JSON.stringify(changed));
  const second = setUp(clone, 'script.mjs');
  assert.equal(await second.ended, 1);
  assert.match(second.output, new RegExp(`process ${running.pid}.*Stop it`, 's'));
  await running.stop();
  assert.equal(await setUp(clone, 'script.mjs').ended, 7);
});

// Guarantees that a set-up that was killed does not block the next one for ever.
test('a lock left by a dead process is taken over', async () => {
  await using clone = await makeClone();
  const dead = spawn(process.execPath, ['-e', '']);
  await new Promise((resolve) => dead.once('close', resolve));
  await mkdir(clone.join('.cache'));
  await writeFile(clone.join('.cache/setup.lock'), String(dead.pid));
  assert.equal(await setUp(clone, 'script.mjs').ended, 7);
});

// Guarantees that the script gets its chance to clean up, and that its exit code is what counts.
test('signals reach the script', async () => {
  await using clone = await makeClone();
  const script = `process.on('SIGTERM', () => { console.log('bye'); process.exit(3); });
    console.log('up'); setInterval(() => {}, 1000);`;
  await writeFile(clone.join('wait.mjs'), script);
  await using running = setUp(clone, 'wait.mjs');
  await until('the script runs', () => running.output.includes('up'));
  process.kill(running.pid, 'SIGTERM');
  assert.equal(await running.ended, 3);
  assert.match(running.output, /bye/);
});

// Guarantees a sentence with the way out instead of a stack when packages cannot be had.
test('a failing installation is explained', async () => {
  await using clone = await makeClone();
  await writeFile(clone.join('npm.js'), 'console.error("no network"); process.exit(1);');
  const run = setUp(clone, 'script.mjs');
  assert.equal(await run.ended, 1);
  assert.match(run.output, /no network[\s\S]*could not install the packages[\s\S]*run this again/);
  assert.doesNotMatch(run.output, /at .*setup\.mjs:\d+/);
});

// Guarantees that an old Node does: the one that npm installed runs the script, and where npm could
// not install one, the way out is told.
test('an older Node hands over to the one that npm installed', async () => {
  await using clone = await makeClone();
  const text = await readFile(clone.join('envoy/setup.mjs'), 'utf8');
  // As this Node would see itself if the one wanted were of the far future.
  await writeFile(
    clone.join('envoy/setup.mjs'),
    text.replace('NODE_WANTED = 24', 'NODE_WANTED = 99'),
  );
  const without = setUp(clone, 'script.mjs');
  assert.equal(await without.ended, 1);
  assert.match(without.output, /npm install --ignore-scripts=false/);

  const node = clone.join('node_modules/.bin/node');
  const version = `[ "$1" = --version ] && echo v99.0.0 && exit`;
  await writeFile(node, `#!/bin/sh\n${version}\necho "by $0"\nexec "${process.execPath}" "$@"\n`);
  await chmod(node, 0o755);
  const run = setUp(clone, 'script.mjs');
  assert.equal(await run.ended, 7);
  assert.match(run.output, /by .*node_modules\/\.bin\/node/);
});
