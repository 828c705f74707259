/**
 * Changes messages of docs/wire.md as an attacker who knows their frame would: fields, records and
 * sections, with length and checksum put right again, and now and then without.
 */
import { crc32 } from 'node:zlib';
import type { Dice } from './dice.ts';

interface Section {
  kind: number;
  flags: number;
  body: Uint8Array;
}

const HEADER_BYTES = 16;
const WIDTHS = [1, 2, 4, 8];

/** Mutates a message. The bytes given are not touched. */
export function mutateMessage(dice: Dice, intact: Uint8Array): Uint8Array {
  if (dice.once(20)) return mutateBytes(dice, intact);
  const sections = split(intact);
  for (let left = dice.pick([1, 1, 1, 2, 3, 6]); left > 0; left--) mutateOnce(dice, sections);
  const message = join(intact, sections);
  return dice.once(20) ? message.subarray(0, dice.int(message.length + 1)) : message;
}

/** Mutates bytes of whatever kind in one to four places. */
export function mutateBytes(dice: Dice, intact: Uint8Array): Uint8Array {
  let bytes = Buffer.from(intact);
  for (let left = 1 + dice.int(4); left > 0; left--) {
    const at = dice.int(bytes.length + 1);
    const rest = bytes.subarray(at + dice.int(4));
    const fresh = dice.bytes(dice.int(6));
    bytes = Buffer.concat([bytes.subarray(0, at), fresh, dice.once(2) ? rest : bytes.subarray(at)]);
  }
  return new Uint8Array(bytes);
}

function split(message: Uint8Array): Section[] {
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  const sections: Section[] = [];
  for (let at = HEADER_BYTES; at + 8 <= message.length; ) {
    const length = view.getUint32(at + 4, true);
    const body = message.slice(at + 8, at + 8 + length);
    sections.push({ kind: view.getUint16(at, true), flags: view.getUint16(at + 2, true), body });
    at += 8 + length;
  }
  return sections;
}

function join(intact: Uint8Array, sections: readonly Section[]): Uint8Array {
  const parts = sections.map(({ kind, flags, body }) => {
    const head = Buffer.alloc(8);
    head.writeUInt16LE(kind, 0);
    head.writeUInt16LE(flags, 2);
    head.writeUInt32LE(body.length, 4);
    return Buffer.concat([head, body]);
  });
  const message = Buffer.concat([intact.subarray(0, HEADER_BYTES), ...parts]);
  message.writeUInt32LE(message.length, 8);
  message.writeUInt32LE(crc32(message.subarray(HEADER_BYTES)), 12);
  return new Uint8Array(message);
}

function mutateOnce(dice: Dice, sections: Section[]): void {
  const at = dice.int(sections.length);
  const section = sections[at];
  if (section === undefined) return;
  const { body } = section;
  switch (dice.int(24)) {
    case 0:
      sections.splice(at, 1);
      return;
    case 1:
      sections.splice(at, 0, { ...section, body: body.slice() });
      return;
    case 2:
      section.kind = dice.pick([0, 1, section.kind + 1, 99, 0xffff]);
      section.flags = dice.int(3);
      return;
    case 3:
      sections.push({ kind: 100 + dice.int(100), flags: dice.int(3), body: dice.bytes(8) });
      return;
    case 4:
      section.body = body.slice(0, dice.int(body.length + 1));
      return;
    case 5:
      section.body = Uint8Array.of(...body, ...dice.bytes(1 + dice.int(40)));
      return;
    case 6:
      resizeRecords(dice, section);
      return;
    case 7:
      swapRecords(dice, body);
      return;
    default:
      writeField(dice, body);
  }
}

/** Writes a number that is near to a bound, or to one that stands elsewhere in the section. */
function writeField(dice: Dice, body: Uint8Array): void {
  const width = dice.pick(WIDTHS);
  if (body.length < width) return;
  const at = dice.int(Math.floor(body.length / 4) + 1) * 4;
  if (at + width > body.length) return;
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  if (width < 8) {
    const old = width === 4 ? view.getUint32(at, true) : (body[at] ?? 0);
    const value = dice.pick([0, 1, 2, 3, 0xff, 0xffff, 0x7fffffff, 0xffffffff, old + 1, old - 1]);
    if (width === 4) view.setUint32(at, value, true);
    else if (width === 2) view.setUint16(at, value, true);
    else view.setUint8(at, value);
    return;
  }
  const from = dice.int(Math.floor((body.length - 8) / 4) + 1) * 4;
  const numbers = [
    0n,
    1n,
    2n ** 53n,
    2n ** 53n - 1n,
    2n ** 64n - 1n,
    view.getBigUint64(from, true),
  ];
  view.setBigUint64(at, dice.pick(numbers), true);
}

/** Makes the records of a table longer or shorter, as a later version of the format would. */
function resizeRecords(dice: Dice, section: Section): void {
  const { body } = section;
  if (body.length < 8) return;
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const length = view.getUint16(0, true);
  const count = view.getUint32(4, true);
  if (length === 0 || 8 + length * count !== body.length) return;
  const longer = Math.max(0, length + dice.pick([-8, -4, 4, 8, 64]));
  const records = Array.from({ length: count }, (_, i) => {
    const record = Buffer.alloc(longer);
    record.set(body.subarray(8 + i * length, 8 + i * length + Math.min(length, longer)));
    return record;
  });
  const head = Buffer.from(body.subarray(0, 8));
  head.writeUInt16LE(longer, 0);
  section.body = new Uint8Array(Buffer.concat([head, ...records]));
}

/** Swaps two records of a table, or copies one over another. */
function swapRecords(dice: Dice, body: Uint8Array): void {
  if (body.length < 8) return;
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const length = view.getUint16(0, true);
  const count = view.getUint32(4, true);
  if (length === 0 || count < 2 || 8 + length * count !== body.length) return;
  const place = () => 8 + dice.int(count) * length;
  const [from, to] = [place(), place()];
  const kept = body.slice(to, to + length);
  body.copyWithin(to, from, from + length);
  if (dice.once(2)) body.set(kept, from);
}
