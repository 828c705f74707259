/**
 * Every manifest that ships, held to istioctl and to a strict server-side apply on the real API
 * server with Istio's definitions.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { BUILT } from './cache.ts';
import type { Checks } from './checks.ts';
import { apply, kube, objectsOf, pathOf } from './kube.ts';
import { run } from './processes.ts';
import { IMAGE, sidegate } from './registry.ts';

const LAYOUTS = ['s1', 's2', 's3', 's4', 's5', 's10'];
const STRICT = 'fieldManager=rig&force=true&fieldValidation=Strict&dryRun=All';

/** Checks every layout in both kinds. */
export async function checkManifests(checks: Checks, folder: string): Promise<void> {
  for (const layout of LAYOUTS) {
    for (const kind of ['WasmPlugin', 'TrafficExtension']) {
      const text = sidegate(
        ...['samples', 'istio', '--layout', layout, '--kind', kind, '--image', IMAGE],
        ...['--digest', '1'.repeat(64), '--host-image', 'images.example.net/host:1'],
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
    }
  }
}
