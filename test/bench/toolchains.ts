/**
 * Builds the programs that the bench needs besides Envoy: the load generator and the rivals, each
 * with the tools of its own language, into `.cache/bench`. What cannot be built has a reason, and
 * the reason is shown; it must never install anything unless it is root on a Debian.
 */
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ensureTool, installPackages } from '../runner/commands.ts';
import { ROOT } from '../runner/layers.ts';
import { runToEnd } from '../support/programs.ts';

const CACHE = path.join(ROOT, '.cache/bench');
const RIVALS = path.join(ROOT, 'test/bench/rivals');

/** Where Debian keeps its own Rust, whichever other one is first on the PATH. */
const DEBIAN_RUST = {
  rustc: '/usr/bin/rustc',
  cargo: '/usr/bin/cargo',
  target: '/usr/lib/rustlib/wasm32-wasi',
  packages: ['rustc', 'cargo', 'libstd-rust-dev-wasm32', 'lld'],
};

/** Something that was built, or why not. */
export type Built = { path: string } | { missing: string };

/** A tool of the system that must be there. Throws with what to install if it is not. */
export function needTool(command: string, debianPackage: string): void {
  if (ensureTool({ command, debianPackage })) return;
  throw new Error(`${command} is needed: apt-get install ${debianPackage}`);
}

/** The load generator that sends at an even rate. */
export async function buildLoad(): Promise<string> {
  needTool('gcc', 'gcc');
  const target = path.join(CACHE, 'load');
  await mkdir(CACHE, { recursive: true });
  const source = path.join(ROOT, 'test/bench/load.c');
  await runToEnd('gcc', ['-O2', '-Wall', '-Wextra', '-Werror', '-o', target, source]);
  return target;
}

/** The Lua script with its table of callers. */
export async function writeLua(keys: readonly string[]): Promise<string> {
  const rows = keys.map((key, index) => {
    return `["${key}"] = { name = "consumer-${index}", current = { 0, 0 }, used = { 0, 0 } },`;
  });
  const script = await readFile(path.join(RIVALS, 'lua/filter.lua'), 'utf8');
  return `callers = {\n${rows.join('\n')}\n}\n${script}`;
}

/** The check service in Go. */
export function buildGo(): Promise<Built> {
  return attempt('Go: apt-get install golang-go', async () => {
    if (!ensureTool({ command: 'go', debianPackage: 'golang-go' })) return undefined;
    const target = path.join(CACHE, 'authz-go');
    const cwd = path.join(RIVALS, 'authz-go');
    await runToEnd('go', ['build', '-trimpath', '-o', target, '.'], { cwd });
    return target;
  });
}

/** The filter on the runtime that solo-io publishes, with the keys compiled in. */
export function buildSolo(keys: readonly string[]): Promise<Built> {
  return attempt('npm packages of test/bench/rivals/solo', async () => {
    const cwd = path.join(CACHE, 'solo');
    await cp(path.join(RIVALS, 'solo'), cwd, { recursive: true });
    await writeFile(
      path.join(cwd, 'assembly/keys.ts'),
      `export const KEYS = "${keys.join(' ')}";\n`,
    );
    const quiet = ['--no-fund', '--no-audit', '--no-package-lock', '--loglevel=error'];
    await runToEnd('npm', ['install', ...quiet], { cwd });
    const target = path.join(cwd, 'rival.wasm');
    const flags = ['-b', target, '--use', 'abort=abort_proc_exit', '--optimize'];
    await runToEnd('node_modules/.bin/asc', ['assembly/index.ts', ...flags], { cwd });
    return target;
  });
}

/** The filter on the Rust SDK. */
export function buildRust(): Promise<Built> {
  return attempt('Rust with a wasm target', async () => {
    const source = path.join(RIVALS, 'rust');
    const vendor = path.join(CACHE, 'rust/vendor');
    const target = path.join(CACHE, 'rust/target');
    const { rustc, cargo, target: standard, packages } = DEBIAN_RUST;
    if (![rustc, cargo, standard].every(existsSync) && !installPackages(packages)) return undefined;
    await mkdir(vendor, { recursive: true });
    // Debian's cargo is too old to speak to the index of packages; it builds from what was fetched
    // by the one on the PATH.
    await runToEnd('cargo', ['vendor', '--locked', '--versioned-dirs', vendor], { cwd: source });
    const replaced = 'source.crates-io.replace-with="vendored"';
    const from = `source.vendored.directory=${JSON.stringify(vendor)}`;
    const args = ['--config', replaced, '--config', from, 'build', '--release', '--locked'];
    args.push('--offline', '--target', 'wasm32-wasi', '--target-dir', target);
    await runToEnd(cargo, args, { cwd: source, env: { RUSTC: rustc } });
    return path.join(target, 'wasm32-wasi/release/rival.wasm');
  });
}

/** What a builder made; `needs` stands in the reason when there is none. */
async function attempt(needs: string, build: () => Promise<string | undefined>): Promise<Built> {
  await mkdir(CACHE, { recursive: true });
  try {
    const made = await build();
    return made === undefined ? { missing: `${needs} is not there` } : { path: made };
  } catch (error) {
    const [first = ''] = String((error as Error).message)
      .split('\n')
      .filter(Boolean)
      .slice(-1);
    return { missing: `${needs}: ${first.slice(0, 200)}` };
  }
}
