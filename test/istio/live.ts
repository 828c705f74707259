/**
 * A mesh for tests of `sidegate doctor`: objects from a file behind the paths of an API server, and
 * a real host that hears the engines a test names. The rig has the real API server.
 */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { encodeWatchRequest } from '../../host/wire/watch.ts';
import { resourcesOf } from '../support/policies.ts';
import { TrialHost } from '../support/trial-host.ts';
import { until } from '../support/wait.ts';
import { kubeconfigOf, objectsOf, pathOf } from './rig/kube.ts';

/** An engine that the host hears; what it does not say is as it should be. */
export interface HeardEngine {
  readonly proxy: string;
  readonly version?: string;
  readonly directoryRevision?: number;
  /** Every byte of the id of the store that it follows. */
  readonly storeByte?: number;
}

/** Serves objects, and the same metrics for every pod, to whoever brings the token. */
export async function serveCluster(
  text: string,
  metrics: string,
  token: string,
  isForbidden: (path: string) => boolean = () => false,
) {
  const objects = objectsOf(text);
  const server = http.createServer((request, response) => {
    const path = (request.url ?? '').replace(/\?.*/, '');
    if (request.headers.authorization !== `Bearer ${token}`) {
      return response.writeHead(401).end('{"message":"Unauthorized"}');
    }
    if (isForbidden(path)) return response.writeHead(403).end('{"message":"Forbidden"}');
    if (path.endsWith(':15020/proxy/stats/prometheus')) return response.end(metrics);
    const items = objects.filter((object) => {
      const own = pathOf(object).replace(/\/[^/]+$/, '');
      return path === own || path === own.replace(/\/namespaces\/[^/]+/, '');
    });
    const [{ kind = '', apiVersion = 'v1' } = {}] = items;
    return response.end(JSON.stringify({ kind: `${kind}List`, apiVersion, items }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const config = kubeconfigOf({ server: `http://127.0.0.1:${port}` }, { token });
  const close = () => server[Symbol.asyncDispose]();
  return { config, [Symbol.asyncDispose]: close };
}

/** Starts a host that hears these engines. */
export async function hostHearing(engines: readonly HeardEngine[]): Promise<TrialHost> {
  const host = await TrialHost.start({ storeId: new Uint8Array(16).fill(1) });
  // What is in force is so for two minutes, so that an engine without it lags.
  host.aheadMs = -120_000;
  await host.apply(resourcesOf());
  const head = host.heads.get('default');
  for (const [i, { proxy, version = '', directoryRevision, storeByte = 1 }] of engines.entries()) {
    const payload = encodeWatchRequest({
      incarnation: BigInt(i + 1),
      storeId: new Uint8Array(16).fill(storeByte),
      policyRevision: head?.policyRevision ?? 0,
      directoryRevision: directoryRevision ?? head?.directoryRevision ?? 0,
      ...{ complete: true, filling: false, workload: 'orders', proxy },
      version: version === '' ? await versionOf(host) : version,
    });
    const url = '/v1/watch/default';
    void host.sync.inject({ method: 'POST', url, payload: Buffer.from(payload) });
  }
  await until('all are heard', async () => host.engines.list().length === engines.length);
  return host;
}

/** The version that the host names as its own. */
export async function versionOf(host: TrialHost): Promise<string> {
  const status = await host.ask('GET', '/v1/status');
  return status.body.version;
}
