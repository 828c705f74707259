/**
 * Explains kinds and fields of resources from their schema, for `sidegate explain`. It must never
 * say anything that the schema does not.
 */
import type { TSchema } from 'typebox';
import { extrasOf, KINDS, resourceSchema } from './schema/schema.ts';
import { suggest } from './suggest.ts';

/** Parts of a schema that are explained. */
interface Shape {
  readonly type?: string;
  readonly const?: string;
  readonly enum?: readonly string[];
  readonly default?: unknown;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, TSchema>>;
  readonly required?: readonly string[];
  readonly items?: TSchema;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** A topic explained, or what was probably meant by one that is not there. */
export type Explained =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly message: string };

/** Every kind in a line of its own. */
export function explainKinds(): string {
  const lines = KINDS.map((kind) => (resourceSchema(kind) as Shape).description ?? kind);
  return lines.join('\n');
}

/** Explains a topic such as `plan` or `plan.spec.limits.window`; kinds in any case. */
export function explainTopic(topic: string): Explained {
  const [first = '', ...fields] = topic.split('.');
  const kind = KINDS.find((each) => each.toLowerCase() === first.toLowerCase());
  if (kind === undefined) {
    const kinds = KINDS.map((each) => each.toLowerCase());
    return unknown('kind', first, kinds);
  }
  let schema: TSchema = resourceSchema(kind);
  for (const [i, field] of fields.entries()) {
    const within = schema as Shape;
    const known = within.properties ?? {};
    const next = Object.hasOwn(known, field) ? known[field] : undefined;
    if (next === undefined) {
      if (extrasOf(schema).later?.includes(field) === true) {
        const path = [kind.toLowerCase(), ...fields.slice(0, i + 1)].join('.');
        return { ok: true, text: `${path}\n  Not supported yet; a later version brings it.` };
      }
      return unknown('field', field, Object.keys(known));
    }
    schema = itemOf(next);
  }
  return { ok: true, text: describe([kind.toLowerCase(), ...fields].join('.'), schema) };
}

function itemOf(schema: TSchema): TSchema {
  const { items, description, default: preset } = schema as Shape;
  if (items === undefined) return schema;
  return { ...items, description, ...(preset === undefined ? {} : { default: preset }) } as TSchema;
}

function unknown(what: string, name: string, names: readonly string[]): Explained {
  const meant = suggest(name, names);
  const guess = meant === undefined ? '' : ` Did you mean "${meant}"?`;
  const known = names.length === 0 ? '' : ` Here: ${names.join(', ')}.`;
  return { ok: false, message: `no ${what} "${name}".${guess}${known}` };
}

function describe(topic: string, schema: TSchema): string {
  const shape = schema as Shape;
  const lines = [topic, `  ${shape.description ?? ''}`.trimEnd()];
  const facts = factsOf(shape);
  if (facts !== '') lines.push(`  ${facts}`);
  const fields = Object.entries(shape.properties ?? {});
  const { later = [] } = extrasOf(schema);
  if (fields.length > 0) lines.push('', '  Fields:');
  const width = Math.max(...fields.map(([name]) => name.length), 0);
  for (const [name, field] of fields) {
    const required = shape.required?.includes(name) === true ? ' (required)' : '';
    const { description = '' } = field as Shape;
    lines.push(`    ${name.padEnd(width)}  ${description}${required}`.trimEnd());
  }
  if (later.length > 0) lines.push('', `  Not supported yet: ${later.join(', ')}.`);
  return lines.join('\n');
}

function factsOf(shape: Shape): string {
  const facts: string[] = [];
  const words = shape.const === undefined ? shape.enum : [shape.const];
  if (words !== undefined) facts.push(`One of: ${words.join(', ')}.`);
  if (shape.type === 'integer') facts.push(`From ${shape.minimum} to ${shape.maximum}.`);
  const { default: preset } = shape;
  if (preset !== undefined) facts.push(`Default: ${JSON.stringify(preset)}.`);
  return facts.join(' ');
}
