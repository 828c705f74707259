/**
 * Compiles the cores of the filter (test/assembly/core) with the flags of the release module and
 * loads them, for tests and figures that need no proxy around them.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** The exports of test/assembly/core/core.ts; addresses and lengths are numbers, ids bigints. */
export interface Core {
  readonly memory: WebAssembly.Memory;
  readonly IN: WebAssembly.Global;
  readonly OUT: WebAssembly.Global;
  readonly HEAD_BYTES: WebAssembly.Global;
  memoryBytes(): bigint;
  takeBlock(bytes: number): number;
  newDirectory(): number;
  directoryFree(directory: number): void;
  directoryTick(directory: number): number;
  checkMessage(at: number, length: number, magic: number, known: number): number;
  findSection(at: number, length: number, kind: number): number;
  sectionLength(body: number): number;
  checkRecords(at: number, length: number, count: number): number;
  applyRecords(directory: number, at: number, length: number, restrictive: number): number;
  findCredential(directory: number, digest: number): number;
  findApplication(directory: number, id: bigint): number;
  findSubscription(directory: number, application: bigint, product: bigint): number;
  isWellFormed(key: number, length: number): number;
  begin(policy: number, length: number): void;
  step(records: number): number;
  shareBegin(limitClass: number, quota: bigint, windowS: number, burst: number): void;
  shareSpend(cost: number, nowMs: bigint): number;
  shareTake(sentMs: bigint, nowMs: bigint): void;
  shareDrop(): void;
  shareState(): void;
  borrowBegin(quota: bigint, windowS: number, localShare: number, holders: number): void;
  borrowOnce(cost: number, nowMs: bigint): number;
  borrowEnd(): void;
  matchOnce(policy: number, host: number, path: number, method: number): number;
}

/** Compiles and loads the cores; takes a few seconds. Further exports are for the bench. */
export async function loadCore(): Promise<Core & Record<string, (...args: number[]) => number>> {
  const build = path.join(ROOT, 'build');
  mkdirSync(build, { recursive: true });
  const folder = mkdtempSync(path.join(build, '.core-'));
  try {
    const file = path.join(folder, 'core.wasm');
    const { options } = JSON.parse(readFileSync(path.join(ROOT, 'asconfig.json'), 'utf8'));
    const flags = Object.entries({ ...options, use: options.use.join() }).flatMap(
      ([name, value]) => (value === true ? [`--${name}`] : [`--${name}`, String(value)]),
    );
    const entry = 'test/assembly/core/core.ts';
    const { error, stderr } = await asc.main([
      ...[entry, '--baseDir', ROOT, '--config', 'none'],
      ...['--outFile', path.relative(ROOT, file), ...flags],
    ]);
    if (error !== null) throw new Error(`${error.message}\n${stderr.toString()}`);
    const instance = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(file)), {});
    const core = instance.exports as never as Awaited<ReturnType<typeof loadCore>>;
    core._initialize?.();
    return core;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
