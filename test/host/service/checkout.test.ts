/**
 * Which commit a host says it runs: told as git tells it, in every way that git keeps it.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { commitOf } from '../../../host/service/checkout.ts';
import { Folder } from '../../support/folders.ts';

function git(folder: string, ...args: string[]): string {
  const who = ['-c', 'user.name=t', '-c', 'user.email=t@example.com'];
  const env = { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_SYSTEM: '/dev/null' };
  return execFileSync('git', ['-C', folder, ...who, ...args], { env, encoding: 'utf8' }).trim();
}

// Guarantees that the commit is the one that is checked out: on a branch, packed, detached, in a
// work tree, and below the top.
test('the commit of a checkout', async () => {
  await using folder = await Folder.make();
  const top = folder.join('main');
  mkdirSync(`${top}/policies/deep`, { recursive: true });
  assert.equal(await commitOf(top), undefined, 'outside of a checkout');
  git(top, 'init', '-q', '-b', 'main');
  assert.equal(await commitOf(top), undefined, 'nothing is committed yet');
  const commit = () => {
    git(top, 'commit', '-q', '--allow-empty', '-m', 'x');
    return git(top, 'rev-parse', 'HEAD');
  };
  const first = commit();
  assert.equal(await commitOf(`${top}/policies/deep`), first);
  git(top, 'pack-refs', '--all');
  assert.equal(await commitOf(top), first);
  const second = commit();
  assert.equal(await commitOf(top), second);
  git(top, 'worktree', 'add', '-q', '--detach', folder.join('tree'), first);
  assert.equal(await commitOf(folder.join('tree')), first);
  git(folder.join('tree'), 'checkout', '-q', '-b', 'other');
  assert.equal(await commitOf(folder.join('tree')), first);
  assert.equal(await commitOf(top), second);
});

// Guarantees that a file which only looks like a checkout leads nowhere.
test('what is no checkout has no commit', async () => {
  await using folder = await Folder.make();
  mkdirSync(folder.join('.git'));
  writeFileSync(folder.join('.git', 'HEAD'), 'ref: refs/heads/../../../etc/passwd\n');
  assert.equal(await commitOf(folder.join('.')), undefined);
  writeFileSync(folder.join('.git', 'HEAD'), 'not a commit\n');
  assert.equal(await commitOf(folder.join('.')), undefined);
});
