/**
 * The real host of the rig: run with the arguments and resources of its manifests in the network of
 * its pod, asked as an operator asks it.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from '../../runner/layers.ts';
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

let command: string[] = [];

/** Runs the host with the arguments and resources of its manifests. */
export async function startHost(mesh: Mesh, objects: readonly KubeObject[]): Promise<void> {
  const { processes } = mesh;
  const folder = folderOf(processes);
  mkdirSync(folder);
  const texts = objects.find(({ kind }) => kind === 'ConfigMap')?.data as Record<string, string>;
  for (const [name, text] of Object.entries(texts)) writeFileSync(path.join(folder, name), text);
  // One whose quota is not what a test is about.
  writeFileSync(path.join(folder, 'rig.yaml'), applicationOn('roomy', 1_000_000));
  const stateful = objects.find(({ kind }) => kind === 'StatefulSet');
  const args = stateful?.spec.template.spec.containers[0].args as string[];
  const placed = args.map((argument) =>
    argument
      .replace('/etc/sidegate', folder)
      .replace('/var/lib/sidegate', path.join(processes.folder, 'store')),
  );
  command = [process.execPath, path.join(ROOT, 'host/main.ts'), ...placed];
  forward(mesh, HOST_POD, FORWARDED, 8080);
  await runHost(processes);
}

/** Starts the host, or starts it again after it was stopped, and waits until it is ready. */
export async function runHost(processes: Processes): Promise<void> {
  const env = { SIDEGATE_SYNC_SECRET: SECRET, SIDEGATE_ADMIN_TOKEN: ADMIN_TOKEN };
  processes.start('host', inPod(HOST_POD.name, command), env);
  const ready = async () => {
    return (await fetch(`${ADMIN_PORT.url}/readyz`, { signal: AbortSignal.timeout(10_000) })).ok;
  };
  try {
    await until('the host is ready', ready);
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${processes.tail('host')}`);
  }
}

function folderOf({ folder }: Processes): string {
  return path.join(folder, 'resources');
}

/** Writes a file of resources, as a changed ConfigMap would; the host reads it by itself. */
export function writeResources(processes: Processes, name: string, text: string): void {
  const written = path.join(processes.folder, 'written');
  writeFileSync(written, text);
  renameSync(written, path.join(folderOf(processes), name));
}

/** A file of resources as it stands. */
export function readResources(processes: Processes, name: string): string {
  return readFileSync(path.join(folderOf(processes), name), 'utf8');
}

/** Takes a file of resources away. */
export function removeResources(processes: Processes, name: string): void {
  rmSync(path.join(folderOf(processes), name));
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
