/**
 * The programs of a mesh, built once from source into a cache outside the clone: istiod, its agent,
 * istioctl, crane, oras, the API server, helm, kustomize. The only place of the rig that knows
 * their versions. It must never write anywhere but below the cache's folder and Go's own.
 */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';

const ISTIO_MODULE = 'istio.io/istio';
const ISTIO_COMMIT = 'eed52ebb66ad';
const ISTIO = `v0.0.0-20260827124520-${ISTIO_COMMIT}`;
const ISTIO_VERSION = `1.31-${ISTIO_COMMIT}`;
const KUBERNETES = '1.33.13';
const CRANE = 'v0.20.6';
const ORAS = 'v1.3.6';
const KUSTOMIZE = 'v5.7.1';
const HELM = 'v3.22.0';

/** Where built programs are kept. */
export const CACHE = path.join(
  process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache'),
  'sidegate-istio',
);

const inCache = (name: string) => path.join(CACHE, 'bin', name);

/** Every file of the cache by what it is. */
export const BUILT = {
  crane: inCache(`crane-${CRANE}`),
  oras: inCache(`oras-${ORAS}`),
  istiod: inCache(`istiod-${ISTIO_VERSION}`),
  agent: inCache(`pilot-agent-${ISTIO_VERSION}`),
  definitions: inCache(`crds-${ISTIO_VERSION}.yaml`),
  gatewayDefinitions: inCache(`gateway-crds-${ISTIO_VERSION}.yaml`),
  bootstrap: inCache(`bootstrap-${ISTIO_VERSION}.json`),
  apiServer: inCache(`kube-apiserver-v${KUBERNETES}`),
  istioctl: inCache(`istioctl-${ISTIO_VERSION}`),
  kustomize: inCache(`kustomize-${KUSTOMIZE}`),
  helm: inCache(`helm-${HELM}`),
} as const;

interface Step {
  readonly file: string;
  /** How long it took on two cores with nothing cached. */
  readonly minutes: number;
  readonly build: () => void;
}

const STEPS: readonly Step[] = [
  { file: BUILT.crane, minutes: 0.2, build: () => buildTool(CRANE_MODULE, BUILT.crane) },
  { file: BUILT.istiod, minutes: 8, build: () => buildIstio('pilot/cmd/pilot-discovery') },
  { file: BUILT.agent, minutes: 0.5, build: () => buildIstio('pilot/cmd/pilot-agent', AGENT_TAGS) },
  { file: BUILT.definitions, minutes: 0, build: () => takeFile(BUILT.definitions, DEFINITIONS) },
  {
    file: BUILT.gatewayDefinitions,
    minutes: 0,
    build: () => takeFile(BUILT.gatewayDefinitions, GATEWAY_DEFINITIONS),
  },
  { file: BUILT.bootstrap, minutes: 0, build: () => takeFile(BUILT.bootstrap, BOOTSTRAP) },
  { file: BUILT.apiServer, minutes: 7, build: buildApiServer },
  { file: BUILT.istioctl, minutes: 4, build: () => buildIstio('istioctl/cmd/istioctl') },
  {
    file: BUILT.kustomize,
    minutes: 0.5,
    build: () => buildTool(KUSTOMIZE_MODULE, BUILT.kustomize),
  },
  { file: BUILT.helm, minutes: 2, build: () => buildTool(HELM_MODULE, BUILT.helm) },
];

/** For what is built within a run that is bounded itself. */
const LIMIT_MS = 150_000;

/** What one check needs; without it that check alone is left out. */
const OPTIONAL: readonly Step[] = [
  { file: BUILT.oras, minutes: 0.5, build: () => buildTool(ORAS_MODULE, BUILT.oras, LIMIT_MS) },
];

const ORAS_MODULE = `oras.land/oras/cmd/oras@${ORAS}`;
const CRANE_MODULE = `github.com/google/go-containerregistry/cmd/crane@${CRANE}`;
const KUSTOMIZE_MODULE = `sigs.k8s.io/kustomize/kustomize/v5@${KUSTOMIZE}`;
const HELM_MODULE = `helm.sh/helm/v3/cmd/helm@${HELM}`;

const AGENT_TAGS = ['-tags=agent,disable_pgv'];
const DEFINITIONS = 'manifests/charts/base/files/crd-all.gen.yaml';
const GATEWAY_DEFINITIONS = 'tests/integration/pilot/testdata/gateway-api-crd.yaml';
const BOOTSTRAP = 'tools/packaging/common/envoy_bootstrap.json';

/** What is not in the cache, as names of files, and about how many minutes it takes to build. */
export function missing(): { names: string[]; minutes: number } {
  const steps = STEPS.filter(({ file }) => !existsSync(file));
  const minutes = Math.ceil(steps.reduce((sum, step) => sum + step.minutes, 0));
  return { names: steps.map(({ file }) => path.basename(file)), minutes };
}

/** Builds what is missing, one program after another at low priority. Throws when a build fails. */
export function fillCache(say: (line: string) => void): void {
  mkdirSync(path.join(CACHE, 'bin'), { recursive: true });
  mkdirSync(path.join(CACHE, 'build'), { recursive: true });
  for (const { file, minutes, build } of STEPS) {
    if (existsSync(file)) continue;
    say(`building ${path.basename(file)}, about ${minutes} min with nothing cached`);
    build();
  }
}

/** Builds what takes a few seconds and may be missing; says what could not be built. */
export function fillOptional(say: (line: string) => void): void {
  for (const { file, build } of OPTIONAL) {
    if (existsSync(file)) continue;
    say(`building ${path.basename(file)}`);
    try {
      build();
    } catch {
      say(`${path.basename(file)} could not be built within ${LIMIT_MS / 1_000} s.`);
    }
  }
}

function buildTool(module: string, file: string, limitMs?: number): void {
  install(module, '-s -w', file, [], limitMs);
}

function buildIstio(command: string, flags: readonly string[] = []): void {
  const at = `${ISTIO_MODULE}/pkg/version`;
  const values = { Version: ISTIO_VERSION, GitRevision: ISTIO_COMMIT, Status: 'Clean' };
  const set = Object.entries(values).map(([name, value]) => `-X ${at}.build${name}=${value}`);
  const name = path.basename(command);
  const file = { 'pilot-discovery': BUILT.istiod, 'pilot-agent': BUILT.agent }[name];
  const target = file ?? BUILT.istioctl;
  install(`${ISTIO_MODULE}/${command}@${ISTIO}`, ['-s -w', ...set].join(' '), target, flags);
}

function install(
  of: string,
  linker: string,
  file: string,
  flags: readonly string[] = [],
  limitMs?: number,
): void {
  const folder = path.join(CACHE, 'build', 'gobin');
  go(['install', ...flags, `-ldflags=${linker}`, of], path.join(CACHE, 'build'), folder, limitMs);
  // A module of a later major ends in it, and its command does not.
  const name = path.basename(of.replace(/(\/v\d+)?@.*/, ''));
  renameSync(path.join(folder, name), file);
}

function takeFile(file: string, from: string): void {
  const folder = read(['env', 'GOMODCACHE']).trim();
  copyFileSync(path.join(folder, `${ISTIO_MODULE}@${ISTIO}`, from), file);
}

/** Kubernetes as a module needs each of its own staged modules replaced by the published one. */
function buildApiServer(): void {
  const folder = path.join(CACHE, 'build', 'apiserver');
  mkdirSync(folder, { recursive: true });
  const found = JSON.parse(read(['mod', 'download', '-json', `k8s.io/kubernetes@v${KUBERNETES}`]));
  const module = readFileSync(found.GoMod, 'utf8');
  const staged = [...module.matchAll(/^\s+(k8s\.io\/[a-z0-9-]+) => \.\/staging/gm)];
  const release = `v0.${KUBERNETES.slice(2)}`;
  const lines = [
    'module apiserver',
    ...(module.match(/^(go|godebug) .*$/gm) ?? []),
    `require k8s.io/kubernetes v${KUBERNETES}`,
    ...staged.map(([, name]) => `replace ${name} => ${name} ${release}`),
  ];
  writeFileSync(path.join(folder, 'go.mod'), `${lines.join('\n')}\n`);
  const command = 'k8s.io/kubernetes/cmd/kube-apiserver';
  writeFileSync(path.join(folder, 'tools.go'), `package apiserver\n\nimport _ "${command}/app"\n`);
  go(['mod', 'tidy', '-e'], folder);
  const at = 'k8s.io/component-base/version';
  const [major, minor] = KUBERNETES.split('.');
  const set = { Version: `v${KUBERNETES}`, Major: major, Minor: minor };
  const linker = Object.entries(set).map(([name, value]) => `-X ${at}.git${name}=${value}`);
  const built = path.join(folder, 'built');
  go(['build', `-ldflags=-s -w ${linker.join(' ')}`, '-o', built, command], folder);
  renameSync(built, BUILT.apiServer);
}

const ENVIRONMENT = { CGO_ENABLED: '0', GOFLAGS: '-p=1 -buildvcs=false' };

function go(args: readonly string[], cwd: string, bin?: string, timeout?: number): void {
  const env = { ...process.env, ...ENVIRONMENT, ...(bin === undefined ? {} : { GOBIN: bin }) };
  // What takes long leaves the machine to others.
  const command = [...(timeout === undefined ? ['nice', '-n', '19'] : []), 'go', ...args];
  const [program = '', ...rest] = command;
  execFileSync(program, rest, { cwd, env, stdio: ['ignore', 2, 2], timeout });
}

function read(args: readonly string[]): string {
  const cwd = path.join(CACHE, 'build');
  const env = { ...process.env, ...ENVIRONMENT };
  return execFileSync('go', args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 2] });
}
