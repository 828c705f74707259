/**
 * Makes the pages of docs/ that say what the code says: bounds, and the checks that reasons and
 * errors are documented. It reads source text and must never run what it reads.
 */
import { lineAt } from './scan.ts';
import type { Problem, Source } from './sources.ts';

/** Regenerates every page and golden text this folder checks. */
export const REGENERATE = 'UPDATE_GOLDEN=1 npm test -- tidy';

/** A named bound with the sentence that documents it. */
export interface Bound {
  name: string;
  value: string;
  text: string;
  exported: boolean;
  group: string;
  path: string;
  line: number;
}

const CONSTANT =
  /^(?:export )?const (SLICE_[A-Z]+|[A-Z][A-Z0-9_]*(?:_MAX|_MIN|_KEPT|_BYTES|_SLOTS))(?:: \w+)? =\s*([^;]+);/gm;
const HEADING = /^\/\/ (.+)\.$/gm;

/** The bounds a source names, in order, each with its comment and the heading it stands under. */
export function boundsOf(source: Source): Bound[] {
  const headings = [...source.text.matchAll(HEADING)];
  return [...source.text.matchAll(CONSTANT)].map((match) => ({
    name: match[1] ?? '',
    value: (match[2] ?? '').replace(/^TEST_BUILD \? .* : /, '').trim(),
    text: commentBefore(source, match.index),
    exported: match[0].startsWith('export'),
    group: headings.filter(({ index }) => index < match.index).at(-1)?.[1] ?? '',
    path: source.path,
    line: lineAt(source.text, match.index),
  }));
}

/** The text of the comment that ends right above a position; empty if there is none. */
export function commentBefore(source: Source, position: number): string {
  const comment = source.comments.findLast(({ end }) => end <= position);
  if (comment === undefined) return '';
  const { start, end } = comment;
  if (source.text.slice(end, position).trim() !== '') return '';
  return source.text
    .slice(start, end)
    .replace(/^\/\*\*?|\*\/$|^\/\/ ?/g, '')
    .replace(/^\s*\* ?/gm, '')
    .replace(/\s+/g, ' ')
    .trim();
}

/** Bounds without a comment, which no page could explain. */
export function checkBounds(bounds: Bound[]): Problem[] {
  return bounds
    .filter(({ text }) => text === '')
    .map(({ path, line, name }) => `${path}:${line}  ${name} says nothing about itself`);
}

/** The page of bounds: those of the filter by heading, those of the host by file. */
export function limitsPage(filter: Bound[], host: Bound[]): string {
  const groups = [...new Set(filter.map(({ group }) => group))];
  return [
    '# Limits',
    '',
    BEGIN.trimEnd(),
    '',
    'Everything that could grow has a bound with a name. What happens when one is reached stands',
    'in its line, and is counted: see [operations.md](operations.md). Formats have bounds of their',
    'own: see [wire.md](wire.md).',
    '',
    '## Filter',
    '',
    'For each VM, that is for each worker of a proxy. `assembly/limits.ts`',
    '',
    ...groups.flatMap((group) => [
      `### ${group}`,
      '',
      ...table(filter.filter((bound) => bound.group === group)),
    ]),
    '## Host',
    '',
    ...table(host),
  ]
    .join('\n')
    .replace(/\n+$/, '\n');
}

function table(bounds: Bound[]): string[] {
  return [
    '| name | value | what it bounds |',
    '|---|---|---|',
    ...bounds.map(({ name, value, text }) => {
      return `| \`${name}\` | ${readable(value)} | ${text.replaceAll('|', '\\|')} |`;
    }),
    '',
  ];
}

function readable(value: string): string {
  return /^[\d_]+$/.test(value) ? value.replaceAll('_', ',') : `\`${value}\``;
}

const ERROR_GROUPS: Record<string, string> = {
  SG10: 'Files',
  SG11: 'Shape',
  SG12: 'Values',
  SG13: 'References',
  SG14: 'Meaning',
  SG15: 'Store',
};

/** The tables of the codes of resources, a heading for each group of codes. */
export function errorTables(
  errors: Record<string, { summary: string; message: string; fix: string }>,
): string {
  const lines: string[] = [];
  let group = '';
  for (const [code, { summary, message, fix }] of Object.entries(errors)) {
    if (!code.startsWith(group) || group === '') {
      group = code.slice(0, 4);
      lines.push('', `### ${ERROR_GROUPS[group] ?? group}`, '');
      lines.push('| code | what is wrong | message | fix |', '|---|---|---|---|');
    }
    const cells = [summary, `\`${message}\``, fix].map((cell) => cell.replaceAll('|', '\\|'));
    lines.push(`| \`${code}\` | ${cells.join(' | ')} |`);
  }
  return `${lines.join('\n')}\n`;
}

const BEGIN = `<!-- Made from the source by: ${REGENERATE} -->\n`;
const END = '\n<!-- End of what is made from the source. -->';

/** A page with the part between its two marks replaced; the page as it is without marks. */
export function withGenerated(page: string, part: string): string {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin === -1 || end < begin) return page;
  return page.slice(0, begin + BEGIN.length) + part + page.slice(end);
}

/** The cells of every table row of a page whose first cell is code: `` | `name` | … | ``. */
export function rowsOf(page: string): Map<string, string[]> {
  const rows = new Map<string, string[]>();
  for (const [, name = '', rest = ''] of page.matchAll(/^\|\s*`([^`]+)`\s*\|(.*)\|\s*$/gm)) {
    rows.set(
      name,
      rest.split(/(?<!\\)\|/).map((cell) => cell.trim()),
    );
  }
  return rows;
}

/** What a page fails to document, or documents although it is not there. */
export function checkDocumented(path: string, page: string, names: string[]): Problem[] {
  const rows = rowsOf(page);
  return [
    ...names.filter((name) => !rows.has(name)).map((name) => `${path}:1  misses \`${name}\``),
    ...[...rows.keys()]
      .filter((name) => !names.includes(name))
      .map((name) => `${path}:1  documents \`${name}\`, which is not there`),
  ];
}
