/**
 * A problem of a resource set: where it stands, what is wrong and how to fix it, as text for
 * people and as values for programs. It must never show what may be a key.
 */
import { ERRORS, type ErrorCode, type Facts, fill } from './errors.ts';
import { API_VERSION } from './schema/schema.ts';
import type { SourceFile } from './source.ts';

/** Part of a file in UTF-16 units. */
export interface Place {
  readonly file: SourceFile;
  readonly offset: number;
  readonly length: number;
}

/** A problem, with the same fields in its JSON form. */
export interface Problem {
  readonly code: ErrorCode;
  readonly severity: 'error';
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1, in characters. */
  readonly column: number;
  /** Columns marked, at least 1. */
  readonly length: number;
  /** Field the problem is about, such as `spec.limits[0].window`; '' for a whole file. */
  readonly path: string;
  readonly message: string;
  readonly fix: string;
  /** What was probably meant. */
  readonly suggestion?: string;
  /** The line as it stands in the file, with what may be a key masked; '' for a whole file. */
  readonly excerpt: string;
  /** Where to read on, such as `plan.spec.limits.window`; '' when there is nothing more. */
  readonly more: string;
}

/** A problem as far as printing goes: one of this table of codes or of another. */
export type Printable = Omit<Problem, 'code'> & { readonly code: string };

/** What makes a problem. */
export interface ProblemParts {
  readonly code: ErrorCode;
  readonly facts: Facts;
  readonly place: Place;
  readonly kind?: string;
  readonly path?: readonly (string | number)[];
  readonly suggestion?: string | undefined;
  /** Masks long words of the line: the resource may hold a key by mistake. */
  readonly sensitive?: boolean;
}

/** Longest excerpt; of a longer line the part around the mark is shown. */
const EXCERPT_MAX = 96;

/** Builds a problem from its parts. */
export function problem(parts: ProblemParts): Problem {
  const { code, facts, place, kind, path = [], suggestion } = parts;
  const { line, column, excerpt, length } = place.file.show(place.offset, place.length);
  const shown = parts.sensitive === true ? mask(excerpt) : excerpt;
  const printable = suggestion !== undefined && !/\p{C}/u.test(suggestion);
  return {
    code,
    severity: 'error',
    file: place.file.name,
    line,
    column,
    length,
    path: pathText(path),
    message: fill(ERRORS[code].message, facts),
    fix: fill(ERRORS[code].fix, facts),
    ...(printable ? { suggestion } : {}),
    excerpt: shown,
    // There is nothing to be said of a field that does not exist, but of where it stands.
    more: kind === undefined ? '' : topicOf(kind, code === 'SG1103' ? path.slice(0, -1) : path),
  };
}

/** Problems in the order a reader meets them, each once. */
export function inOrder<T extends Printable>(problems: readonly T[]): T[] {
  const sorted = [...problems].sort(
    (a, b) =>
      compare(a.file, b.file) || a.line - b.line || a.column - b.column || compare(a.code, b.code),
  );
  const texts = sorted.map(formatProblem);
  return sorted.filter((_, i) => texts[i] !== texts[i - 1]);
}

/** A problem as people read it, on several lines, without a line end after the last. */
export function formatProblem(problem: Printable): string {
  const { file, line, column, severity, code, message } = problem;
  const lines = [`${file}:${line}:${column}  ${severity} ${code}  ${message}`];
  if (problem.excerpt !== '') lines.push(...marked(problem));
  const meant = problem.suggestion === undefined ? '' : ` Did you mean "${problem.suggestion}"?`;
  const more = problem.more === '' ? '' : `      more: sidegate explain ${problem.more}`;
  lines.push(`  ${problem.fix}${meant}${more}`);
  return lines.join('\n');
}

/** All problems as people read them, with a blank line between two. */
export function formatProblems(problems: readonly Printable[]): string {
  return problems.map((each) => `${formatProblem(each)}\n`).join('\n');
}

/** The line and the carets under it. Of a long line only the part around the mark is shown. */
function marked(problem: Printable): string[] {
  const { excerpt, column, length, line } = problem;
  const gutter = String(line).length;
  const from = excerpt.length <= EXCERPT_MAX ? 0 : Math.max(0, column - 1 - EXCERPT_MAX / 2);
  const part = excerpt.slice(from, from + EXCERPT_MAX);
  const at = column - 1 - from;
  const carets = '^'.repeat(Math.max(1, Math.min(length, part.length - at)));
  const cut = from > 0 ? `…${part.slice(1)}` : part;
  return [`  ${line} | ${cut}`.trimEnd(), `${' '.repeat(gutter + 2)} | ${' '.repeat(at)}${carets}`];
}

/** Writes `['spec', 'limits', 0, 'window']` as `spec.limits[0].window`. */
export function pathText(path: readonly (string | number)[]): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    return text === '' ? step : `${text}.${step}`;
  }, '');
}

/** The topic of a field: its path without places in lists. */
function topicOf(kind: string, path: readonly (string | number)[]): string {
  const fields = path.filter((step) => typeof step === 'string');
  return [kind.toLowerCase(), ...fields].join('.');
}

/** Masks words that are long enough for a key or a digest, keeping columns. */
function mask(excerpt: string): string {
  return excerpt.replace(/[0-9A-Za-z_+/=.-]{16,}/g, (word) =>
    word === API_VERSION ? word : '*'.repeat(word.length),
  );
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
