/**
 * Who may import whom, as ARCHITECTURE.md draws it. The rules read import statements and a few
 * forbidden calls in scanned text; they must never depend on a compiler, because the two halves of
 * this repository are compiled by two of them.
 */
import { posix } from 'node:path';
import { lineAt } from './scan.ts';
import type { Problem, Source } from './sources.ts';

/** One import, export-from or dynamic import with a literal name. */
export interface Import {
  /** The path from the root for a file of ours, else the package or builtin as written. */
  target: string;
  names: string;
  typeOnly: boolean;
  line: number;
}

const STATEMENT = new RegExp(
  [
    String.raw`\b(?:import|export)\s+(type\s+)?((?:[\w$*\s,{}]|\bas\b)*?)\s*\bfrom\s*(['"])`,
    String.raw`\bimport\s*\(?\s*(['"])`,
  ].join('|'),
  'g',
);

/** Lists what a source imports. */
export function importsOf(source: Source): Import[] {
  const found: Import[] = [];
  for (const match of source.code.matchAll(STATEMENT)) {
    const quote = match.index + match[0].length - 1;
    const literal = source.literals.find(({ start }) => start === quote);
    if (literal === undefined) continue;
    const name = source.text.slice(literal.start + 1, literal.end - 1);
    found.push({
      target: name.startsWith('.') ? resolve(source.path, name) : name,
      names: match[2]?.trim() ?? '',
      typeOnly: match[1] !== undefined,
      line: lineAt(source.text, match.index),
    });
  }
  return found;
}

function resolve(from: string, name: string): string {
  return posix.normalize(posix.join(posix.dirname(from), name));
}

/** One line of the table: which sources it speaks of, and whether an import is against it. */
interface Rule {
  says: string;
  of: (path: string) => boolean;
  refuses: (target: string, path: string, names: string) => boolean;
}

const ABI = '@solo-io/proxy-runtime/assembly/imports';
const PURE = /^host\/(config|resources|compile|wire|quota|credential|usage|audit)\//;
const PURE_PACKAGES = new Set(['typebox', 'yaml']);
const DATABASE = /^(node:sqlite|better-sqlite3|pg|postgres|redis|ioredis|iovalkey)(\/|$)/;
const WEB = /^(fastify|@fastify\/.*)(\/|$)/;
/** The names of builtin modules that are pure functions: checksums, comparison, printing. */
const PURE_BUILTINS: Record<string, RegExp> = {
  'node:crypto': /^\{(\s*(createHash|hash|timingSafeEqual|type \w+)\s*,?)+\s*\}$/,
  'node:util': /^\{(\s*(inspect|type \w+)\s*,?)+\s*\}$/,
  'node:zlib': /^\{\s*crc32\s*,?\s*\}$/,
};

const isOurs = (target: string) => /^[\w.]+\//.test(target) && !/^@|^node:/.test(target);
const under = (folder: string) => (path: string) => path.startsWith(`${folder}/`);
const isShell = (path: string) => path.startsWith('assembly/shell/') || path === ENTRY;
const isBuiltin = (target: string) => target.startsWith('node:');
const isFileOfOurs = (target: string) =>
  isOurs(target) && /^(assembly|host|envoy|istio|test)\//.test(target);
const ENTRY = 'assembly/index.ts';
/** Builds the filter with Node; it is part of the tool chain, not of the filter. */
const isFilter = (path: string) => path.startsWith('assembly/') && path.endsWith('.ts');

const RULES: Rule[] = [
  {
    says: 'the filter imports files of assembly/ and, in shell/ alone, the ABI declarations',
    of: isFilter,
    refuses: (target, path) =>
      !target.startsWith('assembly/') && !(target === ABI && path.startsWith('assembly/shell/')),
  },
  {
    says: 'only shell/ and the entry import shell/; nobody imports the entry',
    of: isFilter,
    refuses: (target, path) =>
      (/^assembly\/shell(\/|$)/.test(target) && !isShell(path)) ||
      /^assembly\/index(\.ts)?$/.test(target),
  },
  {
    says: 'the pure parts of the host import each other, the schema and the YAML library only',
    of: (path) => PURE.test(path),
    refuses: (target, _path, names) =>
      isFileOfOurs(target)
        ? !PURE.test(target)
        : !PURE_PACKAGES.has(target.split('/')[0] ?? '') &&
          PURE_BUILTINS[target]?.test(names) !== true,
  },
  {
    says: 'only host/store imports a database driver',
    of: under('host'),
    refuses: (target, path) => DATABASE.test(target) && !path.startsWith('host/store/'),
  },
  {
    says: 'only host/http imports the web framework',
    of: under('host'),
    refuses: (target, path) => WEB.test(target) && !path.startsWith('host/http/'),
  },
  {
    says: 'host/http calls services and interfaces, never a driver',
    of: under('host/http'),
    refuses: (target) => /^host\/store\/(.*\/)?[\w-]*(sqlite|postgres|redis|memory)/.test(target),
  },
  {
    says: 'host/cli speaks to the admin API or uses pure modules, never the store or the server',
    of: under('host/cli'),
    refuses: (target) => /^host\/(store|http|main)\b/.test(target),
  },
  {
    says: 'nobody imports the composition root',
    of: under('host'),
    refuses: (target) => target === 'host/main.ts',
  },
  {
    says: 'host and filter share no code, and neither imports tests or examples',
    of: (path) => path.startsWith('host/') || isFilter(path),
    refuses: (target, path) =>
      /^(test|envoy|istio)\//.test(target) ||
      (path.startsWith('host/') && target.startsWith('assembly/')) ||
      (isFilter(path) && target.startsWith('host/')),
  },
];

/** Imports that break a rule. Type-only imports count as well: they tie two parts together too. */
export function checkImports(sources: Source[]): Problem[] {
  return sources.flatMap((source) =>
    importsOf(source).flatMap(({ target, names, line }) =>
      RULES.filter((rule) => rule.of(source.path) && rule.refuses(target, source.path, names)).map(
        ({ says }) => `${source.path}:${line}  imports ${target}: ${says}`,
      ),
    ),
  );
}

/** Imports of files that are not there, and of packages that package.json does not name. */
export function checkTargets(
  sources: Source[],
  isFile: (path: string) => boolean,
  packages: Set<string>,
): Problem[] {
  return sources.flatMap((source) =>
    importsOf(source).flatMap(({ target, line }) => {
      const known = isFileOfOurs(target)
        ? isFile(target) || isFile(`${target}.ts`) || isFile(`${target}/index.ts`)
        : isBuiltin(target) || packages.has(packageOf(target));
      return known ? [] : [`${source.path}:${line}  imports ${target}, which is not there`];
    }),
  );
}

function packageOf(target: string): string {
  return target
    .split('/')
    .slice(0, target.startsWith('@') ? 2 : 1)
    .join('/');
}

const IMPURE_CALL = new RegExp(
  [
    String.raw`\b(Date\.now|new Date\(\)|Math\.random|performance\.now)`,
    String.raw`\bprocess\.(env|cwd|hrtime)|\bset(Timeout|Interval|Immediate)\b`,
  ].join('|'),
);

/** Clock, randomness and environment read where they must be parameters. */
export function checkPurity(sources: Source[]): Problem[] {
  return sources
    .filter(({ path }) => PURE.test(path))
    .flatMap(({ path, code, text }) => {
      const call = IMPURE_CALL.exec(code);
      return call === null
        ? []
        : [`${path}:${lineAt(text, call.index)}  ${call[0]} must come in as a parameter`];
    });
}

/** What the filter's core must not do: declare imports of its own, allocate, or throw. */
export function checkCore(sources: Source[]): Problem[] {
  const patterns: [RegExp, string][] = [
    [/@external\b|\bdeclare\s+function\b/, 'an ABI call is declared outside shell/'],
    [/\bthrow\b/, 'a throw is a trap'],
    [/\bnew\s+(Map|Set|Array|String|Uint8Array|ArrayBuffer|StaticArray)\b/, 'allocates'],
  ];
  return sources
    .filter(({ path }) => isFilter(path) && !isShell(path))
    .flatMap(({ path, code, text }) =>
      patterns.flatMap(([pattern, what]) => {
        const match = pattern.exec(code);
        return match === null ? [] : [`${path}:${lineAt(text, match.index)}  ${what}`];
      }),
    );
}
