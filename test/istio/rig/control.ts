/**
 * The control plane of the rig: registry, etcd, a real API server with Istio's definitions, and
 * istiod with a CA of its own.
 */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { BUILT } from './cache.ts';
import { ADMIN, apply, kube, objectsOf } from './kube.ts';
import { NODE_ADDRESS, type Processes, run, until } from './processes.ts';

/** Where modules are pushed to and pulled from. */
export const REGISTRY = `${NODE_ADDRESS}:5001`;

/** Starts registry, etcd and API server, and gives it Istio's definitions. */
export async function startApiServer(processes: Processes): Promise<void> {
  const { folder } = processes;
  run('openssl', ['genrsa', '-out', path.join(folder, 'sa.key'), '2048']);
  writeFileSync(path.join(folder, 'tokens.csv'), `${ADMIN},admin,1,system:masters\n`);
  processes.start('registry', [BUILT.crane, 'registry', 'serve', '--address', REGISTRY]);
  processes.start('etcd', etcd(folder));
  processes.start('apiserver', apiServer(folder));
  await until('the API server is ready', async () => {
    await kube('GET', '/readyz');
    return true;
  });
  for (const object of objectsOf(readFileSync(BUILT.definitions, 'utf8'))) await apply(object);
  await until('the API server knows WasmPlugin', async () => {
    await kube('GET', '/apis/extensions.istio.io/v1alpha1/wasmplugins');
    return true;
  });
  for (const name of ['istio-system', 'istio-ingress']) {
    await apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  }
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
  const config = path.join(folder, 'kubeconfig');
  writeFileSync(config, JSON.stringify(KUBECONFIG));
  const discoveryAddress = 'istiod.istio-system.svc:15012';
  const defaultConfig = { discoveryAddress };
  const mesh = { rootNamespace: 'istio-system', trustDomain: 'cluster.local', defaultConfig };
  writeFileSync(path.join(folder, 'mesh.yaml'), JSON.stringify(mesh));
  const options = [
    ['discovery', '--registries=Kubernetes', '--kubeconfig', config],
    ['--meshConfig', path.join(folder, 'mesh.yaml'), '--grpcAddr', ''],
    ['--secureGRPCAddr', `${NODE_ADDRESS}:15012`, '--httpAddr', '127.0.0.1:15080'],
    ['--httpsAddr', '', '--monitoringAddr', '127.0.0.1:15014', '--ctrlz_port', '0'],
  ];
  processes.start('istiod', [BUILT.istiod, ...options.flat()], ISTIOD);
  await until('istiod is ready', async () => (await get(15_080, '/ready')) === 200);
  let certificate = '';
  await until('istiod has made its CA', async () => {
    const at = '/api/v1/namespaces/default/configmaps/istio-ca-root-cert';
    certificate = (await kube('GET', at)).data['root-cert.pem'];
    return certificate !== '';
  });
  return certificate;
}

/** A stock Envoy lacks two filters of Istio's own, which would be refused. */
const ISTIOD = {
  PILOT_ENABLE_METADATA_EXCHANGE: 'false',
  PILOT_ENABLE_ALPN_FILTER: 'false',
  ENABLE_CA_SERVER: 'true',
  PILOT_CERT_PROVIDER: 'istiod',
  CLOUD_PLATFORM: 'none',
  POD_NAME: 'istiod',
  POD_NAMESPACE: 'istio-system',
};

const KUBECONFIG = {
  apiVersion: 'v1',
  kind: 'Config',
  clusters: [
    { name: 'c', cluster: { server: 'https://127.0.0.1:17443', 'insecure-skip-tls-verify': true } },
  ],
  users: [{ name: 'u', user: { token: ADMIN } }],
  contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
  'current-context': 'x',
};

function get(port: number, at: string): Promise<number> {
  return new Promise((resolve, reject) => {
    http
      .get({ host: '127.0.0.1', port, path: at }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      })
      .on('error', reject);
  });
}
