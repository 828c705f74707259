/**
 * What `sidegate doctor` looks at in a running mesh: the objects that decide where the filter runs,
 * written out as the files are that it reads otherwise, and what the proxies say of themselves. It
 * must never read a Secret.
 */
import { stringify } from 'yaml';
import type { InputFile } from '../resources/load.ts';
import { hostsOfCluster } from './doctor-clusters.ts';
import { type Manifest, type Manifests, readManifests } from './doctor-manifests.ts';
import { pluginsOf, ROOT_NAMESPACE } from './doctor-plugins.ts';
import { type KubeApi, type KubeObject, OBJECTS_READ_MAX } from './kube-api.ts';

const CORE = '/api/v1';
const KINDS: readonly (readonly [group: string, ...kinds: string[]])[] = [
  [CORE, 'pods', 'services'],
  ['/apis/apps/v1', 'deployments', 'statefulsets', 'daemonsets'],
  ['/apis/extensions.istio.io/v1alpha1', 'wasmplugins', 'trafficextensions'],
  ['/apis/networking.istio.io/v1', 'gateways', 'sidecars'],
  ['/apis/networking.istio.io/v1alpha3', 'envoyfilters'],
  [
    '/apis/security.istio.io/v1',
    'authorizationpolicies',
    'peerauthentications',
    'requestauthentications',
  ],
];

/** Stands behind what may not be read. */
export const FORBIDDEN = '(forbidden)';

/** The objects of a cluster as files, and what was not read of it. */
export interface ClusterFiles {
  readonly files: readonly InputFile[];
  /** Kinds, each with the reason in brackets. */
  readonly unread: readonly string[];
}

/** Reads the objects of all namespaces, or of the one that is named and what it calls. */
export async function readCluster(
  api: KubeApi,
  namespace: string | undefined,
): Promise<ClusterFiles> {
  if (namespace === undefined) return readNamespaces(api, undefined);
  const own = await readNamespaces(api, [namespace]);
  const manifests = readManifests(own.files);
  const around = await readNamespaces(api, namespacesAround(namespace, manifests));
  const unread = new Set([...own.unread, ...around.unread]);
  return { files: [...own.files, ...around.files], unread: [...unread] };
}

async function readNamespaces(
  api: KubeApi,
  namespaces: readonly string[] | undefined,
): Promise<ClusterFiles> {
  const places = namespaces?.map((name) => `/namespaces/${encodeURIComponent(name)}`) ?? [''];
  const files: InputFile[] = [];
  const unread = new Set<string>();
  const list = async (path: string, kind: string) => {
    const { items, lacks } = await api.list(path);
    if (lacks === 'forbidden') unread.add(`${kind} ${FORBIDDEN}`);
    if (lacks === 'the rest') unread.add(`${kind} (beyond the first ${OBJECTS_READ_MAX})`);
    return items;
  };
  const paths = KINDS.flatMap(([group, ...kinds]) => kinds.map((kind) => ({ group, kind })));
  for (const { group, kind } of paths) {
    for (const place of places) {
      files.push(...(await list(`${group}${place}/${kind}`, kind)).map(fileOf));
    }
  }
  // The labels of a namespace say whether its pods join the mesh; that alone is read of it.
  const all = await list(`${CORE}/namespaces`, 'namespaces');
  const wanted = all.filter((item) => namespaces?.includes(metaOf(item).name ?? '') ?? true);
  return { files: [...files, ...wanted.map(fileOf)], unread: [...unread] };
}

interface Meta {
  readonly name?: string;
  readonly namespace?: string;
  readonly labels?: object;
  readonly annotations?: Readonly<Record<string, string>>;
}

const metaOf = (object: KubeObject) => (object.metadata ?? {}) as Meta;

/** Annotations that say something of the mesh; others may be long, or hold what is not ours. */
const ANNOTATIONS = /(^|\.)istio\.io\//;

function fileOf(object: KubeObject): InputFile {
  const { name = '', namespace, labels, annotations = {} } = metaOf(object);
  const kept = Object.entries(annotations).filter(([key]) => ANNOTATIONS.test(key));
  const { apiVersion, kind, spec, status } = object;
  const pod = kind === 'Pod';
  const shown = {
    apiVersion,
    kind,
    metadata: {
      name,
      ...(namespace !== undefined && { namespace }),
      ...(labels !== undefined && { labels }),
      ...(kept.length > 0 && { annotations: Object.fromEntries(kept) }),
    },
    ...(spec !== undefined && { spec: pod ? podSpec(spec as PodSpec) : spec }),
    ...(pod && { status: podStatus((status ?? {}) as PodStatus) }),
  };
  const at = [namespace, kind, name].filter((part) => part !== undefined).join('/');
  const text = stringify(shown, { lineWidth: 0, aliasDuplicateObjects: false });
  return { name: at, bytes: new TextEncoder().encode(text) };
}

interface PodSpec {
  readonly serviceAccountName?: string;
  readonly containers?: readonly { readonly name?: string }[];
  readonly initContainers?: readonly { readonly name?: string }[];
}

interface PodStatus {
  readonly phase?: string;
  readonly conditions?: readonly { readonly type?: string; readonly status?: string }[];
}

function podStatus({ phase = '', conditions = [] }: PodStatus) {
  return { phase, conditions: conditions.map(({ type, status }) => ({ type, status })) };
}

/** Of a pod only who it is and which containers it has: environments may hold secrets. */
function podSpec({ serviceAccountName, containers = [], initContainers = [] }: PodSpec) {
  const names = (list: readonly { readonly name?: string }[]) => list.map(({ name }) => ({ name }));
  return {
    serviceAccountName: serviceAccountName ?? 'default',
    containers: names(containers),
    initContainers: names(initContainers),
  };
}

/** What a proxy says of the filter in it. */
export interface ProxyWord {
  /** Why the agent has no module, in its own words; undefined when nothing failed. */
  readonly fetchFailure: string | undefined;
  /** Whether the filter has counted anything there. */
  readonly filter: boolean;
}

/** Most proxies that are asked. */
export const PROXIES_ASKED_MAX = 200;
const AT_ONCE = 8;

/** Asks the agents of pods for their metrics, through the API server; silent ones are left out. */
export async function askProxies(api: KubeApi, pods: readonly Manifest[]) {
  const words = new Map<Manifest, ProxyWord>();
  let forbidden = false;
  const waiting = pods.slice(0, PROXIES_ASKED_MAX);
  const ask = async () => {
    for (let pod = waiting.pop(); pod !== undefined; pod = waiting.pop()) {
      const place = `${CORE}/namespaces/${pod.namespace}/pods/${pod.name}:15020/proxy`;
      const { status, text } = await api.get(`${place}/stats/prometheus`);
      if (status === 200) words.set(pod, wordOf(text));
      if (status === 403) forbidden = true;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, ask));
  return { words, forbidden };
}

const FETCHES = /^(?:istio_agent_)?wasm_remote_fetch_count\{[^}]*result="(\w+)"[^}]*\} (\S+)/gm;

/** The filter's own; Envoy names some of its own after the plugin. */
const COUNTERS = /^(?:envoy_)?(?:wasmcustom_)?sidegate_\w+_total\b/m;

/** Reads the metrics of an agent. */
export function wordOf(metrics: string): ProxyWord {
  const results = [...metrics.matchAll(FETCHES)].filter(([, , count]) => Number(count) > 0);
  const failed = results.map(([, result = '']) => result).filter((one) => one !== 'success');
  return { fetchFailure: failed[0], filter: COUNTERS.test(metrics) };
}

/** Other namespaces that a look at one namespace has to take in as well. */
function namespacesAround(namespace: string, manifests: Manifests): string[] {
  const hosts = pluginsOf(manifests).flatMap((plugin) => hostsOfCluster(plugin, manifests).hosts);
  const around = new Set([ROOT_NAMESPACE, ...hosts.map((host) => host.namespace)]);
  around.delete(namespace);
  return [...around];
}
