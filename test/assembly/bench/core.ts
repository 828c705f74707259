/**
 * The cores of a request behind plain exports, compiled with the flags of the release module, for
 * `core.mjs` alone. Loops run inside, so that no call from outside is measured.
 */
import { isWellFormed } from '../../../assembly/credential/format';
import {
  applyRecords,
  DIRECTORY_BYTES,
  directoryFree,
  directoryInit,
  directoryTick,
  findApplication,
  findCredential,
  findSubscription,
} from '../../../assembly/directory/directory';
import { checkRecords } from '../../../assembly/directory/records';
import { memoryBytes, takeBlock } from '../../../assembly/engine/blocks';
import { matchHost } from '../../../assembly/match/host';
import { matchPath } from '../../../assembly/match/path';
import { checkBegin, checkStep } from '../../../assembly/policy/check';
import { POLICY_HEAD_BYTES } from '../../../assembly/policy/layout';
import { isIdentityName } from '../../../assembly/policy/policy';
import { crc32 } from '../../../assembly/util/crc32';
import { sha256 } from '../../../assembly/util/sha256';

/** Room for what the outside hands over and for what is found. */
export const IN: usize = memory.data(65536, 16);
const OUT: usize = memory.data(64, 16);
const STATE: usize = memory.data(16384, 16);

export const HEAD_BYTES: u32 = POLICY_HEAD_BYTES;
export { applyRecords, checkRecords, directoryFree, directoryTick, memoryBytes, takeBlock };

export function newDirectory(): usize {
  const at = takeBlock(DIRECTORY_BYTES);
  directoryInit(at, 0x243f6a8885a308d3, 0x13198a2e03707344);
  return at;
}

export function begin(policy: usize, length: u32): void {
  checkBegin(STATE, policy, length);
}

export function step(records: u32): i32 {
  return checkStep(STATE, records);
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

/** Looks up `times` of the `count` digests at `digests`, in an order without locality. */
export function manyCredentials(at: usize, digests: usize, count: u32, times: u32): u32 {
  let found: u32 = 0;
  let index: u32 = 1;
  for (let i: u32 = 0; i < times; i++) {
    index = (index * 1664525 + 1013904223) % count;
    if (findCredential(at, digests + ((<usize>index) << 5)) != 0) found++;
  }
  return found;
}

export function manyApplications(at: usize, first: u32, count: u32, times: u32): u32 {
  let found: u32 = 0;
  let index: u32 = 1;
  for (let i: u32 = 0; i < times; i++) {
    index = (index * 1664525 + 1013904223) % count;
    if (findApplication(at, first + index) != 0) found++;
  }
  return found;
}

export function manySubscriptions(at: usize, first: u32, count: u32, times: u32): u32 {
  let found: u32 = 0;
  let index: u32 = 1;
  for (let i: u32 = 0; i < times; i++) {
    index = (index * 1664525 + 1013904223) % count;
    if (findSubscription(at, first + index, 11) != 0) found++;
  }
  return found;
}

/** Matches the host and the path that stand at `IN`, one after the other. */
export function manyMatches(policy: usize, host: u32, path: u32, times: u32): u32 {
  let found: u32 = 0;
  for (let i: u32 = 0; i < times; i++) {
    const node = matchHost(policy, IN, host);
    if (matchPath(policy, node, IN + host, path, 1, OUT) == 0) found++;
  }
  return found;
}

export function manyNames(policy: usize, length: u32, times: u32): u32 {
  let found: u32 = 0;
  for (let i: u32 = 0; i < times; i++) if (isIdentityName(policy, IN, length)) found++;
  return found;
}
