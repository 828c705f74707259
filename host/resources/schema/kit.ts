/**
 * What the schemas of resources are built of: JSON Schema with `Extras` beside it. It knows the
 * forms of fields, never a resource.
 */
import Type, { type TSchema } from 'typebox';

/** Texts with a grammar of their own; `formats.ts` reads them. */
export type TextFormat =
  | 'name'
  | 'reference'
  | 'operation-name'
  | 'host'
  | 'base-path'
  | 'path-template'
  | 'window'
  | 'header-name'
  | 'edited-header'
  | 'joined-header'
  | 'key-prefix'
  | 'key-parameter'
  | 'header-template'
  | 'digest'
  | 'principal'
  | 'claim'
  | 'claim-text'
  | 'cidr'
  | 'referer'
  | 'time'
  | 'brand'
  | 'origin';

/** What validation knows of a schema beyond JSON Schema. Left out of the schema for editors. */
export interface Extras {
  readonly format?: TextFormat;
  /** Fields that a later version brings. */
  readonly later?: readonly string[];
  /** Values that a later version brings. */
  readonly laterValues?: readonly string[];
  /** Exactly one of these fields must be there. */
  readonly exactlyOne?: readonly string[];
  /** No value may stand twice in the list. */
  readonly distinct?: boolean;
}

/** A schema's extras. */
export function extrasOf(schema: TSchema): Extras {
  return (schema as { sidegate?: Extras }).sidegate ?? {};
}

/** An object without other fields; `sidegate` is what validation knows beyond JSON Schema. */
export function object<T extends Record<string, TSchema>>(
  description: string,
  properties: T,
  sidegate: Extras = {},
) {
  return Type.Object(properties, { description, additionalProperties: false, sidegate });
}

/** A text with a grammar of its own. */
export function text(format: TextFormat, description: string, more: object = {}) {
  return Type.String({ description, sidegate: { format }, ...more });
}

/** One of some words; `later` lists words that a later version brings. */
export function word<const T extends readonly string[]>(
  description: string,
  values: T,
  fallback: T[number] | undefined,
  later: string[] = [],
) {
  const preset = fallback === undefined ? {} : { default: fallback };
  const sidegate: Extras = { laterValues: later };
  return Type.Unsafe<T[number]>({ type: 'string', enum: values, description, ...preset, sidegate });
}

/** True or false. */
export function flag(description: string, fallback: boolean) {
  return Type.Boolean({ description, default: fallback });
}

/** A list of at most `maxItems`. */
export function list<T extends TSchema>(
  item: T,
  description: string,
  maxItems: number,
  more: object = {},
) {
  return Type.Array(item, { description, maxItems, ...more });
}

/** The name of another resource, with its namespace where that is another one. */
export const reference = (description: string) =>
  text('reference', `${description} Its name, or namespace/name if it is of another namespace.`);

/** The name of a resource. */
export const name = (description: string, more: object = {}) =>
  text('name', `${description} A DNS label: a–z, 0–9 and -, 1–63 characters.`, more);
