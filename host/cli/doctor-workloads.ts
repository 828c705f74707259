/**
 * What `sidegate doctor` can see of workloads and pods: whether the filter has anything to run in,
 * and whether the host is in the mesh, there, and open to the filter.
 */
import type { NamedHost } from './doctor-clusters.ts';
import { type Finding, finding } from './doctor-findings.ts';
import type { Labels, Manifest, Manifests } from './doctor-manifests.ts';
import { type Plugin, ROOT_NAMESPACE, selects } from './doctor-plugins.ts';

const TEMPLATED = ['Deployment', 'StatefulSet', 'DaemonSet'];

/** Pods of the manifests; with any at all, the manifests are taken for all there is. */
export function podsOf({ all }: Manifests): Manifest[] {
  return all.filter((one) => one.kind === 'Pod' && one.text(['status', 'phase']) === 'Running');
}

/** The pods that a plugin is for. */
export function podsOfPlugin({ manifest, labels }: Plugin, manifests: Manifests): Manifest[] {
  if (isBound(manifest)) return [];
  const everywhere = manifest.namespace === ROOT_NAMESPACE;
  return podsOf(manifests).filter(
    (pod) =>
      (everywhere || pod.namespace === manifest.namespace) &&
      selects(labels, pod.labels(['metadata', 'labels'])),
  );
}

/** Bound to a Service or a Gateway, a plugin runs in a waypoint, which is not known here. */
function isBound(plugin: Manifest): boolean {
  return plugin.at(['spec', 'targetRefs']) !== undefined;
}

/** Whether a pod has a proxy in it, as far as its labels and containers say. */
export function inMesh(pod: Manifest): boolean {
  const containers = [
    ...pod.list(['spec', 'containers']),
    ...pod.list(['spec', 'initContainers']),
  ] as readonly { readonly name?: string }[];
  const labels = pod.labels(['metadata', 'labels']);
  return (
    labels['security.istio.io/tlsMode'] === 'istio' ||
    containers.some(({ name }) => name === 'istio-proxy')
  );
}

/** Plugins that no pod has, and pods of a plugin without a proxy. */
export function checkPods(plugin: Plugin, manifests: Manifests): Finding[] {
  if (podsOf(manifests).length === 0) return [];
  const pods = podsOfPlugin(plugin, manifests);
  const path = ['spec', 'selector', 'matchLabels'];
  // Without a selector it may be for what is still to come, or bound to targets.
  if (pods.length === 0 && plugin.manifest.at(path) !== undefined) {
    return [finding('SG2401', plugin.manifest, path, {}, 'key')];
  }
  return pods
    .filter((pod) => !inMesh(pod))
    .map((pod) => finding('SG2402', pod, ['metadata', 'name'], { pod: pod.name }));
}

/** Whether the host that a plugin calls is there, in the mesh, and open to the plugin. */
export function checkHostWorkload(plugin: Plugin, host: NamedHost, manifests: Manifests) {
  const { service } = host;
  const pods = podsOf(manifests);
  if (service === undefined) return pods.length === 0 ? [] : [missing(plugin, host)];
  const selector = service.labels(['spec', 'selector']);
  if (Object.keys(selector).length === 0) return [];
  const behind = (one: Manifest, labels: Labels) =>
    one.namespace === host.namespace && selects(selector, labels);
  const own = pods.filter((pod) => behind(pod, pod.labels(['metadata', 'labels'])));
  const outside = own.filter((pod) => !inMesh(pod)).map(placeOfOutside);
  const ready = own.some(isReady) || pods.length === 0;
  const facts = { service: service.name, namespace: service.namespace };
  return [
    ...(ready ? [] : [finding('SG2309', service, ['metadata', 'name'], facts)]),
    ...outside,
    ...manifests.all
      .filter((one) => TEMPLATED.includes(one.kind) && behind(one, templateLabels(one)))
      .flatMap((one) => checkInjection(one, manifests)),
    ...checkPrincipal(plugin, host, selector, manifests),
  ];
}

function missing({ manifest, wasm }: Plugin, { name }: NamedHost): Finding {
  const path = [...wasm, 'pluginConfig', 'clusters'];
  return finding('SG2308', manifest, path, { service: name });
}

const placeOfOutside = (pod: Manifest) => finding('SG2306', pod, ['metadata', 'name']);

function isReady(pod: Manifest): boolean {
  const conditions = pod.list(['status', 'conditions']) as readonly {
    readonly type?: string;
    readonly status?: string;
  }[];
  return conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
}

const TEMPLATE = ['spec', 'template', 'metadata'] as const;
const INJECT = 'sidecar.istio.io/inject';
const templateLabels = (workload: Manifest) => workload.labels([...TEMPLATE, 'labels']);

/** A workload that Istio leaves out: by its own word, or by the silence of it and its namespace. */
function checkInjection(workload: Manifest, { all }: Manifests): Finding[] {
  for (const part of ['labels', 'annotations']) {
    const word = workload.labels([...TEMPLATE, part])[INJECT];
    if (word === 'true') return [];
    if (word === 'false') return [finding('SG2306', workload, [...TEMPLATE, part, INJECT])];
  }
  const namespace = all.find((one) => one.kind === 'Namespace' && one.name === workload.namespace);
  if (namespace === undefined) return [];
  const labels = namespace.labels(['metadata', 'labels']);
  const joined = labels['istio-injection'] === 'enabled' || labels['istio.io/rev'] !== undefined;
  return joined ? [] : [finding('SG2306', namespace, ['metadata', 'name'])];
}

/** The principals of a plugin's workloads that the policies of the host turn away. */
function checkPrincipal(plugin: Plugin, host: NamedHost, hostLabels: Labels, at: Manifests) {
  const policies = at.all.filter((one) => {
    const selector = one.labels(['spec', 'selector', 'matchLabels']);
    return (
      one.kind === 'AuthorizationPolicy' &&
      [host.namespace, ROOT_NAMESPACE].includes(one.namespace) &&
      (one.text(['spec', 'action']) ?? 'ALLOW') === 'ALLOW' &&
      selects(selector, hostLabels)
    );
  });
  const [first] = policies;
  if (first === undefined) return [];
  return principalsOf(plugin, at)
    .filter((principal) => !policies.some((policy) => allows(policy, principal)))
    .map((principal) => finding('SG2307', first, ['metadata', 'name'], { principal }));
}

function principalsOf(plugin: Plugin, manifests: Manifests): string[] {
  const { manifest, labels } = plugin;
  if (isBound(manifest)) return [];
  const templates = manifests.all.filter(
    (one) =>
      TEMPLATED.includes(one.kind) &&
      one.namespace === manifest.namespace &&
      selects(labels, templateLabels(one)),
  );
  const spec = ['spec', 'template', 'spec'];
  const found = [
    ...templates.map((one) => principalOf(one, spec)),
    ...podsOfPlugin(plugin, manifests).map((pod) => principalOf(pod, ['spec'])),
  ];
  return [...new Set(found)];
}

/** Without the trust domain, which manifests do not show. */
function principalOf(workload: Manifest, spec: readonly string[]): string {
  const account = workload.text([...spec, 'serviceAccountName']) ?? 'default';
  return `ns/${workload.namespace}/sa/${account}`;
}

interface Source {
  readonly principals?: readonly string[];
  readonly namespaces?: readonly string[];
  readonly [other: string]: unknown;
}

/** Whether a rule names a principal; conditions that cannot be judged here count as met. */
function allows(policy: Manifest, principal: string): boolean {
  const rules = policy.list(['spec', 'rules']) as readonly {
    readonly from?: readonly { readonly source?: Source }[];
  }[];
  return rules.some(({ from }) => {
    if (from === undefined) return true;
    return from.some(({ source = {} }) => {
      const { principals, namespaces } = source;
      const [, namespace = ''] = principal.split('/');
      const named = principals?.some((text) => matches(text, principal)) ?? true;
      return named && (namespaces?.some((text) => matches(text, namespace)) ?? true);
    });
  });
}

/** Istio's matching: exact, by prefix, by suffix, any; the trust domain may be any. */
function matches(text: string, value: string): boolean {
  const shown = text.replace(/^[^/*]+\/(?=ns\/)/, '');
  if (shown === '*') return true;
  if (shown.startsWith('*')) return value.endsWith(shown.slice(1).replace(/^\/(?=ns\/)/, ''));
  if (shown.endsWith('*')) return value.startsWith(shown.slice(0, -1));
  return shown === value;
}
