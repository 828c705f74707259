/**
 * The API server as the rig uses it: strict server-side apply, tokens of service accounts, and
 * what it takes to read an object back.
 */
import https from 'node:https';
import { parseAllDocuments } from 'yaml';

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

/** Calls the API server. Throws with the server's message unless the answer is a good one. */
export async function kube(method: string, path: string, body?: unknown): Promise<KubeObject> {
  const { status, text } = await new Promise<{ status: number; text: string }>(
    (resolve, reject) => {
      const patch = method === 'PATCH' ? 'application/apply-patch+yaml' : 'application/json';
      const headers = { authorization: `Bearer ${ADMIN}`, 'content-type': patch };
      const options = { method, path, port: PORT, headers, rejectUnauthorized: false };
      const request = https.request({ host: '127.0.0.1', ...options }, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part) => parts.push(part));
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString() });
        });
      });
      request.on('error', reject);
      request.end(body === undefined ? undefined : JSON.stringify(body));
    },
  );
  if (status >= 200 && status < 300) return JSON.parse(text.startsWith('{') ? text : '{}');
  throw new Error(`${method} ${path}: ${status} ${text.slice(0, 600)}`);
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
