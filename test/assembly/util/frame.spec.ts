/**
 * Holds the frame of messages to docs/wire.md, section 1: header, checksum, sections, tables.
 * Guarantees that what the reader takes for a section lies inside the message.
 */
import {
  checkFrame,
  checkMessage,
  FRAME_CHECKSUM,
  FRAME_LENGTH,
  FRAME_MAGIC,
  FRAME_MAJOR,
  FRAME_OK,
  FRAME_SECTION,
  findSection,
  isTable,
  sectionLength,
  tableCount,
  tableRecord,
} from '../../../assembly/util/frame';
import { below, lastRoom, next, seed } from '../support/bytes';
import { message, seal, section, table, Writer } from '../support/writer';

/** `SGXX` in reading order. */
const MAGIC: u32 = 0x58584753;
const KNOWN: u32 = 0b1110;

function checked(sections: Writer): i32 {
  const whole = message('SGXX', sections);
  return checkMessage(whole.place(), whole.length, MAGIC, KNOWN);
}

/** Sections of these kinds with one byte each. */
function sections(kinds: u32[], flags: u32 = 0): Writer {
  const to = new Writer();
  for (let i = 0; i < kinds.length; i++) section(to, kinds[i], new Writer().u8(7), flags);
  return to;
}

describe('a frame', () => {
  // Guarantees that every field of the header counts, but for the minor version.
  test('is refused for each field that is wrong', () => {
    const whole = message('SGXX', sections([1, 2]));
    const at = whole.place();
    expect(checkMessage(at, whole.length, MAGIC, KNOWN)).toBe(FRAME_OK);
    expect(checkMessage(at, whole.length, MAGIC + 1, KNOWN)).toBe(FRAME_MAGIC);
    expect(checkMessage(at, whole.length - 1, MAGIC, KNOWN)).toBe(FRAME_LENGTH);
    expect(checkMessage(at, 15, MAGIC, KNOWN)).toBe(FRAME_LENGTH);
    store<u16>(at, 2, 4);
    expect(checkMessage(at, whole.length, MAGIC, KNOWN)).toBe(FRAME_MAJOR);
    store<u16>(at, 1, 4);
    store<u16>(at, 99, 6);
    expect(checkMessage(at, whole.length, MAGIC, KNOWN)).toBe(FRAME_OK);
    store<u8>(at + whole.length - 1, 8);
    expect(checkMessage(at, whole.length, MAGIC, KNOWN)).toBe(FRAME_CHECKSUM);
    expect(checkFrame(at, whole.length, MAGIC, KNOWN)).toBe(FRAME_OK);
  });

  // Guarantees that a reader and a writer cannot disagree on which of two sections counts.
  test('has sections in ascending kind, each once', () => {
    expect(checked(sections([]))).toBe(FRAME_OK);
    expect(checked(sections([1, 2, 3]))).toBe(FRAME_OK);
    expect(checked(sections([2, 1]))).toBe(FRAME_SECTION);
    expect(checked(sections([1, 1]))).toBe(FRAME_SECTION);
    expect(checked(sections([0]))).toBe(FRAME_SECTION);
  });

  // Guarantees that later versions may add what this one may skip, and nothing else.
  test('has unknown sections only where they are optional', () => {
    expect(checked(sections([4]))).toBe(FRAME_SECTION);
    expect(checked(sections([4, 33, 65535], 1))).toBe(FRAME_OK);
    expect(checked(sections([33]))).toBe(FRAME_SECTION);
    expect(checked(sections([1], 2))).toBe(FRAME_SECTION);
  });

  // Guarantees that sections fill the message exactly.
  test('has no section beyond its end and no rest', () => {
    const cut = sections([1]);
    for (let i = 1; i < 8; i++) {
      const short = new Writer();
      for (let j = 0; j < i; j++) short.u8(cut.bytes[j]);
      expect(checked(short)).toBe(FRAME_SECTION);
    }
    expect(checked(new Writer().u16(1).u16(0).u32(1))).toBe(FRAME_SECTION);
    expect(checked(new Writer().u16(1).u16(0).u32(0xffffffff).u8(1))).toBe(FRAME_SECTION);
    expect(checked(sections([1]).u8(0))).toBe(FRAME_SECTION);
  });
});

describe('sections', () => {
  test('are found by their kind', () => {
    const whole = message('SGXX', sections([1, 3]));
    const at = whole.place();
    const third = findSection(at, whole.length, 3);
    expect(load<u8>(third)).toBe(7);
    expect(sectionLength(third)).toBe(1);
    expect(findSection(at, whole.length, 2)).toBe(0);
  });

  // Guarantees that a count cannot lead out of a table, also where the product wraps around.
  test('are tables when records and count are as long as the body', () => {
    const records = new Writer().u32(1).u32(2).u32(3).u32(4);
    const to = new Writer();
    section(to, 1, table(8, records));
    section(to, 2, new Writer().u16(8).u16(0).u32(3).add(records));
    section(to, 3, new Writer().u16(0x8000).u16(0).u32(0x20000));
    const whole = message('SGXX', to);
    const at = whole.place();
    const good = findSection(at, whole.length, 1);
    expect(isTable(good, 8)).toBe(true);
    expect(isTable(good, 4)).toBe(true);
    expect(isTable(good, 9)).toBe(false);
    expect(tableCount(good)).toBe(2);
    expect(load<u32>(tableRecord(good, 1))).toBe(3);
    expect(isTable(findSection(at, whole.length, 2), 8)).toBe(false);
    expect(isTable(findSection(at, whole.length, 3), 8)).toBe(false);
  });

  // Guarantees that no frame makes the reader leave the message.
  test('of any bytes are found inside the message', () => {
    const end = lastRoom(128) + 128;
    seed(11);
    let good = 0;
    for (let round = 0; round < 200000; round++) {
      const length: u32 = 16 + below(60);
      const at = end - length;
      for (let i: u32 = 0; i < length; i++) store<u8>(at + i, <u8>(below(4) == 0 ? next() : 0));
      store<u32>(at, MAGIC);
      store<u32>(at, 1, 4);
      store<u32>(at, length, 8);
      if (length >= 24) store<u16>(at, below(5), 16);
      if (length >= 24 && below(2) == 0) store<u32>(at, length - 24, 20);
      seal(at, length);
      if (checkMessage(at, length, MAGIC, KNOWN) != FRAME_OK) continue;
      good++;
      for (let kind: u32 = 0; kind < 5; kind++) {
        const body = findSection(at, length, kind);
        if (body == 0) continue;
        if (body + sectionLength(body) > end) good = -1000000;
        if (isTable(body, 1) && tableCount(body) > 0) {
          load<u8>(tableRecord(body, tableCount(body) - 1));
        }
      }
    }
    expect(good).toBeGreaterThan(100, 'seed 11');
  });
});
