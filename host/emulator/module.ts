/**
 * Decides whether Envoy would load a module, and says everything that stands against it. Runs
 * nothing of the module.
 */
import { MEMORY_PAGES_MAX } from './abi.ts';
import { CALLBACKS, CALLBACKS_NOT_EMULATED, IMPORTS } from './signatures.ts';
import { type BinaryBorder, readBorder } from './wasm-binary.ts';

/** Why a module is refused. `not_emulated` is the emulator's own bound, the others are Envoy's. */
export type LoadProblemCode =
  | 'corrupt'
  | 'abi_version_missing'
  | 'malloc_missing'
  | 'memory_missing'
  | 'memory_too_large'
  | 'import_missing'
  | 'import_mismatch'
  | 'export_mismatch'
  | 'start_section'
  | 'not_emulated';

/** One reason for which a module is refused. */
export interface LoadProblem {
  code: LoadProblemCode;
  /** The name of the import or export it is about, or empty. */
  name: string;
  detail: string;
}

/** A module that Envoy would load; from it any number of VMs are made. */
export interface LoadedModule {
  wasm: WebAssembly.Module;
  border: BinaryBorder;
  bytes: number;
}

/** What `loadModule` answers. */
export type LoadResult =
  | { ok: true; module: LoadedModule }
  | { ok: false; problems: LoadProblem[] };

function importProblems(border: BinaryBorder): LoadProblem[] {
  const problems: LoadProblem[] = [];
  for (const { name, signature } of border.imports) {
    const offered = IMPORTS.get(name);
    if (offered === undefined) {
      problems.push({ code: 'import_missing', name, detail: 'Envoy offers no such function' });
    } else if (offered !== signature) {
      const detail = `the module wants ${signature}, Envoy offers ${offered}`;
      problems.push({ code: 'import_mismatch', name, detail });
    }
  }
  for (const { name, kind } of border.otherImports) {
    if (kind === 'memory' || kind === 'table') {
      problems.push({ code: 'not_emulated', name, detail: `an imported ${kind}` });
    } else {
      problems.push({ code: 'import_missing', name, detail: `Envoy offers no ${kind}` });
    }
  }
  return problems;
}

function exportProblems(border: BinaryBorder): LoadProblem[] {
  const problems: LoadProblem[] = [];
  const exported = new Map(border.exports.map(({ name, signature }) => [name, signature]));
  const expect = (name: string, signature: string) => {
    const found = exported.get(name);
    if (found === undefined || found === signature) return;
    const detail = `the module exports ${found}, Envoy calls ${signature}`;
    problems.push({ code: 'export_mismatch', name, detail });
  };
  if (!exported.has('proxy_abi_version_0_2_1')) {
    const detail = 'missing or unknown Proxy-Wasm ABI version';
    problems.push({ code: 'abi_version_missing', name: 'proxy_abi_version_0_2_1', detail });
  }
  const allocator = exported.has('malloc') ? 'malloc' : 'proxy_on_memory_allocate';
  if (!exported.has(allocator)) {
    problems.push({ code: 'malloc_missing', name: 'malloc', detail: 'no allocator is exported' });
  }
  expect(allocator, 'i:i');
  expect('_initialize', ':');
  if (!exported.has('_initialize')) expect('_start', ':');
  for (const [name, signature] of Object.entries(CALLBACKS)) expect(name, signature);
  for (const name of exported.keys()) {
    if (!CALLBACKS_NOT_EMULATED.has(name)) continue;
    problems.push({ code: 'not_emulated', name, detail: 'a callback the emulator never makes' });
  }
  return problems;
}

function memoryProblems(border: BinaryBorder): LoadProblem[] {
  if (!border.memory || !border.memoryExported) {
    return [{ code: 'memory_missing', name: 'memory', detail: 'no memory is exported' }];
  }
  if (border.memory.initialPages <= MEMORY_PAGES_MAX) return [];
  const detail = `${border.memory.initialPages} pages, at most ${MEMORY_PAGES_MAX}`;
  return [{ code: 'memory_too_large', name: 'memory', detail }];
}

/**
 * Compiles `bytes` and checks it as Envoy does when it loads a plugin of ABI 0.2.1; answers every
 * problem, not the first. Never throws on account of the bytes.
 */
export function loadModule(bytes: Uint8Array<ArrayBuffer>): LoadResult {
  let wasm: WebAssembly.Module;
  try {
    wasm = new WebAssembly.Module(bytes);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return { ok: false, problems: [{ code: 'corrupt', name: '', detail }] };
  }
  const border = readBorder(bytes);
  const problems = [
    ...importProblems(border),
    ...exportProblems(border),
    ...memoryProblems(border),
  ];
  if (border.startSection) {
    const detail = 'it would run before any context exists; export _initialize instead';
    problems.push({ code: 'start_section', name: '', detail });
  }
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, module: { wasm, border, bytes: bytes.length } };
}
