/**
 * `npm start` as a newcomer runs it, in a copy of the tree: what it prints works, what it writes is
 * true, and nothing of it is left afterwards.
 */
import assert from 'node:assert/strict';
import { cp, readFile, symlink } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Demo } from '../../envoy/quickstart/demo.ts';
import { ROOT } from '../runner/layers.ts';
import { Folder } from '../support/folders.ts';
import { Program } from '../support/programs.ts';
import { send } from '../support/requests.ts';
import { until } from '../support/wait.ts';

const COPIED = ['assembly', 'build', 'envoy', 'host', 'asconfig.json', 'package.json'];
const FROM_NOTHING = '## Your own API, from nothing';
const START_MS = 60_000;

/** A copy of the tree that shares what is installed and fetched. */
async function copyTree(): Promise<Folder> {
  const copy = await Folder.make();
  for (const name of [...COPIED, 'package-lock.json']) {
    await cp(path.join(ROOT, name), copy.join(name), { recursive: true });
  }
  for (const name of ['node_modules', '.cache']) {
    await symlink(path.join(ROOT, name), copy.join(name));
  }
  return copy;
}

/** A base whose five ports are free now. */
async function freeBase(): Promise<number> {
  return until('five ports in a row are free', async () => {
    const base = 20_000 + Math.floor(Math.random() * 10_000);
    for (let port = base; port < base + 5; port++) if (!(await isFree(port))) return undefined;
    return base;
  });
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

function start(copy: Folder, base: number, ...more: string[]): Program {
  const args = ['envoy/setup.mjs', 'envoy/quickstart/start.ts', ...more];
  const env = { SIDEGATE_PORT_BASE: String(base) };
  return new Program(process.execPath, args, { cwd: copy.path, env });
}

async function readDemo(copy: Folder): Promise<Demo | undefined> {
  const text = await readFile(copy.join('.sidegate/demo.json'), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as Demo);
}

const portOf = (url: string) => Number(new URL(url).port);

describe('npm start', () => {
  let copy: Folder;
  let base: number;

  before(async () => {
    copy = await copyTree();
    base = await freeBase();
  });

  after(() => copy[Symbol.asyncDispose]());

  // Guarantees that the two minutes a newcomer gives us are enough, and that Ctrl-C leaves nothing.
  test('brings everything up, says how to try it, and takes it down', async (t) => {
    const started = performance.now();
    await using program = start(copy, base);
    const demo = await until(
      'demo.json is written',
      () => {
        assert.ok(program.isRunning, program.output);
        return readDemo(copy);
      },
      { deadlineMs: START_MS },
    );
    assert.deepEqual(Object.keys(demo).sort(), [
      'adminToken',
      'envoyAdmin',
      'host',
      'keys',
      'proxy',
      'ready',
      'try',
    ]);
    const [key = ''] = Object.values(demo.keys);
    await until('the minute of the quota has room', () => new Date().getSeconds() < 45, {
      deadlineMs: 20_000,
    });
    const answer = await send({
      port: portOf(demo.try),
      path: new URL(demo.try).pathname,
      headers: { 'x-api-key': key },
    });
    t.diagnostic(`first 200 after ${Math.round(performance.now() - started)} ms`);
    assert.equal(answer.status, 200, program.output);
    assert.match(answer.body, /"x-consumer": "acme"/);
    assert.ok(!answer.body.includes(key), 'the service does not see the key');
    assert.match(String(answer.headers.ratelimit), /^"per-minute";r=[0-4];t=\d+$/);
    const promised = '"per-minute";q=5;w=60, "per-day";q=1000;w=86400';
    assert.equal(answer.headers['ratelimit-policy'], promised);

    await until('the lines to copy are printed', () => program.output.includes('Ctrl-C stops'));
    const lines = [...program.output.matchAll(/^ {2}(curl|for) .*$/gm)].map(([line]) =>
      line.trim(),
    );
    assert.equal(lines.length, 3);
    const outcomes = await Promise.all(lines.map((line) => printedStatuses(line)));
    assert.match(outcomes[0] ?? '', /200/);
    assert.match(outcomes[1] ?? '', /401/);
    assert.match(outcomes[2] ?? '', /429/);
    assert.ok(!program.output.includes(demo.adminToken), 'the admin token is not printed');

    await program.stop('SIGINT');
    assert.equal(await program.ended, 0, program.output);
    assert.equal(await readDemo(copy), undefined);
    for (let port = base; port < base + 5; port++) assert.ok(await isFree(port), `${port} is free`);
  });

  // Guarantees that whoever copies the README from "init" on has a published product, a key and a
  // refused sixth request, each command ending as it says there. Five minutes are more than enough.
  test('leads from init to a refused sixth request, as the README says', async (t) => {
    await using program = start(copy, base, '--empty');
    await until(
      'demo.json is written',
      () => {
        assert.ok(program.isRunning, program.output);
        return readDemo(copy);
      },
      { deadlineMs: START_MS },
    );
    const commands = await readmeCommands();
    // Each line as it stands there but for the port, and behind it how it ended.
    const script = commands.map((line) => `${line.replaceAll('18080', String(base))}\necho "= $?"`);
    script.splice(-1, 0, 'while [ "$(date +%-S)" -ge 45 ]; do sleep 1; done');
    const started = performance.now();
    await using shell = new Program('bash', ['-c', script.join('\n')], { cwd: copy.path });
    assert.equal(await shell.ended, 0);
    const tookS = (performance.now() - started) / 1_000;
    t.diagnostic(`from init to the refused sixth request in ${tookS.toFixed(1)} s`);
    const verbs = commands.map((line) => /^(?:KEY=\$\()?(\w+(?: \w+)?)/.exec(line)?.[1]);
    assert.deepEqual(verbs, [
      ...['sidegate', 'sidegate init', 'sidegate validate', 'sidegate diff', 'sidegate apply'],
      ...['sidegate key', 'sidegate proxies', 'for i'],
    ]);
    const exits = [...shell.output.matchAll(/^= (\d+)$/gm)].map(([, code]) => Number(code));
    assert.deepEqual(exits, [0, 0, 0, 4, 0, 0, 0, 0], shell.output);
    const statuses = [...shell.output.matchAll(/^\d{3}$/gm)].map(([status]) => status);
    assert.deepEqual(statuses, ['200', '200', '200', '200', '200', '429'], shell.output);
    assert.ok(tookS < 300, 'five minutes are enough');
    await program.stop('SIGINT');
  });

  // Guarantees a sentence with the way out when a port is taken, and that nothing is started.
  test('names a taken port and how to move', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const program = start(copy, port);
    assert.equal(await program.ended, 1);
    assert.match(program.output, new RegExp(`port ${port} \\(the proxy\\) is taken`));
    assert.match(program.output, /SIDEGATE_PORT_BASE=\d+ npm start/);
    await new Promise((resolve) => server.close(resolve));
  });

  // Guarantees that a part that dies is named, instead of a demo that silently answers nothing.
  test('reports a part that ends by itself and stops the rest', async () => {
    await using program = start(copy, base);
    const demo = await until('demo.json is written', () => readDemo(copy), {
      deadlineMs: START_MS,
    });
    await fetch(`${demo.envoyAdmin}/quitquitquit`, { method: 'POST' });
    assert.equal(await program.ended, 1);
    assert.match(program.output, /proxy ended by itself/);
    assert.equal(await readDemo(copy), undefined);
    for (let port = base; port < base + 5; port++) assert.ok(await isFree(port), `${port} is free`);
  });
});

/** The commands of the README's way from nothing, line by line. */
async function readmeCommands(): Promise<string[]> {
  const readme = await readFile(path.join(ROOT, 'README.md'), 'utf8');
  const section = readme.split(FROM_NOTHING)[1]?.split('\n## ')[0] ?? '';
  const block = /```sh\n(.*?)```/s.exec(section)?.[1] ?? '';
  return block.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

/** Runs a line as it was printed and answers what it printed. */
async function printedStatuses(line: string): Promise<string> {
  await using shell = new Program('bash', ['-c', line]);
  await shell.ended;
  return shell.output;
}
