/**
 * The other layouts on the mesh that S2 left behind: each takes the place of the one before, as an
 * operator would move, and shows what makes it different.
 */
import assert from 'node:assert/strict';
import type { Checks } from './checks.ts';
import { apply, type KubeObject, kube, pathOf } from './kube.ts';
import { until } from './processes.ts';
import { ask, layoutObjects, makeKey, PODS, serviceAddress } from './s2.ts';

const MOVED_SECONDS = 20;

/** Runs the checks of TrafficExtension, S4, S1 and S10, in this order. */
export async function checkOtherLayouts(
  checks: Checks,
  first: readonly KubeObject[],
  digest: string,
): Promise<void> {
  const { key } = makeKey('roomy');
  const inside = `http://${await serviceAddress(first, 'orders')}/orders`;
  const host = 'orders.shop.svc.cluster.local';
  const byCaller = (presented?: string) => {
    const question = { from: PODS.caller.name, url: inside, host };
    return ask(presented === undefined ? question : { ...question, key: presented }).status;
  };
  const plain = { url: `http://${PODS.orders.address}:8080/orders`, host };
  let now = first;
  const moveTo = async (layout: string, kind: string) => {
    now = await replace(now, layoutObjects(layout, kind, digest));
  };

  // Guarantees that moving from WasmPlugin to TrafficExtension leaves the API enforced.
  await checks.check('S2 by TrafficExtension decides as before', async () => {
    await moveTo('s2', 'TrafficExtension');
    await settled('a key passes', () => ask({ key }).status === 200);
    await settled('no key is refused', () => ask({}).status === 401);
    await settled('the caller is refused', () => byCaller() === 401);
  });
  // Guarantees that east-west callers need nothing but their key.
  await checks.check('S3: a workload of the mesh passes with its key', async () => {
    await moveTo('s3', 'WasmPlugin');
    await settled('the caller passes', () => byCaller(key) === 200);
    await settled('the caller is refused', () => byCaller() === 401);
  });
  // Guarantees that keys work for callers without mTLS, and that they do not get round the filter.
  await checks.check('S4: plain HTTP meets the filter', async () => {
    await moveTo('s4', 'WasmPlugin');
    await settled('plain HTTP with a key passes', () => ask({ ...plain, key }).status === 200);
    await settled('plain HTTP without is refused', () => ask(plain).status === 401);
    await settled('so is mTLS', () => byCaller() === 401 && byCaller(key) === 200);
  });
  // Guarantees that the gateway enforces, and that its README says truly what it does not close.
  await checks.check('S1: the gateway decides, the mesh inside does not', async () => {
    await moveTo('s1', 'WasmPlugin');
    await settled('no key is refused', () => ask({}).status === 401);
    await settled('a key passes', () => ask({ key }).status === 200);
    await settled('the mesh inside passes', () => byCaller() === 200);
    assert.equal(ask(plain).status, 0, 'plain HTTP past the gateway');
  });
  // Guarantees that nothing leads round the gateway, so that each request is counted there.
  await checks.check('S10: nobody but the gateway reaches the API', async () => {
    await moveTo('s10', 'WasmPlugin');
    await settled('the caller is turned away', () => byCaller(key) === 403);
    await settled('a key passes', () => ask({ key }).status === 200);
    await settled('no key is refused', () => ask({}).status === 401);
  });
}

/** Takes away what the new objects do not hold, and applies those. */
async function replace(old: readonly KubeObject[], objects: KubeObject[]): Promise<KubeObject[]> {
  const kept = new Set(objects.map(pathOf));
  for (const object of objects) await apply(object);
  for (const object of old) if (!kept.has(pathOf(object))) await kube('DELETE', pathOf(object));
  return objects;
}

/**
 * Waits until something holds three times in a row: a pooled connection gives one more answer from
 * the listener that was.
 */
async function settled(what: string, holds: () => boolean): Promise<void> {
  let row = 0;
  await until(
    what,
    () => {
      row = holds() ? row + 1 : 0;
      return row === 3;
    },
    MOVED_SECONDS,
  );
}
