/**
 * The API server as the rig uses it: strict server-side apply, tokens of service accounts, and
 * what it takes to read an object back.
 */
import https from 'node:https';
import { parseAllDocuments } from 'yaml';
import { until } from './processes.ts';

/** An object of the cluster. */
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; [field: string]: unknown };
  // biome-ignore lint/suspicious/noExplicitAny: objects of many kinds are read as they come.
  [field: string]: any;
}

/** The objects of a YAML text. */
export function objectsOf(text: string): KubeObject[] {
  return parseAllDocuments(text)
    .map((document) => document.toJS() as KubeObject | null)
    .filter((object) => object !== null);
}

const CLUSTER_WIDE = new Set(['Namespace', 'CustomResourceDefinition', 'ClusterRole']);
const PORT = 17_443;

/** A kubeconfig with one cluster and one user. */
export function kubeconfigOf(cluster: object, user: object): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  });
}

/** The one who may do everything; the API server listens inside the rig's own network alone. */
export const ADMIN = 'admin';

/**
 * Calls the API server, again while it is away or has too much to do. Throws with its message when
 * it refuses.
 */
export async function kube(method: string, path: string, body?: unknown): Promise<KubeObject> {
  const told = ({ status, text }: Answer) => {
    return new Error(`${method} ${path}: ${status} ${text.slice(0, 600)}`);
  };
  const answer = await until('the API server answers', async () => {
    const one = await call(method, path, body);
    if (TRANSIENT.has(one.status)) throw told(one);
    return one;
  });
  const { status, text } = answer;
  if (status >= 200 && status < 300) return JSON.parse(text.startsWith('{') ? text : '{}');
  // What was deleted by a call whose answer was lost.
  if (method === 'DELETE' && status === 404) return {} as KubeObject;
  throw told(answer);
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

const TRANSIENT = new Set([429, 500, 502, 503, 504]);
const CALL_MS = 30_000;

function call(method: string, path: string, body: unknown) {
  return new Promise<Answer>((resolve, reject) => {
    const patch = method === 'PATCH' ? 'application/apply-patch+yaml' : 'application/json';
    const headers = { authorization: `Bearer ${ADMIN}`, 'content-type': patch };
    const where = { host: '127.0.0.1', port: PORT, rejectUnauthorized: false };
    const options = { method, path, headers, timeout: CALL_MS, ...where };
    const request = https.request(options, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString() });
      });
    });
    request.on('timeout', () => request.destroy(new Error('no answer')));
    request.on('error', reject);
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** The path of an object. */
export function pathOf({ apiVersion, kind, metadata }: KubeObject): string {
  const base = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const lower = kind.toLowerCase();
  const many = /[^aeiou]y$/.test(lower)
    ? `${lower.slice(0, -1)}ies`
    : `${lower}${/[sx]$/.test(lower) ? 'es' : 's'}`;
  const inside = CLUSTER_WIDE.has(kind) ? '' : `/namespaces/${metadata.namespace ?? 'default'}`;
  return `${base}${inside}/${many}/${metadata.name}`;
}

/** Applies an object as `kubectl apply --server-side` does: unknown fields are errors. */
export async function apply(object: KubeObject): Promise<KubeObject> {
  const query = 'fieldManager=rig&force=true&fieldValidation=Strict';
  const applied = await kube('PATCH', `${pathOf(object)}?${query}`, object);
  // Nobody else sets the state of a pod here.
  if (object.kind === 'Pod') await kube('PATCH', `${pathOf(object)}/status?${query}`, object);
  return applied;
}

/** A token of a service account for Istio's CA, bound to a pod. */
export async function podToken(namespace: string, account: string, pod: string): Promise<string> {
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`;
  const boundObjectRef = { kind: 'Pod', apiVersion: 'v1', name: pod };
  const spec = { audiences: ['istio-ca'], boundObjectRef };
  const made = await kube('POST', path, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec,
  });
  return made.status.token;
}
