/**
 * The exit codes: each of them by a command that ends so, the same in every output format, with
 * nothing on standard output that a program would take for data.
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { Exit } from '../../../host/cli/outcome.ts';
import { Folder } from '../../support/folders.ts';
import { resourcesOf } from '../../support/policies.ts';
import { TrialHost } from '../../support/trial-host.ts';
import { sidegate } from './command.ts';

const FORMATS = ['table', 'json', 'yaml', 'name'];

const PLAN = (window: string) => `apiVersion: sidegate.dev/v1alpha1
kind: Plan
metadata: { name: silver }
spec: { limits: [{ name: daily, quota: 7, window: ${window} }] }
`;

interface Case {
  readonly exit: number;
  readonly args: readonly string[];
  readonly stdin?: string;
  /** Whether it prints data in formats for people, and in those for programs. */
  readonly says: readonly [boolean, boolean];
}

/** Something that listens and is no host. */
async function stranger() {
  const server = createServer((_, reply) => reply.end('hello'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    host: `127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

// Guarantees that a script may rely on the numbers, whatever it has the command print.
test('every exit code in every output format', async () => {
  await using host = await TrialHost.start();
  await using folder = await Folder.make();
  await using other = await stranger();
  assert.ok((await host.catalogue.start()).ok);
  const files = Object.entries(resourcesOf()).map(([name, text]) => ({ name, text }));
  assert.equal((await host.ask('POST', '/v1/apply', { files })).status, 200);
  await writeFile(folder.join('wrong'), 'wrong\n');
  const wrong = folder.join('wrong');
  const apply = ['apply', '-f', '-'];
  const [none, data] = [[false, false] as const, [true, true] as const];
  const cases: readonly Case[] = [
    { exit: Exit.done, args: ['get', 'plans'], says: data },
    { exit: Exit.unexpected, args: ['get', 'plans', '--host', other.host], says: none },
    { exit: Exit.usage, args: ['get', 'palns'], says: none },
    { exit: Exit.problems, args: apply, stdin: PLAN('1min'), says: [false, true] },
    { exit: Exit.differences, args: ['diff', '-f', '-'], stdin: PLAN('1d'), says: data },
    { exit: Exit.refused, args: ['get', 'plan', 'nobody'], says: none },
    { exit: Exit.unreachable, args: ['get', 'plans', '--host', '127.0.0.1:9'], says: none },
    { exit: Exit.denied, args: ['get', 'plans', '--token-file', wrong], says: none },
  ];
  assert.deepEqual(cases.map(({ exit }) => exit).sort(), Object.values(Exit).sort());
  const env = { SIDEGATE_HOST: await host.listenAdmin(), SIDEGATE_ADMIN_TOKEN: host.adminToken };
  for (const { exit, args, stdin = '', says } of cases) {
    for (const format of args[0] === 'get' ? [...FORMATS, 'wide'] : FORMATS) {
      const ended = await sidegate([...args, '-o', format], { env, stdin });
      const what = `${args.join(' ')} -o ${format}: ${ended.stderr}`;
      assert.equal(ended.exit, exit, what);
      const isForPrograms = format === 'json' || format === 'yaml';
      assert.equal(ended.stdout !== '', says[isForPrograms ? 1 : 0], what);
      if (exit !== Exit.done) assert.notEqual(ended.stderr, '', what);
    }
  }
});
