/**
 * Pods of the rig: an object for istiod, a network with capture, and the agent with a real Envoy in
 * it, as the injector would have set them up.
 */
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { BUILT } from './cache.ts';
import { REGISTRY } from './control.ts';
import type { Certificate } from './hbone.ts';
import { apply, type KubeObject, podToken } from './kube.ts';
import { inPod, type Processes, run, runIn, until } from './processes.ts';
import type { SilentRegistry } from './registry.ts';

/** A pod to start. */
export interface Pod {
  readonly name: string;
  readonly namespace: string;
  readonly account: string;
  readonly address: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly proxy: 'sidecar' | 'router' | 'waypoint';
  /** What it says it is, when not of istiod's own version. */
  readonly version?: string;
  /** Probes that the agent answers by asking the application. */
  readonly probers?: string;
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
  mkdirSync(path.join(folder, CERTIFICATES));
  writeFileSync(path.join(secrets, 'tokens/istio-token'), token);
  writeFileSync(path.join(secrets, 'istio/root-cert.pem'), mesh.certificate);
  for (const [name, from] of Object.entries({ agent: BUILT.agent, envoy: mesh.envoy })) {
    copyFileSync(from, path.join(folder, name));
    chmodSync(path.join(folder, name), 0o755);
  }
  // A stock Envoy lacks the extension by which Istio's own learns of peers, for telemetry.
  const bootstrap = readFileSync(BUILT.bootstrap, 'utf8');
  const stock = bootstrap.replaceAll('{{- if .metadata_discovery }}', '{{- if false }}');
  writeFileSync(path.join(folder, 'bootstrap.json'), stock);
  run('chown', ['-R', `${PROXY_USER}:${PROXY_USER}`, folder]);
  if (pod.proxy === 'sidecar') capture(pod.name, folder);
  startProxy(mesh, pod);
}

const CERTIFICATES = 'certificates';

/** The certificate that a pod's agent was given, for whoever speaks in the pod's place. */
export function certificateOf(mesh: Mesh, pod: Pod): Certificate {
  const read = (name: string) =>
    readFileSync(path.join(folderOf(mesh, pod), CERTIFICATES, `${name}.pem`), 'utf8');
  return { key: read('key'), cert: read('cert-chain'), ca: read('root-cert') };
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

/** Whether a proxy runs the module of a manifest; the agent names its file by that digest. */
export function runsModule(pod: Pod, sha256: string): boolean {
  return extensionsOf(pod).includes(`/${sha256}.wasm`);
}

/**
 * Ends a registry that hangs, and waits until the agent of a pod has given up on it: what it finds
 * out later about one address it puts over what it was told since of another.
 */
export async function endHanging(
  { processes }: Mesh,
  pod: Pod,
  registry: SilentRegistry,
): Promise<void> {
  registry.close();
  const failed = `cannot fetch Wasm module ${registry.url}`;
  await until('the agent has given up', () => processes.printed(proxyOf(pod)).includes(failed));
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
    ISTIO_META_ISTIO_VERSION: pod.version ?? '1.31.0',
    CLOUD_PLATFORM: 'none',
    JWT_POLICY: 'third-party-jwt',
    PILOT_CERT_PROVIDER: 'istiod',
    WASM_INSECURE_REGISTRIES: REGISTRY,
    OUTPUT_CERTS: path.join(folder, CERTIFICATES),
    HOME: folder,
    TMPDIR: folder,
    ...(pod.probers !== undefined && { ISTIO_KUBE_APP_PROBERS: pod.probers }),
  };
}
