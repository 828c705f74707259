/**
 * Layout S2 on a real mesh, from the manifests that ship: the filter in the sidecar of the API,
 * pulled from a registry, fed by the real host through its own sidecar, behind the gateway.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ROOT } from '../../runner/layers.ts';
import type { Checks } from './checks.ts';
import { apply, type KubeObject, kube, objectsOf, pathOf } from './kube.ts';
import { type Mesh, type Pod, podReady, startPod } from './pods.ts';
import { inPod, run, until } from './processes.ts';
import { IMAGE, sidegate } from './registry.ts';

const SECRET = randomBytes(24).toString('hex');
const ADMIN_TOKEN = randomBytes(24).toString('hex');
const HOST_NAME = 'orders.example.com';

const HOST_LABELS = { 'app.kubernetes.io/name': 'sidegate' };
const SYSTEM = 'sidegate-system';
/** The pods of every layout. */
export const PODS = {
  host: pod('sidegate', SYSTEM, 'sidegate', '10.1.0.20', HOST_LABELS),
  orders: pod('orders', 'shop', 'orders', '10.1.0.10', { app: 'orders' }),
  caller: pod('caller', 'shop', 'caller', '10.1.0.12', { app: 'caller' }),
  gateway: pod('gw', 'istio-ingress', 'istio-ingress', '10.1.0.11', { istio: 'ingress' }, 'router'),
};
const OUTSIDE = 'plain';

function pod(
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
  process.env.SIDEGATE_SYNC_SECRET = SECRET;
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
  await apply(endpoints(PODS.orders, 'orders', { http: 8080 }));
  await apply(endpoints(PODS.host, 'sidegate', { 'http-admin': 8080, 'http-sync': 8081 }));
  return objects;
}

function endpoints(of: Pod, service: string, ports: Record<string, number>): KubeObject {
  const { name, namespace, address } = of;
  const targetRef = { kind: 'Pod', name, namespace };
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: service, namespace, labels: { 'kubernetes.io/service-name': service } },
    addressType: 'IPv4',
    endpoints: [{ addresses: [address], conditions: { ready: true }, targetRef }],
    ports: Object.entries(ports).map(([name, port]) => ({ name, port, protocol: 'TCP' })),
  };
}

async function runLayout(mesh: Mesh, objects: readonly KubeObject[], checks: Checks) {
  for (const one of Object.values(PODS)) await startPod(mesh, one);
  mesh.processes.makePod(OUTSIDE, '10.1.0.13');
  for (const one of Object.values(PODS)) await podReady(mesh, one);
  await startHost(mesh, objects);
  startOrders(mesh, objects);
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

/** An application of the rig's own, whose quota is not what a test is about. */
const ROOMY = `
apiVersion: sidegate.dev/v1alpha1
kind: Plan
metadata: { name: roomy }
spec: { limits: [{ name: per-day, class: exact, quota: 100000, window: 1d }] }
---
apiVersion: sidegate.dev/v1alpha1
kind: Application
metadata: { name: roomy }
spec: { consumer: acme }
---
apiVersion: sidegate.dev/v1alpha1
kind: Subscription
metadata: { name: roomy-orders }
spec: { application: roomy, product: orders, plan: roomy }
`;

/** Runs the host with the arguments and resources of its manifests, in the network of its pod. */
async function startHost({ processes }: Mesh, objects: readonly KubeObject[]): Promise<void> {
  const resources = path.join(processes.folder, 'resources');
  mkdirSync(resources);
  const texts = objects.find(({ kind }) => kind === 'ConfigMap')?.data as Record<string, string>;
  for (const [name, text] of Object.entries(texts)) writeFileSync(path.join(resources, name), text);
  const stateful = objects.find(({ kind }) => kind === 'StatefulSet');
  writeFileSync(path.join(resources, 'rig.yaml'), ROOMY);
  const args = stateful?.spec.template.spec.containers[0].args as string[];
  const placed = args.map((argument) =>
    argument
      .replace('/etc/sidegate', resources)
      .replace('/var/lib/sidegate', path.join(processes.folder, 'store')),
  );
  const command = [process.execPath, path.join(ROOT, 'host/main.ts'), ...placed];
  const env = { SIDEGATE_SYNC_SECRET: SECRET, SIDEGATE_ADMIN_TOKEN: ADMIN_TOKEN };
  processes.start('host', inPod(PODS.host.name, command), env);
  try {
    const probe = inPod(PODS.host.name, ['curl', '-sf', '127.0.0.1:8080/readyz']);
    const [program = '', ...rest] = probe;
    await until('the host is ready', () => run(program, rest) !== undefined, 30);
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${processes.tail('host')}`);
  }
}

interface Container {
  readonly command: readonly string[];
  readonly args: readonly string[];
}

/** Runs the very command of the example's Deployment. */
function startOrders({ processes }: Mesh, objects: readonly KubeObject[]): void {
  const deployment = objects.find(
    ({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'orders',
  );
  assert.ok(deployment !== undefined);
  const { command, args } = deployment.spec.template.spec.containers[0] as Container;
  const [, ...flags] = command;
  processes.start('orders', inPod(PODS.orders.name, [process.execPath, ...flags, ...args]));
}

/** A command of `sidegate` inside the host's pod, as port-forward brings an operator there. */
function inHost(...args: string[]): string {
  const script = path.join(ROOT, 'host/cli/main.ts');
  const env = ['env', `SIDEGATE_ADMIN_TOKEN=${ADMIN_TOKEN}`, 'SIDEGATE_HOST=http://127.0.0.1:8080'];
  const command = inPod(PODS.host.name, [...env, process.execPath, script, ...args]);
  const [program = '', ...rest] = command;
  return run(program, rest);
}

/** Makes a key as an operator does. */
export function makeKey(application: string): { id: number; key: string } {
  return JSON.parse(inHost('key', 'create', application, '-o', 'json'));
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
}

/** Sends a request with curl from a pod; by default from outside through the gateway. */
export function ask(question: Question): Asked {
  const { key, from = OUTSIDE, url = `http://${PODS.gateway.address}/orders` } = question;
  const { host = HOST_NAME } = question;
  const headers = [
    '-H',
    `host: ${host}`,
    ...(key === undefined ? [] : ['-H', `x-api-key: ${key}`]),
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
  await checks.check('five requests a minute pass, the sixth gets 429', async () => {
    const intoMinute = Date.now() % 60_000;
    if (intoMinute > 45_000) await delay(60_500 - intoMinute);
    const asked = Array.from({ length: 7 }, () => ask({ key }));
    const text = JSON.stringify(asked);
    const expected = [200, 200, 200, 200, 200, 429, 429];
    assert.deepEqual(
      asked.map(({ status }) => status),
      expected,
      text,
    );
    assert.equal(asked[0]?.body, 'hello acme');
    assert.match(asked[5]?.body ?? '', /per-minute/);
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
    const asked = ask({ from: caller.name, url, host: 'orders.shop.svc.cluster.local' });
    assert.equal(asked.status, 401, asked.body);
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
