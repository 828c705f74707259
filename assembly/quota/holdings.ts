/**
 * The table of accounts of one engine: what its holder was granted, spent and gave back. Slots are
 * found by account through keyed hashing, because a caller must not choose where they collide. The
 * table grows on the tick alone; a request that finds it full meets its limit's failure policy.
 */
import { freeBlock, takeBlock } from '../engine/blocks';
import { HOLDINGS_MAX } from '../limits';
import { LIMIT_EXACT } from '../policy/layout';
import { sipHash } from '../util/siphash';

/**
 * One account, whatever its class: what finds it and what every report of it needs. `windowKind`
 * carries the class in bits of its own, so that a limit whose class changes is another account.
 */
@unmanaged
export class Account {
  owner: u64;
  limit: u64;
  partition: u64;
  windowKind: u32;
  generation: u32;
  /** Next slot of the bucket or of the free list, as index + 1. */
  chain: u32;
  hash: u32;

  /** Units spent under this generation. */
  used: u64;
  denyUntilMs: u64;
  /** When it was last reported; when a request last asked for it. */
  reportedMs: u64;
  lastUseMs: u64;
  /** Units that held requests lack, and the cost of the first of them. */
  waiting: u64;
  need: u32;
  /** Open call (kind + 1) that carries this account, 0 none; the same for the next window. */
  flight: u8;
  nextFlight: u8;
  /** `denyUntilMs` is the host's silence, not the ledger's refusal. */
  unavailable: u8;
  cold: u8;
}

/** Where `windowKind` carries the class of an account; class exact is 0 there. */
export const CLASS_SHIFT: u32 = 24;
const CLASS_BITS: u32 = 3 << CLASS_SHIFT;

/** The class of an account as a policy and the wire number it. */
export function classOf(account: Account): u32 {
  return max<u32>((account.windowKind & CLASS_BITS) >> CLASS_SHIFT, LIMIT_EXACT);
}

/** The window kind and the class of an account in one number. */
export function kindOf(windowKind: u32, limitClass: u32): u32 {
  return limitClass == LIMIT_EXACT ? windowKind : windowKind | ((limitClass & 3) << CLASS_SHIFT);
}

/** The window kind of an account, without its class. */
export function windowKindOf(account: Account): u32 {
  return account.windowKind & ~CLASS_BITS;
}

/** True for an account of a share, which is never a `Holding`. */
export function isShare(account: Account): bool {
  return (account.windowKind & (2 << CLASS_SHIFT)) != 0;
}

/** The key of what an account borrows while the host is silent; it is no account of its own. */
export function borrowedKind(windowKind: u32): u32 {
  return windowKind | (1 << CLASS_SHIFT);
}

/**
 * One exact account and its holdings: the one of the window now, and the one granted ahead for the
 * next. `generation` 0 = no holding is open. Units are those of the limit; times are monotonic.
 */
@unmanaged
export class Holding extends Account {
  windowId: u64;
  granted: u64;
  released: u64;
  endMs: u64;
  useByMs: u64;
  quota: u64;
  remaining: u64;

  /** What the report under way carries, and what a reply has confirmed. */
  sentUsed: u64;
  sentReleased: u64;
  sentGranted: u64;
  ackUsed: u64;
  ackReleased: u64;
  ackGranted: u64;

  nextWindowId: u64;
  nextGranted: u64;
  nextStartMs: u64;
  nextEndMs: u64;
  nextGeneration: u32;
  useByIntervalMs: u32;

  /** Units per second, smoothed; `ratedUsed` = used when it was last taken. */
  rate: f64;
  ratedUsed: u64;
  /** At this balance or below the holder asks again. */
  askBelow: u64;
}

/** Bytes of a slot. */
export const HOLDING_BYTES: usize = offsetof<Holding>();

/** Accounts that may wait for the same urgent call. */
export const COLD_MAX: u32 = 256;

@unmanaged
class Table {
  capacity: u32;
  count: u32;
  fresh: u32;
  freeList: u32;
  slots: usize;
  buckets: usize;
  coldCount: u32;
  scan: u32;
  key0: u64;
  key1: u64;
}

const TABLE_BLOCK: usize = 4_096;
const COLD: usize = 64;
const KEY: usize = memory.data(8, 8);

/** An empty table for `capacity` accounts (a power of two) under a random key, 0 without memory. */
export function newHoldings(capacity: u32, key0: u64, key1: u64): usize {
  const at = takeBlock(TABLE_BLOCK);
  if (at == 0) return 0;
  const table = changetype<Table>(at);
  table.capacity = capacity;
  table.key0 = key0;
  table.key1 = key1;
  table.slots = takeBlock((capacity as usize) * HOLDING_BYTES);
  table.buckets = takeBlock((capacity as usize) * 4);
  if (table.slots != 0 && table.buckets != 0) return at;
  freeHoldings(at);
  return 0;
}

/** Gives the memory of a table back; 0 is ignored. */
export function freeHoldings(at: usize): void {
  if (at == 0) return;
  const table = changetype<Table>(at);
  freeBlock(table.slots, (table.capacity as usize) * HOLDING_BYTES);
  freeBlock(table.buckets, (table.capacity as usize) * 4);
  freeBlock(at, TABLE_BLOCK);
}

/** Accounts in the table. */
export function holdingCount(at: usize): u32 {
  return changetype<Table>(at).count;
}

/** Slots in use or once used: the indices `holdingAt` may be asked for. */
export function holdingSpan(at: usize): u32 {
  return changetype<Table>(at).fresh;
}

/** The slot `index`; a free one has `owner` 0. */
export function holdingAt(at: usize, index: u32): Holding {
  return changetype<Holding>(changetype<Table>(at).slots + (index as usize) * HOLDING_BYTES);
}

/**
 * Owner, limit and window are the store's and need no more than to be spread; a caller may choose
 * the partition, which is hashed under the key.
 */
function hashOf(at: usize, owner: u64, limit: u64, partition: u64, windowKind: u32): u32 {
  let mixed = (owner ^ rotl(limit, 32)) * 0x9e3779b97f4a7c15 + (windowKind as u64);
  if (partition != 0) {
    store<u64>(KEY, partition);
    mixed ^= sipHash(KEY, 8, at + offsetof<Table>('key0'));
  }
  mixed *= 0xd6e8feb86659fd93;
  return (mixed >> 32) as u32;
}

/** The slot of an account, or 0. */
export function findHolding(
  at: usize,
  owner: u64,
  limit: u64,
  partition: u64,
  windowKind: u32,
): usize {
  const hash = hashOf(at, owner, limit, partition, windowKind);
  const table = changetype<Table>(at);
  let index = load<u32>(table.buckets + (hash & (table.capacity - 1)) * 4);
  while (index != 0) {
    const slot = table.slots + ((index - 1) as usize) * HOLDING_BYTES;
    const holding = changetype<Holding>(slot);
    if (
      holding.owner == owner &&
      holding.limit == limit &&
      holding.windowKind == windowKind &&
      holding.partition == partition
    ) {
      return slot;
    }
    index = holding.chain;
  }
  return 0;
}

/** The slot of an account, new if need be; 0 when the table is full. */
export function openAccount(
  at: usize,
  owner: u64,
  limit: u64,
  partition: u64,
  windowKind: u32,
): usize {
  const known = findHolding(at, owner, limit, partition, windowKind);
  if (known != 0) return known;
  const table = changetype<Table>(at);
  let index = table.freeList;
  if (index != 0) {
    table.freeList = holdingAt(at, index - 1).chain;
  } else {
    if (table.fresh >= table.capacity) return 0;
    index = ++table.fresh;
  }
  table.count++;
  const holding = holdingAt(at, index - 1);
  memory.fill(changetype<usize>(holding), 0, HOLDING_BYTES);
  holding.owner = owner;
  holding.limit = limit;
  holding.partition = partition;
  holding.windowKind = windowKind;
  holding.hash = hashOf(at, owner, limit, partition, windowKind);
  link(table, holding, index);
  return changetype<usize>(holding);
}

function link(table: Table, holding: Holding, index: u32): void {
  const bucket = table.buckets + (holding.hash & (table.capacity - 1)) * 4;
  holding.chain = load<u32>(bucket);
  store<u32>(bucket, index);
}

/**
 * Frees slot `index`; only for an account whose last report was confirmed or that never had one.
 */
export function closeAccount(at: usize, index: u32): void {
  const table = changetype<Table>(at);
  const holding = holdingAt(at, index);
  let link = table.buckets + (holding.hash & (table.capacity - 1)) * 4;
  while (load<u32>(link) != index + 1) {
    if (load<u32>(link) == 0) return;
    link = changetype<usize>(holdingAt(at, load<u32>(link) - 1)) + offsetof<Holding>('chain');
  }
  store<u32>(link, holding.chain);
  holding.owner = 0;
  holding.chain = table.freeList;
  table.freeList = index + 1;
  table.count--;
}

/** True when the table should grow before the next request needs it. */
export function holdingsCrowded(at: usize): bool {
  const table = changetype<Table>(at);
  return table.capacity < HOLDINGS_MAX && table.count > (table.capacity * 3) / 4;
}

/** Doubles the table; without memory it stays as it is. Not on the request path. */
export function growHoldings(at: usize): void {
  const table = changetype<Table>(at);
  const capacity = table.capacity * 2;
  const slots = takeBlock((capacity as usize) * HOLDING_BYTES);
  const buckets = takeBlock((capacity as usize) * 4);
  if (slots == 0 || buckets == 0) {
    freeBlock(slots, (capacity as usize) * HOLDING_BYTES);
    freeBlock(buckets, (capacity as usize) * 4);
    return;
  }
  memory.copy(slots, table.slots, (table.fresh as usize) * HOLDING_BYTES);
  freeBlock(table.slots, (table.capacity as usize) * HOLDING_BYTES);
  freeBlock(table.buckets, (table.capacity as usize) * 4);
  table.slots = slots;
  table.buckets = buckets;
  table.capacity = capacity;
  for (let i: u32 = 0; i < table.fresh; i++) {
    const holding = holdingAt(at, i);
    if (holding.owner != 0) link(table, holding, i + 1);
  }
}

/** Puts an account on the list for the next urgent call; false when the list is full. */
export function markCold(at: usize, slot: usize): bool {
  const holding = changetype<Holding>(slot);
  if (holding.cold != 0) return true;
  const table = changetype<Table>(at);
  if (table.coldCount >= COLD_MAX) return false;
  const index = ((slot - table.slots) / HOLDING_BYTES) as u32;
  store<u32>(at + COLD + table.coldCount * 4, index);
  table.coldCount++;
  holding.cold = 1;
  return true;
}

/** Accounts on the list for the next urgent call. */
export function coldCount(at: usize): u32 {
  return changetype<Table>(at).coldCount;
}

/** The account `index` of that list. */
export function coldAt(at: usize, index: u32): Holding {
  return holdingAt(at, load<u32>(at + COLD + index * 4));
}

/** Empties the list. */
export function clearCold(at: usize): void {
  const table = changetype<Table>(at);
  for (let i: u32 = 0; i < table.coldCount; i++) coldAt(at, i).cold = 0;
  table.coldCount = 0;
}

/** Where the next regular report begins its round over the slots. */
export function scanStart(at: usize): u32 {
  return changetype<Table>(at).scan;
}

/** Remembers where a report that was full left off. */
export function setScanStart(at: usize, index: u32): void {
  changetype<Table>(at).scan = index;
}
