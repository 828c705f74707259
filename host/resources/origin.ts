/**
 * Where a resource comes from: leads from a field of it back to the place in its file, or in the
 * text that stands for one when it was read from the store.
 */
import { isMap, isScalar, isSeq, type Node, type Pair } from 'yaml';
import { pairOf, type Root, readDocuments } from './documents.ts';
import type { ErrorCode, Facts, Fault } from './errors.ts';
import { type Place, type Problem, problem } from './problem.ts';
import { SourceFile } from './source.ts';

/** A field of a resource: keys and places in lists. */
export type Path = readonly (string | number)[];

/** Which part of a field a problem marks, and what was meant. */
export interface Marking {
  /** The key of the field or its value; the value unless told. */
  readonly part?: 'key' | 'value';
  readonly suggestion?: string | undefined;
}

/** A text and the node of a resource in it, whose places count from `base`. */
interface Source {
  readonly file: SourceFile;
  readonly root: Node;
  readonly base: number;
}

/** The document a resource was read from. */
export class Origin {
  /** Whether the resource was read from the store and not from a file. */
  readonly isStored: boolean;
  readonly #kind: string | undefined;
  readonly #read: () => Source;
  #source: Source | undefined;

  private constructor(kind: string | undefined, isStored: boolean, read: () => Source) {
    this.#kind = kind;
    this.isStored = isStored;
    this.#read = read;
  }

  /** A resource of a file. `kind` is undefined while it is not known. */
  static of(file: SourceFile, { base, again }: Root, kind: string | undefined): Origin {
    return new Origin(kind, false, () => ({ file, root: again(), base }));
  }

  /** A resource of the store. Its text is made only when a problem has to show it. */
  static stored(name: string, kind: string, text: () => string): Origin {
    return new Origin(kind, true, () => {
      const file = new SourceFile(name, text());
      const [root] = readDocuments(file, []);
      if (root === undefined) throw new Error(`${name} is stored and cannot be read`);
      return { file, root: root.node, base: root.base };
    });
  }

  /** The file, or what stands for one. */
  get file(): SourceFile {
    return this.#document.file;
  }

  get #document(): Source {
    this.#source ??= this.#read();
    return this.#source;
  }

  /** True when texts of the resource may be keys, which no problem may show. */
  get sensitive(): boolean {
    return this.#kind === undefined || this.#kind === 'Credential';
  }

  /** `file:line` of the resource, for a problem that names another place. */
  where(path: Path = []): string {
    const { line } = this.file.position(this.#place(path, 'key').offset);
    return `${this.file.name}:${line}`;
  }

  /** Whether a field stands in the file. */
  has(path: Path): boolean {
    return this.#pairAt(path) !== undefined;
  }

  /** The text of a field's value as it stands in the file. */
  text(path: Path): string {
    const { offset, length } = this.#place(path, 'value');
    return this.file.text.slice(offset, offset + length);
  }

  /** A problem at a field. */
  problem(code: ErrorCode, facts: Facts, path: Path, marking: Marking = {}): Problem {
    const place = this.#place(path, marking.part ?? 'value');
    return this.#problemAt(code, facts, path, place, marking.suggestion);
  }

  /** A problem at the part of a field's text that a fault names. */
  problemOf(fault: Fault, path: Path): Problem {
    const whole = this.#place(path, 'value');
    const part = fault.at === undefined ? undefined : this.#textPart(path, fault, whole);
    return this.#problemAt(fault.code, fault.facts, path, part ?? whole, fault.suggestion);
  }

  #problemAt(
    code: ErrorCode,
    facts: Facts,
    path: Path,
    place: Place,
    suggestion: string | undefined,
  ): Problem {
    const kind = this.#kind === undefined ? {} : { kind: this.#kind };
    return problem({ code, facts, place, path, suggestion, sensitive: this.sensitive, ...kind });
  }

  /** The part of a text that stands in the file as it is; undefined where it is escaped. */
  #textPart(path: Path, fault: Fault, whole: Place): Place | undefined {
    const node = this.#valueAt(path);
    if (!isScalar(node) || typeof node.value !== 'string') return undefined;
    const shown = this.file.text.slice(whole.offset, whole.offset + whole.length);
    const inside = shown.indexOf(node.value);
    if (inside === -1) return undefined;
    const offset = whole.offset + inside + (fault.at ?? 0);
    return { file: this.file, offset, length: fault.length ?? 1 };
  }

  #place(path: Path, part: 'key' | 'value'): Place {
    const { file, base } = this.#document;
    const pair = this.#pairAt(path);
    const value = this.#valueAt(path);
    const node = part === 'value' ? (value ?? pair?.key) : (pair?.key ?? value);
    const [offset = 0, end = offset + 1] = (node ?? this.#document.root).range ?? [];
    // A block mapping is marked at its first key, not over all its lines.
    const mapping = isMap<Node>(node) ? node.items[0]?.key : undefined;
    if (part === 'key' && mapping?.range != null) {
      const [from, to] = mapping.range;
      return { file, offset: base + from, length: to - from };
    }
    return { file, offset: base + offset, length: Math.max(1, end - offset) };
  }

  #pairAt(path: Path): Pair<Node, Node | null> | undefined {
    const key = path.at(-1);
    if (typeof key !== 'string') return undefined;
    return pairOf(this.#valueAt(path.slice(0, -1)), key);
  }

  /** The node of a field, or undefined when it is not written. */
  #valueAt(path: Path): Node | undefined {
    let node: unknown = this.#document.root;
    for (const step of path) {
      if (typeof step === 'number') node = isSeq(node) ? node.items[step] : undefined;
      else node = pairOf(node as Node, step)?.value;
    }
    return (node as Node | null) ?? undefined;
  }
}
