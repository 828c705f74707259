/**
 * Kubernetes manifests as `sidegate doctor` reads them: their values, and the place of each in its
 * file. It judges nothing but whether a file is YAML.
 */
import { type Document, isMap, isNode, isSeq, type Node, type Pair, parseAllDocuments } from 'yaml';
import { pairOf, readDocuments } from '../resources/documents.ts';
import type { InputFile } from '../resources/load.ts';
import { type Place, type Printable, type Problem, problem } from '../resources/problem.ts';
import { SourceFile } from '../resources/source.ts';

/** A field of a manifest: keys and places in lists. */
export type Path = readonly (string | number)[];

/** Which part of a field is marked. */
export type Part = 'key' | 'value';

/** Labels of a workload, or those that a selector asks for. */
export type Labels = Readonly<Record<string, string>>;

/** One object of the cluster, as it stands in a file. */
export class Manifest {
  readonly file: SourceFile;
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace: string;
  readonly #root: Node;
  readonly #value: unknown;

  constructor(file: SourceFile, root: Node, value: unknown) {
    this.file = file;
    this.#root = root;
    this.#value = value;
    this.apiVersion = this.text(['apiVersion']) ?? '';
    this.kind = this.text(['kind']) ?? '';
    this.name = this.text(['metadata', 'name']) ?? '';
    this.namespace = this.text(['metadata', 'namespace']) ?? 'default';
  }

  /** `file:line` of the object. */
  get where(): string {
    const { line } = this.file.position(this.place([], 'key').offset);
    return `${this.file.name}:${line}`;
  }

  /** The value of a field, as JSON would have it; undefined when it is not there. */
  at(path: Path): unknown {
    let value = this.#value;
    for (const step of path) {
      if (typeof value !== 'object' || value === null) return undefined;
      value = (value as Record<string | number, unknown>)[step];
    }
    return value ?? undefined;
  }

  /** A field that is text. */
  text(path: Path): string | undefined {
    const value = this.at(path);
    return typeof value === 'string' ? value : undefined;
  }

  /** The entries of a list; none when the field is no list. */
  list(path: Path): readonly unknown[] {
    const value = this.at(path);
    return Array.isArray(value) ? value : [];
  }

  /** The labels in a field. */
  labels(path: Path): Labels {
    const value = this.at(path);
    return typeof value === 'object' && value !== null ? (value as Labels) : {};
  }

  /** Where a field stands; of one that is not there, where the nearest one around it stands. */
  place(path: Path, part: Part): Place {
    let node: Node = this.#root;
    let pair: Pair<Node, Node | null> | undefined;
    for (const step of path) {
      const inner: unknown = isSeq<Node>(node) ? node.items[Number(step)] : undefined;
      const found = pairOf(node, String(step));
      const next = inner ?? found?.value;
      if (inner === undefined && found === undefined) break;
      pair = inner === undefined ? found : undefined;
      node = isNode(next) ? next : node;
    }
    const marked = part === 'key' || isMap(node) ? (pair?.key ?? firstKey(node)) : node;
    const [offset = 0, end = offset + 1] = marked.range ?? [];
    return { file: this.file, offset, length: Math.max(1, end - offset) };
  }
}

/** Objects of all files, and what keeps a file from being read. */
export interface Manifests {
  readonly all: readonly Manifest[];
  readonly problems: readonly Printable[];
}

/** Reads every object of the files; of a List its items. */
export function readManifests(files: readonly InputFile[]): Manifests {
  const all: Manifest[] = [];
  const problems: Printable[] = [];
  for (const { name, bytes } of files) {
    const file = new SourceFile(name, new TextDecoder().decode(bytes));
    const parsed = parseAllDocuments(file.text, { prettyErrors: false, logLevel: 'silent' });
    const documents: readonly Document[] = 'empty' in parsed ? [] : parsed;
    if (documents.some(({ errors }) => errors.length > 0)) problems.push(...syntax(file));
    for (const { errors, contents, toJS } of documents.map(asDocument)) {
      if (errors > 0 || !isMap(contents)) continue;
      all.push(...objectsOf(file, contents, toJS()));
    }
  }
  return { all, problems };
}

function asDocument(document: Document) {
  const contents: unknown = document.contents;
  return { errors: document.errors.length, contents, toJS: () => document.toJS() as unknown };
}

/** What is wrong with the YAML. Anchors, which resources may not have, are fine in manifests. */
function syntax(file: SourceFile): Printable[] {
  const problems: Problem[] = [];
  // Taken to the last document: only then is it known what is wrong with any of them.
  Array.from(readDocuments(file, problems));
  const found = problems.filter(({ code }) => code !== 'SG1003');
  if (found.length > 0) return found;
  const place = { file, offset: 0, length: 1 };
  return [problem({ code: 'SG1001', facts: { reason: 'it cannot be read' }, place })];
}

function objectsOf(file: SourceFile, root: Node, value: unknown): Manifest[] {
  const manifest = new Manifest(file, root, value);
  const items = manifest.kind === 'List' ? pairOf(root, 'items')?.value : undefined;
  if (!isSeq<Node>(items)) return [manifest];
  return items.items.flatMap((item, i) => objectsOf(file, item, manifest.at(['items', i])));
}

/** The first key of a mapping: a block is marked there, not over all its lines. */
function firstKey(node: Node): Node {
  const key = isMap<Node>(node) ? node.items[0]?.key : undefined;
  return key ?? node;
}
