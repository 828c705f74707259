/**
 * Reads header values with variables into parts. It checks what may be sent; what a variable
 * stands for is filled in by the filter.
 */
import { type Fault, fault, type Read, read } from './errors.ts';
import { suggest } from './suggest.ts';

/** Variables by the numbers that docs/wire.md gives them. */
export const VARIABLES = {
  'consumer.name': 1,
  'application.name': 2,
  'plan.name': 3,
  'product.name': 4,
  'credential.id': 5,
} as const;

/** A variable of a header value. */
export type Variable = keyof typeof VARIABLES;

/** A part of a header value. */
export type Part = { readonly text: string } | { readonly variable: Variable };

/** Most texts and variables of a value. */
const PARTS_MAX = 16;
/** Most characters of a value besides its variables. */
const LITERAL_MAX = 4_096;

/** Parts of a header value. A `$` that opens no brace stands for itself. */
export function readTemplate(text: string): Read<readonly Part[]> {
  const no = (why: string, at: number, length: number): Fault =>
    fault('SG1209', { why }, { at, length });
  const parts: Part[] = [];
  let from = 0;
  for (const match of text.matchAll(/\$\{([^}]*)\}?/g)) {
    if (match.index > from) parts.push({ text: text.slice(from, match.index) });
    const name = match[1] ?? '';
    if (!match[0].endsWith('}'))
      return no('has an open brace without its end', match.index, match[0].length);
    if (!(name in VARIABLES)) return unknownVariable(name, match.index);
    parts.push({ variable: name as Variable });
    from = match.index + match[0].length;
  }
  if (from < text.length) parts.push({ text: text.slice(from) });
  const odd = /[^\x20-\x7e]/.exec(text);
  if (odd !== null) return no('has characters that no header carries', odd.index, 1);
  if (text.trim() !== text) return no('begins or ends with a space', 0, text.length);
  if (parts.length > PARTS_MAX) return no(`has more than ${PARTS_MAX} parts`, 0, text.length);
  const literal = parts.reduce((sum, part) => sum + ('text' in part ? part.text.length : 0), 0);
  return literal > LITERAL_MAX ? no('is too long', 0, text.length) : read(parts);
}

function unknownVariable(name: string, at: number): Fault {
  const values = Object.keys(VARIABLES).map((each) => `\${${each}}`);
  const meant = suggest(name, Object.keys(VARIABLES));
  const suggestion = meant === undefined ? {} : { suggestion: `\${${meant}}` };
  const facts = { value: name, values: values.join(', ') };
  return fault('SG1208', facts, { ...suggestion, at, length: name.length + 3 });
}
