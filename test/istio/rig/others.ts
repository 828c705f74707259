/**
 * The other layouts on the mesh that S2 left behind: each takes the place of the one before, as an
 * operator would move, and shows what makes it different.
 */
import assert from 'node:assert/strict';
import { checkBelt } from './belt.ts';
import type { Checks } from './checks.ts';
import { checkClaims } from './claims.ts';
import { applicationOn, makeKey, readResources, removeResources, writeResources } from './host.ts';
import { apply, type KubeObject } from './kube.ts';
import { type Mesh, runsModule } from './pods.ts';
import { until } from './processes.ts';
import { type Digests, referenceOf } from './registry.ts';
import {
  ask,
  layoutObjects,
  OUTSIDE,
  PODS,
  pluginOf,
  pointedTo,
  replace,
  serviceAddress,
  startOrders,
} from './s2.ts';
import { checkAdapterSteps } from './s5.ts';
import { answered, inARow } from './traffic.ts';

const BY_CERTIFICATE = `
apiVersion: sidegate.dev/v1alpha1
kind: Credential
metadata: { name: caller }
spec: { application: roomy, principal: spiffe://cluster.local/ns/shop/sa/caller }
`;

/** Runs the checks of the other layouts one after another; answers the objects of the last. */
export async function checkOtherLayouts(
  mesh: Mesh,
  checks: Checks,
  first: readonly KubeObject[],
  digests: Digests,
): Promise<readonly KubeObject[]> {
  const { key } = await makeKey('roomy');
  const inside = `http://${await serviceAddress(first, 'orders')}/orders`;
  const host = 'orders.shop.svc.cluster.local';
  const byCaller = (presented?: string) => {
    const question = { from: PODS.caller.name, url: inside, host };
    return ask(presented === undefined ? question : { ...question, key: presented }).status;
  };
  const plain = { url: `http://${PODS.orders.address}:8080/orders`, host };
  let now = first;
  const moveTo = async (layout: string, kind: string) => {
    now = await replace(now, layoutObjects(layout, kind, digests.image));
  };

  // Guarantees that moving from WasmPlugin to TrafficExtension leaves the API enforced.
  await checks.check('S2 by TrafficExtension decides as before', async () => {
    await moveTo('s2', 'TrafficExtension');
    await inARow('a key passes', () => ask({ key }).status === 200);
    await inARow('no key is refused', () => ask({}).status === 401);
    await inARow('the caller is refused', () => byCaller() === 401);
  });
  await checkBelt(mesh, now, key, checks);
  await checkArtifact(checks, pluginOf(now), digests.artifact, key);
  await moveTo('s2', 'WasmPlugin');
  await checkClaims(checks, pluginOf(now));
  await moveTo('s5', 'WasmPlugin');
  await inARow('no key is refused', () => ask({}).status === 401);
  await checkAdapterSteps(checks);
  // Guarantees that east-west callers need nothing but their key.
  await checks.check('S3: a workload of the mesh passes with its key', async () => {
    await moveTo('s3', 'WasmPlugin');
    await inARow('the caller passes', () => byCaller(key) === 200);
    await inARow('the caller is refused', () => byCaller() === 401);
  });
  await checkCertificate(checks, inside, byCaller);
  // Guarantees that calls can be held where they leave, and that other calls pass.
  await checks.check('S3 outbound: the sidecar of the caller decides', async () => {
    await moveTo('s3-outbound', 'WasmPlugin');
    await inARow('no key is refused', () => byCaller() === 401);
    await inARow('a key passes', () => byCaller(key) === 200);
    startOrders(mesh.processes, first, OUTSIDE);
    const url = `http://${OUTSIDE.address}:8080/`;
    const other = { from: PODS.caller.name, url, host: 'other.example.com' };
    assert.equal((await answered(200, () => ask(other), [401, 403])).body, 'hello nobody');
  });
  // Guarantees that keys work for callers without mTLS, and that they do not get round the filter.
  await checks.check('S4: plain HTTP meets the filter', async () => {
    await moveTo('s4', 'WasmPlugin');
    await inARow('plain HTTP with a key passes', () => ask({ ...plain, key }).status === 200);
    await inARow('plain HTTP without is refused', () => ask(plain).status === 401);
    await inARow('so is mTLS', () => byCaller() === 401 && byCaller(key) === 200);
  });
  await checkGatewayLayouts(checks, moveTo, { key, byCaller, plain });
  await moveTo('s10-both', 'WasmPlugin');
  await checkCountedOnce(checks, key, byCaller);
  return now;
}

/** The other form of the module, which the agent unpacks in another way. */
async function checkArtifact(
  checks: Checks,
  plugin: KubeObject,
  digest: string,
  key: string,
): Promise<void> {
  // Guarantees that who pushes the artifact form gets the same filter.
  await checks.check('the artifact form is pulled and decides', async () => {
    const sha256 = digest.replace('sha256:', '');
    await apply(pointedTo(plugin, { url: `oci://${referenceOf('artifact')}`, sha256 }));
    await until('the proxy runs it', () => runsModule(PODS.orders, sha256));
    const decides = () => ask({}).status === 401 && ask({ key }).status === 200;
    await inARow('it decides', decides);
    await apply(plugin);
  });
}

interface Asking {
  readonly key: string;
  readonly byCaller: (presented?: string) => number;
  readonly plain: { readonly url: string; readonly host: string };
}

/** The layouts in which the gateway decides. */
async function checkGatewayLayouts(
  checks: Checks,
  moveTo: (layout: string, kind: string) => Promise<void>,
  { key, byCaller, plain }: Asking,
): Promise<void> {
  // Guarantees that the gateway enforces, and that its README says truly what it does not close.
  await checks.check('S1: the gateway decides, the mesh inside does not', async () => {
    await moveTo('s1', 'WasmPlugin');
    await inARow('no key is refused', () => ask({}).status === 401);
    await inARow('a key passes', () => ask({ key }).status === 200);
    await inARow('the mesh inside passes', () => byCaller() === 200);
    await inARow('plain HTTP past the gateway is cut off', () => ask(plain).status === 0);
  });
  // Guarantees that nothing leads round the gateway, so that each request is counted there.
  await checks.check('S10: nobody but the gateway reaches the API', async () => {
    await moveTo('s10', 'WasmPlugin');
    await inARow('the caller is turned away', () => byCaller(key) === 403);
    await inARow('a key passes', () => ask({ key }).status === 200);
    await inARow('no key is refused', () => ask({}).status === 401);
  });
}

/** A workload as the caller of S3, by its certificate. */
async function checkCertificate(
  checks: Checks,
  url: string,
  byCaller: () => number,
): Promise<void> {
  // Guarantees that a workload is known by its certificate alone, and another one is not.
  await checks.check('S3: a workload of the mesh passes by its certificate', async () => {
    const orders = readResources('orders.yaml');
    const known = orders.replace(/^( *)- apiKey: .*$/m, '$&\n$1- mtls: {}');
    assert.notEqual(known, orders);
    writeResources('orders.yaml', known);
    writeResources('caller.yaml', BY_CERTIFICATE);
    await inARow('the caller passes without a key', () => byCaller() === 200);
    const question = { from: PODS.caller.name, url, host: 'orders.shop.svc.cluster.local' };
    assert.equal((await answered(200, () => ask(question))).body, 'hello acme');
    removeResources('caller.yaml');
    writeResources('orders.yaml', orders);
    await inARow('the caller is refused', () => byCaller() === 401);
  });
}

/** Filters on gateway and workload, of which one counts. */
async function checkCountedOnce(
  checks: Checks,
  known: string,
  byCaller: (presented?: string) => number,
): Promise<void> {
  writeResources('counted.yaml', applicationOn('counted', 10));
  const { key } = await makeKey('counted');
  // Guarantees that two filters count one request once: ten units are ten requests, of which five
  // pass both filters and five the inner one alone.
  await checks.check('S10 both: ten units are ten requests, however they come', async () => {
    await inARow('both refuse', () => ask({}).status === 401 && byCaller() === 401);
    // What the first filter has counted, a second without a policy must not lose.
    const bothPass = () => ask({ key: known }).status === 200 && byCaller(known) === 200;
    await inARow('both pass a known key', bothPass, 10);
    const passed = { outside: 0, inside: 0 };
    await until('five pass both filters', () => {
      if (ask({ key }).status === 200) passed.outside += 1;
      return passed.outside === 5;
    });
    await until('five pass the inner one', () => {
      if (byCaller(key) === 200) passed.inside += 1;
      return passed.inside === 5;
    });
    await until('no more pass', () => ask({ key }).status === 429 && byCaller(key) === 429);
  });
}
