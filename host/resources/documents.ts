/**
 * Reads the documents of a YAML file with the place of every node. It refuses what would make a
 * file say other than it shows, and must never know what a resource is.
 */
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  type Node,
  type Pair,
  parseAllDocuments,
  visit,
} from 'yaml';
import type { Facts } from './errors.ts';
import { type Problem, problem } from './problem.ts';
import type { SourceFile } from './source.ts';

/** A document of a file. */
export interface Root {
  /** What it says. */
  readonly node: Node;
  /** Where the text that `again` reads begins in the file. */
  readonly base: number;
  /** Reads it once more: a node with the place of everything is many times what it says. */
  readonly again: () => Node;
}

/** Lines that mean more than that a document begins; files with one are read in one piece. */
const UNUSUAL_LINE = /^(?:%|\.\.\.|---[^\n])/m;
const MARK = /^---\n/gm;
const OPTIONS = { prettyErrors: false, logLevel: 'silent', stringKeys: true } as const;
/** Without these there is no anchor, alias or tag. */
const HIDING = /[&*!]/;

/**
 * Reads all documents, one by one as they are taken, so that a file of a hundred thousand needs the
 * memory of one; adds what is wrong with those that cannot be read. Empty ones, such as behind a
 * last `---`, are left out.
 */
export function* readDocuments(file: SourceFile, problems: Problem[]): Iterable<Root> {
  for (const { base, text } of partsOf(file.text)) yield* readPart(file, base, text, problems);
}

/** A text at the marks between its documents; nothing else can stand there in YAML. */
function* partsOf(text: string): Iterable<{ readonly base: number; readonly text: string }> {
  let base = 0;
  if (!UNUSUAL_LINE.test(text)) {
    for (const { index } of text.matchAll(MARK)) {
      yield { base, text: text.slice(base, index) };
      base = index + '---\n'.length;
    }
  }
  yield { base, text: base === 0 ? text : text.slice(base) };
}

function readPart(file: SourceFile, base: number, text: string, problems: Problem[]): Root[] {
  const parsed = parseAllDocuments(text, OPTIONS);
  const documents = 'empty' in parsed ? [] : parsed;
  const hides = HIDING.test(text);
  return documents.flatMap((document, index): Root[] => {
    const hidden = hides ? hiddenMeaning(file, base, document) : [];
    const found = [...syntaxProblems(file, base, document), ...hidden];
    problems.push(...found);
    const root: unknown = document.contents;
    const empty = isScalar(root) && root.value === null;
    if (found.length > 0 || !isNode(root) || empty) return [];
    const again = () => (parseAllDocuments(text, OPTIONS) as Document[])[index]?.contents as Node;
    return [{ node: root, base, again }];
  });
}

/** One problem a line: what a parser says next on the same line follows from the first. */
function syntaxProblems(file: SourceFile, base: number, document: Document): Problem[] {
  const lines = new Set<number>();
  return document.errors.flatMap((error) => {
    const [start, end] = [base + error.pos[0], base + error.pos[1]];
    const { line } = file.position(start);
    if (lines.has(line)) return [];
    lines.add(line);
    const place = { file, offset: start, length: Math.max(1, end - start) };
    if (error.code === 'DUPLICATE_KEY') return duplicateKey(file, start);
    // The first line says what; the rest of the library's text repeats the place.
    const [reason = ''] = error.message.split('\n');
    const facts: Facts = { reason: reason.replace(/[.:]$/, '') };
    return problem({ code: 'SG1001', facts, place, sensitive: true });
  });
}

function duplicateKey(file: SourceFile, start: number): Problem {
  const field = /^["']?([^"':\s]+)/.exec(file.text.slice(start))?.[1] ?? '';
  const place = { file, offset: start, length: field.length };
  return problem({ code: 'SG1002', facts: { field }, place, sensitive: true });
}

/** Anchors, aliases and tags of a document: one problem each. */
function hiddenMeaning(file: SourceFile, base: number, document: Document): Problem[] {
  const problems: Problem[] = [];
  const refuse = (what: string, node: Node): void => {
    const [start = 0, end = start + 1] = node.range ?? [];
    const place = { file, offset: base + start, length: Math.max(1, end - start) };
    problems.push(problem({ code: 'SG1003', facts: { what }, place, sensitive: true }));
  };
  visit(document, {
    Node: (_, node) => {
      if (isAlias(node)) refuse('aliases', node);
      else if (node.anchor !== undefined) refuse('anchors', node);
      else if (node.tag !== undefined && !CORE_TAGS.has(node.tag)) refuse('tags', node);
    },
  });
  return problems;
}

/** Tags that plain YAML nodes have without being written. */
const CORE_TAGS = new Set(
  ['map', 'seq', 'str', 'int', 'float', 'bool', 'null'].map((name) => `tag:yaml.org,2002:${name}`),
);

/** The pair of a mapping with this key. */
export function pairOf(node: Node | undefined, key: string): Pair<Node, Node | null> | undefined {
  if (!isMap<Node, Node | null>(node)) return undefined;
  return node.items.find((pair) => keyText(pair) === key);
}

/** The key of a pair as text. */
export function keyText(pair: Pair<Node, Node | null>): string {
  const key: unknown = pair.key;
  return typeof key === 'object' && key !== null && 'value' in key
    ? String(key.value)
    : String(key);
}
