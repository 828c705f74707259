/**
 * Roll-out under load: another module and back, another start of the host, with no failed request.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from '../../runner/layers.ts';
import type { Checks } from './checks.ts';
import { PROXIES } from './fleet.ts';
import { makeKey, runHost } from './host.ts';
import { apply, type KubeObject } from './kube.ts';
import { extensionsOf, type Mesh, type Pod } from './pods.ts';
import { type Processes, until } from './processes.ts';
import { pushOther } from './registry.ts';
import { PODS } from './s2.ts';
import { underLoad } from './traffic.ts';

const PAUSE_MS = 20;
/** Requests after a change that show that the load goes on: twenty a connection. */
const GOES_ON = 240;

/** Runs the checks on the fleet. */
export async function checkRollout(
  { processes }: Mesh,
  objects: readonly KubeObject[],
  checks: Checks,
): Promise<void> {
  const { key } = makeKey('roomy');
  const targets = PROXIES.map((target) => ({ ...target, key }));
  const plugins = objects.filter(({ kind }) => kind === 'WasmPlugin');
  const passing = async (change: () => Promise<void>) => {
    const text = await underLoad(targets, PAUSE_MS, async (load) => {
      await change();
      const before = load.count(200);
      await until('the load goes on', () => load.count(200) > before + GOES_ON, 20);
    });
    checks.note(text);
  };
  // Guarantees the order of the page: host first, then the module; and that neither is noticed.
  await checks.check('the host is started anew under load', () =>
    passing(async () => {
      await processes.stopOne('host');
      await runHost(processes);
    }),
  );
  await checks.check('another module takes the place of the first under load', async () => {
    const next = pushOther(processes, otherModule(processes), '0.1.1');
    await passing(() => moveTo(plugins, next));
  });
  await checks.check('and the first that of the other, rolled back under load', () =>
    passing(() => moveTo(plugins, undefined)),
  );
}

/** The release module with a section that nobody reads: another file, another digest. */
function otherModule({ folder }: Processes): string {
  const name = Buffer.from('rollout');
  const section = Buffer.concat([Buffer.from([0, name.length + 1, name.length]), name]);
  const file = path.join(folder, 'other.wasm');
  const release = readFileSync(path.join(ROOT, 'build/filter.wasm'));
  writeFileSync(file, Buffer.concat([release, section]));
  return file;
}

/** Points all plugins to a module, or back to their own, and waits for the proxies. */
async function moveTo(plugins: readonly KubeObject[], to: object | undefined): Promise<void> {
  const pods = [PODS.gateway, PODS.orders];
  const before = pods.map(moduleOf);
  for (const plugin of plugins) {
    await apply({ ...plugin, spec: { ...plugin.spec, ...to } });
  }
  await until('the proxies run the other module', () =>
    pods.every((one, i) => moduleOf(one) !== before[i]),
  );
}

/** The file in which the agent keeps the module that a proxy runs. */
function moduleOf(pod: Pod): string {
  return /"filename": "([^"]+\.wasm)"/.exec(extensionsOf(pod))?.[1] ?? '';
}
