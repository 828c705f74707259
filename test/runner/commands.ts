/**
 * Runs the tools that check the sources and the specs of the filter, and makes sure of programs of
 * the system that some layers need. It must never install anything unless it is root on a Debian.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { ROOT, type Tool } from './layers.ts';
import { type Outcome, outcomeOf, parseOutcome } from './outcome.ts';

const TOOL_OUTPUT_MAX = 400;

/** One check that is a command of its own. */
export interface Check {
  name: string;
  command: string;
  args: readonly string[];
}

const bin = (name: string) => path.join(ROOT, 'node_modules', '.bin', name);

/** Format and lint together, types of both halves, in the order they are told. */
export const CHECKS: readonly Check[] = [
  { name: 'format and lint', command: bin('biome'), args: ['ci', '--colors=off', '.'] },
  { name: 'types', command: bin('tsc'), args: ['-p', '.'] },
  {
    name: 'types of the filter',
    command: process.execPath,
    args: ['assembly/build.mjs', '--check'],
  },
];

/** Compiles the filter where its sources are newer; what needs the module cannot do without. */
export const BUILD: Check = {
  name: 'build of the filter',
  command: process.execPath,
  args: ['assembly/build.mjs', '--if-changed'],
};

/** Runs a check; what it printed is shown only if it fails. */
export async function runCheck({ name, command, args }: Check): Promise<Outcome> {
  const { code, output } = await capture(command, args);
  console.log(`  ${code === 0 ? 'ok' : 'not ok'} ${name}`);
  if (code !== 0) console.log(tail(output).replace(/^/gm, '    '));
  return outcomeOf(code === 0);
}

/** Runs the specs of the filter. Their reporter closes with the line that is counted. */
export async function runSpecs(): Promise<Outcome> {
  if (!existsSync(path.join(ROOT, 'as-pect.config.js'))) return outcomeOf(false);
  const { code, output } = await capture(process.execPath, [bin('asp')]);
  const outcome = parseOutcome(output);
  if (outcome === undefined || code !== 0) console.log(tail(output).replace(/^/gm, '    '));
  else for (const [line] of output.matchAll(/^ {2}ok .*$/gm)) console.log(line);
  if (outcome === undefined) return outcomeOf(false);
  // A spec that does not compile, or traps outside a test, is no line of the reporter.
  if (code !== 0 && outcome.failed === 0) return { ...outcome, failed: 1 };
  return outcome;
}

/** Whether a program is there in the end, having been installed if that is possible here. */
export function ensureTool({ command, debianPackage }: Tool): boolean {
  if (isOnPath(command)) return true;
  installPackages([debianPackage]);
  return isOnPath(command);
}

/** Installs packages of Debian where that is possible; answers whether it went well. */
export function installPackages(names: readonly string[]): boolean {
  if (process.getuid?.() !== 0 || !isOnPath('apt-get')) return false;
  console.log(`  installing ${names.join(' ')} ...`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  spawnSync('apt-get', ['update', '-qq'], { env, stdio: 'ignore' });
  const args = ['install', '-y', '-qq', ...names];
  return spawnSync('apt-get', args, { env, stdio: 'ignore' }).status === 0;
}

function isOnPath(command: string): boolean {
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  return folders.some((folder) => existsSync(path.join(folder, command)));
}

function tail(output: string): string {
  const lines = output.trimEnd().split('\n');
  return lines.slice(-TOOL_OUTPUT_MAX).join('\n');
}

function capture(
  command: string,
  args: readonly string[],
): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const collect = (chunk: string) => {
      output += chunk;
    };
    child.stdout.setEncoding('utf8').on('data', collect);
    child.stderr.setEncoding('utf8').on('data', collect);
    child.on('error', (error) => resolve({ code: 1, output: `${output}${error.message}\n` }));
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}
