/**
 * What `sidegate doctor` can find in manifests: one code each, its text and how to mend it. A code
 * is never given to another finding. It must never show a secret.
 */
import { type Printable, pathText } from '../resources/problem.ts';
import type { Manifest, Part, Path } from './doctor-manifests.ts';

/** What one code says; texts have places in braces, filled with the facts of the case. */
interface FindingText {
  readonly message: string;
  readonly fix: string;
}

/**
 * All codes. SG21 the plugin, SG22 its configuration, SG23 what lies around it in the mesh,
 * SG24 what runs.
 */
export const FINDINGS = {
  SG2101: {
    message: 'no Istio reads {kind} of apiVersion "{value}"',
    fix: 'Use extensions.istio.io/v1alpha1; the validators of Istio do not see this.',
  },
  SG2102: {
    message: 'the url has no scheme; Istio drops such a plugin silently and the API is open',
    fix: 'Write oci:// before it.',
  },
  SG2103: {
    message: 'the url names a tag and no digest, so that what runs may change unseen',
    fix: 'Set sha256 to what `sidegate oci build` printed.',
  },
  SG2104: {
    message:
      'sha256 is that of the module; for oci:// Istio compares the manifest: 403 for everyone',
    fix: 'Set sha256 to what `sidegate oci build` printed.',
  },
  SG2105: {
    message: 'the digest is not the one given with --digest: 403 for everyone',
    fix: 'Set sha256 to {digest}.',
  },
  SG2106: {
    message: '{what} is still the one of the samples',
    fix: 'Fill it in; `sidegate samples istio --help` says how.',
  },
  SG2107: {
    message: 'without match the plugin meets calls in and out of the workload',
    fix: 'Add match with mode {mode}.',
  },
  SG2108: {
    message: 'mode {value} {why}',
    fix: 'Use mode {mode}.',
  },
  SG2109: {
    message: 'failStrategy {value}: after a trap {why}',
    fix: 'Use FAIL_RELOAD: about a second of 503, then all is well.',
  },
  SG2110: {
    message: 'a second plugin of the filter on the same proxies: each request is counted twice',
    fix: 'Keep one of the two; the other stands at {where}.',
  },
  SG2111: {
    message: 'phase {value} is not one the filter can work in',
    fix: 'Use AUTHN, or AUTHZ to run after a RequestAuthentication.',
  },
  SG2112: {
    message:
      'proxies of phase {phase} never see a key in "authorization: Bearer" beside a JWT check',
    fix: 'Use phase AUTHN, or another header for keys: product "{product}" reads this one.',
  },
  SG2113: {
    message: 'keys bound to networks are refused here, such as credential "{credential}"',
    fix: 'Set clientAddress: {value} and read docs/operations.md on what that takes.',
  },
  SG2114: {
    message: 'proxies of phase {phase} see no verified token yet: no caller is known by one',
    fix: 'Use phase AUTHZ: product "{product}" knows callers by a claim of theirs.',
  },
  SG2201: {
    message: 'the filter refuses this pluginConfig: {reason}',
    fix: 'Correct it; docs/wire.md lists the keys. A proxy that starts with it answers 500.',
  },
  SG2202: {
    message: 'cluster "{value}" is not a name that Istio gives',
    fix: 'Use outbound|<port of the Service>||<service>.<namespace>.svc.cluster.local.',
  },
  SG2203: {
    message: 'cluster "{value}" names a port that Service {service} does not have',
    fix: 'Use one of its ports: {ports}.',
  },
  SG2204: {
    message: 'the secret of the sync port is not the one in Secret {secret}: every call gets 401',
    fix: 'Set SIDEGATE_SYNC_SECRET in vmConfig.env to the same text.',
  },
  SG2205: {
    message: 'this policy asks for another mark than plugin {plugin} sets: all requests get 403',
    fix: 'Set SIDEGATE_MARK in vmConfig.env of the plugin to what the policy names.',
  },
  SG2301: {
    message: 'port {value} is the port of Service {service}, not its targetPort: the API is open',
    fix: 'Use {target}.',
  },
  SG2302: {
    message: 'port "{value}" of Service {service} gets no HTTP filters: it is open',
    fix: 'Begin its name with http or grpc.',
  },
  SG2303: {
    message: 'this Sidecar hides the host from the filter: every call fails',
    fix: 'Add "{namespace}/*" to the hosts of egress.',
  },
  SG2304: {
    message: 'exportTo hides the host from namespace {namespace}: every call fails',
    fix: 'Remove it, or add {namespace}.',
  },
  SG2305: {
    message: 'istiod leaves clusters without routes out of gateways, so the filter finds no host',
    fix: 'Add a VirtualService of that gateway that routes to the host, or unset this.',
  },
  SG2306: {
    message: 'the host runs outside the mesh: no mTLS, and no principal of a caller can be checked',
    fix: 'Label its namespace istio-injection=enabled, or its pods sidecar.istio.io/inject: "true".',
  },
  SG2307: {
    message:
      'no AuthorizationPolicy of the host allows {principal}: every call of the filter gets 403',
    fix: 'Add this principal to the policy that names the callers of the sync port.',
  },
  SG2308: {
    message: 'there is no Service {service}: every call of the filter fails',
    fix: 'Apply the host (istio/host), or correct the name.',
  },
  SG2309: {
    message: 'no pod of the host is ready behind Service {service}: every call of the filter fails',
    fix: 'kubectl -n {namespace} get pods, and the logs of the host.',
  },
  SG2310: {
    message: 'a waypoint is not given the cluster of the host: every request gets 503',
    fix: 'Name {service} to it as istio/layouts/waypoint/host.yaml does.',
  },
  SG2401: {
    message: 'no pod has the labels that this selects: the plugin is nowhere and the API is open',
    fix: 'Correct matchLabels, or the labels of the workload.',
  },
  SG2402: {
    message: 'pod {pod} has no proxy, so no filter: it is open',
    fix: 'Let Istio inject one, and start the pod anew.',
  },
  SG2403: {
    message: 'the host has not heard of the filter in pod {pod}',
    fix: 'Look for a module not pulled, a refused pluginConfig, a wrong secret or cluster.',
  },
  SG2404: {
    message: 'the filter in {pod} is {filter}, the host {host}: they are not made for each other',
    fix: 'Bring the host to the version of the filter first, then all filters to it.',
  },
  SG2405: {
    message:
      'the filter in {pod} follows store {other}, the host has {own}: two hosts, two ledgers',
    fix: 'Keep one host; each of the two gives out the whole quota.',
  },
  SG2406: {
    message: 'the filter in {pod} lags since {since}: it decides by what was in force before',
    fix: '`sidegate proxies -o wide` shows its last error; its log says more.',
  },
  SG2407: {
    message: 'the proxy of {pod} could not pull the module ({reason}): it refuses all with 403',
    fix: 'Mend address, digest or registry, then change the plugin: Istio does not try again itself.',
  },
  SG2408: {
    message: 'the proxy of {pod} shows no sign of the filter: refused configuration, or no plugin',
    fix: 'See "ACK ERROR" in the log of istiod, and match and labels of the plugin.',
  },
} as const satisfies Record<string, FindingText>;

/** A code of {@link FINDINGS}. */
export type FindingCode = keyof typeof FINDINGS;

/** A finding, printed as problems of resources are. */
export interface Finding extends Printable {
  readonly code: FindingCode;
}

/** A finding at a field of a manifest. */
export function finding(
  code: FindingCode,
  manifest: Manifest,
  path: Path,
  facts: Readonly<Record<string, string | number>> = {},
  part: Part = 'value',
): Finding {
  const { offset, length: whole } = manifest.place(path, part);
  const { line, column, excerpt, length } = manifest.file.show(offset, whole);
  // The name of a variable may stand on the line before its value.
  const secret = SECRET_NAME.test(excerpt) || path.includes('vmConfig');
  const hidden = secret ? excerpt.replace(SECRET_VALUE, hide) : excerpt;
  return {
    code,
    severity: 'error',
    file: manifest.file.name,
    line,
    column,
    length,
    path: pathText(path),
    message: filled(FINDINGS[code].message, facts),
    fix: filled(FINDINGS[code].fix, facts),
    excerpt: hidden,
    more: '',
  };
}

const SECRET_NAME = /SIDEGATE_SYNC_SECRET/;
const SECRET_VALUE = /(?<=SECRET['"]?:|value:)\s*\S.*/;

/** Masks a value, keeping columns. */
function hide(value: string): string {
  return value.replace(/[^\s{}]/g, '*');
}

function filled(text: string, facts: Readonly<Record<string, string | number>>): string {
  return text.replace(/\{(\w+)\}/g, (place, name: string) => String(facts[name] ?? place));
}
