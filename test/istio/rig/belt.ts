/**
 * The safety belt on the sidecar of the API: without the plugin, and while a registry hangs,
 * nothing passes.
 */
import assert from 'node:assert/strict';
import type { Checks } from './checks.ts';
import { apply, type KubeObject, kube, pathOf } from './kube.ts';
import { endHanging, type Mesh } from './pods.ts';
import { SilentRegistry } from './registry.ts';
import { ask, PODS, pluginOf, pointedTo } from './s2.ts';
import { inARow } from './traffic.ts';

/** For longer than a fetch that works, and shorter than one that hangs, which is 30 s. */
const WATCHED_MS = 6_000;

/** Checks the belt of the layout that is in force; leaves its plugin as it was. */
export async function checkBelt(
  mesh: Mesh,
  objects: readonly KubeObject[],
  key: string,
  checks: Checks,
): Promise<void> {
  const plugin = pluginOf(objects);
  const back = async () => {
    await apply(plugin);
    await inARow('the plugin decides', () => ask({}).status === 401 && ask({ key }).status === 200);
  };
  // Guarantees that a plugin that is missing, by whatever mistake, closes the API.
  await checks.check('the belt: without the plugin every request gets 403', async () => {
    await kube('DELETE', pathOf(plugin));
    const questions = [{}, { key }, { key, mark: 'a-guess-at-the-mark' }];
    await inARow('nothing passes', () => questions.every((one) => ask(one).status === 403));
    await back();
  });
  // Guarantees that a first installation is closed while a registry hangs.
  await checks.check('the belt: a hanging registry opens nothing', async () => {
    const silent = await SilentRegistry.start();
    await kube('DELETE', pathOf(plugin));
    await inARow('nothing passes', () => ask({ key }).status === 403);
    await apply(pointedTo(plugin, { url: silent.url }));
    const end = performance.now() + WATCHED_MS;
    const seen = new Set<number>();
    // Without a key: a pooled connection may yet meet the plugin that was, where a key passes.
    while (performance.now() < end || seen.size === 0) seen.add(ask({}).status);
    assert.ok(!seen.has(200) && seen.has(403), [...seen].join());
    await kube('DELETE', pathOf(plugin));
    await endHanging(mesh, PODS.orders, silent);
    await back();
  });
}
