/**
 * The release module in a real registry: both forms are pushed by every tool that the page names,
 * and the digest that the registry computes is the one that the command line printed.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { ROOT } from '../../runner/layers.ts';
import { BUILT } from './cache.ts';
import type { Checks } from './checks.ts';
import { REGISTRY } from './control.ts';
import { onPath } from './needs.ts';
import { NODE_ADDRESS, type Processes, run, until } from './processes.ts';

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

/** The forms of the module; the digest of each. */
const FORMS = ['artifact', 'image'] as const;
export type Digests = Readonly<Record<(typeof FORMS)[number], string>>;

/** Where a form of the module is pulled from. */
export function referenceOf(form: keyof Digests): string {
  return form === 'image' ? IMAGE : `${REPOSITORY}:artifact`;
}

/** How a tool of the page pushes a layout. */
interface Pusher {
  readonly tool: string;
  readonly program: string;
  readonly there: boolean;
  readonly args: (layout: string, to: string) => readonly string[];
}

const PUSHERS: readonly Pusher[] = [
  {
    ...{ tool: 'crane', program: BUILT.crane, there: true },
    args: (layout, to) => ['push', layout, to],
  },
  {
    ...{ tool: 'oras', program: BUILT.oras, there: existsSync(BUILT.oras) },
    args: (layout, to) => ['cp', '--from-oci-layout', `${layout}:0.1.0`, '--to-plain-http', to],
  },
  {
    ...{ tool: 'skopeo', program: 'skopeo', there: onPath('skopeo') },
    args: (layout, to) => [
      'copy',
      '--dest-tls-verify=false',
      `oci:${layout}:0.1.0`,
      `docker://${to}`,
    ],
  },
];

/** Pushes the release module in both forms; answers their digests. */
export async function pushModule({ folder }: Processes, checks: Checks): Promise<Digests> {
  await registryReady();
  const module = path.join(ROOT, 'build/filter.wasm');
  const digests = { artifact: '', image: '' };
  for (const form of FORMS) {
    const layout = path.join(folder, form);
    const built = ['oci', 'build', '--form', form, '--module', module, '--out', layout];
    digests[form] = sidegate(...built).trim();
    for (const { tool, program, there, args } of PUSHERS) {
      // Guarantees that what manifests are pinned to is what every puller gets.
      const name = `${tool} pushes the ${form}, and the digest stays`;
      if (!there) {
        checks.skip(name, `${tool} is not here`);
        continue;
      }
      const at = tool === 'crane' ? referenceOf(form) : `${REGISTRY}/${tool}/filter:${form}`;
      await checks.check(name, () => {
        run(program, args(layout, at));
        assert.equal(run(BUILT.crane, ['digest', at]).trim(), digests[form]);
      });
    }
  }
  return digests;
}

/** A registry that takes connections and never answers. */
export class SilentRegistry {
  readonly #server = net.createServer((socket) => {
    this.#sockets.add(socket);
    socket.on('error', () => {});
  });
  readonly #sockets = new Set<net.Socket>();
  /** Where a plugin would pull from it. */
  url = '';

  /** Starts it at a port of its own. */
  static async start(): Promise<SilentRegistry> {
    const registry = new SilentRegistry();
    const server = registry.#server;
    await new Promise<void>((resolve) => server.listen(0, NODE_ADDRESS, resolve));
    const { port } = server.address() as net.AddressInfo;
    registry.url = `oci://${NODE_ADDRESS}:${port}/sidegate/filter:0.1.0`;
    return registry;
  }

  /** How many connections it has taken. */
  get asked(): number {
    return this.#sockets.size;
  }

  /** Ends it, and what still waits for it. */
  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
