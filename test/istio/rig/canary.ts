/**
 * The first installation in the order of the page: belt and plugin on one canary of the workload,
 * where what hangs shows, then on the workload.
 */
import assert from 'node:assert/strict';
import type { Checks } from './checks.ts';
import { inHost, makeKey } from './host.ts';
import { apply, type KubeObject } from './kube.ts';
import { endHanging, type Mesh, type Pod } from './pods.ts';
import { until } from './processes.ts';
import { SilentRegistry } from './registry.ts';
import { pointedTo } from './s2.ts';
import { answered, inARow, send, type Target } from './traffic.ts';

/** The label of the canary's pods. */
export const CANARY = { canary: 'sidegate' } as const;

/** The workload's two pods, and how each is reached past all other filters. */
export interface Workload {
  readonly canary: Pod;
  readonly targets: Readonly<Record<'canary' | 'rest', Target>>;
}

/** Installs belt and plugin on a workload that has neither. */
export async function checkFirstInstallation(
  mesh: Mesh,
  { canary, targets }: Workload,
  plugin: KubeObject,
  belt: KubeObject,
  checks: Checks,
): Promise<void> {
  const { key } = await makeKey('roomy');
  const narrowed = narrow(plugin);
  const passes = async () => {
    assert.equal(
      (await answered(200, () => send(targets.rest), [401, 403])).body.trim(),
      'hello nobody',
    );
  };
  const decides = async (target: Target) => {
    const replies = [await send(target), await send({ ...target, key })];
    return replies.map(({ status }) => status).join() === '401,200';
  };
  // Guarantees that a registry that hangs costs the canary alone, and is seen there.
  await checks.check('the canary: a hanging registry shows at it alone', async () => {
    const silent = await SilentRegistry.start();
    // First, by itself: in one change with the plugin it would wait for the module as that does.
    await apply(narrow(belt));
    const closed = async () => (await send({ ...targets.canary, key })).status === 403;
    await inARow('the canary is closed', closed);
    await apply(pointedTo(narrowed, { url: silent.url }));
    await until('the agent pulls', () => silent.asked > 0);
    await inARow('the canary stays closed', closed, 10);
    await passes();
    assert.ok(!isListed(canary), 'listed without a module');
    await endHanging(mesh, canary, silent);
    await apply(narrowed);
  });
  // Guarantees that the word of the page, "until it is listed", means that the filter decides.
  await checks.check('the canary: with the module it is listed, and decides', async () => {
    await until('it is listed', () => isListed(canary));
    await inARow('it decides', () => decides(targets.canary));
    await passes();
  });
  await checks.check('the canary: with wider selectors the workload decides', async () => {
    await apply(belt);
    await apply(plugin);
    for (const target of Object.values(targets)) await inARow('it decides', () => decides(target));
  });
}

function narrow(object: KubeObject): KubeObject {
  const changed = structuredClone(object);
  Object.assign(changed.spec.selector.matchLabels, CANARY);
  return changed;
}

/** Whether the host hears a pod's proxy, as an operator sees it. */
function isListed({ name, namespace }: Pod): boolean {
  const { items } = JSON.parse(inHost('proxies', '-o', 'json')) as {
    items: { name: string; standing: string }[];
  };
  return items.some(
    (one) => one.standing === 'current' && one.name.includes(`${name}.${namespace}`),
  );
}
