/**
 * The control plane of the rig: registry, etcd, a real API server with Istio's definitions, and
 * istiod with a CA of its own.
 */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { BUILT } from './cache.ts';
import { ADMIN, apply, kube, kubeconfigOf, objectsOf } from './kube.ts';
import { NODE_ADDRESS, type Processes, run, until } from './processes.ts';

/** Where modules are pushed to and pulled from. */
export const REGISTRY = `${NODE_ADDRESS}:5001`;

/** Starts registry, etcd and API server, and gives it Istio's definitions. */
export async function startApiServer(processes: Processes): Promise<void> {
  const { folder } = processes;
  run('openssl', ['genrsa', '-out', path.join(folder, 'sa.key'), '2048']);
  makeOperator(folder);
  writeFileSync(path.join(folder, 'tokens.csv'), `${ADMIN},admin,1,system:masters\n`);
  startProgram(processes, 'registry');
  startProgram(processes, 'etcd');
  startProgram(processes, 'apiserver');
  await apiServerReady();
  for (const object of objectsOf(readFileSync(BUILT.definitions, 'utf8'))) await apply(object);
  // Of the Gateway API what a waypoint takes.
  const gateways = objectsOf(readFileSync(BUILT.gatewayDefinitions, 'utf8'));
  for (const object of gateways) if (object.metadata.name === GATEWAYS) await apply(object);
  await until('the API server knows WasmPlugin', async () => {
    await kube('GET', '/apis/extensions.istio.io/v1alpha1/wasmplugins');
    await kube('GET', '/apis/gateway.networking.k8s.io/v1/gateways');
    return true;
  });
  for (const name of ['istio-system', 'istio-ingress']) {
    await apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  }
}

const GATEWAYS = 'gateways.gateway.networking.k8s.io';

/** The programs of the control plane, each of which may be stopped and started again. */
export type Program = 'registry' | 'etcd' | 'apiserver' | 'istiod';

/** Starts one of them. */
export function startProgram(
  processes: Processes,
  program: Program,
  env: Readonly<Record<string, string>> = {},
): void {
  const { folder } = processes;
  if (program === 'registry') {
    processes.start(program, [BUILT.crane, 'registry', 'serve', '--address', REGISTRY]);
  } else if (program === 'etcd') processes.start(program, etcd(folder));
  else if (program === 'apiserver') processes.start(program, apiServer(folder));
  else processes.start(program, istiod(folder), { ...ISTIOD, ...env });
}

/** Waits for the API server. */
export async function apiServerReady(): Promise<void> {
  await until('the API server is ready', async () => {
    await kube('GET', '/readyz');
    return true;
  });
}

/** Waits for istiod. */
export async function istiodReady(): Promise<void> {
  await until('istiod is ready', async () => (await read(15_080, '/ready')).status === 200);
}

/** How often istiod has pushed anything to a proxy. */
export async function pushesOf(): Promise<number> {
  const { text } = await read(15_014, '/metrics');
  const lines = [...text.matchAll(/^pilot_xds_pushes(?:\{[^}]*\})? (\S+)/gm)];
  return lines.reduce((sum, [, count]) => sum + Number(count), 0);
}

/** An operator who logs in by certificate, and the kubeconfig that says so. */
function makeOperator(folder: string): void {
  const at = (name: string) => path.join(folder, name);
  const signed = ['-CA', at('operators.crt'), '-CAkey', at('operators.key'), '-CAcreateserial'];
  const made = ['req', '-newkey', 'rsa:2048', '-nodes', '-keyout'];
  const subject = ['-subj', '/CN=operators'];
  run('openssl', [...made, at('operators.key'), '-x509', '-out', at('operators.crt'), ...subject]);
  const operator = ['-subj', '/O=system:masters/CN=operator'];
  run('openssl', [...made, at('operator.key'), '-out', at('operator.csr'), ...operator]);
  run('openssl', [
    'x509',
    '-req',
    '-in',
    at('operator.csr'),
    ...signed,
    '-out',
    at('operator.crt'),
  ]);
  const cluster = {
    server: 'https://127.0.0.1:17443',
    'certificate-authority': 'certs/apiserver.crt',
    'tls-server-name': 'kubernetes.default',
  };
  const user = { 'client-certificate': 'operator.crt', 'client-key': 'operator.key' };
  writeFileSync(operatorConfig(folder), kubeconfigOf(cluster, user));
}

/** The kubeconfig of the operator. */
export function operatorConfig(folder: string): string {
  return path.join(folder, 'operator.kubeconfig');
}

function etcd(folder: string): string[] {
  const peers = 'http://127.0.0.1:12380';
  const url = 'http://127.0.0.1:12379';
  return [
    ['etcd', '--data-dir', path.join(folder, 'etcd'), '--unsafe-no-fsync'],
    ['--listen-client-urls', url, '--advertise-client-urls', url],
    ['--listen-peer-urls', peers, '--initial-advertise-peer-urls', peers],
    ['--initial-cluster', `default=${peers}`],
  ].flat();
}

function apiServer(folder: string): string[] {
  const key = path.join(folder, 'sa.key');
  const options = {
    'etcd-servers': 'http://127.0.0.1:12379',
    'bind-address': '127.0.0.1',
    'advertise-address': NODE_ADDRESS,
    'secure-port': '17443',
    'cert-dir': path.join(folder, 'certs'),
    'token-auth-file': path.join(folder, 'tokens.csv'),
    'client-ca-file': path.join(folder, 'operators.crt'),
    'authorization-mode': 'RBAC',
    'service-account-issuer': 'https://kubernetes.default.svc',
    'service-account-key-file': key,
    'service-account-signing-key-file': key,
    'service-cluster-ip-range': '10.96.0.0/16',
    'endpoint-reconciler-type': 'none',
    'disable-admission-plugins': 'ServiceAccount',
  };
  return [BUILT.apiServer, ...Object.entries(options).map(([name, value]) => `--${name}=${value}`)];
}

/** Starts istiod; answers the certificate of its CA, which agents are given. */
export async function startIstiod(processes: Processes): Promise<string> {
  const { folder } = processes;
  copyFileSync(BUILT.bootstrap, path.join(folder, 'bootstrap.json'));
  mkdirSync(path.join(folder, 'var'), { recursive: true });
  writeFileSync(path.join(folder, 'kubeconfig'), KUBECONFIG);
  const discoveryAddress = 'istiod.istio-system.svc:15012';
  const defaultConfig = { discoveryAddress };
  const mesh = { rootNamespace: 'istio-system', trustDomain: 'cluster.local', defaultConfig };
  writeFileSync(path.join(folder, 'mesh.yaml'), JSON.stringify(mesh));
  startProgram(processes, 'istiod');
  await istiodReady();
  let certificate = '';
  await until('istiod has made its CA', async () => {
    const at = '/api/v1/namespaces/default/configmaps/istio-ca-root-cert';
    certificate = (await kube('GET', at)).data['root-cert.pem'];
    return certificate !== '';
  });
  return certificate;
}

function istiod(folder: string): string[] {
  const options = [
    ['discovery', '--registries=Kubernetes', '--kubeconfig', path.join(folder, 'kubeconfig')],
    ['--meshConfig', path.join(folder, 'mesh.yaml'), '--grpcAddr', ''],
    ['--secureGRPCAddr', `${NODE_ADDRESS}:15012`, '--httpAddr', '127.0.0.1:15080'],
    ['--httpsAddr', '', '--monitoringAddr', '127.0.0.1:15014', '--ctrlz_port', '0'],
  ];
  return [BUILT.istiod, ...options.flat()];
}

/** A stock Envoy lacks two filters of Istio's own, which would be refused. */
const ISTIOD = {
  PILOT_ENABLE_METADATA_EXCHANGE: 'false',
  PILOT_ENABLE_ALPN_FILTER: 'false',
  // Of its kinds only one is there.
  PILOT_ENABLE_GATEWAY_API: 'false',
  ENABLE_CA_SERVER: 'true',
  PILOT_CERT_PROVIDER: 'istiod',
  CLOUD_PLATFORM: 'none',
  POD_NAME: 'istiod',
  POD_NAMESPACE: 'istio-system',
};

/** What istiod needs to be told of for waypoints. */
export const AMBIENT = { PILOT_ENABLE_AMBIENT: 'true' } as const;

const KUBECONFIG = kubeconfigOf(
  { server: 'https://127.0.0.1:17443', 'insecure-skip-tls-verify': true },
  { token: ADMIN },
);

function read(port: number, at: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    http
      .get({ host: '127.0.0.1', port, path: at }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      })
      .on('error', reject);
  });
}
