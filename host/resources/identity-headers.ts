/**
 * Which request headers speak for the caller: those that any program sets from what is known of
 * it. What a caller sends under such a name is removed, and no edit may bring it there.
 */
import type { Mediation, Plan, Product, Step } from './model.ts';
import type { Path } from './origin.ts';

/** A program of requests and where it stands in its resource. */
export interface RequestProgram {
  readonly steps: readonly Step[];
  readonly path: Path;
}

function programOf({ request }: Mediation, path: Path): RequestProgram {
  return { steps: request, path: [...path, 'mediation', 'request'] };
}

/** The request programs of a product, its operations included, or of a plan. */
export function requestPrograms(resource: Product | Plan): RequestProgram[] {
  const own = programOf(resource.mediation, ['spec']);
  if (!('operations' in resource)) return [own];
  const inner = resource.operations.map(({ mediation }, i) =>
    programOf(mediation, ['spec', 'operations', i]),
  );
  return [own, ...inner];
}

/** The form in which names are compared: many servers take `_` for `-`. */
export function identityForm(name: string): string {
  return name.replaceAll('_', '-');
}

/** Whether a step makes its header speak for the caller. */
export function isIdentityStep({ parts }: Step): boolean {
  return parts.some((part) => 'variable' in part);
}

/** The names that speak for the caller in these resources, compared form, sorted, each once. */
export function identityNames(resources: readonly (Product | Plan)[]): string[] {
  const names = resources
    .flatMap(requestPrograms)
    .flatMap(({ steps }) => steps.filter(isIdentityStep))
    .map(({ header }) => identityForm(header));
  return [...new Set(names)].sort();
}
