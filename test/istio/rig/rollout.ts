/**
 * Roll-out under load: another module and back, another start of the host, with no failed request.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from '../../runner/layers.ts';
import type { Checks } from './checks.ts';
import { FILTERED, PROXIES } from './fleet.ts';
import { makeKey, runHost } from './host.ts';
import { apply, type KubeObject } from './kube.ts';
import { type Mesh, runsModule } from './pods.ts';
import { type Processes, until } from './processes.ts';
import { pushOther } from './registry.ts';
import { underLoad } from './traffic.ts';

/** Slow enough that nothing waits for long where the machine has other things to do. */
const LOAD = { connections: 6, pauseMs: 50 };
/** So slow that what a worker holds lasts for half a minute, in which any host has started. */
const SPARING = { connections: 6, pauseMs: 250 };

/** Runs the checks on the fleet. */
export async function checkRollout(
  { processes }: Mesh,
  objects: readonly KubeObject[],
  checks: Checks,
): Promise<void> {
  const { key } = await makeKey('roomy');
  const targets = PROXIES.map((target) => ({ ...target, key }));
  const plugins = objects.filter(({ kind }) => kind === 'WasmPlugin');
  const passing = async (change: () => Promise<void>, options = LOAD) => {
    const load = await underLoad(targets, options, async (running) => {
      await change();
      await running.goesOn();
    });
    checks.note(load.told());
  };
  // Guarantees the order of the page: host first, then the module; and that neither is noticed.
  await checks.checkPatiently('the host is started anew under load', () =>
    passing(async () => {
      await processes.stopOne('host');
      await runHost(processes);
    }, SPARING),
  );
  const next = pushOther(processes, otherModule(processes), '0.1.1');
  const moveOn = () => moveTo(plugins, next);
  const moveBack = () => moveTo(plugins, undefined);
  await checks.checkPatiently(
    'another module takes the place of the first under load',
    async () => {
      await moveBack();
      await passing(moveOn);
    },
  );
  await checks.checkPatiently(
    'and the first that of the other, rolled back under load',
    async () => {
      await moveOn();
      await passing(moveBack);
    },
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
  for (const plugin of plugins) {
    const spec = { ...plugin.spec, ...to };
    await apply({ ...plugin, spec });
    const own = FILTERED.filter(({ namespace }) => namespace === plugin.metadata.namespace);
    await until('the proxies run the module', () =>
      own.every((one) => runsModule(one, spec.sha256)),
    );
  }
}
