/**
 * `sidegate doctor` on the running mesh: the real API server, by the certificate of an operator,
 * the agents' metrics through it, and the host.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { ROOT } from '../../runner/layers.ts';
import type { Checks } from './checks.ts';
import { operatorConfig } from './control.ts';
import { ADMIN_PORT } from './host.ts';
import { apply, type KubeObject } from './kube.ts';
import { type Processes, until } from './processes.ts';
import { SIDEGATE } from './registry.ts';

/** Checks a mesh in which all is well, then one of which a proxy has no module. */
export async function checkDoctor(
  processes: Processes,
  objects: readonly KubeObject[],
  checks: Checks,
): Promise<void> {
  const doctor = () => runDoctor(processes);
  // Guarantees that a mesh in which all is well is said to be so, from what really answers.
  await checks.check('doctor finds nothing in the running mesh', async () => {
    let said = doctor();
    // Proxies that a test has just started anew may not have been heard yet.
    await until('nothing is found', () => {
      said = doctor();
      return said.exit === 0;
    }).catch(() => assert.fail(`${said.exit}: ${said.text}`));
    assert.match(said.text, /2 plugins: nothing found/);
    assert.doesNotMatch(said.text, /not asked|Not allowed/);
  });
  // Guarantees that the 403 of a module that was not pulled has a name.
  await checks.check('doctor names a proxy that could not pull the module', async () => {
    const plugin = objects.find(
      ({ kind, metadata }) => kind === 'WasmPlugin' && metadata.namespace === 'istio-ingress',
    );
    assert.ok(plugin !== undefined);
    await apply({ ...plugin, spec: { ...plugin.spec, sha256: '1'.repeat(64) } });
    let text = '';
    await until('it is named', () => {
      text = doctor().text;
      return /SG2407 .*checksum_mismatched/.test(text);
    }).catch(() => assert.fail(text));
    checks.note(/^.*SG2407.*$/m.exec(text)?.[0] ?? '');
    await apply(plugin);
    await until('all is well again', () => doctor().exit === 0);
  });
}

function runDoctor({ folder }: Processes): { exit: number | null; text: string } {
  const [program, script] = SIDEGATE;
  const args = ['doctor', '--kubeconfig', operatorConfig(folder), '--host', ADMIN_PORT.url];
  const module = ['--module', path.join(ROOT, 'build/filter.wasm')];
  const env = { ...process.env, SIDEGATE_ADMIN_TOKEN: ADMIN_PORT.token };
  const options = { encoding: 'utf8', env } as const;
  const { status, stdout, stderr } = spawnSync(program, [script, ...args, ...module], options);
  return { exit: status, text: stdout + stderr };
}
