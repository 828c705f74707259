/**
 * `npm run test:istio`: a real mesh on one machine. Builds what is missing, starts registry, API
 * server, istiod, agents and Envoys in network namespaces, and holds the shipped manifests and the
 * release module to what they promise. It must leave no process and no namespace behind.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { locateEnvoy } from '../../../envoy/locate.ts';
import { ROOT } from '../../runner/layers.ts';
import { fillCache, fillOptional, missing } from './cache.ts';
import { Checks } from './checks.ts';
import { checkConfiguration } from './configuration.ts';
import { checkMemory } from './container.ts';
import { startApiServer, startIstiod } from './control.ts';
import { checkDoctor } from './doctor.ts';
import { checkChanges, checkWorkers, layOutFleet } from './fleet.ts';
import { installPackages, makeImage } from './image.ts';
import type { KubeObject } from './kube.ts';
import { checkManifests } from './manifests.ts';
import { checkNeeds } from './needs.ts';
import { checkOtherLayouts } from './others.ts';
import type { Mesh } from './pods.ts';
import { NODE_NAMESPACE, Processes, run } from './processes.ts';
import { pushModule } from './registry.ts';
import { checkResilience } from './resilience.ts';
import { checkRollout } from './rollout.ts';
import { checkSidecarLayout } from './s2.ts';
import { checkWaypoint } from './waypoint.ts';

const BUILD = path.join(ROOT, 'assembly/build.mjs');
const INSIDE = 'SIDEGATE_RIG';
const say = (line: string) => console.log(line);

if (process.env[INSIDE] === undefined) await outside();
else await inside(JSON.parse(process.env[INSIDE]));

/** Prepares, then runs this file again in a network of its own. */
async function outside(): Promise<void> {
  const lacks = checkNeeds(say);
  const { names } = missing();
  if (process.argv.includes('--if-warm') && lacks.length + names.length > 0) {
    for (const line of lacks) say(line);
    say('NOT RUN: the tests on a real Istio. Nothing of what follows from a mesh was shown here.');
    say(`Run "npm run test:istio" once on this machine (not built: ${names.length}).`);
    return;
  }
  if (lacks.length > 0) {
    for (const line of lacks) say(line);
    say('\n0 passed, 1 failed');
    process.exitCode = 1;
    return;
  }
  fillCache(say);
  fillOptional(say);
  const packages = await installPackages(say);
  const envoy = await locateEnvoy(say);
  execFileSync(process.execPath, [BUILD, '--if-changed', 'release'], { stdio: 'inherit' });
  makeNamespace();
  try {
    const script = fileURLToPath(import.meta.url);
    const args = ['netns', 'exec', NODE_NAMESPACE, process.execPath, script];
    const env = { ...process.env, [INSIDE]: JSON.stringify({ envoy: envoy.path, packages }) };
    const { status } = spawnSync('ip', args, { stdio: 'inherit', env });
    process.exitCode = status ?? 1;
  } finally {
    run('ip', ['netns', 'del', NODE_NAMESPACE]);
  }
}

/** Makes the rig's own network; what a run that was killed left behind is taken away. */
function makeNamespace(): void {
  if (existsSync(path.join('/run/netns', NODE_NAMESPACE))) {
    const pids = run('ip', ['netns', 'pids', NODE_NAMESPACE]).trim();
    if (pids !== '') throw new Error('another run is under way: one at a time');
    run('ip', ['netns', 'del', NODE_NAMESPACE]);
  }
  run('ip', ['netns', 'add', NODE_NAMESPACE]);
}

/** What takes gateway and sidecars together. */
async function checkFleet(
  mesh: Mesh,
  checks: Checks,
  last: readonly KubeObject[],
  digest: string,
): Promise<void> {
  const { processes } = mesh;
  const objects = await layOutFleet(mesh, checks, last, digest);
  await checkChanges(checks);
  await checkConfiguration(mesh, objects, checks);
  await checkRollout(mesh, objects, checks);
  await checkWorkers(mesh, checks);
  await checkResilience(mesh, objects, checks);
  await checkDoctor(processes, objects, checks);
  await checkMemory(processes, checks);
  await checkWaypoint(mesh, checks, objects, digest);
}

/** What is prepared where there is a network. */
interface Prepared {
  readonly envoy: string;
  readonly packages: string;
}

async function inside({ envoy, packages }: Prepared): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'sidegate-istio-'));
  // Proxies run as a user of their own and read what lies here.
  chmodSync(folder, 0o755);
  const processes = new Processes(folder);
  const checks = new Checks(say);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void processes.stop().finally(() => process.exit(1)));
  }
  try {
    processes.makeBridge();
    await startApiServer(processes);
    const digests = await pushModule(processes, checks);
    await checkManifests(checks, processes.folder);
    const layout = await checkSidecarLayout.prepare(digests.image);
    const certificate = await startIstiod(processes);
    const mesh = { processes, certificate, envoy };
    const image = makeImage(path.join(folder, 'image'), packages);
    await checkSidecarLayout.run(mesh, image, layout, checks);
    const last = await checkOtherLayouts(mesh, checks, layout, digests);
    await checkFleet(mesh, checks, last, digests.image);
  } catch (error) {
    checks.fail('the rig', error);
  } finally {
    await processes.stop();
    const keep = checks.failed > 0 && existsSync(folder);
    if (keep) say(`logs: ${folder}`);
    else rmSync(folder, { recursive: true, force: true });
  }
  const { passed, failed, skipped } = checks;
  say(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
}
