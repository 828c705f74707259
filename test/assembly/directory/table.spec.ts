/**
 * Holds the hash tables of the directory to their own promise: after any changes, each index holds
 * each entry once and nothing else, so that look-ups stay as quick as on the first day.
 */
import { CREDENTIAL, Credential, entryBytes } from '../../../assembly/directory/entry';
import {
  findById,
  Table,
  tableAdd,
  tableFree,
  tableInit,
  tableMove,
  tableRemove,
} from '../../../assembly/directory/table';
import { brokenTotal } from '../../../assembly/util/check';
import { below, room, seed } from '../support/bytes';
import { digestAt } from '../support/records';

const KEY: usize = room(16);
const FROM: usize = room(160);
const DIGEST: usize = room(32);

function table(most: u32): Table {
  const made = changetype<Table>(room(offsetof<Table>()));
  tableInit(made, CREDENTIAL, most, KEY);
  return made;
}

function add(to: Table, id: u64): usize {
  memory.fill(FROM, 0, entryBytes(CREDENTIAL));
  const credential = changetype<Credential>(FROM);
  credential.id = id;
  credential.generations = 1;
  memory.copy(FROM + offsetof<Credential>('digest0'), digestAt(DIGEST, <u32>id), 32);
  return tableAdd(to, FROM);
}

/** Slots of an index that are taken. */
function taken(base: usize, mask: u32): u32 {
  if (mask == 0) return 0;
  let count: u32 = 0;
  for (let at: u32 = 0; at <= mask; at++) if (load<u32>(base + ((<usize>at) << 2)) != 0) count++;
  return count;
}

/** Whether both indexes hold as many entries as the table. */
function isTidy(held: Table): bool {
  return taken(held.byId, held.mask) == held.count && taken(held.byKey, held.mask) == held.count;
}

describe('a table', () => {
  // Guarantees that an entry added where the growth has not been yet is put into an index once.
  test('holds each entry once after changes while it grows', () => {
    seed(77);
    const grown = table(100000);
    for (let id: u64 = 1; id <= 4000; id++) {
      add(grown, id);
      // While the new indexes fill, old entries leave and come back to places ahead of the walk.
      if (grown.newMask == 0 || id < 20) continue;
      for (let i = 0; i < 3; i++) {
        const other: u64 = 1 + below(<u32>id - 1);
        const entry = findById(grown, other, 1);
        if (entry == 0) continue;
        tableRemove(grown, entry);
        add(grown, other);
      }
    }
    while (tableMove(grown, 100)) {}
    expect(grown.count).toBe(4000, 'seed 77');
    expect(isTidy(grown)).toBe(true, 'seed 77');
    for (let id: u64 = 1; id <= 4000; id++) tableRemove(grown, findById(grown, id, 1));
    expect(grown.count).toBe(0);
    expect(isTidy(grown)).toBe(true, 'seed 77');
    expect(brokenTotal()).toBe(0);
    tableFree(grown);
  });

  // Guarantees that no slot is left behind, however long entries come and go.
  test('leaves nothing behind when entries come and go', () => {
    seed(78);
    const churned = table(100000);
    for (let round = 0; round < 30000; round++) {
      const id: u64 = 1 + below(900);
      const entry = findById(churned, id, 1);
      if (entry == 0) add(churned, id);
      else tableRemove(churned, entry);
    }
    while (tableMove(churned, 100)) {}
    expect(isTidy(churned)).toBe(true, 'seed 78');
    expect(churned.mask < 4096).toBe(true, 'seed 78');
    tableFree(churned);
  });

  // Guarantees the bound.
  test('takes no more than it may', () => {
    const small = table(3);
    expect(add(small, 1) != 0 && add(small, 2) != 0 && add(small, 3) != 0).toBe(true);
    expect(add(small, 4)).toBe(0);
    expect(small.count).toBe(3);
    tableFree(small);
    expect(findById(small, 1, 1)).toBe(0);
  });
});
