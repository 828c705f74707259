/**
 * Holds the help texts of the command line to golden files, so that no option changes unseen.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runProgram } from '../../host/cli/program.ts';
import { optionsHelp } from '../../host/config/settings.ts';
import { assertUpToDate } from './golden.ts';
import { read } from './sources.ts';

const COMMANDS = [
  [],
  ['validate'],
  ['explain'],
  ['key'],
  ['key', 'create'],
  ['key', 'list'],
  ['key', 'inspect'],
  ['key', 'revoke'],
  ['key', 'disable'],
  ['key', 'expire'],
  ['key', 'rotate'],
  ['key', 'import'],
  ['init'],
  ['context'],
  ['context', 'set'],
  ['completion'],
  ['apply'],
  ['diff'],
  ['get'],
  ['describe'],
  ['delete'],
  ['export'],
  ['revisions'],
  ['rollback'],
  ['audit'],
  ['subscription'],
  ['subscription', 'approve'],
  ['quota'],
  ['quota', 'get'],
  ['quota', 'add'],
  ['quota', 'reset'],
  ['quota', 'near'],
  ['status'],
  ['token'],
  ['token', 'create'],
  ['token', 'list'],
  ['token', 'revoke'],
  ['oci'],
  ['oci', 'build'],
  ['samples'],
  ['samples', 'istio'],
  ['doctor'],
  ['proxies'],
  ['usage'],
  ['top'],
];

/** What a command line prints, both streams in one. Its environment is empty. */
async function printed(args: string[]): Promise<{ text: string; code: number }> {
  let text = '';
  const stream = {
    write: (part: string) => {
      text += part;
    },
  };
  const context = { env: {}, folder: '/', stdout: stream, stderr: stream, nowMs: () => 0 };
  const code = await runProgram(args, context);
  return { text, code };
}

// Guarantees that scripts and fingers meet the options they learned: a change is one on purpose.
test('help texts are those of the golden files', async () => {
  for (const command of COMMANDS) {
    const { text, code } = await printed([...command, '--help']);
    assert.equal(code, 0);
    assertUpToDate(`test/tidy/golden/${['sidegate', ...command].join('-')}.txt`, text);
  }
  assertUpToDate('test/tidy/golden/serve-options.txt', `${optionsHelp()}\n`);
});

// Guarantees that every command that is offered has its help text pinned.
test('no command goes without a golden file', async () => {
  const { text } = await printed(['--help']);
  const section = text.slice(text.indexOf('Commands:'));
  const offered = [...section.matchAll(/^ {2}([a-z]+)/gm)].map((match) => match[1] ?? '');
  const pinned = new Set(COMMANDS.map(([first]) => first));
  // Serve is pinned by its options; the other two print one line each.
  const plain = new Set(['help', 'serve', 'version']);
  assert.deepEqual(
    offered.filter((name) => !pinned.has(name) && !plain.has(name)),
    [],
  );
});

// Guarantees that an unknown word is an error of usage, not a silence.
test('an unknown command ends with the code of wrong usage', async () => {
  const { text, code } = await printed(['keys']);
  assert.equal(code, 2);
  assert.match(text, /keys/);
  assert.match(read('docs/errors.md'), /^\| 2 \| wrong usage \|$/m);
});
