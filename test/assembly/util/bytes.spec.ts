/** Holds comparing and searching of bytes to their edges: empty runs, odd lengths, every byte. */
import {
  Byte,
  compareBytes,
  copyBytes,
  copyLower,
  equalBytes,
  equalLower,
  findByte,
  hexDigit,
} from '../../../assembly/util/bytes';
import { brokenTotal, check } from '../../../assembly/util/check';
import { room, Text, textOf } from '../support/bytes';

describe('bytes', () => {
  // Guarantees that a difference is seen wherever it stands, at any length and alignment.
  test('equality sees every byte', () => {
    const a = room(64);
    const b = room(64);
    for (let length: u32 = 0; length <= 40; length++) {
      expect(equalBytes(a + 1, b + 2, length)).toBe(true);
      for (let at: u32 = 0; at < length; at++) {
        store<u8>(b + 2 + at, 1);
        expect(equalBytes(a + 1, b + 2, length)).toBe(false);
        store<u8>(b + 2 + at, 0);
      }
      // The byte after the run does not count.
      store<u8>(b + 2 + length, 1);
      expect(equalBytes(a + 1, b + 2, length)).toBe(true);
      store<u8>(b + 2 + length, 0);
    }
  });

  // Guarantees the order that sorted tables are searched by.
  test('order is by bytes, a prefix first', () => {
    const names = ['', 'A', 'a', 'a-', 'aa', 'b', 'longer-than-8', 'longer-thaz', 'longer-z', 'é'];
    for (let i = 0; i < names.length; i++) {
      for (let j = 0; j < names.length; j++) {
        const a = new Text(names[i]);
        const b = new Text(names[j]);
        const order = compareBytes(a.at, a.length, b.at, b.length);
        expect(order < 0).toBe(i < j);
        expect(order == 0).toBe(i == j);
      }
    }
  });

  // Guarantees that case is folded for ASCII letters and for nothing else.
  test('lower case is ASCII alone', () => {
    for (let byte: u32 = 0; byte < 256; byte++) {
      const expected: u32 = byte >= 65 && byte <= 90 ? byte + 32 : byte;
      expect(Byte.lower(byte)).toBe(expected);
      const letter = (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122);
      expect(Byte.isAlphanumeric(byte)).toBe(letter || (byte >= 48 && byte <= 57));
    }
    const mixed = new Text('ExAmPlE.COM[');
    const lower = new Text('example.com[');
    expect(equalLower(mixed.at, lower.at, mixed.length)).toBe(true);
    const brace = new Text('example.com{');
    expect(equalLower(mixed.at, brace.at, mixed.length)).toBe(false);
    const to = room(16);
    copyLower(to, mixed.at, mixed.length);
    expect(textOf(to, mixed.length)).toBe('example.com[');
  });

  // Guarantees that eight bytes at a time become what each becomes alone, in place as well.
  test('lower case of a run is that of its bytes', () => {
    const from = room(264);
    const to = room(264);
    for (let shift: u32 = 0; shift < 9; shift++) {
      for (let at: u32 = 0; at < 256; at++) store<u8>(from + shift + at, <u8>at);
      copyLower(to, from + shift, 256);
      copyLower(from + shift, from + shift, 256);
      for (let at: u32 = 0; at < 256; at++) {
        expect(<u32>load<u8>(to + at)).toBe(Byte.lower(at));
        expect(<u32>load<u8>(from + shift + at)).toBe(Byte.lower(at));
      }
    }
  });

  // Guarantees that a copy ends where its run ends, at any length.
  test('a copy is the run and no more', () => {
    const from = room(64);
    const to = room(64);
    for (let at: u32 = 0; at < 64; at++) store<u8>(from + at, <u8>(at + 1));
    for (let length: u32 = 0; length <= 40; length++) {
      memory.fill(to, 0, 64);
      copyBytes(to + 1, from + 3, length);
      expect(<u32>load<u8>(to)).toBe(0);
      for (let at: u32 = 0; at < length; at++) expect(<u32>load<u8>(to + 1 + at)).toBe(at + 4);
      expect(<u32>load<u8>(to + 1 + length)).toBe(0);
    }
  });

  // Guarantees that an escape is read as its byte and that nothing else is taken for one.
  test('hexadecimal digits of both cases', () => {
    const digits = '0123456789abcdef';
    for (let byte: u32 = 0; byte < 256; byte++) {
      const at = digits.indexOf(String.fromCharCode(Byte.lower(byte)));
      expect(hexDigit(byte)).toBe(at >= 0 ? <u32>at : 16);
    }
  });

  test('a search ends at the run', () => {
    const text = new Text('a:b:');
    expect(findByte(text.at, text.length, 0x3a)).toBe(1);
    expect(findByte(text.at, 1, 0x3a)).toBe(1);
    expect(findByte(text.at, 0, 0x3a)).toBe(0);
  });

  // Guarantees that the first one is found, whatever stands beside it.
  test('a search finds every byte at every place', () => {
    const text = room(32);
    for (let byte: u32 = 0; byte < 256; byte++) {
      for (let other: u32 = byte - 1; other != byte + 3; other += 2) {
        memory.fill(text, <u8>other, 32);
        expect(findByte(text, 21, byte)).toBe(21);
        for (let at: u32 = 21; at > 0; at--) {
          store<u8>(text + at - 1, <u8>byte);
          expect(findByte(text, 21, byte)).toBe(at - 1);
        }
      }
    }
  });
});

describe('check', () => {
  // Guarantees that a broken invariant is counted and never traps.
  test('counts what does not hold', () => {
    const before = brokenTotal();
    expect(check(true)).toBe(true);
    expect(brokenTotal()).toBe(before);
    expect(check(false)).toBe(false);
    expect(brokenTotal()).toBe(before + 1);
  });
});
