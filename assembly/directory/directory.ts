/**
 * The directory of one engine: credentials, applications and subscriptions, kept current by
 * records. Several generations may stand in the same tables, so that a new one is filled while the
 * old one serves; what both have alike is kept once. It decides nothing about a request.
 */
import { APPLICATIONS_MAX, CREDENTIALS_MAX, SLICE_ENTRIES, SUBSCRIPTIONS_MAX } from '../limits';
import { equalBytes } from '../util/bytes';
import { sipHash } from '../util/siphash';
import {
  APPLICATION,
  CREDENTIAL,
  Credential,
  DIGEST_AT,
  Entry,
  readEntry,
  SUBSCRIPTION,
  Subscription,
  sameBody,
} from './entry';
import { isPresent, recordId, recordKind, recordLength, recordRevision } from './records';
import { dropRules, freeRules, keepRules, RULES_HEAP_BYTES } from './rules';
import {
  BY_ID,
  BY_KEY,
  entriesIn,
  entryIn,
  findById,
  firstSlot,
  hashDigest,
  hashId,
  hashPair,
  nextSlab,
  nextSlot,
  Table,
  tableAdd,
  tableFree,
  tableInit,
  tableMove,
  tableRemove,
  tableReplace,
} from './table';

/** A directory; its three tables stand behind it. */
@unmanaged
class Directory {
  key0: u64;
  key1: u64;
  key2: u64;
  key3: u64;
  /** Bits of the generations: the one that serves, the one being filled (0: none). */
  serving: u8;
  filling: u8;
  /** Bits that entries may still bear though their generation is gone, and those being swept. */
  gone: u8;
  sweeping: u8;
  /** 1 once a generation was complete. */
  complete: u8;
  sweepTable: u32;
  sweepSlab: usize;
  sweepLeft: u32;
}

const TABLES: u32 = 64;
const TABLE_BYTES: u32 = 64;

/** Bytes of a directory; the tables take blocks of their own as they fill. */
export const DIRECTORY_BYTES: u32 = TABLES + 3 * TABLE_BYTES + RULES_HEAP_BYTES;

/** Answers of `applyRecords`. */
export const APPLIED: i32 = 0;
export const NO_ROOM: i32 = 1;

/** The entry of the record being applied. */
const READ: usize = memory.data(160, 16);

class Place {
  @inline static of(directory: usize): Directory {
    return changetype<Directory>(directory);
  }
  @inline static rules(directory: usize): usize {
    return directory + TABLES + 3 * TABLE_BYTES;
  }
  @inline static table(directory: usize, kind: u32): Table {
    return changetype<Table>(directory + TABLES + (kind - 1) * TABLE_BYTES);
  }
}

/** Sets up an empty directory in zeroed memory. The key is random and secret to the VM. */
export function directoryInit(at: usize, key0: u64, key1: u64): void {
  const directory = Place.of(at);
  directory.key0 = key0;
  directory.key1 = key1;
  // More of the same secret: nobody can tell them from random.
  directory.key2 = sipHash(at, 8, at);
  directory.key3 = sipHash(at, 16, at);
  directory.serving = 1;
  tableInit(Place.table(at, CREDENTIAL), CREDENTIAL, CREDENTIALS_MAX, at);
  tableInit(Place.table(at, APPLICATION), APPLICATION, APPLICATIONS_MAX, at);
  tableInit(Place.table(at, SUBSCRIPTION), SUBSCRIPTION, SUBSCRIPTIONS_MAX, at);
}

/** Gives all memory of the tables back. */
export function directoryFree(at: usize): void {
  for (let kind = CREDENTIAL; kind <= SUBSCRIPTION; kind++) tableFree(Place.table(at, kind));
  freeRules(Place.rules(at));
}

/** Credentials held, of all generations. */
export function credentialCount(at: usize): u32 {
  return Place.table(at, CREDENTIAL).count;
}

/** Applications held, of all generations. */
export function applicationCount(at: usize): u32 {
  return Place.table(at, APPLICATION).count;
}

/** Subscriptions held, of all generations. */
export function subscriptionCount(at: usize): u32 {
  return Place.table(at, SUBSCRIPTION).count;
}

/**
 * The credential with this digest, or 0. Found by a keyed hash: callers reach the table only
 * through SHA-256, but whoever may write credentials chooses digests. Compared whole; of two with
 * one digest the newer counts.
 */
export function findCredential(at: usize, digest: usize): usize {
  const table = Place.table(at, CREDENTIAL);
  const serving = Place.of(at).serving;
  let newest: usize = 0;
  let entry = firstSlot(table, BY_KEY, hashDigest(digest, at));
  for (; entry != 0; entry = nextSlot()) {
    if ((changetype<Entry>(entry).generations & serving) == 0) continue;
    if (!equalBytes(entry + DIGEST_AT, digest, 32)) continue;
    newest = newer(entry, newest);
  }
  return newest;
}

/** The application with this id, or 0. */
export function findApplication(at: usize, id: u64): usize {
  return findById(Place.table(at, APPLICATION), id, Place.of(at).serving);
}

/** The subscription of an application to a product, or 0; of two the newer counts. */
export function findSubscription(at: usize, application: u64, product: u64): usize {
  const table = Place.table(at, SUBSCRIPTION);
  const serving = Place.of(at).serving;
  let newest: usize = 0;
  let entry = firstSlot(table, BY_KEY, hashPair(application, product));
  for (; entry != 0; entry = nextSlot()) {
    const found = changetype<Subscription>(entry);
    if (found.application != application || found.product != product) continue;
    if ((found.generations & serving) != 0) newest = newer(entry, newest);
  }
  return newest;
}

/** Of two entries that claim one place, the one that changed last; of one revision the later id. */
function newer(entry: usize, other: usize): usize {
  if (other == 0) return entry;
  const a = changetype<Entry>(entry);
  const b = changetype<Entry>(other);
  if (a.revision != b.revision) return a.revision > b.revision ? entry : other;
  return a.id > b.id ? entry : other;
}

/**
 * Begins a generation that the records from now on go to. The old one serves on until
 * `endGeneration`, unless none was ever complete: then the new one serves as it fills. One that was
 * being filled is given up.
 */
export function beginGeneration(at: usize): void {
  const directory = Place.of(at);
  if (directory.complete == 0) directory.gone |= directory.serving;
  directory.gone |= directory.filling;
  directory.filling = 0;
  const kept: u8 = directory.complete != 0 ? directory.serving : 0;
  // Eight bits: only after seven give-ups in a row without a slice in between is none left.
  if (<u8>(kept | directory.gone) == 0xff) while (sweepSlice(at)) {}
  const taken: u32 = kept | directory.gone;
  const fresh = <u8>((<u32>1) << ctz(~taken));
  if (directory.complete != 0) directory.filling = fresh;
  else directory.serving = fresh;
}

/** The generation being filled is complete: it serves from now on, the old one is swept. */
export function endGeneration(at: usize): void {
  const directory = Place.of(at);
  directory.complete = 1;
  if (directory.filling == 0) return;
  directory.gone |= directory.serving;
  directory.serving = directory.filling;
  directory.filling = 0;
}

/**
 * Applies records that `checkRecords` let pass, in their order; equal or older ones than those held
 * are ignored. `restrictive`: only what takes rights away is done, the rest is marked pending or
 * skipped. `NO_ROOM`: what found no room is not held, the others were applied.
 */
export function applyRecords(at: usize, records: usize, length: u32, restrictive: bool): i32 {
  const directory = Place.of(at);
  const target = directory.filling != 0 ? directory.filling : directory.serving;
  let result = APPLIED;
  for (let from: u32 = 0; from < length; ) {
    const record = records + from;
    from += recordLength(record);
    const table = Place.table(at, recordKind(record));
    const held = findById(table, recordId(record), target);
    if (held != 0 && changetype<Entry>(held).revision >= recordRevision(record)) continue;
    if (!isPresent(record)) {
      if (held != 0) drop(directory, table, held, target);
      continue;
    }
    readEntry(record, table.kind, READ);
    if (restrictive) {
      if (held != 0 && !sameBody(held, READ, table.kind)) changetype<Entry>(held).pending = 1;
    } else if (!putEntry(directory, table, held, target)) {
      // The older version must not stand for one that may take rights away.
      if (held != 0) drop(directory, table, held, target);
      result = NO_ROOM;
    }
  }
  return result;
}

/** Takes an entry out of a generation, and out of the table when no living one has it. */
function drop(directory: Directory, table: Table, entry: usize, generation: u8): void {
  const others = changetype<Entry>(entry).generations & ~directory.gone & ~generation;
  if (others != 0) changetype<Entry>(entry).generations &= ~generation;
  else remove(directory, table, entry);
}

/** Takes an entry out of its table, its rules with it. */
function remove(directory: Directory, table: Table, entry: usize): void {
  dropRules(Place.rules(changetype<usize>(directory)), rulesOf(table, entry));
  tableRemove(table, entry);
}

/** The rules of an entry; none (0) but for credentials. */
function rulesOf(table: Table, entry: usize): usize {
  return table.kind == CREDENTIAL ? (changetype<Credential>(entry).rules as usize) : 0;
}

/** Gives the entry at `READ`, whose rules lie in its record, a copy of them; false without room. */
function ownRules(heap: usize, table: Table): bool {
  const rules = rulesOf(table, READ);
  if (rules == 0) return true;
  const kept = keepRules(heap, rules);
  changetype<Credential>(READ).rules = <u32>kept;
  return kept != 0;
}

/** Adds the entry at `READ`, which owns its rules, or gives them back; false without room. */
function add(heap: usize, table: Table): bool {
  if (tableAdd(table, READ) != 0) return true;
  dropRules(heap, rulesOf(table, READ));
  return false;
}

/** Puts the entry at `READ` into a generation where `held`, or nothing (0), stood before. */
function putEntry(directory: Directory, table: Table, held: usize, generation: u8): bool {
  const heap = Place.rules(changetype<usize>(directory));
  changetype<Entry>(READ).generations = generation;
  if (held == 0) {
    const twin = findTwin(table);
    if (twin != 0) {
      changetype<Entry>(twin).generations |= generation;
      return true;
    }
    return ownRules(heap, table) && add(heap, table);
  }
  if (!ownRules(heap, table)) return false;
  const others = changetype<Entry>(held).generations & ~directory.gone & ~generation;
  if (others != 0) {
    if (!add(heap, table)) return false;
    changetype<Entry>(held).generations &= ~generation;
    return true;
  }
  dropRules(heap, rulesOf(table, held));
  tableReplace(table, held, READ);
  return true;
}

/**
 * The entry of another generation that is the same to the byte and the revision, or 0. Sharing it
 * keeps a fill after "start over" from doubling the memory, which never shrinks again.
 */
function findTwin(table: Table): usize {
  const id = changetype<Entry>(READ).id;
  const revision = changetype<Entry>(READ).revision;
  for (let entry = firstSlot(table, BY_ID, hashId(id)); entry != 0; entry = nextSlot()) {
    const found = changetype<Entry>(entry);
    if (found.id != id || found.revision != revision || found.pending != 0) continue;
    if (sameBody(entry, READ, table.kind)) return entry;
  }
  return 0;
}

/** One slice of growing and sweeping; true while there is more to do. Never on the request path. */
export function directoryTick(at: usize): bool {
  let more = false;
  for (let kind = CREDENTIAL; kind <= SUBSCRIPTION; kind++) {
    if (tableMove(Place.table(at, kind), SLICE_ENTRIES)) more = true;
  }
  return sweepSlice(at) || more;
}

/** Sweeps entries of generations that are gone; true while there are any. */
function sweepSlice(at: usize): bool {
  const directory = Place.of(at);
  if (directory.gone == 0) return false;
  if (directory.sweeping == 0) {
    directory.sweeping = directory.gone;
    beginSweep(at, CREDENTIAL);
  }
  for (let looked: u32 = 0; looked < SLICE_ENTRIES; looked++) {
    const table = Place.table(at, directory.sweepTable);
    if (directory.sweepSlab == 0) {
      if (table.kind == SUBSCRIPTION) {
        directory.gone &= ~directory.sweeping;
        directory.sweeping = 0;
        return directory.gone != 0;
      }
      beginSweep(at, table.kind + 1);
      continue;
    }
    if (directory.sweepLeft == 0) {
      directory.sweepSlab = nextSlab(directory.sweepSlab);
      directory.sweepLeft = entriesIn(directory.sweepSlab);
      continue;
    }
    const entry = entryIn(table, directory.sweepSlab, --directory.sweepLeft);
    const found = changetype<Entry>(entry);
    if (found.id == 0) continue;
    found.generations &= ~directory.sweeping;
    if (found.generations == 0) remove(directory, table, entry);
  }
  return true;
}

function beginSweep(at: usize, kind: u32): void {
  const directory = Place.of(at);
  directory.sweepTable = kind;
  directory.sweepSlab = Place.table(at, kind).slabs;
  directory.sweepLeft = entriesIn(directory.sweepSlab);
}
