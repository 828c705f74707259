/**
 * A bounded hash table of entries that never move: entries lie in slabs, indexes hold their
 * addresses. Indexes grow in slices beside the old ones, which serve until the last entry is in the
 * new. Nothing here runs on the way of a request but `firstSlot` and `nextSlot`.
 */
import { freeBlock, takeBlock } from '../engine/blocks';
import { NONE } from '../util/bytes';
import { check } from '../util/check';
import {
  CREDENTIAL,
  Credential,
  DIGEST_AT,
  Entry,
  entryBytes,
  SUBSCRIPTION,
  Subscription,
  sameKeys,
} from './entry';

/** Bytes of a slab; it begins with the address of the next one and its entries ever used. */
export const SLAB_BYTES: u32 = 65_536;
const SLAB_HEAD: u32 = 16;
/** Slots of the first index of a table. */
const SLOTS_MIN: u32 = 1_024;
/**
 * Entries put into the new indexes for each entry that is added while they grow. From half full on,
 * two a turn are done at three quarters, well before an index is too full to be quick.
 */
const MOVES_PER_ADD: u32 = 2;

/** Indexes of a table: by id, and by digest or pair of ids. */
export const BY_ID: u32 = 0;
export const BY_KEY: u32 = 1;

/** One table. `byKey` is 0 where entries are found by id alone. */
@unmanaged
export class Table {
  kind: u32;
  count: u32;
  most: u32;
  /** Slots of each index less one; 0 before the first entry. */
  mask: u32;
  byId: usize;
  byKey: usize;
  /** The indexes being filled, and the entries left to put there; 0 when nothing grows. */
  newMask: u32;
  newById: usize;
  newByKey: usize;
  moveSlab: usize;
  moveLeft: u32;
  slabs: usize;
  free: usize;
  /** A key of `TABLE_KEY_BYTES` for what others choose. */
  key: usize;
}

/** Bytes of a key: four random words. */
export const TABLE_KEY_BYTES: u32 = 32;

/** Sets up an empty table in zeroed memory; `key` is the address of a key. */
export function tableInit(table: Table, kind: u32, most: u32, key: usize): void {
  table.kind = kind;
  table.most = most;
  table.key = key;
}

/** Gives all memory of a table back; it is empty afterwards. */
export function tableFree(table: Table): void {
  freeIndexes(table.byId, table.byKey, table.mask);
  freeIndexes(table.newById, table.newByKey, table.newMask);
  for (let slab = table.slabs; slab != 0; ) {
    const next = nextSlab(slab);
    freeBlock(slab, SLAB_BYTES);
    slab = next;
  }
  const kind = table.kind;
  const most = table.most;
  const key = table.key;
  memory.fill(changetype<usize>(table), 0, offsetof<Table>());
  tableInit(table, kind, most, key);
}

function freeIndexes(byId: usize, byKey: usize, mask: u32): void {
  if (mask == 0) return;
  freeBlock(byId, (<usize>(mask + 1)) << 2);
  freeBlock(byKey, (<usize>(mask + 1)) << 2);
}

/**
 * The hash of an id. Ids are made by the store one after another, so that spreading them is all it
 * takes; who could choose them could as well write any directory.
 */
export function hashId(id: u64): u64 {
  const mixed = (id ^ (id >> 32)) * 0x9e3779b97f4a7c15;
  return mixed ^ (mixed >> 29);
}

/** The hash of a pair of ids. */
export function hashPair(first: u64, second: u64): u64 {
  return hashId(first * 0xff51afd7ed558ccd + second);
}

/**
 * The hash of a digest under the `TABLE_KEY_BYTES` at `key`: each word times a secret one, the
 * middle of their sum. Without the secret nobody can choose digests that meet in it.
 */
export function hashDigest(digest: usize, key: usize): u64 {
  const sum =
    load<u64>(digest) * load<u64>(key) +
    load<u64>(digest, 8) * load<u64>(key, 8) +
    load<u64>(digest, 16) * load<u64>(key, 16) +
    load<u64>(digest, 24) * load<u64>(key, 24);
  return rotl(sum, 32);
}

/** The hash of an entry in one of its indexes. */
function hashOf(table: Table, index: u32, entry: usize): u64 {
  if (index == BY_ID) return hashId(changetype<Entry>(entry).id);
  if (table.kind == CREDENTIAL) return changetype<Credential>(entry).hash;
  const subscription = changetype<Subscription>(entry);
  return hashPair(subscription.application, subscription.product);
}

/**
 * The four low bits of a slot: entries lie at multiples of 16, so a tag fits beside the address.
 */
function tagOf(hash: u64): u32 {
  return <u32>(hash >> 60);
}

let probeBase: usize = 0;
let probeMask: u32 = 0;
let probeAt: u32 = 0;
let probeTag: u32 = 0;

/** The first entry whose hash may be this one, or 0. Goes on with `nextSlot`. */
export function firstSlot(table: Table, index: u32, hash: u64): usize {
  if (table.mask == 0) return 0;
  probeBase = index == BY_ID ? table.byId : table.byKey;
  probeMask = table.mask;
  probeAt = <u32>hash & probeMask;
  probeTag = tagOf(hash);
  return nextSlot();
}

/** The next such entry, or 0. Ends at the first empty slot; an index is never full. */
export function nextSlot(): usize {
  let at = probeAt;
  let slot = load<u32>(probeBase + ((<usize>at) << 2));
  while (slot != 0) {
    at = (at + 1) & probeMask;
    if ((slot & 15) == probeTag) break;
    slot = load<u32>(probeBase + ((<usize>at) << 2));
  }
  probeAt = at;
  return slot & ~15;
}

/** The entry with this id in one of the generations of `generations`, or 0. */
export function findById(table: Table, id: u64, generations: u8): usize {
  let entry = firstSlot(table, BY_ID, hashId(id));
  while (entry != 0) {
    const found = changetype<Entry>(entry);
    if (found.id == id && (found.generations & generations) != 0) return entry;
    entry = nextSlot();
  }
  return 0;
}

/**
 * Adds a copy of the entry at `from`; answers its address, or 0 when the table is at its bound or
 * there is no memory.
 */
export function tableAdd(table: Table, from: usize): usize {
  if (table.count >= table.most || !makeRoom(table)) return 0;
  const entry = takeEntry(table);
  if (entry == 0) return 0;
  writeEntry(table, entry, from);
  table.count++;
  link(table, entry);
  tableMove(table, MOVES_PER_ADD);
  return entry;
}

/** Takes an entry out of the table for good. */
export function tableRemove(table: Table, entry: usize): void {
  unlink(table, entry);
  changetype<Entry>(entry).id = 0;
  store<u32>(entry, <u32>table.free, 8);
  table.free = entry;
  table.count--;
}

/** Writes another body over an entry, whatever it is found under. */
export function tableReplace(table: Table, entry: usize, from: usize): void {
  const stays = sameKeys(entry, from, table.kind);
  if (!stays) unlink(table, entry);
  writeEntry(table, entry, from);
  if (!stays) link(table, entry);
}

function writeEntry(table: Table, entry: usize, from: usize): void {
  memory.copy(entry, from, entryBytes(table.kind));
  if (table.kind != CREDENTIAL) return;
  changetype<Credential>(entry).hash = hashDigest(entry + DIGEST_AT, table.key);
}

/** Puts an entry into the indexes, those being filled included. */
function link(table: Table, entry: usize): void {
  const id = hashOf(table, BY_ID, entry);
  put(table.byId, table.mask, id, entry);
  if (table.newMask != 0) put(table.newById, table.newMask, id, entry);
  if (table.byKey == 0) return;
  const key = hashOf(table, BY_KEY, entry);
  put(table.byKey, table.mask, key, entry);
  if (table.newMask != 0) put(table.newByKey, table.newMask, key, entry);
}

/** Puts an address into the first empty slot from its place on. */
function put(base: usize, mask: u32, hash: u64, entry: usize): void {
  let at = <u32>hash & mask;
  while (load<u32>(base + ((<usize>at) << 2)) != 0) at = (at + 1) & mask;
  store<u32>(base + ((<usize>at) << 2), <u32>entry | tagOf(hash));
}

function unlink(table: Table, entry: usize): void {
  cut(table, BY_ID, table.byId, table.mask, entry, true);
  cut(table, BY_KEY, table.byKey, table.mask, entry, true);
  cut(table, BY_ID, table.newById, table.newMask, entry, false);
  cut(table, BY_KEY, table.newByKey, table.newMask, entry, false);
}

/** The slot that holds an entry, or NONE. */
function slotOf(base: usize, mask: u32, hash: u64, entry: usize): u32 {
  let at = <u32>hash & mask;
  let slot = load<u32>(base + ((<usize>at) << 2));
  while (slot != 0) {
    if (<usize>(slot & ~15) == entry) return at;
    at = (at + 1) & mask;
    slot = load<u32>(base + ((<usize>at) << 2));
  }
  return NONE;
}

/**
 * Cuts an entry out of an index and moves those behind it back over the hole, so that there are
 * never tombstones and no look-up gets slower with the changes of months.
 */
function cut(table: Table, index: u32, base: usize, mask: u32, entry: usize, expected: bool): void {
  if (base == 0) return;
  let hole = slotOf(base, mask, hashOf(table, index, entry), entry);
  if (hole == NONE) {
    check(!expected);
    return;
  }
  for (let at = (hole + 1) & mask; ; at = (at + 1) & mask) {
    const slot = load<u32>(base + ((<usize>at) << 2));
    if (slot == 0) break;
    const home = <u32>hashOf(table, index, slot & ~15) & mask;
    if (((at - home) & mask) < ((at - hole) & mask)) continue;
    store<u32>(base + ((<usize>hole) << 2), slot);
    hole = at;
  }
  store<u32>(base + ((<usize>hole) << 2), 0);
}

/** A free entry, from a new slab if need be, or 0. */
function takeEntry(table: Table): usize {
  const freed = table.free;
  if (freed != 0) {
    table.free = load<u32>(freed, 8);
    return freed;
  }
  const bytes = entryBytes(table.kind);
  let slab = table.slabs;
  if (slab == 0 || SLAB_HEAD + (entriesIn(slab) + 1) * bytes > SLAB_BYTES) {
    slab = takeBlock(SLAB_BYTES);
    if (slab == 0) return 0;
    store<u32>(slab, <u32>table.slabs);
    table.slabs = slab;
  }
  const used = entriesIn(slab);
  store<u32>(slab, used + 1, 4);
  return slab + SLAB_HEAD + <usize>used * bytes;
}

/** Makes sure that one more entry finds an empty slot, and begins to grow where half are taken. */
function makeRoom(table: Table): bool {
  const slots: u32 = table.mask == 0 ? 0 : table.mask + 1;
  if (table.newMask == 0 && (table.count + 1) * 2 > slots) beginGrowth(table, slots);
  const room: u64 = table.mask == 0 ? 0 : table.mask + 1;
  return (<u64>table.count + 1) * 8 <= room * 7;
}

function beginGrowth(table: Table, slots: u32): void {
  const wanted = max(SLOTS_MIN, slots * 2);
  const byId = takeBlock((<usize>wanted) << 2);
  if (byId == 0) return;
  let byKey: usize = 0;
  if (table.kind == CREDENTIAL || table.kind == SUBSCRIPTION) {
    byKey = takeBlock((<usize>wanted) << 2);
    if (byKey == 0) {
      freeBlock(byId, (<usize>wanted) << 2);
      return;
    }
  }
  table.newMask = wanted - 1;
  table.newById = byId;
  table.newByKey = byKey;
  table.moveSlab = table.slabs;
  table.moveLeft = entriesIn(table.slabs);
  if (table.count == 0) endGrowth(table);
}

function endGrowth(table: Table): void {
  freeIndexes(table.byId, table.byKey, table.mask);
  table.byId = table.newById;
  table.byKey = table.newByKey;
  table.mask = table.newMask;
  table.newById = 0;
  table.newByKey = 0;
  table.newMask = 0;
}

/** Goes on growing by at most `entries` entries; true while there is more to do. */
export function tableMove(table: Table, entries: u32): bool {
  if (table.newMask == 0) return false;
  for (let moved: u32 = 0; moved < entries; moved++) {
    if (table.moveSlab == 0) {
      endGrowth(table);
      return false;
    }
    if (table.moveLeft == 0) {
      table.moveSlab = nextSlab(table.moveSlab);
      table.moveLeft = entriesIn(table.moveSlab);
      continue;
    }
    const entry = entryIn(table, table.moveSlab, --table.moveLeft);
    if (changetype<Entry>(entry).id != 0) move(table, entry);
  }
  return true;
}

/** Puts an entry into the new indexes if it is not there yet: it may have been added meanwhile. */
function move(table: Table, entry: usize): void {
  const id = hashOf(table, BY_ID, entry);
  if (slotOf(table.newById, table.newMask, id, entry) != NONE) return;
  put(table.newById, table.newMask, id, entry);
  if (table.newByKey == 0) return;
  put(table.newByKey, table.newMask, hashOf(table, BY_KEY, entry), entry);
}

/**
 * Entries of a slab, free ones included; 0 for no slab. Who walks from the last to the first never
 * meets one that was added meanwhile.
 */
export function entriesIn(slab: usize): u32 {
  return slab == 0 ? 0 : load<u32>(slab, 4);
}

/** The slab after one, or 0. */
export function nextSlab(slab: usize): usize {
  return load<u32>(slab);
}

/** The entry `index`, less than `entriesIn`, of a slab. */
export function entryIn(table: Table, slab: usize, index: u32): usize {
  return slab + SLAB_HEAD + <usize>index * entryBytes(table.kind);
}
