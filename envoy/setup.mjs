/**
 * Runs a script of this repository with the packages and the Node it needs, on a fresh clone too:
 * installs npm packages where they are missing or not those of the lock, finds Node 24, and hands
 * on arguments, signals and exit code. It runs before anything is installed, so it must stay plain
 * JavaScript for Node 20 and use no package; it must never install under another running command.
 */
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const CACHE = path.join(ROOT, '.cache');
const LOCK = path.join(CACHE, 'setup.lock');
const RUNNING = path.join(CACHE, 'running');
const NODE_OLDEST = 20;
const NODE_WANTED = 24;
const LOCK_POLL_MS = 250;

/** A problem the person at the terminal can mend; the message says how. */
class SetupError extends Error {}

function say(message) {
  process.stderr.write(`sidegate: ${message}\n`);
}

function major(version) {
  return Number(/^v?(\d+)\./.exec(version)?.[1] ?? 0);
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Waits for the one lock of set-up and answers a function that lets it go. */
async function takeLock() {
  fs.mkdirSync(CACHE, { recursive: true });
  for (let told = false; ; ) {
    try {
      fs.writeFileSync(LOCK, String(process.pid), { flag: 'wx' });
      return () => fs.rmSync(LOCK, { force: true });
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const holder = lockHolder();
    if (holder === 'gone') fs.rmSync(LOCK, { force: true });
    else if (!told) say(`waiting for another set-up (process ${holder})`);
    told = true;
    await new Promise((resolve) => setTimeout(resolve, LOCK_POLL_MS));
  }
}

function lockHolder() {
  let text;
  try {
    text = fs.readFileSync(LOCK, 'utf8');
  } catch {
    return 'gone';
  }
  // An empty file is a lock whose owner has not written its number yet, or died before it could.
  if (text === '') return Date.now() - fs.statSync(LOCK).mtimeMs > 5000 ? 'gone' : 'starting';
  return isAlive(Number(text)) ? Number(text) : 'gone';
}

/** Numbers of the commands that use node_modules now. */
function runningCommands() {
  fs.mkdirSync(RUNNING, { recursive: true });
  const alive = [];
  for (const name of fs.readdirSync(RUNNING)) {
    if (isAlive(Number(name))) alive.push(Number(name));
    else fs.rmSync(path.join(RUNNING, name), { force: true });
  }
  return alive.filter((pid) => pid !== process.pid);
}

/**
 * Whether every package of the lock stands in node_modules in the same version. Compares what npm
 * wrote about the tree, not times: a fresh checkout makes every file new.
 */
function packagesAreInstalled() {
  const installed = readPackages(path.join(ROOT, 'node_modules', '.package-lock.json'));
  if (installed === undefined) return false;
  const wanted = readPackages(path.join(ROOT, 'package-lock.json')) ?? {};
  return Object.entries(wanted).every(
    ([name, entry]) => name === '' || entry.optional || installed[name]?.version === entry.version,
  );
}

function readPackages(file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8')).packages;
  } catch {
    return undefined;
  }
}

function installPackages() {
  const others = runningCommands();
  if (others.length > 0) {
    throw new SetupError(
      `the npm packages are not those of package-lock.json, but another sidegate command is using\n` +
        `them (process ${others.join(', ')}). Stop it, then run this again.`,
    );
  }
  say('installing npm packages (about a minute the first time) ...');
  // npm's own script where npm started us, so that the npm in use is the one that installs.
  const npm = process.env.npm_execpath;
  const [command, first] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []];
  // Not `npm ci`: it refuses a lock made where the registry did not have the optional packages of
  // other platforms. This keeps to the lock as well and leaves it alone.
  const args = [...first, 'install', '--no-save', '--no-fund', '--no-audit', '--loglevel=error'];
  const result = spawnSync(command, args, { cwd: ROOT, stdio: ['ignore', 2, 2] });
  if (result.error?.code === 'ENOENT') {
    throw new SetupError('npm was not found. Install Node 20 or newer together with npm.');
  }
  if (result.status !== 0 || !packagesAreInstalled()) {
    throw new SetupError(
      'npm could not install the packages; what it said stands above.\n' +
        'Check the network or the registry setting of npm, then run this again.',
    );
  }
}

/** Path of a Node that runs TypeScript and has node:sqlite. */
function findNode() {
  if (major(process.versions.node) >= NODE_WANTED) return process.execPath;
  const local = path.join(ROOT, 'node_modules', '.bin', 'node');
  const result = spawnSync(local, ['--version'], { encoding: 'utf8' });
  if (result.status === 0 && major(result.stdout) >= NODE_WANTED) return local;
  throw new SetupError(
    `this Node is ${process.versions.node} and the npm package "node" gave no Node ${NODE_WANTED}\n` +
      `(install scripts switched off?). Run \`npm install --ignore-scripts=false\`,\n` +
      `or put Node ${NODE_WANTED} or newer on PATH.`,
  );
}

/** Packages and Node, made sure of under the lock; this process then counts as a user of them. */
async function prepare() {
  if (major(process.versions.node) < NODE_OLDEST) {
    throw new SetupError(
      `Node ${NODE_OLDEST} or newer is needed, this is ${process.versions.node}.`,
    );
  }
  const release = await takeLock();
  try {
    if (!packagesAreInstalled()) installPackages();
    const mark = path.join(RUNNING, String(process.pid));
    fs.mkdirSync(RUNNING, { recursive: true });
    fs.writeFileSync(mark, '');
    process.on('exit', () => fs.rmSync(mark, { force: true }));
    return findNode();
  } finally {
    release();
  }
}

/** Runs the script and ends as it ends. */
function run(node, script, args) {
  const bin = path.join(ROOT, 'node_modules', '.bin');
  const child = spawn(node, [path.resolve(ROOT, script), ...args], {
    stdio: 'inherit',
    env: { ...process.env, PATH: `${bin}${path.delimiter}${process.env.PATH ?? ''}` },
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    // A terminal sends its signals to the child as well, which must bear one twice.
    process.on(signal, () => child.kill(signal));
  }
  child.on('error', (error) => {
    say(`${script} could not be started: ${error.message}`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    process.exit(code ?? 128 + (os.constants.signals[signal] ?? 0));
  });
}

const [script, ...args] = process.argv.slice(2);
try {
  if (script === undefined)
    throw new SetupError('usage: node envoy/setup.mjs SCRIPT [ARGUMENT...]');
  run(await prepare(), script, args);
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  say(error.message);
  process.exitCode = 1;
}
