/**
 * The filter on the gateway and in two sidecars of one mesh: changes reach all of them with nothing
 * pushed by istiod, and one quota holds over all of them, however many workers they have.
 */
import assert from 'node:assert/strict';
import http from 'node:http';
import { CANARY, checkFirstInstallation } from './canary.ts';
import type { Checks } from './checks.ts';
import { pushesOf } from './control.ts';
import { admin, applicationOn, type MadeKey, makeKey, writeResources } from './host.ts';
import { apply, type KubeObject } from './kube.ts';
import { type Mesh, podReady, restartProxy, startPod } from './pods.ts';
import { until } from './processes.ts';
import { endpoints, HOST_NAME, layoutObjects, PODS, pod, replace, startOrders } from './s2.ts';
import { send, type Target } from './traffic.ts';

const LABELS = { app: 'orders', ...CANARY };
const SECOND = pod('orders-2', 'shop', 'orders', '10.1.0.14', LABELS);
/** The pods with a filter. */
export const FILTERED = [PODS.gateway, PODS.orders, SECOND];

/** The three proxies with a filter, each reached on a way that meets no other filter. */
export const PROXIES: readonly Target[] = FILTERED.map((one) => {
  return { address: one.address, port: one === PODS.gateway ? 80 : 8080, host: HOST_NAME };
});

/** Lays the fleet out in place of what is there, the sidecars' plugin last; answers its objects. */
export async function layOutFleet(
  mesh: Mesh,
  checks: Checks,
  old: readonly KubeObject[],
  digest: string,
): Promise<KubeObject[]> {
  const objects = fleetObjects(digest);
  const plugin = objects.find((one) => one.kind === 'WasmPlugin' && isOfShop(one));
  const belt = objects.find(({ metadata }) => metadata.name === 'sidegate-belt');
  assert.ok(plugin !== undefined && belt !== undefined);
  await replace(
    old,
    objects.filter((one) => one !== plugin && one !== belt),
  );
  await startPod(mesh, SECOND);
  await apply(endpoints([PODS.orders, SECOND], 'orders', { http: 8080 }));
  await apply(endpoints([PODS.caller], 'behind', { http: 8080 }));
  startOrders(mesh.processes, objects, SECOND);
  // What stands behind the gateway has no filter, so that the gateway's is the only one.
  startOrders(mesh.processes, objects, PODS.caller);
  await podReady(mesh, SECOND);
  const [, rest, canary] = PROXIES;
  assert.ok(rest !== undefined && canary !== undefined);
  const workload = { canary: SECOND, targets: { canary, rest } };
  await checkFirstInstallation(mesh, workload, plugin, belt, checks);
  await until('all three refuse a request without a key', async () => {
    const replies = await Promise.all(PROXIES.map((target) => send(target)));
    return replies.every(({ status }) => status === 401);
  });
  return objects;
}

function fleetObjects(digest: string): KubeObject[] {
  const sidecars = layoutObjects('s4', 'WasmPlugin', digest);
  const gateway = layoutObjects('s1', 'WasmPlugin', digest);
  const ofGateway = gateway.filter(({ metadata }) => metadata.namespace === 'istio-ingress');
  const route = ofGateway.find(({ kind }) => kind === 'VirtualService');
  const callers = sidecars.find(isCallers);
  assert.ok(route !== undefined && callers !== undefined);
  for (const { kind, spec } of [...sidecars, ...ofGateway]) {
    // Where a module is exchanged, the first request of an account waits for more than 60 ms.
    if (kind === 'WasmPlugin') spec.pluginConfig.holdMs = 1_000;
  }
  route.spec.http[0].route[0].destination.host = 'behind.shop.svc.cluster.local';
  callers.spec.rules.push(...(gateway.find(isCallers)?.spec.rules ?? []));
  const behind = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'behind', namespace: 'shop' },
    spec: { selector: { app: 'caller' }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
  };
  return [...sidecars, ...ofGateway, behind];
}

const isOfShop = ({ metadata }: KubeObject) => metadata.namespace === 'shop';

const isCallers = ({ kind, metadata }: KubeObject) =>
  kind === 'AuthorizationPolicy' && metadata.name === 'filters';

const CHANGES = 10;
const CONNECTIONS = 4;

/** Makes changes and takes the time until every proxy decides by them. */
class Stopwatch {
  readonly tookMs: number[] = [];
  readonly #agents = PROXIES.flatMap((target) =>
    Array.from({ length: CONNECTIONS }, () => {
      return { target, agent: new http.Agent({ keepAlive: true, maxSockets: 1 }) };
    }),
  );

  /** Waits until every proxy answers a key with a status. */
  async seen(key: string, status: number): Promise<void> {
    const waits = this.#agents.map(({ target, agent }) =>
      until(
        `${status} at ${target.address}`,
        async () => (await send({ ...target, key }, agent)).status === status,
        5,
      ),
    );
    await Promise.all(waits);
  }

  async time(status: number, change: () => string | Promise<string>): Promise<void> {
    const started = performance.now();
    await this.seen(await change(), status);
    this.tookMs.push(performance.now() - started);
  }

  close(): void {
    for (const { agent } of this.#agents) agent.destroy();
  }
}

/** Checks of changes, each seen at all three proxies. */
export async function checkChanges(checks: Checks): Promise<void> {
  // Guarantees that neither keys nor plans nor quotas cost the mesh a push; something else may.
  await checks.checkPatiently('changes of keys, quotas and plans reach all, no push', async () => {
    const watch = new Stopwatch();
    const before = await settledPushes();
    const made: MadeKey[] = [];
    for (let i = 0; i < CHANGES; i += 1) {
      await watch.time(200, async () => {
        made.push(await admin<MadeKey>('POST', '/v1/credentials', { application: 'roomy' }));
        return made.at(-1)?.key ?? '';
      });
    }
    for (const { id, key } of made) {
      await watch.time(401, async () => {
        await admin('POST', `/v1/credentials/${id}/revoke`, {});
        return key;
      });
    }
    await changePlans(watch);
    watch.close();
    assert.equal((await pushesOf()) - before, 0, 'pushes of istiod');
    const took = watch.tookMs.toSorted((a, b) => a - b);
    const [median = 0, slowest = 0] = [took[Math.floor(took.length / 2)], took.at(-1)];
    const figures = `median ${median.toFixed(0)} ms, slowest ${slowest.toFixed(0)} ms`;
    checks.note(`${took.length} changes, 3 proxies, 0 pushes: ${figures}`);
  });
}

async function changePlans(watch: Stopwatch): Promise<void> {
  const write = (...of: Parameters<typeof applicationOn>) => {
    writeResources('changing.yaml', applicationOn(...of));
  };
  write('changing', 2);
  const { key } = await makeKey('changing');
  await watch.seen(key, 429);
  const written = (...of: Parameters<typeof applicationOn>) => {
    write(...of);
    return key;
  };
  await watch.time(200, () => written('changing', 1_000_000));
  await watch.time(403, () => written('changing', 1_000_000, 'suspended'));
  await watch.time(200, () => written('changing', 1_000_000, 'active', 'roomy'));
}

/** What istiod has pushed, once it has pushed nothing for two seconds. */
async function settledPushes(): Promise<number> {
  let last = -1;
  let since = performance.now();
  await until('istiod is quiet', async () => {
    const now = await pushesOf();
    if (now !== last) since = performance.now();
    last = now;
    return performance.now() - since > 2_000;
  });
  return last;
}

const QUOTA = 240;

/** Checks that a quota is exact over gateway and two sidecars with 1, 2 and 4 workers each. */
export async function checkWorkers(mesh: Mesh, checks: Checks): Promise<void> {
  for (const workers of [1, 2, 4]) {
    const name = `workers-${workers}`;
    // Guarantees that no unit is given out twice, and that none stays behind while it is wanted.
    await checks.check(`${QUOTA} units over three proxies of ${workers} workers`, async () => {
      writeResources(`${name}.yaml`, applicationOn(name, QUOTA));
      const { key } = await makeKey(name);
      await Promise.all(FILTERED.map((one) => restartProxy(mesh, one, workers)));
      await until('all three have a policy', async () => {
        const probes = PROXIES.map((target) => send({ ...target, key, path: '/health' }));
        return (await Promise.all(probes)).every(({ status }) => status === 200);
      });
      let passed = 0;
      const round = async (each: number) => {
        const targets = PROXIES.flatMap((target) => Array<Target>(each).fill(target));
        const replies = await Promise.all(targets.map((target) => send({ ...target, key })));
        passed += replies.filter(({ status }) => status === 200).length;
      };
      await until(`${QUOTA} have passed`, async () => {
        await round(20);
        return passed >= QUOTA;
      });
      await round(40);
      assert.equal(passed, QUOTA);
    });
  }
}
