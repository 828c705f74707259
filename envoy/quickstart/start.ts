/**
 * `npm start`: brings up host, example service and a real Envoy with the filter, makes a key, says
 * how to try it, and takes everything down again. With `--empty` the host has no resources and
 * takes them by the admin API. It must never leave a process behind, and says in a sentence what to
 * do when something is in the way.
 */

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { EnvoyUnavailable, locateEnvoy } from '../locate.ts';
import { Children, type UnexpectedEnd } from './children.ts';
import { type Demo, demoOf, describeDemo, removeDemo, writeDemo } from './demo.ts';
import { checkPortsFree, PORT_BASE, type Ports, PortsUnusable, planPorts } from './ports.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FOLDER = path.join(ROOT, '.sidegate');
const DEMO = path.join(FOLDER, 'demo.json');
const QUICKSTART = path.join(ROOT, 'envoy/quickstart');
const APPLICATION = 'demo';
const READY_MS = 30_000;

/** Something that keeps the quickstart from starting; the message says what to do. */
class StartError extends Error {}

const say = (message: string) => console.error(`sidegate: ${message}`);

/** Builds the filter where its sources are newer than what is in `build/`. */
async function buildFilter(): Promise<void> {
  const args = ['assembly/build.mjs', '--if-changed', 'release'];
  const build = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 2, 2] });
  const [code] = await once(build, 'close');
  if (code !== 0) throw new StartError('the filter could not be built; see above');
}

/** `envoy.yaml` with every port moved as far as the base is from the one it is written with. */
async function writeEnvoyConfig(ports: Ports, file: string): Promise<void> {
  const text = await readFile(path.join(QUICKSTART, 'envoy.yaml'), 'utf8');
  const config: unknown = parse(text, (name, value: unknown) =>
    name === 'port_value' ? Number(value) + ports.base - PORT_BASE : value,
  );
  await writeFile(file, JSON.stringify(config, null, 2));
}

/** Asks until the answer is as wanted. Throws `StartError` when it has waited long enough. */
async function waitFor(
  what: string,
  url: string,
  isGood: (status: number) => boolean,
): Promise<void> {
  const end = performance.now() + READY_MS;
  while (performance.now() < end) {
    const status = await fetch(url).then(
      async (answer) => {
        await answer.body?.cancel();
        return answer.status;
      },
      () => 0,
    );
    if (isGood(status)) return;
    await delay(50);
  }
  throw new StartError(`${what} was not ready after ${READY_MS / 1000} s; see above`);
}

/** Has the host make a key, over the same route that every operator uses. */
async function makeKey(host: string, adminToken: string): Promise<string> {
  const answer = await fetch(`${host}/v1/credentials`, {
    method: 'POST',
    headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ application: APPLICATION }),
  });
  const body = (await answer.json()) as { key?: string; detail?: string };
  if (body.key === undefined) {
    throw new StartError(`the host made no key: ${answer.status} ${body.detail ?? ''}`);
  }
  return body.key;
}

/** What a quickstart was asked for. */
interface Wanted {
  readonly ports: Ports;
  /** No resources, which come by the admin API then, and no key. */
  readonly empty: boolean;
}

async function startHost(
  children: Children,
  { ports, empty }: Wanted,
  adminToken: string,
): Promise<void> {
  say('starting the host ...');
  const store = path.join(FOLDER, `quickstart-${ports.base}`);
  // Each start is a first start: a quota used up in the last one would greet a newcomer with 429.
  await rm(store, { recursive: true, force: true });
  const args = ['host/main.ts', '--store', store];
  if (!empty) args.push('--resources', path.join(QUICKSTART, 'policies'));
  args.push('--admin-port', String(ports.hostAdmin), '--sync-port', String(ports.hostSync));
  children.start({
    name: 'host',
    command: process.execPath,
    args: [...args, '--log-level', 'warn'],
    env: { SIDEGATE_ADMIN_TOKEN: adminToken },
    cwd: ROOT,
    // The line that tells programs where the host listens; people read it from the summary.
    shows: (line) => !line.startsWith('{"ready"'),
  });
}

/** Starts Envoy; its lines are shown from the moment that `shows` says so. */
async function startEnvoy(
  children: Children,
  ports: Ports,
  binary: string,
  shows: () => boolean,
): Promise<void> {
  say('starting Envoy ...');
  const file = path.join(FOLDER, `quickstart-${ports.base}.envoy.json`);
  await writeEnvoyConfig(ports, file);
  const args = [
    '-c',
    file,
    '--concurrency',
    '2',
    '--disable-hot-restart',
    '--log-level',
    'warning',
  ];
  children.start({
    name: 'proxy',
    command: binary,
    args,
    cwd: ROOT,
    shows,
  });
}

/** Everything up to the first request that the proxy decides. */
async function bringUp(children: Children, wanted: Wanted): Promise<Demo> {
  const { ports, empty } = wanted;
  await mkdir(FOLDER, { recursive: true });
  const adminToken = randomBytes(24).toString('base64url');
  await startHost(children, wanted, adminToken);
  children.start({
    name: 'service',
    command: process.execPath,
    args: ['envoy/quickstart/service.ts'],
    env: { PORT: String(ports.service) },
    cwd: ROOT,
    shows: () => true,
  });
  const [envoy] = await Promise.all([locateEnvoy(say), buildFilter()]);
  const host = `http://127.0.0.1:${ports.hostAdmin}`;
  await waitFor('the host', `${host}/readyz`, (status) => status === 200);
  const keys: Record<string, string> = {};
  if (!empty) keys[APPLICATION] = await makeKey(host, adminToken);
  // The first lines of the access log are of the requests below, which nobody sent.
  let isUp = false;
  await startEnvoy(children, ports, envoy.path, () => isUp);
  const demo = demoOf(ports, adminToken, keys);
  // Without a key the answer is 401 as soon as the filter has its policy; it costs no quota. A
  // policy without products governs no host.
  await waitFor('the proxy', demo.try, (status) => status === (empty ? 403 : 401));
  isUp = true;
  await writeDemo(DEMO, demo);
  return demo;
}

function describeEnd({ name, how, lastLines }: UnexpectedEnd): string {
  return `${name} ended by itself (${how}). Its last lines:\n${lastLines.join('\n')}`;
}

/** Resolves with the name of the first signal that asks to end; further ones change nothing. */
function untilSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => resolve(signal));
    }
  });
}

/** Brings everything up and waits until it is to end. Throws when something ends it. */
async function run(wanted: Wanted): Promise<void> {
  const signal = untilSignal();
  const children = new Children();
  const ended = children.unexpectedEnd.then((end) => {
    throw new StartError(describeEnd(end));
  });
  try {
    const ready = bringUp(children, wanted).then((demo) => console.log(describeDemo(demo)));
    await Promise.race([Promise.all([ready, ended]), signal]);
    say('stopping ...');
  } finally {
    await children.stop();
    await removeDemo(DEMO);
  }
}

/** What the arguments ask for. Throws `StartError` for others than `--empty`. */
function readArguments([option, ...more]: readonly string[]): Pick<Wanted, 'empty'> {
  if (option === undefined) return { empty: false };
  if (option === '--empty' && more.length === 0) return { empty: true };
  throw new StartError(`"${[option, ...more].join(' ')}" is not known here, only --empty`);
}

try {
  const { empty } = readArguments(process.argv.slice(2));
  const ports = planPorts(process.env.SIDEGATE_PORT_BASE);
  // Before anything else: a second quickstart must not touch what belongs to the first.
  await checkPortsFree(ports);
  await removeDemo(DEMO);
  await run({ ports, empty });
} catch (error) {
  const kinds = [StartError, PortsUnusable, EnvoyUnavailable];
  const isForPeople = kinds.some((kind) => error instanceof kind);
  say(isForPeople ? (error as Error).message : String((error as Error).stack));
  process.exitCode = 1;
}
process.exit();
