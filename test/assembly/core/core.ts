/**
 * The cores of a request behind plain exports, compiled with the flags of the release module: for
 * the contract test that compares them with the host, and for `bench.mjs`. Loops to be measured
 * run inside, so that no call from outside is.
 */
import { isWellFormed } from '../../../assembly/credential/format';
import {
  DIRECTORY_BYTES,
  directoryInit,
  findApplication,
  findCredential,
  findSubscription,
} from '../../../assembly/directory/directory';
import { takeBlock } from '../../../assembly/engine/blocks';
import { Engine } from '../../../assembly/engine/state';
import { matchHost } from '../../../assembly/match/host';
import { methodBit } from '../../../assembly/match/method';
import { matchPath } from '../../../assembly/match/path';
import { CHECK_STATE_BYTES, checkBegin, checkStep } from '../../../assembly/policy/check';
import { Limit, POLICY_HEAD_BYTES, UNAVAILABLE_LOCAL_SHARE } from '../../../assembly/policy/layout';
import { isIdentityName } from '../../../assembly/policy/policy';
import { borrow, mayBorrow } from '../../../assembly/quota/borrow';
import { freeHoldings, Holding, kindOf, newHoldings } from '../../../assembly/quota/holdings';
import {
  askShare,
  dropShare,
  Share,
  shareGiven,
  spendShare,
  takeShare,
} from '../../../assembly/quota/share';
import { NONE } from '../../../assembly/util/bytes';
import { crc32 } from '../../../assembly/util/crc32';
import { sha256 } from '../../../assembly/util/sha256';

/** Room for what the outside hands over, and for what is found. */
export const IN: usize = memory.data(65536, 16);
export const OUT: usize = memory.data(64, 16);
const STATE: usize = memory.data(16384, 16);

/** Bytes before a policy. */
export const HEAD_BYTES: u32 = POLICY_HEAD_BYTES;
export { isWellFormed } from '../../../assembly/credential/format';
export {
  applyRecords,
  directoryFree,
  directoryTick,
  findApplication,
  findCredential,
  findSubscription,
} from '../../../assembly/directory/directory';
export { checkRecords } from '../../../assembly/directory/records';
export { freeBlock, memoryBytes, takeBlock } from '../../../assembly/engine/blocks';
export { checkMessage, findSection, sectionLength } from '../../../assembly/util/frame';

export function newDirectory(): usize {
  const at = takeBlock(DIRECTORY_BYTES);
  directoryInit(at, 0x243f6a8885a308d3, 0x13198a2e03707344);
  return at;
}

export function begin(policy: usize, length: u32): void {
  if (CHECK_STATE_BYTES <= 16384) checkBegin(STATE, policy, length);
}

export function step(records: u32): i32 {
  return checkStep(STATE, records);
}

/** Matches the host, path and method that stand at `IN` one after the other; -1 not governed. */
export function matchOnce(policy: usize, host: u32, path: u32, method: u32): i32 {
  const node = matchHost(policy, IN, host);
  if (node == NONE) return -1;
  const bit = methodBit(IN + host + path, method);
  return matchPath(policy, node, IN + host, path, bit, OUT);
}

const ENGINE: usize = memory.data(2048, 16);
const LIMIT: usize = memory.data(64, 16);
const SHARE: usize = memory.data(512, 16);

/** A share of a limit of this class (2 rate, 3 approximate) of which nobody has spoken yet. */
export function shareBegin(limitClass: u32, quota: u64, windowS: u32, burst: u32): void {
  memory.fill(SHARE, 0, 512);
  memory.fill(LIMIT, 0, 64);
  const limit = changetype<Limit>(LIMIT);
  limit.quota = quota;
  limit.windowKind = windowS;
  limit.burst = burst;
  limit.class = limitClass as u8;
  changetype<Share>(SHARE).windowKind = kindOf(windowS, limitClass);
}

/** Asks for units and, if they are there, spends them; answers what the share said. */
export function shareSpend(cost: u32, nowMs: u64): u32 {
  const share = changetype<Share>(SHARE);
  const engine = changetype<Engine>(ENGINE);
  const result = askShare(engine, share, changetype<Limit>(LIMIT), cost, nowMs);
  if (result == 0) spendShare(share, cost);
  return result;
}

/** Takes a share: the eight fields of a reply stand at `IN`, 8 bytes each. */
export function shareTake(sentMs: u64, nowMs: u64): void {
  takeShare(
    changetype<Share>(SHARE),
    load<u64>(IN),
    load<u64>(IN, 8) as u32,
    load<u64>(IN, 16),
    load<u64>(IN, 24),
    load<u64>(IN, 32),
    load<u64>(IN, 40) as u32,
    load<u64>(IN, 48) != 0,
    sentMs,
    nowMs,
  );
}

export function shareDrop(): void {
  dropShare(changetype<Share>(SHARE));
}

/** The host last spoke of so many holders. */
export function borrowBegin(quota: u64, windowS: u32, localShare: u32, holders: u32): void {
  shareBegin(1, quota, windowS, 0);
  const limit = changetype<Limit>(LIMIT);
  limit.id = 7;
  limit.onHostUnavailable = UNAVAILABLE_LOCAL_SHARE;
  limit.localShare = localShare as u16;
  const engine = changetype<Engine>(ENGINE);
  engine.holders = holders;
  engine.holdings = newHoldings(8, 1, 2);
}

/** Borrows units of a limit without a word from the host; 1 if they may be. */
export function borrowOnce(cost: u32, nowMs: u64): u32 {
  const engine = changetype<Engine>(ENGINE);
  const slot = mayBorrow(engine, 5, changetype<Limit>(LIMIT), cost, nowMs);
  if (slot == 0) return 0;
  borrow(slot, changetype<Holding>(SHARE), cost, nowMs);
  return 1;
}

export function borrowEnd(): void {
  freeHoldings(changetype<Engine>(ENGINE).holdings);
}

/** Writes number, parts, level, what was given back, and until when it holds, at `OUT`. */
export function shareState(): void {
  const share = changetype<Share>(SHARE);
  store<u64>(OUT, share.number);
  store<u64>(OUT, share.parts, 8);
  store<u64>(OUT, share.level, 16);
  store<u64>(OUT, shareGiven(share), 24);
  store<u64>(OUT, share.validUntilMs, 32);
}

export function manySha256(length: u32, times: u32): u32 {
  for (let i: u32 = 0; i < times; i++) {
    store<u32>(IN, i);
    sha256(IN, length, OUT);
  }
  return load<u32>(OUT);
}

export function manyCrc32(length: u32, times: u32): u32 {
  let sum: u32 = 0;
  for (let i: u32 = 0; i < times; i++) sum ^= crc32(IN, length);
  return sum;
}

export function manyWellFormed(length: u32, times: u32): u32 {
  let good: u32 = 0;
  for (let i: u32 = 0; i < times; i++) if (isWellFormed(IN, length)) good++;
  return good;
}

/** An order without locality: the next index after one, less than `count`. */
function hop(index: u32, count: u32): u32 {
  return (index * 1664525 + 1013904223) % count;
}

/** Looks up `times` of the `count` digests at `digests`. */
export function manyCredentials(at: usize, digests: usize, count: u32, times: u32): u32 {
  let found: u32 = 0;
  let index: u32 = 1;
  for (let i: u32 = 0; i < times; i++) {
    index = hop(index, count);
    if (findCredential(at, digests + ((<usize>index) << 5)) != 0) found++;
  }
  return found;
}

/** Looks up `times` of the `count` applications from id 1 on. */
export function manyApplications(at: usize, count: u32, times: u32): u32 {
  let found: u32 = 0;
  let index: u32 = 1;
  for (let i: u32 = 0; i < times; i++) {
    index = hop(index, count);
    if (findApplication(at, 1 + index) != 0) found++;
  }
  return found;
}

/** Looks up the subscriptions of `times` of the `count` applications from id 1 on. */
export function manySubscriptions(at: usize, product: u64, count: u32, times: u32): u32 {
  let found: u32 = 0;
  let index: u32 = 1;
  for (let i: u32 = 0; i < times; i++) {
    index = hop(index, count);
    if (findSubscription(at, 1 + index, product) != 0) found++;
  }
  return found;
}

/** Matches what `matchOnce` does, again and again. */
export function manyMatches(policy: usize, host: u32, path: u32, method: u32, times: u32): u32 {
  let found: u32 = 0;
  for (let i: u32 = 0; i < times; i++) if (matchOnce(policy, host, path, method) == 0) found++;
  return found;
}

export function manyNames(policy: usize, length: u32, times: u32): u32 {
  let found: u32 = 0;
  for (let i: u32 = 0; i < times; i++) if (isIdentityName(policy, IN, length)) found++;
  return found;
}
