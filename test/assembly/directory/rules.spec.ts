/**
 * Holds the rules of credentials to the life of their entries. Guarantees that each credential has
 * the rules of its newest record and no others, and that their memory comes back and stays bounded.
 */
import {
  beginGeneration,
  credentialCount,
  DIRECTORY_BYTES,
  directoryFree,
  directoryInit,
  directoryTick,
  endGeneration,
  findCredential,
} from '../../../assembly/directory/directory';
import { Credential } from '../../../assembly/directory/entry';
import { Rules, sameRules } from '../../../assembly/directory/rules';
import { RULE_SLABS_MAX } from '../../../assembly/limits';
import { room } from '../support/bytes';
import { digestAt, Records, rulesOf } from '../support/records';

const DIGEST: usize = room(32);
const LONG = 'n'.repeat(255);

function directory(): usize {
  const at = room(DIRECTORY_BYTES);
  directoryInit(at, 3, 4);
  return at;
}

function rulesAt(at: usize, key: u32): usize {
  return changetype<Credential>(findCredential(at, digestAt(DIGEST, key))).rules;
}

/** Rules of nearly 4 KiB: fifteen of them fill a slab. */
function large(mark: string): string[] {
  const names: string[] = [mark];
  for (let i = 0; i < 15; i++) names.push(LONG);
  return names;
}

describe('the rules of a credential', () => {
  test('are those of its newest record', () => {
    const at = directory();
    const first = rulesOf(['10.0.0.0/8'], []);
    const second = rulesOf(['10.0.0.0/8', '::1/128'], ['a.example']);
    expect(new Records().ruled(1, 5, 1, 2, first).credential(2, 5, 2, 2).apply(at)).toBe(0);
    expect(sameRules(rulesAt(at, 1), first.place())).toBe(true);
    expect(rulesAt(at, 2)).toBe(0);
    expect(new Records().ruled(1, 6, 1, 2, second).ruled(2, 6, 2, 2, first).apply(at)).toBe(0);
    expect(sameRules(rulesAt(at, 1), second.place())).toBe(true);
    expect(sameRules(rulesAt(at, 2), first.place())).toBe(true);
    expect(changetype<Rules>(rulesAt(at, 1)).cidrCount).toBe(2);
    expect(changetype<Rules>(rulesAt(at, 1)).refererCount).toBe(1);
    expect(new Records().credential(1, 7, 1, 2).removed(1, 2, 7).apply(at)).toBe(0);
    expect(rulesAt(at, 1)).toBe(0);
    expect(credentialCount(at)).toBe(1);
    directoryFree(at);
  });

  // Guarantees that a rule which is taken away while the policy is newer is not yet gone, and that
  // one which is added is waited for: it may restrict.
  test('mark their entry as pending when they change restrictively', () => {
    const at = directory();
    const rules = rulesOf(['10.0.0.0/8'], []);
    new Records().credential(1, 5, 1, 2).ruled(2, 5, 2, 2, rules).apply(at);
    const change = new Records().ruled(1, 6, 1, 2, rules).credential(2, 6, 2, 2);
    expect(change.apply(at, true)).toBe(0);
    for (let key: u32 = 1; key <= 2; key++) {
      const found = findCredential(at, digestAt(DIGEST, key));
      expect(changetype<Credential>(found).pending).toBe(1);
    }
    const same = directory();
    new Records().ruled(1, 5, 1, 2, rules).apply(same);
    new Records().ruled(1, 6, 1, 2, rules).apply(same, true);
    expect(changetype<Credential>(findCredential(same, digestAt(DIGEST, 1))).pending).toBe(0);
  });

  // Guarantees that a fill after "start over" shares what did not change and gives back the rest.
  test('are shared by generations that agree, and swept with their entry', () => {
    const at = directory();
    const rules = rulesOf(['10.0.0.0/8'], large('a'));
    beginGeneration(at);
    new Records().ruled(1, 5, 1, 2, rules).ruled(2, 5, 2, 2, rules).apply(at);
    endGeneration(at);
    const before = rulesAt(at, 1);
    for (let round: u64 = 0; round < 40; round++) {
      beginGeneration(at);
      const records = new Records().ruled(1, 5, 1, 2, rules);
      records.ruled(2, 6 + round, 2, 2, rulesOf([], large(round.toString())));
      expect(records.apply(at)).toBe(0, round.toString());
      endGeneration(at);
      while (directoryTick(at)) {}
    }
    expect(rulesAt(at, 1)).toBe(before);
    expect(credentialCount(at)).toBe(2);
    directoryFree(at);
  });

  // Guarantees the bound: what finds no room is not held, so that a rule is never left out, and
  // what goes makes room.
  test('that find no room leave their key unknown', () => {
    const at = directory();
    const most = RULE_SLABS_MAX * 15;
    let held: u32 = 0;
    for (let key: u32 = 1; key <= most + 2; key++) {
      const records = new Records().ruled(key, key, key, 2, rulesOf([], large('b')));
      if (records.apply(at) == 0) held++;
    }
    expect(held).toBe(most);
    expect(credentialCount(at)).toBe(held);
    expect(findCredential(at, digestAt(DIGEST, held + 1))).toBe(0);
    expect(new Records().removed(1, 1, 2000).apply(at)).toBe(0);
    expect(new Records().ruled(3000, 2001, 3000, 2, rulesOf([], large('c'))).apply(at)).toBe(0);
    // Its old rules must not stand for new ones that find no room: it is dropped.
    expect(new Records().ruled(2, 2002, 2, 2, rulesOf(['::/0'], large('d'))).apply(at)).toBe(1);
    expect(findCredential(at, digestAt(DIGEST, 2))).toBe(0);
    directoryFree(at);
  });

  // Guarantees flat memory: what these changes need in all is many times the bound.
  test('give their room back, whatever they change to', () => {
    const at = directory();
    const sizes: string[][] = [['a'], [LONG], large('e')];
    for (let round: u64 = 1; round < 3000; round++) {
      const rules = rulesOf([], sizes[<i32>(round % 3)]);
      expect(
        new Records().ruled(1 + (round % 3), round, <u32>(round % 3), 2, rules).apply(at),
      ).toBe(0);
      if (round % 7 == 0) new Records().removed(1, 1 + (round % 3), round + 1).apply(at);
    }
    directoryFree(at);
  });
});
