/**
 * Holds a YAML node to a schema: answers its plain value with defaults filled in, and every
 * problem with its place. It knows schemas and nodes and must never know a kind by name.
 */
import type { TSchema } from 'typebox';
import { isMap, isScalar, isSeq, type Node, type Pair } from 'yaml';
import { keyText } from './documents.ts';
import type { ErrorCode, Facts, Fault } from './errors.ts';
import { faultOf } from './formats.ts';
import type { Origin, Path } from './origin.ts';
import type { Problem } from './problem.ts';
import { extrasOf } from './schema/schema.ts';
import { suggest } from './suggest.ts';

type Mapping = Record<string, TSchema>;

/** The parts of JSON Schema that the resources use. */
interface Shape {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'boolean';
  readonly const?: string;
  readonly enum?: readonly string[];
  readonly default?: unknown;
  readonly description?: string;
  readonly properties?: Mapping;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | TSchema;
  readonly maxProperties?: number;
  readonly items?: TSchema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
}

const WORDS_FOR_TYPES = {
  object: 'a mapping',
  array: 'a list',
  string: 'a text',
  integer: 'a whole number',
  boolean: 'true or false',
} as const;

/** Most other fields that a problem lists. */
const FIELDS_SHOWN_MAX = 12;

/** Checks one document. Use it once. */
export class Checker {
  readonly problems: Problem[] = [];
  readonly #origin: Origin;

  constructor(origin: Origin) {
    this.#origin = origin;
  }

  /** The value of a node by a schema. It is meaningful only if no problem was added. */
  check(schema: TSchema, node: Node | null | undefined, path: Path): unknown {
    const shape = schema as Shape;
    if (shape.type === 'object') return this.#mapping(schema, node, path);
    if (shape.type === 'array') return this.#list(schema, node, path);
    const value = isScalar(node) ? node.value : undefined;
    if (shape.type === 'integer') return this.#integer(shape, value, node, path);
    if (typeof value !== (shape.type ?? 'string')) {
      this.#wrongType(shape, node, path);
      return undefined;
    }
    if (typeof value === 'string') this.#text(schema, value, path);
    return value;
  }

  #mapping(schema: TSchema, node: Node | null | undefined, path: Path): unknown {
    const shape = schema as Shape;
    if (!isMap<Node, Node | null>(node)) {
      this.#wrongType(shape, node, path);
      return undefined;
    }
    // Without a prototype, so that no field name means more than itself.
    const value: Record<string, unknown> = Object.create(null);
    for (const pair of node.items) this.#field(schema, pair, path, value);
    if (shape.maxProperties !== undefined && node.items.length > shape.maxProperties) {
      const facts = { count: node.items.length, bound: `at most ${shape.maxProperties}` };
      this.#add('SG1108', facts, path, 'key');
    }
    this.#exactlyOne(
      schema,
      node.items.map((pair) => keyText(pair)),
      path,
    );
    const guessed = node.items.map((pair) => this.#meantBy(schema, keyText(pair)));
    this.#complete(shape, path, value, guessed);
    return value;
  }

  #field(
    schema: TSchema,
    pair: Pair<Node, Node | null>,
    path: Path,
    value: Record<string, unknown>,
  ): void {
    const shape = schema as Shape;
    const field = keyText(pair);
    const known = fieldOf(shape, field);
    const here = [...path, field];
    if (known !== undefined) value[field] = this.check(known, pair.value, here);
    else if (typeof shape.additionalProperties === 'object') {
      value[field] = this.check(shape.additionalProperties, pair.value, here);
    } else if (extrasOf(schema).later?.includes(field) === true) {
      this.#add('SG1110', { field }, here, 'key');
    } else {
      const fields = Object.keys(shape.properties ?? {});
      const listed = fields.slice(0, FIELDS_SHOWN_MAX).join(', ') || 'none';
      const more = fields.length > FIELDS_SHOWN_MAX ? ', …' : '';
      const facts = { field, fields: listed + more };
      this.#add('SG1103', facts, here, 'key', suggest(field, fields));
    }
  }

  /** The known field that an unknown one was probably meant to be. */
  #meantBy(schema: TSchema, field: string): string | undefined {
    const fields = Object.keys((schema as Shape).properties ?? {});
    const isNamed = fields.includes(field) || extrasOf(schema).later?.includes(field) === true;
    return isNamed ? undefined : suggest(field, fields);
  }

  /** Fills in defaults and names what is missing; what was meant by another field is not. */
  #complete(
    shape: Shape,
    path: Path,
    value: Record<string, unknown>,
    guessed: readonly (string | undefined)[],
  ): void {
    const given = new Set<string | undefined>([...Object.keys(value), ...guessed]);
    for (const [field, schema] of Object.entries(shape.properties ?? {})) {
      if (given.has(field)) continue;
      const { default: preset, description = '' } = schema as Shape;
      if (shape.required?.includes(field) === true) {
        this.#add('SG1104', { field, about: description }, path, 'key');
      } else if (preset !== undefined) {
        // A copy of its own only where there is something to copy: many resources have defaults.
        value[field] = typeof preset === 'object' ? structuredClone(preset) : preset;
      }
    }
  }

  #exactlyOne(schema: TSchema, given: readonly string[], path: Path): void {
    const { exactlyOne } = extrasOf(schema);
    if (exactlyOne === undefined) return;
    const found = exactlyOne.filter((field) => given.includes(field));
    if (found.length === 1) return;
    const unknown =
      found.length === 0 && given.some((field) => fieldOf(schema as Shape, field) === undefined);
    // An unknown or later field was probably meant to be the one; that problem says enough.
    if (unknown) return;
    const facts = { fields: exactlyOne.join(', '), found: found.join(' and ') || 'none' };
    this.#add('SG1113', facts, path, 'key');
  }

  #list(schema: TSchema, node: Node | null | undefined, path: Path): unknown {
    const { items, minItems = 0, maxItems = Number.POSITIVE_INFINITY } = schema as Shape;
    if (!isSeq<Node>(node) || items === undefined) {
      this.#wrongType(schema as Shape, node, path);
      return undefined;
    }
    const count = node.items.length;
    if (count > maxItems) this.#add('SG1108', { count, bound: `at most ${maxItems}` }, path, 'key');
    if (count < minItems)
      this.#add('SG1108', { count, bound: `at least ${minItems}` }, path, 'key');
    const values = node.items.map((item, i) => this.check(items, item, [...path, i]));
    if (extrasOf(schema).distinct === true) {
      for (const [i, value] of values.entries()) {
        if (values.indexOf(value) === i || value === undefined) continue;
        this.#add('SG1114', { value: String(value) }, [...path, i], 'value');
      }
    }
    return values;
  }

  #integer(shape: Shape, value: unknown, node: Node | null | undefined, path: Path): unknown {
    const { minimum: least = 0, maximum: most = Number.MAX_SAFE_INTEGER } = shape;
    if (typeof value !== 'number') this.#wrongType(shape, node, path);
    else if (!Number.isSafeInteger(value) || value < least || value > most) {
      this.#add('SG1107', { value: this.#origin.text(path), least, most }, path, 'value');
    }
    return value;
  }

  #text(schema: TSchema, value: string, path: Path): void {
    const shape = schema as Shape;
    const { format, laterValues = [] } = extrasOf(schema);
    const words = shape.const === undefined ? shape.enum : [shape.const];
    const { maxLength: most } = shape;
    if (words !== undefined && !words.includes(value)) {
      const values = words.map((each) => (each === '' ? '""' : each)).join(', ');
      if (laterValues.includes(value)) this.#add('SG1111', { value, values }, path, 'value');
      else this.#add(wordCode(path), { value, values }, path, 'value', suggest(value, words));
    } else if (most !== undefined && value.length > most) {
      this.#add('SG1109', { count: value.length, most }, path, 'value');
    } else if (format !== undefined) {
      const fault = faultOf(format, value);
      if (fault !== undefined) this.#fault(fault, path);
    }
  }

  #wrongType(shape: Shape, node: Node | null | undefined, path: Path): void {
    const expected = WORDS_FOR_TYPES[shape.type ?? 'string'];
    const quotes = shape.type === 'string' && isScalar(node) && node.value !== null;
    const hint = quotes ? `; put it in quotes${this.#quoted(path)}` : '';
    this.#add('SG1105', { expected, found: foundIn(node), hint }, path, 'value');
  }

  #quoted(path: Path): string {
    return this.#origin.sensitive ? '' : `, such as "${this.#origin.text(path)}"`;
  }

  #fault(fault: Fault, path: Path): void {
    this.problems.push(this.#origin.problemOf(fault, path));
  }

  #add(code: ErrorCode, facts: Facts, path: Path, part: 'key' | 'value', meant?: string): void {
    this.problems.push(this.#origin.problem(code, facts, path, { part, suggestion: meant }));
  }
}

/** Two fields of the envelope have codes of their own. */
function wordCode(path: Path): ErrorCode {
  if (path.length !== 1) return 'SG1106';
  return path[0] === 'apiVersion' ? 'SG1101' : 'SG1106';
}

function fieldOf(shape: Shape, field: string): TSchema | undefined {
  const fields = shape.properties ?? {};
  return Object.hasOwn(fields, field) ? fields[field] : undefined;
}

/** What a node is, in the words of {@link WORDS_FOR_TYPES}. */
export function foundIn(node: Node | null | undefined): string {
  if (isMap(node)) return 'a mapping';
  if (isSeq(node)) return 'a list';
  const value = isScalar(node) ? node.value : null;
  if (value === null) return 'nothing';
  if (typeof value === 'boolean') return 'true or false';
  return typeof value === 'number' || typeof value === 'bigint' ? 'a number' : 'a text';
}
