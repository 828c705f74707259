/**
 * Holds the check of directory records to hostile bytes. Guarantees that a page is applied whole or
 * not at all, and that nothing in it makes the filter trap.
 */
import {
  applyRecords,
  DIRECTORY_BYTES,
  directoryInit,
  directoryTick,
} from '../../../assembly/directory/directory';
import { checkRecords } from '../../../assembly/directory/records';
import { below, lastRoom, next, room, seed } from '../support/bytes';
import { Records, rulesOf } from '../support/records';

function sample(): Records {
  return new Records()
    .credential(1, 5, 1, 2)
    .application(2, 5, 'acme', 'shop')
    .subscription(3, 5, 2, 11, 31)
    .removed(1, 9, 6)
    .credential(8, 7, 8, 2, 2)
    .ruled(9, 8, 9, 2, rulesOf(['10.0.0.0/8'], ['a.example']));
}

/** Whether records are refused after one of their bytes was set. */
function refusesWith(at: u32, value: u32): bool {
  const records = sample();
  records.bytes.bytes[at] = <u8>value;
  return !records.isValid();
}

describe('records', () => {
  // Guarantees that what the wire format allows is not refused, longer records of later included.
  test('of every kind are valid', () => {
    expect(sample().isValid()).toBe(true);
    expect(new Records().isValid()).toBe(true);
    const longer = new Records();
    longer.bytes
      .u16(56)
      .u8(3)
      .u8(1)
      .u64(1)
      .u64(1)
      .u64(2)
      .u64(3)
      .u64(4)
      .u8(1)
      .zero(7 + 4);
    longer.count = 1;
    expect(longer.isValid()).toBe(true);
  });

  // Guarantees that the count, the lengths and the order are those of the page.
  test('are refused when count, length or order is not right', () => {
    const records = sample();
    const at = records.bytes.place();
    const length = records.bytes.length;
    for (let cut: u32 = 0; cut < length; cut++) {
      expect(checkRecords(at, cut, records.count)).toBe(false);
    }
    expect(checkRecords(at, length, records.count - 1)).toBe(false);
    expect(checkRecords(at, length, records.count + 1)).toBe(false);
    expect(checkRecords(at, length, u32.MAX_VALUE)).toBe(false);
    expect(new Records().removed(1, 5, 5).removed(1, 5, 5).isValid()).toBe(false);
    expect(new Records().removed(2, 5, 5).removed(1, 6, 5).isValid()).toBe(false);
    expect(new Records().removed(1, 5, 6).removed(1, 6, 5).isValid()).toBe(false);
    expect(new Records().removed(1, 5, 5).removed(1, 6, 5).isValid()).toBe(true);
  });

  // Guarantees that no value that is not known is taken for one that is.
  test('are refused with unknown kinds, flags, states and ids', () => {
    expect(refusesWith(2, 0)).toBe(true);
    expect(refusesWith(2, 4)).toBe(true);
    expect(refusesWith(3, 2)).toBe(true);
    expect(refusesWith(4, 0)).toBe(true);
    expect(refusesWith(12, 0)).toBe(true);
    expect(refusesWith(76, 0)).toBe(true);
    expect(refusesWith(76, 3)).toBe(true);
    // The state of the application, the lengths of its names, a byte of one.
    expect(refusesWith(84 + 28, 2)).toBe(true);
    expect(refusesWith(84 + 29, 0)).toBe(true);
    expect(refusesWith(84 + 29, 5)).toBe(true);
    expect(refusesWith(84 + 30, 255)).toBe(true);
    expect(refusesWith(84 + 36, 0x22)).toBe(true);
    expect(refusesWith(84 + 37, 0x0a)).toBe(true);
    const long = 'n'.repeat(64);
    expect(new Records().application(1, 1, long, 'a').isValid()).toBe(false);
    expect(new Records().application(1, 1, 'a', long).isValid()).toBe(false);
    expect(new Records().application(1, 1, long.slice(1), long.slice(1)).isValid()).toBe(true);
  });

  // Guarantees a total check, and that whatever passes it can be applied.
  test('of any bytes never trap', () => {
    const template = sample().bytes;
    const length = template.length;
    const copy = template.place();
    const directory = room(DIRECTORY_BYTES);
    directoryInit(directory, 1, 2);
    const at = lastRoom(length);
    seed(31);
    let applied = 0;
    for (let round = 0; round < 100000; round++) {
      memory.copy(at, copy, length);
      const changes = below(3);
      for (let i: u32 = 0; i < changes; i++) store<u8>(at + below(length), <u8>next());
      if (!checkRecords(at, length, 6)) continue;
      applyRecords(directory, at, length, below(4) == 0);
      if (below(50) == 0) directoryTick(directory);
      applied++;
    }
    expect(applied).toBeGreaterThan(1000, 'seed 31');
  });
});
