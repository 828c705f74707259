/**
 * Changes of a plugin's configuration in the running fleet: connections stay, plugins of one module
 * keep apart, memory stays flat.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Hopeless } from '../../support/wait.ts';
import type { Checks } from './checks.ts';
import { PROXIES } from './fleet.ts';
import { makeKey } from './host.ts';
import { apply, type KubeObject, kube, pathOf } from './kube.ts';
import { extensionsOf, forward, type Mesh } from './pods.ts';
import { run, until } from './processes.ts';
import { PODS } from './s2.ts';
import { inARow, send, underLoad } from './traffic.ts';

const CONNECTIONS = 8;
const CHANGES = 100;
const SETTLED_CHANGES = 20;
/** What a proxy may grow by; a filter that forgot its tables would take megabytes each time. */
const GROWTH_MB = 12;
const OTHER_PORT = 8082;

/** Runs the checks on the sidecar of the API; leaves the plugins as they were. */
export async function checkConfiguration(
  mesh: Mesh,
  objects: readonly KubeObject[],
  checks: Checks,
): Promise<void> {
  const plugin = objects.find(
    ({ kind, metadata }) => kind === 'WasmPlugin' && metadata.namespace === 'shop',
  );
  const service = objects.find(
    ({ kind, metadata }) => kind === 'Service' && metadata.name === 'orders',
  );
  const sidecar = PROXIES.find(({ address }) => address === PODS.orders.address);
  assert.ok(plugin !== undefined && service !== undefined && sidecar !== undefined);
  const { key } = await makeKey('roomy');
  // Guarantees that an operator may change the configuration in full traffic.
  await checks.checkPatiently('changes of pluginConfig drop no connection', async () => {
    const options = { connections: CONNECTIONS, pauseMs: 5 };
    const load = await underLoad([{ ...sidecar, key }], options, async (running) => {
      for (const heartbeatMs of [900, 800, 700]) await configure(plugin, heartbeatMs);
      await running.goesOn();
    });
    assert.equal(load.opened, CONNECTIONS, load.told());
    checks.note(`3 changes, ${CONNECTIONS} connections, ${load.told()}`);
  });
  // Guarantees that plugins of one module, which share a VM, answer each by its own configuration.
  await checks.check(`two plugins of one module, ${CHANGES} changes of one`, async () => {
    const split = await addSecond(mesh, plugin, service);
    const other = { ...sidecar, port: OTHER_PORT };
    const right = async () => {
      const asked = [send(sidecar), send(other), send({ ...sidecar, key })];
      const [none, shadow, known] = (await Promise.all(asked)).map(({ status }) => status);
      // A root context that is new may have to wait for its policy, but lets nobody pass till then.
      if (none === 200) throw new Hopeless('a request without a key has passed');
      return none === 401 && shadow === 200 && known === 200;
    };
    await inARow('one refuses and the other lets pass', right);
    let early = 0;
    for (let i = 1; i <= CHANGES; i += 1) {
      await configure(split, 1_000 + i);
      if (i === SETTLED_CHANGES) early = memoryMb();
      if (i % 10 === 0) await until(`both are right after ${i} changes`, right);
    }
    const late = memoryMb();
    checks.note(
      `memory of the proxy after ${SETTLED_CHANGES}: ${early} MB, after ${CHANGES}: ${late} MB`,
    );
    assert.ok(late - early < GROWTH_MB, `${early} -> ${late} MB`);
    await kube('DELETE', pathOf(second(plugin)));
    await apply(plugin);
    await inARow('the first decides alone', async () => (await send(sidecar)).status === 401);
  });
}

/** Applies a configuration and waits until the proxy has it. */
async function configure(plugin: KubeObject, heartbeatMs: number): Promise<void> {
  const changed = structuredClone(plugin);
  changed.spec.pluginConfig.heartbeatMs = heartbeatMs;
  await apply(changed);
  const text = `heartbeatMs\\":${heartbeatMs}`;
  const hasIt = () => extensionsOf(PODS.orders).includes(text);
  await until('the proxy has it', hasIt, 20);
}

function second(plugin: KubeObject): KubeObject {
  const other = structuredClone(plugin);
  other.metadata.name = 'sidegate-other';
  return other;
}

/** Gives the API a second port with a plugin of its own, in shadow; answers the first as it is. */
async function addSecond(mesh: Mesh, plugin: KubeObject, service: KubeObject): Promise<KubeObject> {
  forward(mesh, PODS.orders, OTHER_PORT, 8080);
  const ports = structuredClone(service);
  ports.spec.ports.push({ name: 'http-other', port: 81, targetPort: OTHER_PORT });
  await apply(ports);
  const first = structuredClone(plugin);
  first.spec.match = [{ mode: 'SERVER', ports: [{ number: 8080 }] }];
  const other = second(plugin);
  other.spec.match = [{ mode: 'SERVER', ports: [{ number: OTHER_PORT }] }];
  other.spec.pluginConfig.mode = 'shadow';
  await apply(first);
  await apply(other);
  return first;
}

/** What the Envoy of the API's pod holds in memory, in whole MB. */
function memoryMb(): number {
  const pids = run('ip', ['netns', 'pids', `sgi-${PODS.orders.name}`])
    .trim()
    .split('\n');
  for (const pid of pids) {
    if (readFileSync(`/proc/${pid}/comm`, 'utf8').trim() !== 'envoy') continue;
    const kilobytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return Math.round(Number(kilobytes) / 1_024);
  }
  throw new Error('no Envoy runs in the pod');
}
