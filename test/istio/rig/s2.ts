/**
 * Layout S2 on a real mesh, from the manifests that ship: the filter in the sidecar of the API,
 * pulled from a registry, fed by the real host through its own sidecar, behind the gateway.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { Hopeless } from '../../support/wait.ts';
import type { Checks } from './checks.ts';
import { checkContainer, probersOf } from './container.ts';
import { HOST_POD, inHost, makeKey, SECRETS, startHost } from './host.ts';
import type { Image } from './image.ts';
import { apply, type KubeObject, kube, objectsOf, pathOf } from './kube.ts';
import { type Mesh, type Pod, podReady, startPod } from './pods.ts';
import { inPod, type Processes, until } from './processes.ts';
import { IMAGE, sidegate } from './registry.ts';
import { type Answer, answered, inARow } from './traffic.ts';

/** The host of the example's product. */
export const HOST_NAME = 'orders.example.com';

/** The pods of every layout. */
export const PODS = {
  host: HOST_POD,
  orders: pod('orders', 'shop', 'orders', '10.1.0.10', { app: 'orders' }),
  caller: pod('caller', 'shop', 'caller', '10.1.0.12', { app: 'caller' }),
  gateway: pod('gw', 'istio-ingress', 'istio-ingress', '10.1.0.11', { istio: 'ingress' }, 'router'),
};
/** A machine outside of the mesh. */
export const OUTSIDE = { name: 'plain', address: '10.1.0.13' } as const;

/** A pod of the rig. */
export function pod(
  name: string,
  namespace: string,
  account: string,
  address: string,
  labels: Pod['labels'],
  proxy: Pod['proxy'] = 'sidecar',
): Pod {
  return { name, namespace, account, address, labels, proxy };
}

/** The test of the layout, in the two parts between which istiod is started. */
export const checkSidecarLayout = { prepare, run: runLayout };

/** The manifests of a layout as they ship, filled in. */
export function layoutObjects(layout: string, kind: string, digest: string): KubeObject[] {
  Object.assign(process.env, SECRETS);
  const text = sidegate(
    ...['samples', 'istio', '--layout', layout, '--kind', kind, '--image', IMAGE],
    ...['--digest', digest, '--host-image', 'images.example.net/host:1'],
  );
  return objectsOf(text);
}

/** Applies the manifests, and by hand what controllers would make of them. */
async function prepare(digest: string): Promise<readonly KubeObject[]> {
  const objects = layoutObjects('s2', 'WasmPlugin', digest);
  const { gateway } = PODS;
  const metadata = { name: gateway.account, namespace: gateway.namespace };
  await apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata });
  for (const object of objects) await apply(object);
  await apply(endpoints([PODS.orders], 'orders', { http: 8080 }));
  await apply(endpoints([PODS.host], 'sidegate', { 'http-admin': 8080, 'http-sync': 8081 }));
  return objects;
}

/** A plugin of either kind that takes its module from elsewhere. */
export function pointedTo(plugin: KubeObject, to: { url: string; sha256?: string }): KubeObject {
  const changed = structuredClone(plugin);
  Object.assign(changed.spec.wasm ?? changed.spec, to);
  return changed;
}

/** The plugin among the objects of a layout. */
export function pluginOf(objects: readonly KubeObject[]): KubeObject {
  const found = objects.find(({ kind }) => kind === 'WasmPlugin' || kind === 'TrafficExtension');
  assert.ok(found !== undefined);
  return found;
}

/** What Kubernetes would write of the pods behind a Service. */
export function endpoints(
  pods: readonly Pod[],
  service: string,
  ports: Record<string, number>,
): KubeObject {
  const [{ namespace } = { namespace: '' }] = pods;
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: service, namespace, labels: { 'kubernetes.io/service-name': service } },
    addressType: 'IPv4',
    endpoints: pods.map(({ name, address }) => ({
      addresses: [address],
      conditions: { ready: true },
      targetRef: { kind: 'Pod', name, namespace },
    })),
    ports: Object.entries(ports).map(([name, port]) => ({ name, port, protocol: 'TCP' })),
  };
}

async function runLayout(
  mesh: Mesh,
  image: Image,
  objects: readonly KubeObject[],
  checks: Checks,
): Promise<void> {
  const probers = probersOf(objects);
  for (const one of Object.values(PODS)) {
    await startPod(mesh, one === HOST_POD ? { ...one, probers } : one);
  }
  mesh.processes.makePod(OUTSIDE.name, OUTSIDE.address);
  for (const one of Object.values(PODS)) await podReady(mesh, one);
  await startHost(mesh, objects, image);
  await checkContainer(mesh.processes, checks);
  startOrders(mesh.processes, objects, PODS.orders);
  const key = await makeKey('demo');
  await checkRequests(checks, key.key);
  await checkDoors(checks, objects);
  // Guarantees that whoever is woken at night finds the reason where the manifests put it.
  await checks.check("the sidecar's access log names the reason", async () => {
    await until('the log names quota_exceeded', () =>
      mesh.processes.printed(`proxy-${PODS.orders.name}`).includes('sidegate_quota_exceeded'),
    );
  });
  // Guarantees that revoking reaches a sidecar of a mesh with nothing pushed by istiod.
  await checks.check('a revoked key is refused', async () => {
    inHost('key', 'revoke', String(key.id));
    await inARow('the key is refused', () => ask({ key: key.key }).status === 401);
  });
}

interface Container {
  readonly command: readonly string[];
  readonly args: readonly string[];
}

/** Runs the very command of the example's Deployment, in whatever network. */
export function startOrders(
  processes: Processes,
  objects: readonly KubeObject[],
  { name }: { readonly name: string },
): void {
  const deployment = objects.find(
    ({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'orders',
  );
  assert.ok(deployment !== undefined);
  const { command, args } = deployment.spec.template.spec.containers[0] as Container;
  const [, ...flags] = command;
  processes.start(`app-${name}`, inPod(name, [process.execPath, ...flags, ...args]));
}

interface Question {
  readonly key?: string;
  readonly from?: string;
  readonly url?: string;
  readonly host?: string;
  /** What a caller claims to be the mark of the workload. */
  readonly mark?: string;
}

/** Sends a request with curl from a pod; by default from outside through the gateway. */
export function ask(question: Question): Answer {
  const { key, from = OUTSIDE.name, url = `http://${PODS.gateway.address}/orders` } = question;
  const { host = HOST_NAME, mark } = question;
  const headers = [
    '-H',
    `host: ${host}`,
    ...(key === undefined ? [] : ['-H', `x-api-key: ${key}`]),
    ...(mark === undefined ? [] : ['-H', `x-sidegate-mark: ${mark}`]),
  ];
  const command = ['curl', '-s', '-m', '30', '-w', '\n%{http_code}', ...headers, url];
  const [program = '', ...args] = inPod(from, command);
  const { stdout } = spawnSync(program, args, { encoding: 'utf8' });
  const lines = stdout.split('\n');
  return { status: Number(lines.at(-1)), body: lines.slice(0, -1).join('\n').trim() };
}

async function checkRequests(checks: Checks, key: string): Promise<void> {
  // Guarantees that the module was pulled and decides: without it, 403 or 503 would come.
  await checks.check('a request without a key gets 401 through the gateway', async () => {
    await answered(401, () => ask({}), [200]);
  });
  // Guarantees the whole way, gateway, mTLS, filter, host, and an exact quota over two workers.
  await checks.check('five requests a minute pass, and no sixth', async () => {
    const asked = await spendMinute(key);
    const passed = asked.filter(({ status }) => status === 200);
    assert.deepEqual(new Set(passed.map(({ body }) => body)), new Set(['hello acme']));
    assert.match(asked.at(-1)?.body ?? '', /per-minute/);
  });
}

const QUOTA = 5;
/** Nothing is asked so near to the end of a minute that it could be counted in the next. */
const NEAR_MS = 15_000;

/** Asks until the quota of one minute has passed and two more were denied; answers all of it. */
function spendMinute(key: string): Promise<readonly Answer[]> {
  const leftMs = () => 60_000 - (Date.now() % 60_000);
  return until('a quota is spent within a minute', async () => {
    if (leftMs() < 2 * NEAR_MS) await delay(leftMs() + 500);
    const asked: Answer[] = [];
    const count = (status: number) => asked.filter((one) => one.status === status).length;
    // Workers may not have heard of the key, and one holds units that the other waits for.
    while (leftMs() > NEAR_MS) {
      asked.push(ask({ key }));
      if (count(200) > QUOTA) throw new Hopeless(JSON.stringify(asked));
      if (count(200) === QUOTA && asked.slice(-2).every(({ status }) => status === 429))
        return asked;
    }
    throw new Error(JSON.stringify(asked));
  });
}

/** The address that the API server gave a Service. */
export async function serviceAddress(objects: readonly KubeObject[], name: string) {
  const service = objects.find(
    ({ kind, metadata }) => kind === 'Service' && metadata.name === name,
  );
  assert.ok(service !== undefined);
  return String((await kube('GET', pathOf(service))).spec.clusterIP);
}

async function checkDoors(checks: Checks, objects: readonly KubeObject[]): Promise<void> {
  const { caller, orders, host } = PODS;
  const addressOf = (name: string) => serviceAddress(objects, name);
  // Guarantees that callers inside the mesh meet the same filter.
  await checks.check('a workload of the mesh without a key gets 401', async () => {
    const url = `http://${await addressOf('orders')}/orders`;
    const asked = { from: caller.name, url, host: 'orders.shop.svc.cluster.local' };
    await answered(401, () => ask(asked), [200]);
  });
  // Guarantees that nobody reaches the API beside the mesh.
  await checks.check('plain HTTP past the mesh is refused', () => {
    assert.equal(ask({ url: `http://${orders.address}:8080/orders` }).status, 0);
  });
  // Guarantees that policy, keys' digests and quota are given to the named principals alone.
  await checks.check('another workload does not reach the sync port', async () => {
    const url = `http://${await addressOf('sidegate')}:8081/v1/policy/default`;
    const asked = { from: caller.name, url, host: 'sidegate.sidegate-system:8081' };
    const { body } = await answered(403, () => ask(asked), [200]);
    assert.match(body, /RBAC/);
    assert.equal(ask({ url: `http://${host.address}:8081/v1/policy/default` }).status, 0);
  });
}

/** Takes away what the new objects do not hold, and applies those. */
export async function replace(
  old: readonly KubeObject[],
  objects: KubeObject[],
): Promise<KubeObject[]> {
  const kept = new Set(objects.map(pathOf));
  for (const object of objects) await apply(object);
  for (const object of old) if (!kept.has(pathOf(object))) await kube('DELETE', pathOf(object));
  return objects;
}
