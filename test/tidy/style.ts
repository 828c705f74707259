/**
 * The rules of form: sizes, header comments, words, and what must never be named in a public tree.
 * Each rule is a pure function from sources to problems, so that its own test can plant a mistake.
 */
import { functionsOf } from './functions.ts';
import { lineAt } from './scan.ts';
import type { Problem, Source } from './sources.ts';

export const FILE_LINES_MAX = 400;
export const FUNCTION_LINES_MAX = 60;
export const COLUMNS_MAX = 100;

/** Names that say nothing of a module, or that another word of the project stands for. */
const BANNED_MODULES = new Set(
  [
    'data info manager util utils helper helpers common misc',
    'token tokens client clients tenant tenants throttle whitelist blacklist',
  ].flatMap((words) => words.split(' ')),
);
/** The one folder the layout names so (bytes, hash and check of the filter), and its specs. */
const ALLOWED_MODULES = new Set(['assembly/util', 'test/assembly/util']);
const BANNED_IDENTIFIER = /(?<![a-z])(white_?list|black_?list|tenant|throttl(e|ed|ing))/i;

/** Files longer than `FILE_LINES_MAX` lines. */
export function checkFileSizes(sources: Source[]): Problem[] {
  return sources.flatMap(({ path, text }) => {
    const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
    return lines > FILE_LINES_MAX ? [`${path}:1  ${lines} lines, at most ${FILE_LINES_MAX}`] : [];
  });
}

/** Functions whose body is longer than `FUNCTION_LINES_MAX` lines. */
export function checkFunctionSizes(sources: Source[]): Problem[] {
  return sources.flatMap((source) =>
    functionsOf(source)
      .filter(({ lines }) => lines > FUNCTION_LINES_MAX)
      .map(({ name, line, lines }) => {
        return `${source.path}:${line}  ${name} has ${lines} lines, at most ${FUNCTION_LINES_MAX}`;
      }),
  );
}

/**
 * Lines wider than `COLUMNS_MAX` columns. The contents of literals do not count: no formatter
 * breaks them, and the title of a test stands on one line with its function.
 */
export function checkLineWidths(sources: Source[]): Problem[] {
  return sources.flatMap(({ path, text, literals }) => {
    let start = 0;
    return text.split('\n').flatMap((line, index) => {
      const end = start + line.length;
      const inside = literals
        .map((span) => Math.min(span.end, end) - Math.max(span.start, start))
        .filter((columns) => columns > 0)
        .reduce((sum, columns) => sum + columns, 0);
      start = end + 1;
      const wide = line.length > COLUMNS_MAX && [...line].length - inside > COLUMNS_MAX;
      return wide ? [`${path}:${index + 1}  wider than ${COLUMNS_MAX} columns`] : [];
    });
  });
}

/** Files that do not begin with a paragraph that says what they are responsible for. */
export function checkHeaders(sources: Source[]): Problem[] {
  return sources.flatMap((source) => {
    const prose = headerOf(source);
    if (prose.length >= 60 && prose.includes('.')) return [];
    return [`${source.path}:1  begins with no paragraph on what the file is responsible for`];
  });
}

/** The comment a source begins with, as one line of prose; empty if it begins with code. */
export function headerOf(source: Source): string {
  const leading: string[] = [];
  let from = 0;
  for (const { start, end } of source.comments) {
    if (source.text.slice(from, start).trim() !== '') break;
    if (!source.text.slice(start, end).startsWith('#!'))
      leading.push(source.text.slice(start, end));
    from = end;
  }
  return leading
    .join('\n')
    .replace(/^[ \t]*(\/\*+|\*\/|\*|\/\/+)?|\*\/[ \t]*$/gm, ' ')
    .replace(/\s+/g, ' ')
    .trim();
}

/** Marks of unfinished work that name no issue. */
export function checkUnfinished(sources: Source[]): Problem[] {
  return sources.flatMap(({ path, text, comments }) =>
    comments.flatMap(({ start, end }) => {
      const mark = /\b(TODO|FIXME|XXX|HACK)\b(?!\s*\(?#\d)/.exec(text.slice(start, end));
      if (mark === null) return [];
      return [`${path}:${lineAt(text, start + mark.index)}  ${mark[1]} without an issue number`];
    }),
  );
}

/** Files and folders whose whole name says nothing, or is a word the project does not use. */
export function checkModuleNames(paths: string[]): Problem[] {
  return paths.flatMap((path) => {
    const names = path.split('/');
    return names.flatMap((name, index) => {
      if (ALLOWED_MODULES.has(names.slice(0, index + 1).join('/'))) return [];
      const word = name.replace(/\..*$/, '').toLowerCase();
      return BANNED_MODULES.has(word) ? [`${path}:1  a module is named "${word}"`] : [];
    });
  });
}

/** Identifiers that hold a word the project does not use. */
export function checkIdentifiers(sources: Source[]): Problem[] {
  return sources.flatMap(({ path, text, code }) => {
    const word = BANNED_IDENTIFIER.exec(code);
    return word === null
      ? []
      : [`${path}:${lineAt(text, word.index)}  the word "${word[0]}" is not used here`];
  });
}

/** What must never stand in a public tree: package indexes and paths of one machine. */
export function checkPrivacy(files: Map<string, string>): Problem[] {
  const patterns: [RegExp, string][] = [
    [new RegExp(`\\b(${REGISTRIES.join('|')})\\b`), 'names a package index'],
    [/(?<![\w.$}/-])\/(work|root|home|Users)\/[\w.-]+/, 'names a path of one machine'],
  ];
  const problems: Problem[] = [];
  for (const [path, text] of files) {
    for (const [pattern, what] of patterns) {
      const match = pattern.exec(text);
      if (match !== null) problems.push(`${path}:${lineAt(text, match.index)}  ${what}`);
    }
  }
  return problems;
}

/** Written apart, so that this file passes its own rule. */
const REGISTRIES = [
  ['registry', 'npmjs', 'org'],
  ['registry', 'yarnpkg', 'com'],
  ['npmmirror', 'com'],
  ['pypi', 'org'],
  ['files', 'pythonhosted', 'org'],
  ['ghcr', 'io'],
  ['quay', 'io'],
  ['docker', 'io'],
].map((labels) => labels.join('\\.'));
