/**
 * Builds the small modules the emulator's tests load: AssemblyScript sources from
 * test/emulator/modules and WebAssembly text written in a test. Results of the slower compiler are
 * kept under build/ by the hash of everything that goes into them.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import wabt from 'wabt';

const ROOT = new URL('../../../', import.meta.url);
const MODULES = new URL('test/emulator/modules/', ROOT);
const OUT = new URL('build/test-modules/', ROOT);
const COMPILER = new URL('node_modules/assemblyscript/', ROOT);

/** Compiles `modules/<name>.ts` (which may import `<name>-*.ts`) and answers the module's file. */
export async function assemblyScriptModule(name: string): Promise<string> {
  const source = fileURLToPath(new URL(`${name}.ts`, MODULES));
  const options = fileURLToPath(new URL('asconfig.json', MODULES));
  const hash = createHash('sha256');
  const names = (await readdir(MODULES)).filter((file) => file.startsWith(name)).sort();
  const inputs = names.map((file) => fileURLToPath(new URL(file, MODULES)));
  inputs.push(options, fileURLToPath(new URL('package.json', COMPILER)));
  for (const input of inputs) hash.update(await readFile(input));
  await mkdir(OUT, { recursive: true });
  const file = fileURLToPath(new URL(`${name}-${hash.digest('hex').slice(0, 16)}.wasm`, OUT));
  const present = await readFile(file).then(
    () => true,
    () => false,
  );
  if (present) return file;
  const next = `${file}.${process.pid}`;
  const compiler = fileURLToPath(new URL('bin/asc.js', COMPILER));
  const args = [compiler, source, '--config', options, '--outFile', next];
  await promisify(execFile)(process.execPath, args, { cwd: fileURLToPath(ROOT) });
  await rename(next, file);
  return file;
}

/** The bytes of a compiled AssemblyScript module. */
export async function assemblyScriptBytes(name: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await readFile(await assemblyScriptModule(name)));
}

const tools = await wabt();

/** Assembles WebAssembly text. */
export function wat(text: string): Uint8Array<ArrayBuffer> {
  const module = tools.parseWat('module.wat', text);
  try {
    return new Uint8Array(module.toBinary({}).buffer);
  } finally {
    module.destroy();
  }
}

/** What a module of the ABI must have: its marker, an allocator and a memory. */
export const WAT_BASE = `
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param i32) (result i32) (i32.const 1024))`;
