/**
 * What a change does to resources, field by field, worked out from their canonical texts. The same
 * words are shown before a change and after it.
 */
import type { CanonicalResource } from './load.ts';
import { pathText } from './problem.ts';

/** One field that differs; absent = not there. */
export interface FieldDiff {
  /** Such as `spec.limits[0].quota`. */
  readonly path: string;
  readonly before?: unknown;
  readonly after?: unknown;
}

/** One resource that differs. */
export interface ResourceDiff {
  readonly action: 'create' | 'update' | 'delete';
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** Fields of an update; empty for what comes or goes as a whole. */
  readonly fields: readonly FieldDiff[];
}

/** Kind, namespace and name as one text, unique for each resource. */
export function keyOf(resource: {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}): string {
  return `${resource.kind}/${resource.namespace}/${resource.name}`;
}

/** What leads from one set to another, in the order of kind, namespace and name. */
export function diffResources(
  before: Iterable<CanonicalResource>,
  after: Iterable<CanonicalResource>,
): ResourceDiff[] {
  const gone = new Map([...before].map((each) => [keyOf(each), each]));
  const found: ResourceDiff[] = [];
  for (const resource of after) {
    const key = keyOf(resource);
    const old = gone.get(key);
    gone.delete(key);
    const diff = diffTexts(resource, old?.text ?? null, resource.text);
    if (diff !== undefined) found.push(diff);
  }
  for (const resource of gone.values()) {
    const diff = diffTexts(resource, resource.text, null);
    if (diff !== undefined) found.push(diff);
  }
  return found.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

/** What leads from one text of a resource to another; null = it is not there. */
export function diffTexts(
  { kind, namespace, name }: Pick<CanonicalResource, 'kind' | 'namespace' | 'name'>,
  before: string | null,
  after: string | null,
): ResourceDiff | undefined {
  if (before === after) return undefined;
  const named = { kind, namespace, name };
  if (before === null) return { action: 'create', ...named, fields: [] };
  if (after === null) return { action: 'delete', ...named, fields: [] };
  const fields: FieldDiff[] = [];
  compare(JSON.parse(before), JSON.parse(after), [], fields);
  return { action: 'update', ...named, fields };
}

type Step = string | number;

function compare(before: unknown, after: unknown, path: Step[], fields: FieldDiff[]): void {
  if (isBranch(before) && isBranch(after) && Array.isArray(before) === Array.isArray(after)) {
    const steps = new Set([...Object.keys(before), ...Object.keys(after)]);
    for (const step of steps) {
      const next = Array.isArray(before) ? Number(step) : step;
      compare(before[step], after[step], [...path, next], fields);
    }
    return;
  }
  if (JSON.stringify(before) === JSON.stringify(after)) return;
  fields.push({
    path: pathText(path),
    ...(before !== undefined && { before }),
    ...(after !== undefined && { after }),
  });
}

function isBranch(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
