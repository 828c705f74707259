/**
 * What `sidegate doctor` can see around the plugins: Services, Sidecars, exports and secrets that
 * leave the API open or the filter without a host.
 */
import { hostsOfCluster, type NamedHost } from './doctor-clusters.ts';
import { type Finding, finding } from './doctor-findings.ts';
import type { Manifest, Manifests } from './doctor-manifests.ts';
import { type Plugin, ROOT_NAMESPACE, selects } from './doctor-plugins.ts';
import { checkHostWorkload } from './doctor-workloads.ts';
import { PLACEHOLDERS } from './samples.ts';

/** A product whose callers only one phase of the filter can know. */
export interface PhasedProduct {
  readonly name: string;
  readonly proxyGroup: string;
  /** AUTHN for keys with a scheme in the authorization header, AUTHZ for tokens. */
  readonly needs: 'AUTHN' | 'AUTHZ';
}

/** Plugins that share proxies: each but the first. */
export function checkTwice(plugins: readonly Plugin[]): Finding[] {
  return plugins.flatMap((plugin, i) => {
    const other = plugins.slice(0, i).find((earlier) => shareProxies(earlier, plugin));
    if (other === undefined) return [];
    const { manifest } = plugin;
    return [finding('SG2110', manifest, ['metadata', 'name'], { where: other.manifest.where })];
  });
}

function shareProxies(a: Plugin, b: Plugin): boolean {
  const [first, second] = [a.manifest.namespace, b.manifest.namespace];
  if (first !== second && first !== ROOT_NAMESPACE && second !== ROOT_NAMESPACE) return false;
  // Selectors that ask for two values of one label never meet.
  return Object.entries(a.labels).every(([name, value]) => (b.labels[name] ?? value) === value);
}

/** Products whose proxies run the filter where their callers cannot be known. */
export function checkPhases(plugins: readonly Plugin[], products: readonly PhasedProduct[]) {
  return plugins.flatMap(({ manifest, wasm }) => {
    const phase = manifest.text(['spec', 'phase']);
    // Other phases than these two are a finding of their own.
    if (phase !== 'AUTHN' && phase !== 'AUTHZ') return [];
    const code = phase === 'AUTHZ' ? 'SG2112' : 'SG2114';
    const group = manifest.text([...wasm, 'pluginConfig', 'proxyGroup']) ?? 'default';
    return products
      .filter(({ proxyGroup, needs }) => proxyGroup === group && needs !== phase)
      .map(({ name }) => {
        return finding(code, manifest, ['spec', 'phase'], { phase, product: name });
      });
  });
}

/** Keys bound to networks, and proxies that do not know the address of a caller. */
export function checkAddresses(plugins: readonly Plugin[], bound: string | undefined): Finding[] {
  if (bound === undefined) return [];
  return plugins.flatMap(({ manifest, wasm, gateway }) => {
    const path = [...wasm, 'pluginConfig'];
    const set = manifest.text([...path, 'clientAddress']);
    if (set === 'xff' || (gateway && set === 'peer')) return [];
    const value = gateway ? 'peer' : 'xff';
    return [finding('SG2113', manifest, path, { credential: bound, value }, 'key')];
  });
}

/** Services that a plugin's workload stands behind. */
function servicesOf({ manifest, labels }: Plugin, { all }: Manifests): Manifest[] {
  return all.filter((service) => {
    if (service.kind !== 'Service' || service.namespace !== manifest.namespace) return false;
    const selector = service.labels(['spec', 'selector']);
    const asks = Object.keys(selector).length > 0;
    return asks && (selects(selector, labels) || selects(labels, selector));
  });
}

interface ServicePort {
  readonly name?: string;
  readonly port?: number;
  readonly targetPort?: number | string;
  readonly appProtocol?: string;
  readonly protocol?: string;
}

const portsOf = (service: Manifest) => service.list(['spec', 'ports']) as readonly ServicePort[];

/** Ports whose requests pass no HTTP filter, or that `match.ports` does not mean. */
export function checkPorts(plugin: Plugin, manifests: Manifests): Finding[] {
  const services = servicesOf(plugin, manifests);
  const { manifest } = plugin;
  const numbers = manifest.list(['spec', 'match']).flatMap((entry, i) => {
    const { ports = [] } = entry as { ports?: readonly { number?: number }[] };
    return ports.map(({ number }, j) => ({ number, path: ['spec', 'match', i, 'ports', j] }));
  });
  const mixedUp = numbers.flatMap(({ number, path }) => {
    const targets = services.flatMap(portsOf).map((port) => port.targetPort ?? port.port);
    const service = services.find((one) => portsOf(one).some(({ port }) => port === number));
    if (service === undefined || number === undefined || targets.includes(number)) return [];
    const target = portsOf(service).find(({ port }) => port === number)?.targetPort ?? '';
    const facts = { value: number, service: service.name, target };
    return [finding('SG2301', manifest, [...path, 'number'], facts)];
  });
  return plugin.gateway ? mixedUp : [...mixedUp, ...services.flatMap(checkPortNames)];
}

const HTTP_NAME = /^(http|http2|grpc|grpc-web)(-.*)?$/;
const HTTP_PROTOCOL = /^(http|http2|grpc|grpc-web|kubernetes\.io\/h2c)$/;

function checkPortNames(service: Manifest): Finding[] {
  return portsOf(service).flatMap(({ name, appProtocol, protocol = 'TCP' }, i) => {
    const path = ['spec', 'ports', i];
    // What a Service says of the protocol goes before the name of the port.
    const ok = appProtocol ? HTTP_PROTOCOL.test(appProtocol) : HTTP_NAME.test(name ?? '');
    if (ok || protocol !== 'TCP') return [];
    const facts = { value: name ?? '', service: service.name };
    return [finding('SG2302', service, name === undefined ? path : [...path, 'name'], facts)];
  });
}

/** Whether the filter finds the host that it is told to call. */
export function checkHost(plugin: Plugin, manifests: Manifests): Finding[] {
  const { findings, hosts } = hostsOfCluster(plugin, manifests);
  const services = new Set(hosts.map(({ service }) => service).filter((one) => one !== undefined));
  return [
    ...findings,
    ...hosts.flatMap((host) => [
      ...checkSidecars(plugin, host, manifests),
      ...checkWaypoint(plugin, host, manifests),
      ...checkHostWorkload(plugin, host, manifests),
    ]),
    ...[...services].flatMap((service) => [
      ...checkExport(plugin, service),
      ...checkPortNames(service),
      ...checkSecret(plugin, service, manifests),
    ]),
    ...(plugin.gateway && hosts.length > 0 ? checkGatewayClusters(manifests) : []),
  ];
}

function checkSidecars(
  { manifest, labels, gateway }: Plugin,
  host: NamedHost,
  { all }: Manifests,
): Finding[] {
  if (gateway) return [];
  const reaching = ['*', host.namespace].flatMap((first) => [
    `${first}/*`,
    `${first}/${host.name}`,
  ]);
  if (host.namespace === manifest.namespace) reaching.push('./*', `./${host.name}`);
  return all.flatMap((sidecar) => {
    const here = [manifest.namespace, ROOT_NAMESPACE].includes(sidecar.namespace);
    const selector = sidecar.labels(['spec', 'workloadSelector', 'labels']);
    if (sidecar.kind !== 'Sidecar' || !here || !selects(selector, labels)) return [];
    const egress = sidecar.list(['spec', 'egress']) as readonly { hosts?: readonly string[] }[];
    const hosts = egress.flatMap((entry) => entry.hosts ?? []);
    const path = ['spec', 'egress', 0, 'hosts'];
    if (egress.length === 0 || hosts.some((name) => reaching.includes(name))) return [];
    return [finding('SG2303', sidecar, path, { namespace: host.namespace })];
  });
}

const REFERENCED = 'envoyfilter.istio.io/referenced-services';

/** A waypoint has the clusters of its own Services, and of those that an EnvoyFilter names. */
function checkWaypoint(
  { manifest }: Plugin,
  { name, namespace }: NamedHost,
  { all }: Manifests,
): Finding[] {
  const targets = manifest.list(['spec', 'targetRefs']) as readonly { kind?: string }[];
  const at = targets.findIndex(({ kind }) => kind === 'Service' || kind === 'ServiceEntry');
  if (at === -1) return [];
  const service = `${namespace}/${name}`;
  const named = all.some((one) => {
    const here = [manifest.namespace, ROOT_NAMESPACE].includes(one.namespace);
    const names = one.text(['metadata', 'annotations', REFERENCED])?.split(',') ?? [];
    return one.kind === 'EnvoyFilter' && here && (names.includes(service) || names.includes(name));
  });
  return named ? [] : [finding('SG2310', manifest, ['spec', 'targetRefs', at], { service })];
}

function checkExport({ manifest }: Plugin, service: Manifest): Finding[] {
  const path = ['metadata', 'annotations', 'networking.istio.io/exportTo'];
  const value = service.text(path);
  const { namespace } = manifest;
  if (value === undefined || service.namespace === namespace) return [];
  const reached = value.split(',').map((name) => name.trim());
  if (reached.includes('*') || reached.includes(namespace)) return [];
  return [finding('SG2304', service, path, { namespace })];
}

const SECRET = 'SIDEGATE_SYNC_SECRET';

function checkSecret({ manifest, wasm }: Plugin, service: Manifest, { all }: Manifests) {
  const secret = all.find(
    (one) =>
      one.kind === 'Secret' &&
      one.namespace === service.namespace &&
      one.text(['stringData', SECRET]) !== undefined,
  );
  if (secret === undefined) return [];
  const path = [...wasm, 'vmConfig', 'env'];
  const env = manifest.list(path) as readonly { name?: string; value?: string }[];
  const at = env.findIndex(({ name }) => name === SECRET);
  const place = at === -1 ? path : [...path, at, 'value'];
  const same = env[at]?.value === secret.text(['stringData', SECRET]);
  if (!same) return [finding('SG2204', manifest, place, { secret: secret.name })];
  if (env[at]?.value !== PLACEHOLDERS.secret) return [];
  return [finding('SG2106', manifest, place, { what: 'the secret' })];
}

function checkGatewayClusters({ all }: Manifests): Finding[] {
  return all.flatMap((manifest) => {
    const containers = manifest.list(['spec', 'template', 'spec', 'containers']);
    return containers.flatMap((container, i) => {
      const { env = [] } = container as { env?: readonly { name?: string; value?: string }[] };
      const at = env.findIndex(({ name }) => name === 'PILOT_FILTER_GATEWAY_CLUSTER_CONFIG');
      if (at === -1 || env[at]?.value !== 'true') return [];
      const path = ['spec', 'template', 'spec', 'containers', i, 'env', at];
      return [finding('SG2305', manifest, [...path, 'value'])];
    });
  });
}
