/**
 * How changes of resources look on the command line: one line for each resource, its fields below
 * it, and a sentence that counts them.
 */
import type { ResourceDiff } from '../resources/diff.ts';
import { type CallOptions, callApi, type Method, type Target } from './admin-api.ts';
import { type Context, say, tell } from './context.ts';
import { count } from './inputs.ts';
import { type Format, printValue } from './output.ts';
import { withProgress } from './progress.ts';

/** What the host answers to a change. */
export interface ChangeAnswer {
  readonly revision: number;
  readonly changed: boolean;
  readonly diff: readonly ResourceDiff[];
}

const MARKS = { create: '+', update: '~', delete: '-' } as const;

/** Changes are worked out one after the other, and some are large. */
const PATIENCE_MS = 600_000;

/** Asks for a change of resources, and shows how far a large one has come. */
export function askChange(
  context: Context,
  target: Target,
  method: Method,
  path: string,
  body?: unknown,
  options: CallOptions = {},
): Promise<ChangeAnswer> {
  const patient = { timeoutMs: PATIENCE_MS, ...options };
  return withProgress(context, target, callApi(target, method, path, body, patient));
}

/** Prints a change as data. */
export function printChange(context: Context, format: Format, answer: ChangeAnswer): void {
  const { diff } = answer;
  if (format === 'json' || format === 'yaml') printValue(context, format, answer);
  else if (format === 'name') for (const each of diff) say(context, nameOf(each));
  else for (const line of diff.flatMap(linesOf)) say(context, line);
}

/** Says what a change did or would do, in one line. */
export function tellChange(
  context: Context,
  { diff, revision }: ChangeAnswer,
  would: boolean,
): void {
  const of = (action: ResourceDiff['action']) => diff.filter((e) => e.action === action).length;
  const [made, changed, gone] = [of('create'), of('update'), of('delete')];
  if (diff.length === 0) {
    tell(context, `No difference: the resources are at revision ${revision}.`);
    return;
  }
  const verb = would ? 'Would change' : 'Changed';
  const parts = `${made} made, ${changed} changed, ${gone} removed`;
  tell(context, `${verb} ${count(diff.length, 'resource')} (${parts}); revision ${revision}.`);
}

/** `Plan default/gold`. */
export function nameOf(resource: Pick<ResourceDiff, 'kind' | 'namespace' | 'name'>): string {
  return `${resource.kind} ${resource.namespace}/${resource.name}`;
}

function linesOf(diff: ResourceDiff): string[] {
  return [
    `${MARKS[diff.action]} ${nameOf(diff)}`,
    ...diff.fields.map(({ path, before, after }) => {
      return `    ${path}: ${shown(before)} -> ${shown(after)}`;
    }),
  ];
}

function shown(value: unknown): string {
  return value === undefined ? '(none)' : JSON.stringify(value);
}
