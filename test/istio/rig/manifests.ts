/**
 * Every manifest that ships, held to istioctl and to a strict server-side apply on the real API
 * server with Istio's definitions; kustomize and Helm held to what `sidegate samples` prints.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { layoutNames, MANIFESTS } from '../../../host/cli/samples.ts';
import { BUILT } from './cache.ts';
import type { Checks } from './checks.ts';
import { HOP_KEY, MARK, SECRET, SECRETS } from './host.ts';
import { apply, type KubeObject, kube, objectsOf, pathOf } from './kube.ts';
import { run } from './processes.ts';
import { IMAGE, SIDEGATE, sidegate } from './registry.ts';

const STRICT = 'fieldManager=rig&force=true&fieldValidation=Strict&dryRun=All';

/** Checks every layout in both kinds. */
export async function checkManifests(checks: Checks, folder: string): Promise<void> {
  Object.assign(process.env, SECRETS);
  for (const layout of layoutNames()) {
    for (const kind of ['WasmPlugin', 'TrafficExtension']) {
      const text = sidegate(
        ...['samples', 'istio', '--layout', layout, '--kind', kind, '--image', IMAGE],
        ...['--digest', DIGEST, '--host-image', HOST_IMAGE],
      );
      const objects = objectsOf(text);
      // Guarantees that `kubectl apply --server-side` takes every field of every object.
      await checks.check(`the API server takes ${layout} with ${kind}`, async () => {
        for (const object of objects) {
          if (object.kind === 'Namespace') await apply(object);
          else await kube('PATCH', `${pathOf(object)}?${STRICT}`, object);
        }
      });
      // Guarantees that an operator who checks before applying is not turned away.
      await checks.check(`istioctl validates ${layout} with ${kind}`, () => {
        const file = path.join(folder, `${layout}-${kind}.yaml`);
        writeFileSync(file, text);
        run(BUILT.istioctl, ['validate', '-f', file]);
      });
      // Guarantees that whoever installs with Helm gets what everyone gets.
      await checks.check(`Helm renders ${layout} with ${kind} as it is`, () => {
        assert.deepEqual(sorted(objectsOf(rendered(layout, kind))), sorted(objects));
      });
    }
    // Guarantees that what we print and what kustomize builds are one thing.
    await checks.check(`kustomize builds ${layout} as it is`, () => {
      const built = run(BUILT.kustomize, ['build', path.join(MANIFESTS, 'layouts', layout)]);
      const open = [...Object.keys(SECRETS).flatMap((name) => ['-u', name]), ...SIDEGATE];
      const printed = run('env', [...open, 'samples', 'istio', '--layout', layout]);
      assert.deepEqual(sorted(objectsOf(built)), sorted(objectsOf(printed)));
    });
  }
}

const HOST_IMAGE = 'images.example.net/host:1';
const DIGEST = '1'.repeat(64);

/** The chart with the values that stand for the options of `sidegate samples`. */
function rendered(layout: string, kind: string): string {
  const values = {
    ...{ layout, kind, syncSecret: SECRET, mark: MARK, hopKey: HOP_KEY },
    filter: { image: IMAGE, digest: DIGEST },
    host: { image: HOST_IMAGE },
  };
  // A helm that is built from source takes Kubernetes for very old.
  const version = ['--kube-version', '1.33.0'];
  const args = ['template', 'sidegate', MANIFESTS, ...version, '--values', '-'];
  return run(BUILT.helm, args, JSON.stringify(values));
}

/** Kustomize sorts, Helm sorts otherwise. */
function sorted(objects: readonly KubeObject[]): KubeObject[] {
  return objects.toSorted((a, b) => (pathOf(a) < pathOf(b) ? -1 : 1));
}
