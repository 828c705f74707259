/**
 * Checks header edits against each other: a rename must not make a caller's header one that a
 * service takes for identity. Each finding is a problem at its place.
 */
import { identityForm, isIdentityStep, requestPrograms } from './identity-headers.ts';
import type { Plan, Product, ResourceSet } from './model.ts';
import type { Problem } from './problem.ts';

/** Problems of the header edits of a set. */
export function checkEdits(set: ResourceSet): Problem[] {
  const resources: (Product | Plan)[] = [...set.products, ...set.plans];
  const places = identityPlaces(resources);
  return resources.flatMap((resource) =>
    requestPrograms(resource).flatMap(({ steps, path }) =>
      steps.flatMap(({ op, parts }, i) => {
        const [to] = parts;
        if (op !== 'rename' || to === undefined || !('text' in to)) return [];
        const where = places.get(identityForm(to.text));
        if (where === undefined || resource.origin === undefined) return [];
        const at = [...path, i, 'rename', 'to'];
        return [resource.origin.problem('SG1410', { name: to.text, where }, at)];
      }),
    ),
  );
}

/** Where each name that speaks for the caller is set first. */
function identityPlaces(resources: readonly (Product | Plan)[]): Map<string, string> {
  const places = new Map<string, string>();
  for (const resource of resources) {
    for (const { steps, path } of requestPrograms(resource)) {
      for (const [i, step] of steps.entries()) {
        const name = identityForm(step.header);
        if (!isIdentityStep(step) || places.has(name)) continue;
        places.set(name, resource.origin?.where([...path, i, step.op]) ?? '');
      }
    }
  }
  return places;
}
