/**
 * Pods of the rig: an object for istiod, a network with capture, and the agent with a real Envoy in
 * it, as the injector would have set them up.
 */
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { BUILT } from './cache.ts';
import { REGISTRY } from './control.ts';
import { apply, type KubeObject, podToken } from './kube.ts';
import { inPod, type Processes, run, runIn, until } from './processes.ts';

/** A pod to start. */
export interface Pod {
  readonly name: string;
  readonly namespace: string;
  readonly account: string;
  readonly address: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly proxy: 'sidecar' | 'router';
}

/** What all pods share. */
export interface Mesh {
  readonly processes: Processes;
  readonly certificate: string;
  readonly envoy: string;
}

const PROXY_USER = '1337';

/** Where the rig reaches what listens on a pod's loopback, as `kubectl port-forward` does. */
export const FORWARDED = 18_080;

/** Starts the proxy of a pod; it is ready when `podReady` says so. */
export async function startPod(mesh: Mesh, pod: Pod): Promise<void> {
  const { processes } = mesh;
  processes.makePod(pod.name, pod.address);
  await apply(objectOf(pod));
  const token = await podToken(pod.namespace, pod.account, pod.name);
  const folder = folderOf(mesh, pod);
  const secrets = path.join(folder, 'var/run/secrets');
  mkdirSync(path.join(secrets, 'tokens'), { recursive: true });
  mkdirSync(path.join(secrets, 'istio'), { recursive: true });
  writeFileSync(path.join(secrets, 'tokens/istio-token'), token);
  writeFileSync(path.join(secrets, 'istio/root-cert.pem'), mesh.certificate);
  const files = { agent: BUILT.agent, envoy: mesh.envoy, 'bootstrap.json': BUILT.bootstrap };
  for (const [name, from] of Object.entries(files)) {
    copyFileSync(from, path.join(folder, name));
    chmodSync(path.join(folder, name), 0o755);
  }
  run('chown', ['-R', `${PROXY_USER}:${PROXY_USER}`, folder]);
  if (pod.proxy === 'sidecar') capture(pod.name, folder);
  startProxy(mesh, pod);
}

/** Starts the agent and, with it, the proxy of a pod that has been set up. */
export function startProxy(mesh: Mesh, pod: Pod, workers = 2): void {
  const folder = folderOf(mesh, pod);
  const command = inPod(pod.name, agent(pod, folder));
  mesh.processes.start(proxyOf(pod), command, environment(pod, folder, workers));
}

/** The name of a pod's proxy among the processes. */
export function proxyOf({ name }: Pod): string {
  return `proxy-${name}`;
}

/** Ends the proxy of a pod and starts it again, as another pod of the workload would. */
export async function restartProxy(mesh: Mesh, pod: Pod, workers = 2): Promise<void> {
  await mesh.processes.stopOne(proxyOf(pod));
  startProxy(mesh, pod, workers);
  await podReady(mesh, pod);
}

function folderOf({ processes }: Mesh, pod: Pod): string {
  return path.join(processes.folder, proxyOf(pod));
}

/** Waits until a proxy has its configuration. */
export async function podReady({ processes }: Mesh, pod: Pod): Promise<void> {
  const { name } = pod;
  const asks = ['curl', '-sf', '-m', '10', '127.0.0.1:15021/healthz/ready'];
  try {
    await until(`the proxy of ${name} is ready`, () => runIn(name, ...asks) !== undefined);
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${processes.tail(proxyOf(pod))}`);
  }
}

/** What a proxy has of plugins and their configuration, as it tells. */
export function extensionsOf({ name }: Pod): string {
  const url = '127.0.0.1:15000/config_dump?resource=ecds_filters';
  return runIn(name, 'curl', '-s', '-m', '30', url);
}

/** Forwards from the pod's address to a port of its loopback. */
export function forward({ processes }: Mesh, { name }: Pod, from: number, to: number): void {
  const script = `require('net').createServer((one) => {
    const other = require('net').connect(${to}, '127.0.0.1');
    for (const [socket, peer] of [[one, other], [other, one]]) {
      socket.on('error', () => {}).on('close', () => peer.destroy());
    }
    one.pipe(other).pipe(one);
  }).listen(${from})`;
  processes.start(`forward-${name}-${from}`, inPod(name, [process.execPath, '-e', script]));
}

function objectOf({ name, namespace, account, address, labels }: Pod): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    // The injector sets the last label; without it istiod would send plain text to the pod.
    metadata: { name, namespace, labels: { ...labels, 'security.istio.io/tlsMode': 'istio' } },
    spec: {
      nodeName: 'node',
      serviceAccountName: account,
      containers: [{ name: 'app', image: 'none' }],
    },
    status: {
      phase: 'Running',
      podIP: address,
      podIPs: [{ ip: address }],
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  };
}

function capture(name: string, folder: string): void {
  const options = [
    ['-p', '15001', '-z', '15006', '-u', PROXY_USER, '-g', PROXY_USER, '-m', 'REDIRECT'],
    ['-i', '*', '-b', '*', '-d', `15090,15021,15020,15000,${FORWARDED}`],
  ];
  runIn(name, path.join(folder, 'agent'), 'istio-iptables', ...options.flat());
}

/** The agent wants its folder of data at a fixed place; each gets one that only it sees. */
function agent(pod: Pod, folder: string): string[] {
  const set = [
    'cd "$0" && mount -t tmpfs none /var/lib && mkdir -p /var/lib/istio/data',
    `chown -R ${PROXY_USER} /var/lib/istio`,
    `exec setpriv --reuid ${PROXY_USER} --regid ${PROXY_USER} --clear-groups "$@"`,
  ];
  const options = [
    ['proxy', pod.proxy, '--domain', `${pod.namespace}.svc.cluster.local`],
    ['--templateFile', path.join(folder, 'bootstrap.json'), '--proxyLogLevel', 'warning'],
    ['--proxyComponentLogLevel', 'wasm:info', '--log_output_level', 'default:info,wasm:debug'],
  ];
  const command = [path.join(folder, 'agent'), ...options.flat()];
  return ['unshare', '-m', 'sh', '-c', set.join(' && '), folder, ...command];
}

function environment(pod: Pod, folder: string, workers: number): Record<string, string> {
  const proxy = {
    discoveryAddress: 'istiod.istio-system.svc:15012',
    binaryPath: path.join(folder, 'envoy'),
    configPath: folder,
    statusPort: 15_020,
    concurrency: workers,
    drainDuration: '1s',
    terminationDrainDuration: '1s',
  };
  return {
    PROXY_CONFIG: JSON.stringify(proxy),
    POD_NAME: pod.name,
    POD_NAMESPACE: pod.namespace,
    INSTANCE_IP: pod.address,
    SERVICE_ACCOUNT: pod.account,
    ISTIO_METAJSON_LABELS: JSON.stringify(pod.labels),
    ISTIO_META_CLUSTER_ID: 'Kubernetes',
    ISTIO_META_INTERCEPTION_MODE: 'REDIRECT',
    ISTIO_META_ISTIO_VERSION: '1.31.0',
    CLOUD_PLATFORM: 'none',
    PEER_METADATA_DISCOVERY: 'false',
    JWT_POLICY: 'third-party-jwt',
    PILOT_CERT_PROVIDER: 'istiod',
    WASM_INSECURE_REGISTRIES: REGISTRY,
    HOME: folder,
    TMPDIR: folder,
  };
}
