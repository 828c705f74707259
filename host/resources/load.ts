/**
 * Reads a set of files into resources: all of them, or every problem of all of them. It reads
 * texts that were handed over and must never open a file.
 */
import { isMap, isScalar, type Node, YAMLMap } from 'yaml';
import { canonicalJson } from './canonical-json.ts';
import { Checker, foundIn } from './check.ts';
import { pairOf, type Root, readDocuments } from './documents.ts';
import { checkMeaning } from './meaning.ts';
import { buildSet, type Document, type ResourceSet } from './model.ts';
import { Origin } from './origin.ts';
import { inOrder, type Problem, problem } from './problem.ts';
import { checkReferences, type Declared } from './references.ts';
import {
  KINDS,
  type Kind,
  type Metadata,
  resourceSchema,
  SPECS,
  type Specs,
} from './schema/schema.ts';
import { SourceFile } from './source.ts';
import { suggest } from './suggest.ts';

/** A file as it was read: its bytes, and its name as problems show it. */
export interface InputFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Bounds of a set; what passes them is refused whole. */
export interface LoadBounds {
  readonly filesMax: number;
  readonly fileBytesMax: number;
  readonly resourcesMax: number;
}

/** Most files of a set, and of a folder. */
export const FILES_MAX = 10_000;

/** Most resources of a set of files; those of a batch count alone, not with what is stored. */
export const RESOURCES_MAX = 1_000_000;

/** The bounds unless others are given. */
export const LOAD_BOUNDS: LoadBounds = {
  filesMax: FILES_MAX,
  fileBytesMax: 32 * 1024 * 1024,
  resourcesMax: RESOURCES_MAX,
};

/** Resources from one telling of how many were read to the next. */
const TOLD_EVERY = 1_000;

/** A resource in the form the store keeps: equal texts mean equal resources. */
export interface CanonicalResource {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
  readonly text: string;
}

/** Outcome of loading. Problems are in the order of files and lines. */
export type Loaded =
  | {
      readonly ok: true;
      readonly set: ResourceSet;
      readonly resources: readonly CanonicalResource[];
    }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Loads a set. Nothing is taken over unless every file is free of problems. */
export function loadResources(
  files: readonly InputFile[],
  bounds: LoadBounds = LOAD_BOUNDS,
): Loaded {
  const { documents, declared, problems: found } = readFiles(files, bounds);
  const problems = [...found, ...checkReferences(declared, documents)];
  const set = buildSet(documents);
  problems.push(...checkMeaning(set));
  if (problems.length > 0) return { ok: false, problems: inOrder(problems) };
  return { ok: true, set, resources: documents.map(canonical) };
}

/** What files say, each resource by itself: references and meaning are not checked. */
export interface FilesRead {
  /** Resources without problems of their own. */
  readonly documents: readonly Document[];
  /** Every name, also of those with problems. */
  readonly declared: readonly Declared[];
  readonly problems: readonly Problem[];
}

/** Reads files; tells now and then how many resources were read. */
export function readFiles(
  files: readonly InputFile[],
  bounds: LoadBounds,
  onRead: (resources: number) => void = () => undefined,
): FilesRead {
  const reader = new SetReader(bounds, onRead);
  reader.read(files);
  return reader;
}

/** The set of resources that the store holds, checked when they were applied. */
export function setFromStore(resources: readonly CanonicalResource[]): ResourceSet {
  return buildSet(
    resources.map(({ kind, text }) => {
      const { metadata, spec } = JSON.parse(text) as { metadata: Metadata; spec: Specs[Kind] };
      return { kind, metadata, spec, origin: undefined };
    }),
  );
}

/** A checked resource in the form the store keeps. */
export function canonical({ kind, metadata, spec }: Document): CanonicalResource {
  const { namespace = 'default', name } = metadata;
  return { kind, namespace, name, text: canonicalJson({ metadata, spec }) };
}

/** Collects documents, names and problems over all files. */
class SetReader {
  readonly documents: Document[] = [];
  readonly declared: Declared[] = [];
  readonly problems: Problem[] = [];
  readonly #bounds: LoadBounds;
  readonly #onRead: (resources: number) => void;
  #resources = 0;

  constructor(bounds: LoadBounds, onRead: (resources: number) => void) {
    this.#bounds = bounds;
    this.#onRead = onRead;
  }

  read(files: readonly InputFile[]): void {
    for (const [i, input] of files.entries()) {
      const { filesMax, fileBytesMax } = this.#bounds;
      const empty = new SourceFile(input.name, '');
      if (i === filesMax) this.#tooMany(empty, 'files', files.length, filesMax);
      if (i >= filesMax) return;
      if (input.bytes.length > fileBytesMax) {
        this.#tooMany(empty, 'bytes', input.bytes.length, fileBytesMax);
      } else this.#readFile(input);
    }
  }

  #readFile(input: InputFile): void {
    const text = decode(input.bytes);
    if (text === undefined) {
      const place = { file: new SourceFile(input.name, ''), offset: 0, length: 1 };
      this.problems.push(problem({ code: 'SG1006', facts: {}, place }));
      return;
    }
    const file = new SourceFile(input.name, text);
    for (const root of readDocuments(file, this.problems)) {
      this.#resources += 1;
      if (this.#resources % TOLD_EVERY === 0) this.#onRead(this.#resources);
      const { resourcesMax } = this.#bounds;
      if (this.#resources === resourcesMax + 1) {
        this.#tooMany(file, 'resources', this.#resources, resourcesMax);
      }
      if (this.#resources > resourcesMax) return;
      this.#readResource(file, root);
    }
  }

  #readResource(file: SourceFile, root: Root): void {
    const { node } = root;
    const origin = Origin.of(file, root, undefined);
    if (!isMap(node)) {
      this.problems.push(origin.problem('SG1004', { found: foundIn(node) }, []));
      return;
    }
    const kind = this.#kindOf(origin, node);
    if (kind !== undefined) this.#readKind(kind, Origin.of(file, root, kind), node);
  }

  #kindOf(origin: Origin, root: Node): Kind | undefined {
    const pair = pairOf(root, 'kind');
    const value = isScalar(pair?.value) ? pair.value.value : undefined;
    const kind = KINDS.find((each) => each === value);
    if (kind !== undefined) return kind;
    if (typeof value === 'string') {
      const facts = { value, values: KINDS.join(', ') };
      const suggestion = suggest(value, KINDS);
      this.problems.push(origin.problem('SG1102', facts, ['kind'], { suggestion }));
    } else {
      const facts = { field: 'kind', about: `one of ${KINDS.join(', ')}.` };
      this.problems.push(origin.problem('SG1104', facts, [], { part: 'key' }));
    }
    return undefined;
  }

  #readKind(kind: Kind, origin: Origin, root: Node): void {
    const checker = new Checker(origin);
    const value = checker.check(resourceSchema(kind), root, []) as {
      metadata?: Partial<Metadata>;
      spec?: Specs[Kind];
    };
    this.problems.push(...checker.problems);
    const { name, namespace = 'default' } = value.metadata ?? {};
    if (typeof name !== 'string' || typeof namespace !== 'string') return;
    const metadata = { ...value.metadata, name, namespace };
    const spec = value.spec ?? emptySpec(kind, origin);
    const document: Document = { kind, metadata, spec, origin };
    this.declared.push({ kind, namespace, name, document });
    if (checker.problems.length > 0) return;
    this.problems.push(...checkFields(document));
    this.documents.push(document);
  }

  #tooMany(file: SourceFile, what: string, count: number, most: number): void {
    const place = { file, offset: 0, length: 1 };
    this.problems.push(problem({ code: 'SG1005', facts: { what, count, most }, place }));
  }
}

/** A spec that was left out says what an empty one says, defaults included. */
function emptySpec(kind: Kind, origin: Origin): Specs[Kind] {
  return new Checker(origin).check(SPECS[kind], new YAMLMap(), ['spec']) as Specs[Kind];
}

/** Fields of one resource that exclude one another by value. */
function checkFields(document: Document): Problem[] {
  if (document.kind !== 'Product' || document.origin === undefined) return [];
  const { keyFormat, brands } = document.spec as Specs['Product'];
  if (keyFormat !== 'opaque' || brands === undefined) return [];
  return [document.origin.problem('SG1215', {}, ['spec', 'brands'], { part: 'key' })];
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
