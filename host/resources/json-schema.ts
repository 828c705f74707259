/**
 * Makes the JSON Schema that editors complete and check with, from the one source of the
 * resources. It says no more than `schema.ts` and must never be edited by hand.
 */
import type { TSchema } from 'typebox';
import { extrasOf, KINDS, type Kind, resourceSchema, type TextFormat } from './schema/schema.ts';

const LABEL = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?';

/** What an editor can check of a format; `formats.ts` is stricter. */
const PATTERNS: Record<TextFormat, string> = {
  name: `^${LABEL}$`,
  reference: `^(${LABEL}/)?${LABEL}$`,
  'operation-name': '^[A-Za-z][0-9A-Za-z_-]{0,62}$',
  host: `^(\\*\\.)?${LABEL}(\\.${LABEL})*$`,
  'base-path': '^/(.*[^/])?$',
  'path-template': '^(/.*)?$',
  window: '^[0-9]+[smhd]$',
  'header-name': "^[0-9A-Za-z!#$%&'*+.^_`|~-]{1,256}$",
  'edited-header': "^[0-9A-Za-z!#$%&'*+.^_`|~-]{1,256}$",
  'joined-header': "^[0-9A-Za-z!#$%&'*+.^_`|~-]{1,256}$",
  'key-prefix': '^[ -~]{1,64}$',
  'key-parameter': '^[0-9A-Za-z._~-]{1,64}$',
  'header-template': '^[ -~]*$',
  digest: '^[0-9a-f]{64}$',
  principal: '^spiffe://[^*]{1,246}$',
  claim: '^[!-~]{1,64}$',
  'claim-text': '^[ -~]{1,255}$',
  cidr: '^[0-9A-Fa-f.:]+/[0-9]{1,3}$',
  referer: `^(\\*\\.)?${LABEL}(\\.${LABEL})*$`,
  time: '^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}',
  brand: '^[a-z][a-z0-9]{1,15}$',
  origin: '^(\\*|[a-z][a-z0-9+.-]*://[^/A-Z]+)$',
};

/** The schema of any resource, as a plain value. */
export function editorSchema(command: string): object {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    $comment: `Made from host/resources/schema/schema.ts by: ${command}`,
    title: 'Sidegate resource',
    type: 'object',
    required: ['apiVersion', 'kind', 'metadata'],
    properties: { kind: { enum: KINDS } },
    allOf: KINDS.map((kind) => ({
      if: { properties: { kind: { const: kind } }, required: ['kind'] },
      // biome-ignore lint/suspicious/noThenProperty: it is a word of JSON Schema.
      then: { $ref: `#/definitions/${kind}` },
    })),
    definitions: Object.fromEntries(KINDS.map((kind) => [kind, definition(kind)])),
  };
}

function definition(kind: Kind): unknown {
  return plain(resourceSchema(kind));
}

/** A schema in words of JSON Schema alone. */
function plain(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(plain);
  if (typeof schema !== 'object' || schema === null) return schema;
  const { format, exactlyOne, distinct } = extrasOf(schema as TSchema);
  const entries = Object.entries(schema).filter(([word]) => word !== 'sidegate');
  const result = Object.fromEntries(entries.map(([word, value]) => [word, plain(value)]));
  if (format !== undefined) result.pattern = PATTERNS[format];
  if (distinct === true) result.uniqueItems = true;
  if (exactlyOne !== undefined) {
    result.oneOf = exactlyOne.map((field) => ({ required: [field] }));
  }
  return result;
}
