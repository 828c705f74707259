/**
 * The memory of digests: that it answers with the digest of the very key, keeps to its bound, and
 * lets nobody push good keys out with made-up ones.
 */
import {
  MEMO_KNOWN,
  MEMO_UNKNOWN,
  MEMO_WELL_FORMED,
  recallKey,
  rememberKey,
  seedMemo,
} from '../../../assembly/credential/memo';
import { KEY_MEMO_SLOTS } from '../../../assembly/limits';
import { sha256 } from '../../../assembly/util/sha256';
import { hex, room, Text } from '../support/bytes';

const OUT = room(32);

function remember(text: string, good: bool, wellFormed: bool): string {
  const key = new Text(text);
  const digest = room(32);
  sha256(key.at, key.length, digest);
  recallKey(key.at, key.length, OUT);
  rememberKey(digest, good, wellFormed);
  return hex(digest, 32);
}

function recall(text: string): u32 {
  const key = new Text(text);
  return recallKey(key.at, key.length, OUT);
}

describe('the memory of digests', () => {
  // Guarantees that without a secret, under which tags can be guessed, nothing is remembered.
  test('remembers nothing before it has a secret', () => {
    remember('sg_early', true, true);
    expect(recall('sg_early')).toBe(MEMO_UNKNOWN);
  });

  // Guarantees that what is recalled is what hashing would give, for this key and no other.
  test('answers with the digest of the key', () => {
    seedMemo(0x0123456789abcdef, 0xfedcba9876543210);
    const first = remember('sg_first', true, true);
    const second = remember('sg_second', true, false);
    expect(recall('sg_first')).toBe(MEMO_WELL_FORMED);
    expect(hex(OUT, 32)).toBe(first);
    expect(recall('sg_second')).toBe(MEMO_KNOWN);
    expect(hex(OUT, 32)).toBe(second);
    expect(recall('sg_firsT')).toBe(MEMO_UNKNOWN);
    expect(recall('sg_firs')).toBe(MEMO_UNKNOWN);
    expect(recall('')).toBe(MEMO_UNKNOWN);
  });

  // Guarantees that a flood of made-up keys costs the callers with good ones nothing.
  test('made-up keys push out no good one', () => {
    const good = remember('sg_good', true, true);
    for (let i = 0; i < 4 * <i32>KEY_MEMO_SLOTS; i++) remember(`sg_made_up_${i}`, false, true);
    expect(recall('sg_good')).toBe(MEMO_WELL_FORMED);
    expect(hex(OUT, 32)).toBe(good);
  });

  // Guarantees that a key that became good, or stopped being so, is recognised all the same.
  test('a key may be remembered as both', () => {
    const digest = remember('sg_both', false, true);
    remember('sg_both', true, true);
    expect(recall('sg_both')).toBe(MEMO_WELL_FORMED);
    expect(hex(OUT, 32)).toBe(digest);
  });
});
