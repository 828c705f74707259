/**
 * The command as a whole: help, unknown commands, validate, version, and the launcher with the
 * Node that happens to be on the PATH.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { ROOT } from '../../runner/layers.ts';
import { Folder } from '../../support/folders.ts';
import { resourcesOf } from '../../support/policies.ts';
import { Program } from '../../support/programs.ts';
import { until } from '../../support/wait.ts';
import { sidegate } from './command.ts';

const LAUNCHER = path.join(ROOT, 'host/cli/sidegate.mjs');

// Guarantees that help is data, that mistakes are usage errors, and that near misses are named.
test('help, unknown commands and no command', async () => {
  const help = await sidegate(['--help']);
  assert.deepEqual([help.exit, help.stderr], [0, '']);
  for (const verb of ['validate', 'key', 'serve', 'version'])
    assert.match(help.stdout, new RegExp(verb));
  const wrong = await sidegate(['valdate']);
  assert.deepEqual([wrong.exit, wrong.stdout], [2, '']);
  assert.match(wrong.stderr, /Did you mean validate/);
  assert.equal((await sidegate([])).exit, 2);
  assert.equal((await sidegate(['key'])).exit, 2);
  assert.equal((await sidegate(['version', '--colour'])).exit, 2);
  assert.match((await sidegate(['explain'])).stdout, /^Product: .*\nPlan: A named/);
  const version = await sidegate(['version']);
  assert.match(version.stdout, /^sidegate \d+\.\d+\.\d+\n$/);
});

// Guarantees that CI can rely on validate: exit 3 with every problem, as text or as JSON.
test('validate finds every problem in files and folders', async () => {
  await using folder = await Folder.make();
  await mkdir(folder.join('deep'));
  for (const [name, text] of Object.entries(resourcesOf())) {
    await writeFile(folder.join('deep', name), text);
  }
  const good = await sidegate(['validate', folder.path]);
  assert.deepEqual([good.exit, good.stdout], [0, '']);
  assert.match(good.stderr, /^3 files, 5 resources: no problems\.\n$/);
  const bad = folder.join('bad.yml');
  await writeFile(bad, 'apiVersion: sidegate.dev/v1alpha1\nkind: Plam\n---\nkind: Plan\n');
  const text = await sidegate(['validate', folder.path, bad]);
  assert.equal(text.exit, 3);
  assert.match(text.stdout, /bad\.yml:2:7 {2}error SG1102 {2}unknown kind "Plam"/);
  assert.match(text.stdout, /Did you mean "Plan"\?/);
  assert.match(text.stderr, /^\d+ problems in 4 files\.\n$/);
  const json = await sidegate(['validate', folder.path, '-o', 'json']);
  assert.equal(json.exit, 3);
  const problems = JSON.parse(json.stdout);
  assert.ok(problems.length > 1);
  assert.ok(problems.every(({ code }: { code: string }) => /^SG\d{4}$/.test(code)));
  assert.equal((await sidegate(['validate', folder.join('none')])).exit, 2);
  await mkdir(folder.join('empty'));
  assert.equal((await sidegate(['validate', folder.join('empty')])).exit, 2);
});

// Guarantees that the command runs with the Node on the PATH, even one that cannot read the
// sources.
test('the launcher finds a Node that runs the sources', () => {
  const outside = outsideNode();
  for (const node of [process.execPath, outside]) {
    const text = execFileSync(node, [LAUNCHER, 'version'], { encoding: 'utf8' });
    assert.match(text, /^sidegate \d/);
  }
  // As npm runs a script: in the folder of the package, whatever folder it was called in.
  const env = {
    ...process.env,
    npm_lifecycle_event: 'sidegate',
    INIT_CWD: path.join(ROOT, 'envoy'),
  };
  const policies = [LAUNCHER, 'validate', 'quickstart/policies'];
  execFileSync(process.execPath, policies, { cwd: ROOT, env, stdio: 'pipe' });
  assert.throws(
    () => execFileSync(outside, [LAUNCHER, 'nothing'], { stdio: 'pipe' }),
    (error: { status?: number }) => error.status === 2,
  );
});

// Guarantees that `serve` is the host itself: its options, its signals and its exit code.
test('serve runs the host and passes signals on', async () => {
  await using folder = await Folder.make();
  for (const [name, text] of Object.entries(resourcesOf())) {
    await writeFile(folder.join(name), text);
  }
  const help = execFileSync(outsideNode(), [LAUNCHER, 'serve', '--help'], { encoding: 'utf8' });
  assert.match(help, /--sync-port PORT/);
  const args = ['serve', '--resources', folder.path, '--store', folder.join('store')];
  const ports = ['--admin-port', '0', '--sync-port', '0'];
  await using host = new Program(outsideNode(), [LAUNCHER, ...args, ...ports]);
  await until('the host is ready', () => host.output.includes('"ready":true'), {
    deadlineMs: 30_000,
  });
  await host.stop('SIGTERM');
  assert.equal(await host.ended, 0, host.output);
});

/** The Node outside of npm's scripts, which may be older. */
function outsideNode(): string {
  const inside = path.join(ROOT, 'node_modules');
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  const outside = folders.filter((folder) => !folder.startsWith(inside)).join(path.delimiter);
  const env = { ...process.env, PATH: outside };
  return execFileSync('/bin/sh', ['-c', 'command -v node'], { env, encoding: 'utf8' }).trim();
}
