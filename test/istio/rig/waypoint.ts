/**
 * A waypoint with traffic: the agent and Envoy that istiod configures for ambient mode, met as
 * ztunnel meets them, by HTTP/2 CONNECT over mTLS. There is no ztunnel here, and the API behind the
 * waypoint has no proxy of its own.
 */
import assert from 'node:assert/strict';
import type { Checks } from './checks.ts';
import { AMBIENT, istiodReady, startProgram } from './control.ts';
import { getThroughTunnel } from './hbone.ts';
import { makeKey } from './host.ts';
import { apply, type KubeObject, kube, pathOf } from './kube.ts';
import { certificateOf, type Mesh, podReady, startPod } from './pods.ts';
import { endpoints, layoutObjects, OUTSIDE, PODS, pod, replace, serviceAddress } from './s2.ts';
import { inARow } from './traffic.ts';

const NAME = 'waypoint';
const LABELS = { 'gateway.networking.k8s.io/gateway-name': NAME };
// A later one is sent a type of filter state that a stock Envoy lacks.
const WAYPOINT = { ...pod(NAME, 'shop', NAME, '10.1.0.15', LABELS, NAME), version: '1.29.1' };
const HBONE_PORT = 15_008;
const HOST = 'orders.shop.svc.cluster.local';

/** Moves the mesh to ambient mode and checks the waypoint of the API. */
export async function checkWaypoint(
  mesh: Mesh,
  checks: Checks,
  old: readonly KubeObject[],
  digest: string,
): Promise<void> {
  const { key } = await makeKey('roomy');
  await mesh.processes.stopOne('istiod');
  startProgram(mesh.processes, 'istiod', AMBIENT);
  await istiodReady();
  const objects = layoutObjects('waypoint', 'WasmPlugin', digest);
  await replace(old, objects);
  await layOut(objects);
  await startPod(mesh, WAYPOINT);
  await podReady(mesh, WAYPOINT);
  // Guarantees that the manifests of the layout make a waypoint enforce what sidecars enforce.
  await checks.check('waypoint: a key is asked for, and passes', async () => {
    const authority = `${await serviceAddress(objects, 'orders')}:80`;
    const at = { address: WAYPOINT.address, port: HBONE_PORT };
    const certificate = certificateOf(mesh, PODS.caller);
    const ask = (presented?: string) => {
      const headers = { host: HOST, ...(presented !== undefined && { 'x-api-key': presented }) };
      return getThroughTunnel(at, certificate, authority, { path: '/orders', headers });
    };
    await inARow('no key is refused', async () => (await ask()).status === 401);
    await inARow('a key passes', async () => (await ask(key)).body.trim() === 'hello acme');
  });
}

/** What an operator does besides applying manifests, and what controllers would make of them. */
async function layOut(objects: readonly KubeObject[]): Promise<void> {
  const { namespace } = WAYPOINT;
  const service = objects.find(
    ({ kind, metadata }) => kind === 'Service' && metadata.name === 'orders',
  );
  assert.ok(service !== undefined);
  const labels = { ...(service.metadata.labels as object), 'istio.io/use-waypoint': NAME };
  await apply({ ...service, metadata: { ...service.metadata, labels } });
  const slice = endpoints([PODS.orders], 'orders', { http: 8080 });
  await apply({
    ...slice,
    endpoints: [{ addresses: [OUTSIDE.address], conditions: { ready: true } }],
  });
  const metadata = { name: NAME, namespace };
  await apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata });
  const ports = [{ name: 'mesh', port: HBONE_PORT, appProtocol: 'hbone' }];
  const selector = WAYPOINT.labels;
  await apply({ apiVersion: 'v1', kind: 'Service', metadata, spec: { selector, ports } });
  await apply(endpoints([WAYPOINT], NAME, { mesh: HBONE_PORT }));
  await apply(stockEnvoy(namespace));
  const gateway = objects.find(({ kind }) => kind === 'Gateway');
  assert.ok(gateway !== undefined);
  const value = `${NAME}.${namespace}.svc.cluster.local`;
  const status = { addresses: [{ type: 'Hostname', value }] };
  const { apiVersion, kind } = gateway;
  const query = 'fieldManager=rig&force=true';
  await kube('PATCH', `${pathOf(gateway)}/status?${query}`, { apiVersion, kind, metadata, status });
}

/** A stock Envoy lacks two filters that Istio puts into waypoints, for telemetry. */
function stockEnvoy(namespace: string): KubeObject {
  const lacking = ['waypoint_downstream_peer_metadata', 'waypoint_upstream_peer_metadata'];
  const manager = 'envoy.filters.network.http_connection_manager';
  return {
    apiVersion: 'networking.istio.io/v1alpha3',
    kind: 'EnvoyFilter',
    metadata: { name: 'stock-envoy', namespace },
    spec: {
      targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: NAME }],
      configPatches: lacking.map((name) => ({
        applyTo: 'HTTP_FILTER',
        match: { listener: { filterChain: { filter: { name: manager, subFilter: { name } } } } },
        patch: { operation: 'REMOVE' },
      })),
    },
  };
}
