/**
 * Makes of a module the same module with a counter of executed WebAssembly instructions, which it
 * exports. What is counted does not depend on machine, engine or load. Blocks, loops and their ends
 * are no instructions; a copy of memory is one, however long.
 */
import { Reader } from '../../host/emulator/wasm-binary.ts';

/** Name of the exported counter, a 64-bit global. */
export const COUNTER = 'bench_instructions';

const GLOBAL_SECTION = 6;
const EXPORT_SECTION = 7;
const CODE_SECTION = 10;
const I64_MUTABLE_ZERO = [0x7e, 0x01, 0x42, 0x00, 0x0b];
const EMPTY_BLOCK = 0x40;
/** Value types, which as types of a block are a single byte. */
const VALUE_TYPE_MIN = 0x6f;
const VALUE_TYPE_MAX = 0x7f;

const OP = {
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  branchIf: 0x0d,
} as const;
const UNCOUNTED: ReadonlySet<number> = new Set([OP.block, OP.loop, OP.else, OP.end]);
/** After these another instruction than the next may run, or the next from elsewhere. */
const BREAKS: ReadonlySet<number> = new Set([OP.loop, OP.if, OP.else, OP.end, OP.branchIf]);

/** Answers the module with its counter. Throws on instructions the filter has no use for. */
export function meter(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const sections = sectionsOf(bytes);
  const counter = globalCount(sections);
  const out: number[][] = [[...bytes.subarray(0, 8)]];
  for (const { id, body } of sections) {
    const made =
      id === GLOBAL_SECTION
        ? appended(body, I64_MUTABLE_ZERO)
        : id === EXPORT_SECTION
          ? appended(body, [...text(COUNTER), 0x03, ...leb(counter)])
          : id === CODE_SECTION
            ? meteredCode(body, counter)
            : [...body];
    out.push([id], leb(made.length), made);
  }
  return Uint8Array.from(out.flat());
}

interface Section {
  id: number;
  body: Uint8Array;
}

function sectionsOf(bytes: Uint8Array): Section[] {
  const reader = new Reader(bytes, 8);
  const sections: Section[] = [];
  while (!reader.done) {
    const id = reader.byte();
    const length = reader.number();
    sections.push({ id, body: bytes.subarray(reader.at, reader.at + length) });
    reader.at += length;
  }
  return sections;
}

/** How many globals there are; the module imports none, which `loadModule` makes sure of. */
function globalCount(sections: readonly Section[]): number {
  const globals = sections.find(({ id }) => id === GLOBAL_SECTION);
  if (globals === undefined) throw new Error('a module without globals is not metered');
  return new Reader(globals.body).number();
}

/** A section that is a list, with one more item. */
function appended(body: Uint8Array, item: readonly number[]): number[] {
  const reader = new Reader(body);
  const count = reader.number();
  return [...leb(count + 1), ...body.subarray(reader.at), ...item];
}

function meteredCode(body: Uint8Array, counter: number): number[] {
  const reader = new Reader(body);
  const count = reader.number();
  const out: number[] = [...leb(count)];
  for (let left = count; left > 0; left--) {
    const length = reader.number();
    const metered = meteredFunction(body.subarray(reader.at, reader.at + length), counter);
    for (const byte of leb(metered.length)) out.push(byte);
    for (const byte of metered) out.push(byte);
    reader.at += length;
  }
  return out;
}

function meteredFunction(body: Uint8Array, counter: number): number[] {
  const reader = new Reader(body);
  for (let groups = reader.number(); groups > 0; groups--) {
    reader.number();
    reader.byte();
  }
  const out = [...body.subarray(0, reader.at)];
  let from = reader.at;
  let counted = 0;
  const flush = () => {
    if (counted > 0) for (const byte of addition(counter, counted)) out.push(byte);
    for (const byte of body.subarray(from, reader.at)) out.push(byte);
    from = reader.at;
    counted = 0;
  };
  while (!reader.done) {
    const opcode = reader.byte();
    skipImmediates(reader, opcode);
    if (!UNCOUNTED.has(opcode)) counted++;
    if (BREAKS.has(opcode)) flush();
  }
  flush();
  return out;
}

/** counter += by */
function addition(counter: number, by: number): number[] {
  return [0x23, ...leb(counter), 0x42, ...signedLeb(by), 0x7c, 0x24, ...leb(counter)];
}

/** Numbers that follow an instruction with so many of them, by ranges of opcodes. */
const NUMBERS: readonly [from: number, to: number, count: number][] = [
  [0x0c, 0x0d, 1],
  [0x10, 0x10, 1],
  [0x11, 0x11, 2],
  [0x20, 0x26, 1],
  [0x28, 0x3e, 2],
  [0x3f, 0x42, 1],
  [0xd2, 0xd2, 1],
];
const EXTENDED: readonly number[] = [0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 2, 1, 2, 1, 2, 1, 1, 1];

function skipImmediates(reader: Reader, opcode: number): void {
  if (opcode >= OP.block && opcode <= OP.if) skipBlockType(reader);
  else if (opcode === 0x0e) skipNumbers(reader, reader.number() + 1);
  else if (opcode === 0x1c) skipNumbers(reader, reader.number());
  else if (opcode === 0x43) reader.at += 4;
  else if (opcode === 0x44) reader.at += 8;
  else if (opcode === 0xfc) skipNumbers(reader, EXTENDED[reader.number()] ?? 0);
  else if (opcode > 0xd2) throw new Error(`instruction 0x${opcode.toString(16)} is not metered`);
  else {
    const row = NUMBERS.find(([from, to]) => opcode >= from && opcode <= to);
    skipNumbers(reader, row?.[2] ?? 0);
  }
}

function skipNumbers(reader: Reader, count: number): void {
  // A signed number has as many bytes as an unsigned one.
  for (let left = count; left > 0; left--) reader.number();
}

function skipBlockType(reader: Reader): void {
  const type = reader.byte();
  const isShort = type === EMPTY_BLOCK || (type >= VALUE_TYPE_MIN && type <= VALUE_TYPE_MAX);
  if (isShort) return;
  reader.at--;
  reader.number();
}

function text(value: string): number[] {
  const bytes = Buffer.from(value, 'utf8');
  return [...leb(bytes.length), ...bytes];
}

function leb(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest & 0x7f) | 0x80);
  return [...bytes, rest];
}

/** Of a number that is not negative. */
function signedLeb(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x40; rest = Math.floor(rest / 128)) bytes.push((rest & 0x7f) | 0x80);
  return [...bytes, rest];
}
