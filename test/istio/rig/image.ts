/**
 * The image of the host without a builder: what the Dockerfile copies, installs and runs, in a root
 * that is this machine's system and nothing else of it; and its container as the manifests ask for
 * it: their user, no capability, a root that nothing can be written to, their volumes.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { ROOT } from '../../runner/layers.ts';
import { copyOf, readStages, type Step, valuesOf } from '../dockerfile.ts';
import { CACHE } from './cache.ts';
import { run, until } from './processes.ts';

/** Where programs of the base image are, beside Node: this machine's own. */
const SYSTEM = ['usr/bin', 'usr/sbin', 'usr/lib', 'usr/lib64'];
const LINKED = ['bin', 'sbin', 'lib', 'lib64'];
const DEVICES = ['null', 'zero', 'random', 'urandom'];
const SEARCH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Runs the first stage, which installs packages, where it has not run yet for these files; answers
 * its folder. Needs the network, or what npm keeps of it.
 */
export async function installPackages(say: (line: string) => void): Promise<string> {
  const [stage = []] = readStages();
  const of = createHash('sha256').update(JSON.stringify(stage));
  for (const name of stage.filter(isCopy).flatMap(({ rest }) => copyOf(rest).from)) {
    of.update(readFileSync(path.join(ROOT, name)));
  }
  const folder = path.join(CACHE, 'packages', of.digest('hex').slice(0, 16));
  if (existsSync(folder)) return folder;
  say('installing the packages of the image of the host');
  const begun = `${folder}.begun`;
  const install = () => {
    rmSync(begun, { recursive: true, force: true });
    mkdirSync(begun, { recursive: true });
    for (const { word, rest } of stage) {
      if (word === 'COPY') copy(rest, begun, begun);
      if (word === 'RUN') npm(rest, begun);
    }
    return true;
  };
  try {
    await until('the packages are installed', install, 5_000);
  } catch (error) {
    say(`NOT SHOWN: that the packages of the image can be installed. ${error}`);
    standIn(begun);
    return begun;
  }
  renameSync(begun, folder);
  return folder;
}

/** Runs npm without what the npm that runs this has set for itself. */
function npm(script: string, cwd: string): void {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('npm_'));
  const env = { ...Object.fromEntries(own), npm_config_prefer_offline: 'true' };
  execFileSync('sh', ['-c', script], { cwd, env, stdio: 'pipe', timeout: NPM_MS });
}

const NPM_MS = 90_000;

/** The packages of the clone, where the registry cannot be reached. */
function standIn(folder: string): void {
  const packages = path.join(folder, 'node_modules');
  rmSync(packages, { recursive: true, force: true });
  cpSync(path.join(ROOT, 'node_modules'), packages, COPIED);
  npm('npm prune --omit=dev --offline --ignore-scripts --no-audit --no-fund', folder);
}

const COPIED = { recursive: true, verbatimSymlinks: true } as const;

const isCopy = ({ word }: Step) => word === 'COPY';

/** An image that can be run. */
export interface Image {
  readonly root: string;
  readonly entry: readonly string[];
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Runs the last stage in a folder, with what the first has installed. */
export function makeImage(root: string, packages: string): Image {
  const stage = readStages().at(-1) ?? [];
  layOutSystem(root);
  const [folder = '/'] = valuesOf(stage, 'WORKDIR');
  mkdirSync(path.join(root, folder));
  for (const { word, rest } of stage) {
    if (word === 'COPY') copy(rest, path.join(root, folder), packages);
    if (word === 'RUN') run('unshare', ['-m', 'sh', '-c', `${MOUNTS} ${BUILD}`, root, rest]);
  }
  const [entry = '[]'] = valuesOf(stage, 'ENTRYPOINT');
  const env = Object.fromEntries(valuesOf(stage, 'ENV').map((pair) => pair.split('=')));
  return { root, entry: JSON.parse(entry), folder, env: { PATH: SEARCH, ...env } };
}

/** Copies from the clone, or from what the first stage made, into a folder. */
function copy(rest: string, into: string, packages: string): void {
  const { from, to, stage } = copyOf(rest);
  for (const name of from) {
    const source = stage ? path.join(packages, path.basename(name)) : path.join(ROOT, name);
    cpSync(source, path.join(into, to.endsWith('/') ? path.basename(name) : to), COPIED);
  }
}

function layOutSystem(root: string): void {
  for (const folder of [...SYSTEM, 'usr/local/bin', 'dev', 'proc', 'tmp', 'etc', 'var/lib']) {
    mkdirSync(path.join(root, folder), { recursive: true });
  }
  for (const name of LINKED) {
    if (!existsSync(`/${name}`)) continue;
    if (!lstatSync(`/${name}`).isSymbolicLink()) throw new Error(`/${name} is no link`);
    symlinkSync(readlinkSync(`/${name}`), path.join(root, name));
  }
  for (const name of DEVICES) writeFileSync(path.join(root, 'dev', name), '');
  // The base image has Node there.
  copyFileSync(process.execPath, path.join(root, 'usr/local/bin/node'));
  chmodSync(path.join(root, 'usr/local/bin/node'), 0o755);
}

/** In a mount namespace of its own; the root is the script's name. */
const MOUNTS = `set -e
mount --bind "$0" "$0"
for one in ${SYSTEM.join(' ')}; do
  [ -d "/$one" ] || continue
  mount --bind "/$one" "$0/$one"
  mount -o remount,bind,ro "$0/$one"
done
for one in ${DEVICES.join(' ')}; do mount --bind "/dev/$one" "$0/dev/$one"; done
mount --bind /proc "$0/proc"
`;
const BUILD = `exec env -i PATH=${SEARCH} chroot "$0" sh -c "$1"`;

/** A container of the image: what the manifests say of its pod. */
export interface Container {
  readonly image: Image;
  readonly user: number;
  readonly group: number;
  readonly memoryMb: number;
  readonly volumes: readonly Volume[];
}

/** A folder outside, and where the container has it; without one it is memory of that size. */
export interface Volume {
  readonly at: string;
  readonly from?: string;
  readonly size?: string;
  readonly readOnly: boolean;
}

/** The command line of a program in the container. */
export function inContainer(
  { image, user, group, volumes }: Container,
  command: readonly string[],
  env: Readonly<Record<string, string>> = {},
): string[] {
  const mounts = volumes.map(({ at, from, size, readOnly }) => {
    if (from === undefined) return `mount -t tmpfs -o size=${size},mode=1777 none "$0${at}"`;
    const bound = `mount --bind '${from}' "$0${at}"`;
    return readOnly ? `${bound}; mount -o remount,bind,ro "$0${at}"` : bound;
  });
  const script = [MOUNTS + mounts.join('\n'), 'mount -o remount,bind,ro "$0"', 'exec "$@"'];
  const ids = ['--reuid', `${user}`, '--regid', `${group}`, '--groups', `${group}`];
  const bare = ['--no-new-privs', '--bounding-set=-all', '--inh-caps=-all', '--ambient-caps=-all'];
  const set = Object.entries({ ...image.env, ...env }).map(([name, value]) => `${name}=${value}`);
  const enter = ['chroot', image.root, 'setpriv', ...ids, ...bare];
  const within = ['env', '-i', '-C', image.folder, ...set, ...command];
  return ['unshare', '-m', 'sh', '-c', script.join('\n'), image.root, ...enter, ...within];
}

/** Makes the place of a volume in an image, as a runtime does before a container starts. */
export function makeMountPoint({ root }: Image, at: string): void {
  mkdirSync(path.join(root, at), { recursive: true });
}

/** Makes the folder of a claimed volume, as the kubelet gives it to the group of a pod. */
export function makeVolume(folder: string, group: number): void {
  mkdirSync(folder, { recursive: true });
  chownSync(folder, 0, group);
  chmodSync(folder, 0o2775);
}
