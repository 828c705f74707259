/**
 * The real host of the rig: run with the arguments and resources of its manifests in the network of
 * its pod, asked as an operator asks it.
 */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { ROOT } from '../../runner/layers.ts';
import { MountedConfig } from './config-map.ts';
import {
  type Container,
  type Image,
  inContainer,
  makeMountPoint,
  makeVolume,
  type Volume,
} from './image.ts';
import type { KubeObject } from './kube.ts';
import { FORWARDED, forward, type Mesh, type Pod } from './pods.ts';
import { inPod, type Processes, runIn, until } from './processes.ts';

/** What filters show at the sync port, and what shows that a request has met one. */
export const SECRET = randomBytes(24).toString('hex');
export const MARK = randomBytes(24).toString('hex');
/** The key of the tokens between gateway and workload. */
export const HOP_KEY = randomBytes(32).toString('hex');
/** The environment in which `sidegate samples` fills them in. */
export const SECRETS = {
  SIDEGATE_SYNC_SECRET: SECRET,
  SIDEGATE_MARK: MARK,
  SIDEGATE_HOP_KEY: HOP_KEY,
} as const;
const ADMIN_TOKEN = randomBytes(24).toString('hex');

/** The pod of the host. */
export const HOST_POD: Pod = {
  name: 'sidegate',
  namespace: 'sidegate-system',
  account: 'sidegate',
  address: '10.1.0.20',
  labels: { 'app.kubernetes.io/name': 'sidegate' },
  proxy: 'sidecar',
};

/** Where an operator reaches the admin port, and with which token. */
export const ADMIN_PORT = {
  url: `http://${HOST_POD.address}:${FORWARDED}`,
  token: ADMIN_TOKEN,
} as const;

/** A window of about a day that does not end while the rig runs. */
const WINDOW = ['1d', '23h', '22h'].find((window) => {
  const seconds = window === '1d' ? 86_400 : Number.parseInt(window, 10) * 3_600;
  return seconds - ((Date.now() / 1_000) % seconds) > 3_600;
});

/** An application subscribed to the example's product, and a plan of its name. */
export function applicationOn(name: string, quota: number, state = 'active', plan = name): string {
  return `
apiVersion: sidegate.dev/v1alpha1
kind: Plan
metadata: { name: ${name} }
spec: { limits: [{ name: per-day, class: exact, quota: ${quota}, window: ${WINDOW} }] }
---
apiVersion: sidegate.dev/v1alpha1
kind: Application
metadata: { name: ${name} }
spec: { consumer: acme }
---
apiVersion: sidegate.dev/v1alpha1
kind: Subscription
metadata: { name: ${name} }
spec: { application: ${name}, product: orders, plan: ${plan}, state: ${state} }
`;
}

/** What is started again and again, and changed meanwhile. */
let container: Container | undefined;
let args: readonly string[] = [];
let config: MountedConfig | undefined;

/** Runs the host in a container as its manifests ask for it. */
export async function startHost(
  mesh: Mesh,
  objects: readonly KubeObject[],
  image: Image,
): Promise<void> {
  const { folder } = mesh.processes;
  const texts = objects.find(({ kind }) => kind === 'ConfigMap')?.data as Record<string, string>;
  // One whose quota is not what a test is about.
  const all = { ...texts, 'rig.yaml': applicationOn('roomy', 1_000_000) };
  config = new MountedConfig(path.join(folder, 'resources'), all);
  const pod = objects.find(({ kind }) => kind === 'StatefulSet')?.spec.template.spec;
  args = pod.containers[0].args;
  container = containerOf(pod, image, folder, config.folder);
  forward(mesh, HOST_POD, FORWARDED, 8080);
  await runHost(mesh.processes);
}

/** The container of a pod, its volumes made. */
function containerOf(
  pod: KubeObject['spec'],
  image: Image,
  folder: string,
  resources: string,
): Container {
  const { runAsUser: user, runAsGroup: group, fsGroup } = pod.securityContext;
  const volumes = pod.containers[0].volumeMounts.map((mount: VolumeMount): Volume => {
    const { name, mountPath: at, readOnly = false } = mount;
    makeMountPoint(image, at);
    const { configMap, emptyDir } = pod.volumes.find((one: VolumeMount) => one.name === name) ?? {};
    if (configMap !== undefined) return { at, from: resources, readOnly };
    if (emptyDir !== undefined)
      return { at, size: emptyDir.sizeLimit.replace('Mi', 'm'), readOnly };
    const from = path.join(folder, name);
    makeVolume(from, fsGroup);
    return { at, from, readOnly };
  });
  const memoryMb = Number.parseInt(pod.containers[0].resources.limits.memory, 10);
  return { image, user, group, memoryMb, volumes };
}

interface VolumeMount {
  readonly name: string;
  readonly mountPath: string;
  readonly readOnly?: boolean;
}

/** The container of the host. Throws before the host was started. */
export function hostContainer(): Container {
  if (container === undefined) throw new Error('the host has not been started');
  return container;
}

function mounted(): MountedConfig {
  if (config === undefined) throw new Error('the host has not been started');
  return config;
}

/** Starts the host, or starts it again after it was stopped, and waits until it is ready. */
export async function runHost(processes: Processes): Promise<void> {
  const env = { SIDEGATE_SYNC_SECRET: SECRET, SIDEGATE_ADMIN_TOKEN: ADMIN_TOKEN };
  const one = hostContainer();
  const command = inContainer(one, [...one.image.entry, ...args], env);
  processes.start('host', inPod(HOST_POD.name, command));
  const ready = async () => {
    return (await fetch(`${ADMIN_PORT.url}/readyz`, { signal: AbortSignal.timeout(10_000) })).ok;
  };
  try {
    await until('the host is ready', ready);
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${processes.tail('host')}`);
  }
}

/** Writes a file of resources, as a changed ConfigMap would; the host reads it by itself. */
export function writeResources(name: string, text: string): void {
  mounted().write(name, text);
}

/** A file of resources as it stands. */
export function readResources(name: string): string {
  return mounted().read(name);
}

/** Takes a file of resources away. */
export function removeResources(name: string): void {
  mounted().remove(name);
}

/** A command of `sidegate` inside the host's pod, as port-forward brings an operator there. */
export function inHost(...args: string[]): string {
  const script = path.join(ROOT, 'host/cli/main.ts');
  const env = ['env', `SIDEGATE_ADMIN_TOKEN=${ADMIN_TOKEN}`, 'SIDEGATE_HOST=http://127.0.0.1:8080'];
  return runIn(HOST_POD.name, ...env, process.execPath, script, ...args);
}

/** A key that was made, and the credential to revoke it by. */
export interface MadeKey {
  readonly id: number;
  readonly key: string;
}

/** Makes a key as an operator does, as soon as the host knows the application. */
export function makeKey(application: string): Promise<MadeKey> {
  return until(`a key of ${application}`, () => {
    return JSON.parse(inHost('key', 'create', application, '-o', 'json')) as MadeKey;
  });
}

/** Calls the admin API, over the forwarded port. Throws unless the answer is a good one. */
export async function admin<T>(method: 'GET' | 'POST', at: string, body?: unknown): Promise<T> {
  const headers = {
    authorization: `Bearer ${ADMIN_TOKEN}`,
    ...(body !== undefined && { 'content-type': 'application/json' }),
  };
  const signal = AbortSignal.timeout(30_000);
  const init = {
    method,
    headers,
    signal,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  };
  const response = await fetch(ADMIN_PORT.url + at, init);
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${at}: ${response.status} ${text}`);
  return JSON.parse(text) as T;
}
