/**
 * The release module in a real registry: both forms are pushed as people push them, and the digest
 * that the registry computes is the one that the command line printed.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import { ROOT } from '../../runner/layers.ts';
import { BUILT } from './cache.ts';
import type { Checks } from './checks.ts';
import { REGISTRY } from './control.ts';
import { type Processes, run, until } from './processes.ts';

const REPOSITORY = `${REGISTRY}/sidegate/filter`;

/** Where the module is pulled from. */
export const IMAGE = `${REPOSITORY}:0.1.0`;

/** The command line of `sidegate`. */
export const SIDEGATE = [process.execPath, path.join(ROOT, 'host/cli/main.ts')] as const;

/** Runs a command of `sidegate` and answers what it printed. */
export function sidegate(...args: string[]): string {
  const [program, script] = SIDEGATE;
  return run(program, [script, ...args]);
}

/** Waits for the registry. */
async function registryReady(): Promise<void> {
  const probe = ['-sf', '-o', '/dev/null', '-w', '%{http_code}', `http://${REGISTRY}/v2/`];
  await until('the registry answers', () => run('curl', probe) === '200');
}

/** Pushes the image again, to a registry that has lost it. */
export async function pushImage({ folder }: Processes): Promise<void> {
  await registryReady();
  run(BUILT.crane, ['push', path.join(folder, 'image'), IMAGE]);
}

/** Pushes another module under a tag of its own; answers address and digest. */
export function pushOther({ folder }: Processes, module: string, tag: string) {
  const layout = path.join(folder, tag);
  const digest = sidegate('oci', 'build', '--module', module, '--out', layout).trim();
  const image = `${REPOSITORY}:${tag}`;
  run(BUILT.crane, ['push', layout, image]);
  return { url: `oci://${image}`, sha256: digest.replace('sha256:', '') };
}

/** Pushes the release module in both forms; answers the digest of the image. */
export async function pushModule(processes: Processes, checks: Checks): Promise<string> {
  await registryReady();
  const module = path.join(ROOT, 'build/filter.wasm');
  let digest = '';
  for (const form of ['artifact', 'image']) {
    // Guarantees that what manifests are pinned to is what every puller gets.
    await checks.check(`crane pushes the ${form}, and the digest stays`, () => {
      const layout = path.join(processes.folder, form);
      const built = ['oci', 'build', '--form', form, '--module', module, '--out', layout];
      digest = sidegate(...built).trim();
      const reference = form === 'image' ? IMAGE : `${REPOSITORY}:artifact`;
      run(BUILT.crane, ['push', layout, reference]);
      assert.equal(run(BUILT.crane, ['digest', reference]).trim(), digest);
    });
  }
  return digest;
}
