/**
 * The host's container: run as the manifests ask for it, probed as the kubelet does in a pod with a
 * sidecar, whose agent asks in its place.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Checks } from './checks.ts';
import { HOST_POD, hostContainer } from './host.ts';
import { inContainer } from './image.ts';
import type { KubeObject } from './kube.ts';
import { type Processes, run } from './processes.ts';
import { answered, send } from './traffic.ts';

/** Where the agent answers the probes of the manifest. */
export const PROBES = {
  startupProbe: 'startupz',
  livenessProbe: 'livez',
  readinessProbe: 'readyz',
};
const AGENT_PORT = 15_020;

/** Runs the checks on the host that runs. */
export async function checkContainer(processes: Processes, checks: Checks): Promise<void> {
  const container = hostContainer();
  const { user } = container;
  const pid = processes.pidOf('host');
  // Guarantees that the security contexts of the manifests are ones that the image can live with.
  await checks.check("the host runs as the pod's user, bare, on a root that is read-only", () => {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    assert.match(status, new RegExp(`^Uid:\t${user}\t${user}\t${user}\t`, 'm'));
    assert.match(status, /^CapEff:\t0+$/m);
    assert.match(status, /^CapBnd:\t0+$/m);
    assert.match(status, /^NoNewPrivs:\t1$/m);
    const writable = (folder: string) => {
      const inside = ['-t', `${pid}`, '-m', '-r', '-S', `${user}`, '-G', `${container.group}`];
      const script = `touch ${folder}/x 2>&1 && rm ${folder}/x && echo yes || true`;
      return run('nsenter', [...inside, 'sh', '-c', script]).trim() === 'yes';
    };
    const folders = [
      '/',
      '/etc/sidegate',
      '/sidegate',
      '/sidegate/host',
      '/tmp',
      '/var/lib/sidegate',
    ];
    assert.deepEqual(folders.filter(writable), ['/tmp', '/var/lib/sidegate']);
  });
  // Guarantees that `kubectl exec` finds the command line.
  await checks.check('the image holds the command line', () => {
    const [program = '', ...args] = inContainer(container, ['sidegate', 'version']);
    assert.match(run(program, args), /0\.1\.0/);
  });
  // Guarantees that the pod is started, kept and sent requests by what its host really says.
  await checks.check('the probes of the manifest are answered', async () => {
    for (const name of Object.values(PROBES)) await answered(200, () => probe(name));
  });
}

/** Checks what the host that runs has needed. */
export async function checkMemory(processes: Processes, checks: Checks): Promise<void> {
  // Guarantees that the limit of the manifest does not end a host that does its work.
  await checks.check('the host has stayed within the memory of its pod', () => {
    const status = readFileSync(`/proc/${processes.pidOf('host')}/status`, 'utf8');
    const most = Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1]) / 1_024;
    const { memoryMb } = hostContainer();
    checks.note(`${most.toFixed(0)} MB of ${memoryMb}`);
    assert.ok(most < memoryMb);
  });
}

/** Asks as the kubelet asks, which the injector has sent to the agent. */
export function probe(name: string) {
  const path = `/app-health/host/${name}`;
  return send({ address: HOST_POD.address, port: AGENT_PORT, host: HOST_POD.address, path });
}

/** The probes of the host as the injector tells them to the agent. */
export function probersOf(objects: readonly KubeObject[]): string {
  const stateful = objects.find(({ kind }) => kind === 'StatefulSet');
  const container = stateful?.spec.template.spec.containers[0];
  const probers = Object.entries(PROBES).map(([field, name]) => {
    const { path, port } = container[field].httpGet;
    const { containerPort } = container.ports.find((one: { name: string }) => one.name === port);
    const httpGet = { path, port: containerPort, scheme: 'HTTP' };
    return [`/app-health/${container.name}/${name}`, { httpGet }];
  });
  return JSON.stringify(Object.fromEntries(probers));
}
