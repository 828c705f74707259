/**
 * Parts of the mesh and of Sidegate stopped one by one and all together, under traffic: what was in
 * force stays so, nothing opens, and a proxy that starts anew recovers when they are back.
 */
import assert from 'node:assert/strict';
import type { Checks } from './checks.ts';
import { PROBES, probe } from './container.ts';
import { apiServerReady, istiodReady, type Program, startProgram } from './control.ts';
import { FILTERED, PROXIES } from './fleet.ts';
import { makeKey, runHost } from './host.ts';
import { apply, type KubeObject } from './kube.ts';
import { extensionsOf, type Mesh, podReady, proxyOf, startProxy } from './pods.ts';
import { type Processes, runIn, until } from './processes.ts';
import { pushImage } from './registry.ts';
import { PODS } from './s2.ts';
import { answered, send, type Target, underLoad } from './traffic.ts';

/** Slow enough that what a worker holds lasts for as long as a part is away. */
const LOAD = { connections: 12, pauseMs: 40 };
const ROUNDS = 10;

/** Runs the checks on the fleet, and leaves everything running. */
export async function checkResilience(
  mesh: Mesh,
  objects: readonly KubeObject[],
  checks: Checks,
): Promise<void> {
  const { processes } = mesh;
  const { key } = await makeKey('roomy');
  const targets = PROXIES.map((target) => ({ ...target, key }));
  for (const programs of [['istiod'], ['registry'], ['apiserver', 'etcd']] as const) {
    // Guarantees that no part of the mesh is asked on the way of a request.
    await checks.checkPatiently(`${programs.join(' and ')} away: enforcement goes on`, async () => {
      await underLoad(targets, LOAD, async () => {
        for (const program of programs) await processes.stopOne(program);
        try {
          await enforced(key);
        } finally {
          await startAgain(processes, programs);
        }
        await enforced(key);
      });
    });
  }
  await checkCut(objects, targets, key, checks);
  await checkHostAway(mesh, targets, key, checks);
  // Guarantees the same when nothing is left but the proxies.
  await checks.check('everything away at once, and a proxy that starts meanwhile', async () => {
    // The host goes last: what workers hold of a quota lasts for seconds, not for all of this.
    const all = ['istiod', 'registry', 'apiserver', 'etcd', 'host'];
    const stop = async () => {
      for (const name of all) await processes.stopOne(name);
      await enforced(key);
    };
    const load = await underLoad(targets, { ...LOAD, allowed: [200, 503] }, stop);
    checks.note(load.told());
    await processes.stopOne(proxyOf(PODS.orders));
    startProxy(mesh, PODS.orders);
    for (let i = 0; i < ROUNDS; i += 1) {
      assert.notEqual((await send({ ...sidecar(), key })).status, 200, 'open without a filter');
    }
    await startAgain(processes, ['etcd', 'apiserver', 'registry', 'istiod']);
    await runHost(processes);
    await recovered(key);
  });
}

/** The host alone away. */
async function checkHostAway(
  mesh: Mesh,
  targets: readonly Target[],
  key: string,
  checks: Checks,
): Promise<void> {
  const { processes } = mesh;
  // Guarantees the rows of the failure table about a host that is away.
  await checks.check('the host away: held quota is spent, unknown keys are refused', async () => {
    // Whoever has spent what it held gets 503 until the host is back, and nothing else.
    const load = await underLoad(targets, { ...LOAD, allowed: [200, 503] }, async () => {
      await processes.stopOne('host');
      await enforced(key);
      const asks = Object.values(PROBES).map((name) => answered(500, () => probe(name), [200]));
      await Promise.all(asks);
      await runHost(processes);
      await enforced(key);
    });
    checks.note(load.told());
  });
  // Guarantees that a proxy without a policy is closed, and opens when the host is back.
  await checks.check('a proxy that starts while the host is away recovers', async () => {
    await processes.stopOne('host');
    await processes.stopOne(proxyOf(PODS.orders));
    startProxy(mesh, PODS.orders);
    await podReady(mesh, PODS.orders);
    await answered(503, () => send({ ...sidecar(), key }), [200]);
    await runHost(processes);
    await recovered(key);
  });
}

const ISTIOD_PORT = '15012';

/** The agents' connections to istiod cut, which goes on running. */
async function checkCut(
  objects: readonly KubeObject[],
  targets: readonly Target[],
  key: string,
  checks: Checks,
): Promise<void> {
  const plugin = objects.find(
    ({ kind, metadata }) => kind === 'WasmPlugin' && metadata.namespace === 'shop',
  );
  assert.ok(plugin !== undefined);
  const rule = (verb: string) => {
    const drop = ['OUTPUT', '-p', 'tcp', '--dport', ISTIOD_PORT, '-j', 'DROP'];
    for (const one of FILTERED) runIn(one.name, 'iptables', '-w', verb, ...drop);
  };
  const changed = structuredClone(plugin);
  changed.spec.pluginConfig.heartbeatMs = 1_234;
  const hasIt = () => extensionsOf(PODS.orders).includes('heartbeatMs\\":1234');
  // Guarantees that proxies live on what they have, and hear of what changed when they can again.
  await checks.checkPatiently(
    "the agents' xDS cut: enforcement goes on, changes wait",
    async () => {
      await underLoad(targets, LOAD, async (load) => {
        rule('-I');
        try {
          await apply(changed);
          await enforced(key);
          await load.goesOn();
          assert.ok(!hasIt(), 'the change came through');
        } finally {
          rule('-D');
        }
        await until('the change comes', hasIt);
        await load.goesOn();
      });
      await apply(plugin);
    },
  );
}

function sidecar(): Target {
  const found = PROXIES.find(({ address }) => address === PODS.orders.address);
  assert.ok(found !== undefined);
  return found;
}

/** A known key passes and no other does, at every proxy. */
async function enforced(key: string): Promise<void> {
  const unknown = `${key.slice(0, -1)}${key.endsWith('0') ? '1' : '0'}`;
  for (let i = 0; i < ROUNDS; i += 1) {
    const replies = PROXIES.flatMap((target) => [
      send(target),
      send({ ...target, key: unknown }),
      send({ ...target, path: '/health' }),
    ]);
    const statuses = (await Promise.all(replies)).map(({ status }) => status);
    assert.deepEqual(
      statuses,
      PROXIES.flatMap(() => [401, 401, 200]),
    );
  }
}

async function recovered(key: string): Promise<void> {
  await until('every proxy decides again', async () => {
    await enforced(key);
    const replies = await Promise.all(PROXIES.map((target) => send({ ...target, key })));
    return replies.every(({ status }) => status === 200);
  });
}

async function startAgain(processes: Processes, programs: readonly Program[]): Promise<void> {
  // etcd before the API server, which is stopped first.
  for (const program of programs.toSorted((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b))) {
    startProgram(processes, program);
    if (program === 'apiserver') await apiServerReady();
    if (program === 'registry') await pushImage(processes);
    if (program === 'istiod') await istiodReady();
  }
}

const ORDER: readonly Program[] = ['etcd', 'apiserver', 'registry', 'istiod'];
