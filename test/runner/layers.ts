/**
 * The layers of the tests: which folders belong to which, what each needs and how many files of it
 * may run at once. It only describes; running is done by run.ts. A test file that no layer claims
 * must never be passed over in silence.
 */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of the repository, with a trailing slash. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** A program of the system and the Debian package it comes in. */
export interface Tool {
  command: string;
  debianPackage: string;
}

/**
 * One layer. A file among its `folders` belongs to it alone, wherever it lies. `files` is how many
 * test files run at once; end to end tests share two cores.
 */
export interface Layer {
  name: string;
  folders: readonly string[];
  needs: readonly Tool[];
  files: number;
  /** After which one file of the layer counts as hanging, in milliseconds. */
  timeoutMs: number;
}

const MINUTE_MS = 60_000;
const SPIN = { command: 'spin', debianPackage: 'spin' };
const PROMTOOL = { command: 'promtool', debianPackage: 'prometheus' };
const GCC = { command: 'gcc', debianPackage: 'gcc' };

/** Tests of the host that start many processes or fill large tables: too slow for every save. */
const HOST_AT_SCALE = [
  'test/host/http/kill.test.ts',
  'test/host/http/process.test.ts',
  'test/host/http/secrets.test.ts',
  'test/host/http/watch-load.test.ts',
  'test/host/store/scale.test.ts',
];

/** Every layer of node:test files, in the order they run: the quickest to fail come first. */
export const LAYERS: readonly Layer[] = [
  layer('tidy', ['test/tidy'], 2, MINUTE_MS),
  layer('units', ['test/host', 'test/setup', 'host'], 2, MINUTE_MS),
  layer('host', HOST_AT_SCALE, 1, 3 * MINUTE_MS),
  layer('contract', ['test/contract'], 2, 2 * MINUTE_MS),
  layer('property', ['test/property'], 2, 5 * MINUTE_MS),
  layer('simulation', ['test/simulation'], 2, 5 * MINUTE_MS),
  layer('istio', ['test/istio'], 2, 2 * MINUTE_MS),
  layer('emulator', ['test/emulator'], 2, 8 * MINUTE_MS),
  layer('fuzz', ['test/fuzz'], 2, 5 * MINUTE_MS),
  layer('model', ['test/model'], 1, 8 * MINUTE_MS, [SPIN, GCC]),
  layer('observability', ['test/observability'], 1, 2 * MINUTE_MS, [PROMTOOL]),
  layer('e2e', ['test/e2e'], 1, 8 * MINUTE_MS),
  layer('bench', ['test/bench'], 1, 3 * MINUTE_MS),
  layer('smoke', ['test/smoke'], 1, 4 * MINUTE_MS),
];

function layer(
  name: string,
  folders: string[],
  files: number,
  timeoutMs: number,
  needs: Tool[] = [],
): Layer {
  return { name, folders, needs, files, timeoutMs };
}

/** The test files of a layer, absolute and sorted. */
export function filesOf(layer: Layer): string[] {
  const named = new Set(
    LAYERS.filter((other) => other !== layer).flatMap(({ folders }) => folders.filter(isTestFile)),
  );
  return layer.folders
    .flatMap((folder) => testFilesUnder(folder))
    .filter((file) => !named.has(path.relative(ROOT, file)))
    .sort();
}

const isTestFile = (name: string) => name.endsWith('.test.ts');

/** Test files that no layer claims, relative to the root. */
export function unclaimedFiles(): string[] {
  const claimed = new Set(LAYERS.flatMap(filesOf));
  return ['test', 'host', 'envoy', 'assembly']
    .flatMap(testFilesUnder)
    .filter((file) => !claimed.has(file))
    .map((file) => path.relative(ROOT, file));
}

function testFilesUnder(folder: string): string[] {
  const absolute = path.join(ROOT, folder);
  if (!existsSync(absolute)) return [];
  if (isTestFile(folder)) return [absolute];
  return readdirSync(absolute, { recursive: true, encoding: 'utf8' })
    .filter(isTestFile)
    .map((name) => path.join(absolute, name));
}
