/**
 * Completion in the shells that people use: each runs the script that was made for it and says what
 * it would offer.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { isCi } from '../../support/ci.ts';
import { Folder } from '../../support/folders.ts';
import { sidegate } from './command.ts';

/** How each shell is asked what may follow some words; `file` holds the script. */
const SHELLS: Record<string, (file: string, words: readonly string[]) => readonly string[]> = {
  bash: (file, words) => [
    ...['bash', '--norc', '-c'],
    `source ${file}
    COMP_WORDS=(sidegate ${words.join(' ')} ""); COMP_CWORD=${words.length + 1}
    _sidegate; printf '%s\\n' "\${COMPREPLY[@]}"`,
  ],
  zsh: (file, words) => [
    ...['zsh', '-f', '-c'],
    `compdef() { }; _files() { }; compadd() { shift; print -l -- "$@" }
    source ${file}
    words=(sidegate ${words.join(' ')} ""); CURRENT=${words.length + 2}
    _sidegate`,
  ],
  fish: (file, words) => [
    ...['fish', '--no-config', '-c'],
    `source ${file}; complete -C "sidegate ${words.join(' ')} "; complete -C "sidegate ${words.join(' ')} --"`,
  ],
};

for (const [shell, asked] of Object.entries(SHELLS)) {
  // Guarantees that a shell reads the script and gets the words that may stand where it asks.
  test(`completion in ${shell} offers what there is`, async (t) => {
    const there = spawnSync(shell, ['--version']).status === 0;
    if (!there && !isCi) {
      console.log(`SKIPPED: ${shell} is not installed, so its completion was not tried`);
      return t.skip(`${shell} is not installed`);
    }
    assert.ok(there, `${shell} is missing; .ci/run installs it`);
    await using folder = await Folder.make();
    const file = folder.join('script');
    await writeFile(file, (await sidegate(['completion', shell])).stdout);
    const offered = (...words: string[]) => {
      const [command = '', ...args] = asked(file, words);
      const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', cwd: folder.path });
      assert.equal(stderr, '');
      return stdout.trim().split('\n');
    };
    const top = offered();
    assert.ok(top.includes('apply') && top.includes('completion') && !top.includes('rotate'));
    assert.ok(offered('key').includes('rotate'));
    assert.ok(offered('get').includes('subscription'));
    const create = offered('key', 'create', 'shop');
    assert.ok(create.includes('--expires') && !create.includes('rotate'));
  });
}

test('completion for a shell that is none of them', async () => {
  assert.equal((await sidegate(['completion', 'tcsh'])).exit, 2);
});
