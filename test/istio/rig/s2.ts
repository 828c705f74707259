/**
 * Layout S2 on a real mesh, from the manifests that ship: the filter in the sidecar of the API,
 * pulled from a registry, fed by the real host through its own sidecar, behind the gateway.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import type { Checks } from './checks.ts';
import { HOST_POD, inHost, makeKey, SECRETS, startHost } from './host.ts';
import { apply, type KubeObject, kube, objectsOf, pathOf } from './kube.ts';
import { type Mesh, type Pod, podReady, startPod } from './pods.ts';
import { inPod, until } from './processes.ts';
import { IMAGE, sidegate } from './registry.ts';

/** The host of the example's product. */
export const HOST_NAME = 'orders.example.com';

/** The pods of every layout. */
export const PODS = {
  host: HOST_POD,
  orders: pod('orders', 'shop', 'orders', '10.1.0.10', { app: 'orders' }),
  caller: pod('caller', 'shop', 'caller', '10.1.0.12', { app: 'caller' }),
  gateway: pod('gw', 'istio-ingress', 'istio-ingress', '10.1.0.11', { istio: 'ingress' }, 'router'),
};
const OUTSIDE = 'plain';

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

async function runLayout(mesh: Mesh, objects: readonly KubeObject[], checks: Checks) {
  for (const one of Object.values(PODS)) await startPod(mesh, one);
  mesh.processes.makePod(OUTSIDE, '10.1.0.13');
  for (const one of Object.values(PODS)) await podReady(mesh, one);
  await startHost(mesh, objects);
  startOrders(mesh, objects, PODS.orders);
  const key = makeKey('demo');
  await checkRequests(checks, key.key);
  await checkDoors(checks, objects);
  // Guarantees that whoever is woken at night finds the reason where the manifests put it.
  await checks.check("the sidecar's access log names the reason", () =>
    until(
      'the log names quota_exceeded',
      () => mesh.processes.printed(`proxy-${PODS.orders.name}`).includes('sidegate_quota_exceeded'),
      15,
    ),
  );
  // Guarantees that revoking reaches a sidecar of a mesh with nothing pushed by istiod.
  await checks.check('a revoked key is refused within five seconds', async () => {
    inHost('key', 'revoke', String(key.id));
    await until('the key is refused', () => ask({ key: key.key }).status === 401, 5);
  });
}

interface Container {
  readonly command: readonly string[];
  readonly args: readonly string[];
}

/** Runs the very command of the example's Deployment. */
export function startOrders(mesh: Mesh, objects: readonly KubeObject[], of: Pod): void {
  const deployment = objects.find(
    ({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'orders',
  );
  assert.ok(deployment !== undefined);
  const { command, args } = deployment.spec.template.spec.containers[0] as Container;
  const [, ...flags] = command;
  const run = inPod(of.name, [process.execPath, ...flags, ...args]);
  mesh.processes.start(`app-${of.name}`, run);
}

interface Asked {
  /** 0 when there was no answer. */
  readonly status: number;
  readonly body: string;
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
export function ask(question: Question): Asked {
  const { key, from = OUTSIDE, url = `http://${PODS.gateway.address}/orders` } = question;
  const { host = HOST_NAME, mark } = question;
  const headers = [
    '-H',
    `host: ${host}`,
    ...(key === undefined ? [] : ['-H', `x-api-key: ${key}`]),
    ...(mark === undefined ? [] : ['-H', `x-sidegate-mark: ${mark}`]),
  ];
  const command = ['curl', '-s', '-m', '5', '-w', '\n%{http_code}', ...headers, url];
  const [program = '', ...args] = inPod(from, command);
  const { stdout } = spawnSync(program, args, { encoding: 'utf8' });
  const lines = stdout.split('\n');
  return { status: Number(lines.at(-1)), body: lines.slice(0, -1).join('\n').trim() };
}

async function checkRequests(checks: Checks, key: string): Promise<void> {
  // Guarantees that the module was pulled and decides: without it, 403 or 503 would come.
  await checks.check('a request without a key gets 401 through the gateway', () =>
    until('the filter answers 401', () => ask({}).status === 401, 20),
  );
  // Guarantees the whole way, gateway, mTLS, filter, host, and an exact quota over two workers.
  await checks.check('five requests a minute pass, and no sixth', async () => {
    const intoMinute = Date.now() % 60_000;
    if (intoMinute > 40_000) await delay(60_500 - intoMinute);
    const asked: Asked[] = [];
    const passed = () => asked.filter(({ status }) => status === 200).length;
    // A unit that the other worker holds comes back at its next report.
    await until(
      'five have passed',
      () => {
        asked.push(ask({ key }));
        return passed() >= 5;
      },
      15,
    );
    asked.push(ask({ key }), ask({ key }));
    const text = JSON.stringify(asked);
    assert.equal(passed(), 5, text);
    // The key is new: a worker whose watch has not told it yet refuses it for a moment.
    assert.equal(asked.find(({ status }) => status === 200)?.body, 'hello acme');
    assert.equal(asked.at(-1)?.status, 429, text);
    assert.match(asked.at(-1)?.body ?? '', /per-minute/);
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
    // The other worker may only now have found the host, which started after its proxy.
    const asked = { from: caller.name, url, host: 'orders.shop.svc.cluster.local' };
    await settled('it is refused', () => ask(asked).status === 401);
  });
  // Guarantees that nobody reaches the API beside the mesh.
  await checks.check('plain HTTP past the mesh is refused', () => {
    assert.equal(ask({ url: `http://${orders.address}:8080/orders` }).status, 0);
  });
  // Guarantees that policy, keys' digests and quota are given to the named principals alone.
  await checks.check('another workload does not reach the sync port', async () => {
    const url = `http://${await addressOf('sidegate')}:8081/v1/policy/default`;
    const asked = ask({ from: caller.name, url, host: 'sidegate.sidegate-system:8081' });
    assert.equal(asked.status, 403, asked.body);
    assert.match(asked.body, /RBAC/);
    assert.equal(ask({ url: `http://${host.address}:8081/v1/policy/default` }).status, 0);
  });
}

const MOVED_SECONDS = 20;

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

/**
 * Waits until something holds three times in a row: a pooled connection gives one more answer from
 * the listener that was.
 */
export async function settled(
  what: string,
  holds: () => boolean | Promise<boolean>,
): Promise<void> {
  let row = 0;
  await until(
    what,
    async () => {
      row = (await holds()) ? row + 1 : 0;
      return row === 3;
    },
    MOVED_SECONDS,
  );
}
