#!/usr/bin/env node
/**
 * Starts `sidegate` with a Node that runs the sources as they are: the one found when it is new
 * enough, else the one that npm installed. Plain JavaScript, because any Node must read it; it must
 * never do any work of a command.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';

const NODE_MAJOR_LEAST = 24;

const [verb, ...rest] = process.argv.slice(2);
const serves = verb === 'serve';
const script = fileURLToPath(new URL(serves ? '../main.ts' : './main.ts', import.meta.url));
const args = serves ? rest : process.argv.slice(2);

// npm runs its scripts in the folder of the package; paths are meant from where npm was called.
const { npm_lifecycle_event: npmScript, INIT_CWD: calledFrom } = process.env;
if (npmScript === 'sidegate' && calledFrom !== undefined) process.chdir(calledFrom);

if (isNewEnough() && !serves) {
  process.argv.splice(1, 1, script);
  await import(pathToFileURL(script).href);
} else {
  run(isNewEnough() ? process.execPath : installedNode());
}

function isNewEnough() {
  return Number(process.versions.node.split('.')[0]) >= NODE_MAJOR_LEAST;
}

function installedNode() {
  const path = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url));
  if (existsSync(path)) return path;
  process.stderr.write(
    `sidegate needs Node ${NODE_MAJOR_LEAST} and this is ${process.versions.node}: ` +
      'run "npm install" in the folder of Sidegate, which brings it\n',
  );
  process.exit(1);
}

/** Runs the script as a child that gets our signals and whose end becomes ours. */
function run(node) {
  const child = spawn(node, [script, ...args], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => child.kill(signal));
  }
  child.on('error', (error) => {
    process.stderr.write(`sidegate cannot run ${node}: ${error.message}\n`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}
