/**
 * The chains of the rivals: others' ways to do the same job, each with what its own tools built. A
 * rival whose tools are not there is named with the reason; it must never be left out in silence.
 */
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ROOT } from '../runner/layers.ts';
import type { Config } from '../support/envoy-config.ts';
import * as config from '../support/envoy-config.ts';
import type { Folder } from '../support/folders.ts';
import { Program } from '../support/programs.ts';
import { until } from '../support/wait.ts';
import { type Chain, extAuthz, filterChain, luaFilter } from './chains.ts';
import { type Built, buildGo, buildRust, buildSolo, writeLua } from './toolchains.ts';

const COUNTS = 'counts in the worker alone, exact for nobody';

/** The rivals that could be had, and why the others could not. */
export interface Rivals {
  chains: Chain[];
  /** Reason by name. */
  missing: Record<string, string>;
}

/** What makes rivals: the keys they know, a folder for files, a core for services. */
export interface RivalOptions {
  keys: readonly string[];
  folder: Folder;
  core: number | undefined;
  cleanup: AsyncDisposableStack;
}

/** Builds and starts all rivals. */
export async function startRivals(options: RivalOptions): Promise<Rivals> {
  const { keys, folder } = options;
  const rivals: Rivals = { chains: [], missing: {} };
  const take = async (
    name: string,
    built: Built,
    make: (file: string) => Chain | Promise<Chain>,
  ) => {
    if ('path' in built) rivals.chains.push(await make(built.path));
    else {
      rivals.missing[name] = built.missing;
      console.log(`LEFT OUT: ${name}: ${built.missing}`);
    }
  };
  const script = await writeLua(keys);
  const luaDoes = `a table of the keys themselves + 2 windows + 4 header edits; ${COUNTS}`;
  rivals.chains.push(filterChain('Lua', luaDoes, luaFilter(script), keys));
  await take('Rust SDK', await buildRust(), (file) => {
    const does = `SHA-256 in a table + 2 windows + 4 header edits on proxy-wasm 0.2.2; ${COUNTS}`;
    return filterChain('Rust SDK', does, rivalWasm(file, 'rust', callersOf(keys)), keys);
  });
  await take('solo-io runtime', await buildSolo(keys), (file) => {
    const does = `a table of the keys themselves, compiled in + 2 windows + 4 edits; ${COUNTS}`;
    return filterChain('solo-io runtime', does, rivalWasm(file, 'solo', ''), keys);
  });
  await writeFile(folder.join('keys'), `${keys.join('\n')}\n`);
  const node = path.join(ROOT, 'test/bench/rivals/authz-node/authz.ts');
  const service = (command: string[]) => startService(options, command);
  await take('ext_authz to Go', await buildGo(), async (file) =>
    extAuthz('Go', await service([file]), keys),
  );
  const inNode = await service([process.execPath, node]);
  rivals.chains.push(extAuthz('Node', inNode, keys));
  return rivals;
}

/** A service that is told a file of keys and prints its port. */
async function startService(
  { folder, core, cleanup }: RivalOptions,
  command: string[],
): Promise<{ port: number; pid: number }> {
  const pinned = core === undefined ? command : ['taskset', '-c', String(core), ...command];
  const program = cleanup.use(
    new Program(pinned[0] ?? '', [...pinned.slice(1), folder.join('keys')]),
  );
  const port = await until(`${command.at(-1)} listens`, () => {
    return Number(program.output.trim()) || undefined;
  });
  return { port, pid: program.pid };
}

/** A line for each key, as the Rust rival reads them. */
function callersOf(keys: readonly string[]): string {
  const digests = keys.map((key) => createHash('sha256').update(key).digest('hex'));
  return digests.map((digest, index) => `${digest} consumer-${index}`).join('\n');
}

function rivalWasm(module: string, name: string, value: string): Config {
  const typed = config.wasmConfig({ module, name }) as { config: Config };
  const configuration = { '@type': 'type.googleapis.com/google.protobuf.StringValue', value };
  const plugin = { ...typed.config, root_id: 'rival', configuration };
  return { name, typed_config: { ...typed, config: plugin } };
}
