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
  type YAMLError,
} from 'yaml';
import type { Facts } from './errors.ts';
import { type Problem, problem } from './problem.ts';
import type { SourceFile } from './source.ts';

/** The documents of a file that could be read, and what is wrong with the others. */
export interface Documents {
  readonly roots: readonly Node[];
  readonly problems: readonly Problem[];
}

/** Reads all documents. Empty ones, such as behind a last `---`, are left out. */
export function readDocuments(file: SourceFile): Documents {
  const parsed = parseAllDocuments(file.text, {
    prettyErrors: false,
    logLevel: 'silent',
    stringKeys: true,
  });
  const documents = 'empty' in parsed ? [] : parsed;
  const roots: Node[] = [];
  const problems: Problem[] = [];
  for (const document of documents) {
    const found = [...syntaxProblems(file, document), ...hiddenMeaning(file, document)];
    problems.push(...found);
    const root: unknown = document.contents;
    const empty = isScalar(root) && root.value === null;
    if (found.length === 0 && isNode(root) && !empty) roots.push(root);
  }
  return { roots, problems };
}

/** One problem a line: what a parser says next on the same line follows from the first. */
function syntaxProblems(file: SourceFile, document: Document): Problem[] {
  const lines = new Set<number>();
  return document.errors.flatMap((error) => {
    const [start, end] = error.pos;
    const { line } = file.position(start);
    if (lines.has(line)) return [];
    lines.add(line);
    const place = { file, offset: start, length: Math.max(1, end - start) };
    if (error.code === 'DUPLICATE_KEY') return duplicateKey(file, error);
    // The first line says what; the rest of the library's text repeats the place.
    const [reason = ''] = error.message.split('\n');
    const facts: Facts = { reason: reason.replace(/[.:]$/, '') };
    return problem({ code: 'SG1001', facts, place, sensitive: true });
  });
}

function duplicateKey(file: SourceFile, error: YAMLError): Problem {
  const [start] = error.pos;
  const field = /^["']?([^"':\s]+)/.exec(file.text.slice(start))?.[1] ?? '';
  const place = { file, offset: start, length: field.length };
  return problem({ code: 'SG1002', facts: { field }, place, sensitive: true });
}

/** Anchors, aliases and tags of a document: one problem each. */
function hiddenMeaning(file: SourceFile, document: Document): Problem[] {
  const problems: Problem[] = [];
  const refuse = (what: string, node: Node): void => {
    const [offset = 0, end = offset + 1] = node.range ?? [];
    const place = { file, offset, length: Math.max(1, end - offset) };
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
