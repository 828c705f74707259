/**
 * Reads from a WebAssembly binary what the JavaScript API does not tell: the signatures of imported
 * and exported functions, the size of the memory, and whether there is a start section. Total on
 * any bytes that the engine has compiled; never runs anything.
 */

/** A function at the border of a module; `signature` as in signatures.ts, `?` for other types. */
export interface BorderFunction {
  name: string;
  signature: string;
}

/** What a binary declares at its border. */
export interface BinaryBorder {
  /** Imported functions by `module.name`, in order. */
  imports: BorderFunction[];
  /** Imports that are no functions, by `module.name` and kind. */
  otherImports: { name: string; kind: string }[];
  /** Exported functions by name. */
  exports: BorderFunction[];
  exportedGlobals: string[];
  /** Pages of the first memory at the start, and its own bound if it has one. */
  memory: { initialPages: number; maximumPages?: number } | undefined;
  memoryExported: boolean;
  startSection: boolean;
}

const KINDS = ['function', 'table', 'memory', 'global', 'tag'];

/** Reads a binary from front to back; past its end every byte is 0. */
export class Reader {
  readonly #bytes: Uint8Array;
  at: number;
  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.at = at;
  }

  get done(): boolean {
    return this.at >= this.#bytes.length;
  }

  byte(): number {
    return this.#bytes[this.at++] ?? 0;
  }

  /** An unsigned LEB128 number. */
  number(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
  }

  text(): string {
    const length = this.number();
    const text = Buffer.from(this.#bytes.subarray(this.at, this.at + length)).toString('utf8');
    this.at += length;
    return text;
  }

  limits(): { initialPages: number; maximumPages?: number } {
    const flags = this.byte();
    const initialPages = this.number();
    return (flags & 1) === 1 ? { initialPages, maximumPages: this.number() } : { initialPages };
  }
}

function valueTypes(reader: Reader): string {
  let types = '';
  for (let left = reader.number(); left > 0; left--) {
    const type = reader.byte();
    types += type === 0x7f ? 'i' : type === 0x7e ? 'I' : '?';
  }
  return types;
}

interface Sections {
  types: string[];
  functionTypes: number[];
  border: BinaryBorder;
}

function readImports(reader: Reader, into: Sections): void {
  for (let left = reader.number(); left > 0; left--) {
    const name = `${reader.text()}.${reader.text()}`;
    const kind = reader.byte();
    if (kind === 0) {
      const type = reader.number();
      into.functionTypes.push(type);
      into.border.imports.push({ name, signature: into.types[type] ?? '?' });
      continue;
    }
    into.border.otherImports.push({ name, kind: KINDS[kind] ?? String(kind) });
    if (kind === 1) reader.byte();
    if (kind === 1 || kind === 2) {
      const limits = reader.limits();
      if (kind === 2) into.border.memory ??= limits;
    } else {
      reader.byte();
      reader.byte();
    }
  }
}

function readExports(reader: Reader, into: Sections): void {
  for (let left = reader.number(); left > 0; left--) {
    const name = reader.text();
    const kind = reader.byte();
    const index = reader.number();
    if (kind === 0) {
      const signature = into.types[into.functionTypes[index] ?? -1] ?? '?';
      into.border.exports.push({ name, signature });
    } else if (kind === 2) {
      into.border.memoryExported = true;
    } else if (kind === 3) {
      into.border.exportedGlobals.push(name);
    }
  }
}

function readSection(id: number, reader: Reader, into: Sections): void {
  if (id === 1) {
    for (let left = reader.number(); left > 0; left--) {
      const form = reader.byte();
      into.types.push(form === 0x60 ? `${valueTypes(reader)}:${valueTypes(reader)}` : '?');
    }
  } else if (id === 2) {
    readImports(reader, into);
  } else if (id === 3) {
    for (let left = reader.number(); left > 0; left--) into.functionTypes.push(reader.number());
  } else if (id === 5) {
    if (reader.number() > 0) into.border.memory ??= reader.limits();
  } else if (id === 7) {
    readExports(reader, into);
  } else if (id === 8) {
    into.border.startSection = true;
  }
}

/** Reads the border of `bytes`, a module the engine has already compiled. */
export function readBorder(bytes: Uint8Array): BinaryBorder {
  const border: BinaryBorder = {
    imports: [],
    otherImports: [],
    exports: [],
    exportedGlobals: [],
    memory: undefined,
    memoryExported: false,
    startSection: false,
  };
  const sections: Sections = { types: [], functionTypes: [], border };
  const reader = new Reader(bytes, 8);
  while (!reader.done) {
    const id = reader.byte();
    const length = reader.number();
    const end = reader.at + length;
    readSection(id, new Reader(bytes.subarray(0, end), reader.at), sections);
    reader.at = end;
  }
  return border;
}
