/**
 * Fetches the policy: manifest, pages, validation in slices, and decides when it takes its place
 * (docs/wire.md §3 and §4 "Order with the policy"). What is refused leaves what was there.
 */
import { freeBlock, takeBlock } from '../engine/blocks';
import {
  BACK_CHECKING,
  BACK_HASHING,
  BACK_LOADING,
  BACK_NONE,
  BACK_VALID,
  CALL_FETCH,
  callOf,
  Engine,
  FETCH_DIRECTORY,
  FETCH_MANIFEST,
  FETCH_PAGE,
  jittered,
  pageDigests,
  policyPending,
  WALK_NONE,
} from '../engine/state';
import { POLICY_BYTES_MAX, POLICY_PAGE_BYTES, SLICE_CHECKS, SLICE_HASH_BYTES } from '../limits';
import { checkBegin, checkStep } from '../policy/check';
import { POLICY_HEAD_BYTES } from '../policy/layout';
import { noteEvent, POLICIES_APPLIED, POLICIES_REFUSED } from '../telemetry/events';
import { forgetUsage } from '../usage/table';
import { equalBytes } from '../util/bytes';
import { areSafe, sectionLength } from '../util/frame';
import { sha256, sha256Slice } from '../util/sha256';
import { endFill, nextWalk } from './directory';
import { blameHost, longerBackOff } from './failure';
import { hearHost, hearPolicyRevision } from './host';
import { bodyOf, openMessage } from './message';

const MAGIC: u32 = 0x4d504753;
const SECTIONS: u32 = 0b110;
const MANIFEST: u32 = 2;
const MANIFEST_BYTES: u32 = 56;
const PAGES_MAX: u32 = 128;
const DIGEST: usize = memory.data(32, 8);

/** What the fetch call should ask for now: a `FETCH_…`, or 0 for nothing. */
export function nextFetch(engine: Engine, nowMs: u64): u32 {
  if (policyPending(engine) && nowMs >= engine.policyNotBeforeMs) {
    if (isStale(engine)) dropBack(engine);
    if (engine.backState == BACK_NONE) return FETCH_MANIFEST;
    if (engine.backState == BACK_LOADING) return FETCH_PAGE;
  }
  return nextWalk(engine) ? FETCH_DIRECTORY : 0;
}

/** A newer policy than the one being fetched is known. */
function isStale(engine: Engine): bool {
  return engine.backState != BACK_NONE && engine.backRevision < engine.heardPolicyRevision;
}

function dropBack(engine: Engine): void {
  freeBlock(engine.back, engine.backBlock);
  engine.back = 0;
  engine.backBlock = 0;
  engine.backState = BACK_NONE;
}

/** A fetch of the policy failed or was refused: later again, from the manifest on. */
export function policyFailed(engine: Engine, nowMs: u64): void {
  dropBack(engine);
  engine.policyBackOffMs = longerBackOff(engine.policyBackOffMs);
  engine.policyNotBeforeMs = nowMs + (jittered(engine, engine.policyBackOffMs, 50) as u64);
}

/** Takes a manifest; false when it is refused. */
export function takeManifest(engine: Engine, at: usize, length: u32, nowMs: u64): bool {
  if (!openMessage(at, length, MAGIC, SECTIONS)) return false;
  const body = bodyOf(MANIFEST, MANIFEST_BYTES);
  if (body == 0) return false;
  const revision = load<u64>(body);
  const bytes = load<u32>(body, 8);
  const pages = load<u32>(body, 16);
  if (load<u32>(body, 12) != POLICY_PAGE_BYTES) return false;
  if (bytes == 0 || bytes > POLICY_BYTES_MAX || pages > PAGES_MAX) return false;
  if (pages != (bytes + POLICY_PAGE_BYTES - 1) / POLICY_PAGE_BYTES) return false;
  if (sectionLength(body) != MANIFEST_BYTES + pages * 32) return false;
  sha256(body + MANIFEST_BYTES, pages * 32, DIGEST);
  if (!equalBytes(DIGEST, body + 24, 32) || !areSafe(body, 1)) return false;
  if (!hearHost(engine, callOf(engine, CALL_FETCH).sentMs, false, nowMs)) return false;
  if (revision < engine.heardPolicyRevision) return false;
  hearPolicyRevision(engine, revision);
  const held = changetype<usize>(engine) + offsetof<Engine>('digest0');
  if (engine.policyFresh != 0 && equalBytes(held, body + 24, 32)) {
    engine.policyRevision = revision;
    settlePolicy(engine);
    return true;
  }
  return beginBack(engine, body, revision, bytes, pages);
}

function beginBack(engine: Engine, body: usize, revision: u64, bytes: u32, pages: u32): bool {
  dropBack(engine);
  const block = POLICY_HEAD_BYTES + bytes;
  engine.back = takeBlock(block);
  if (engine.back == 0) return false;
  engine.backBlock = block;
  engine.backState = BACK_LOADING;
  engine.backLength = bytes;
  engine.backRevision = revision;
  engine.backPages = pages;
  engine.backNext = 0;
  memory.copy(changetype<usize>(engine) + offsetof<Engine>('backDigest0'), body + 24, 32);
  memory.copy(pageDigests(engine), body + MANIFEST_BYTES, pages * 32);
  return true;
}

/** Takes the page that was asked for; false when it is not as long as the manifest says. */
export function takePage(engine: Engine, at: usize, length: u32, nowMs: u64): bool {
  if (engine.backState != BACK_LOADING) return true;
  if (length != nextPageBytes(engine)) return false;
  memory.copy(nextPage(engine), at, length);
  engine.backState = BACK_HASHING;
  engine.backHashed = 0;
  policySlice(engine, nowMs);
  return true;
}

/** Where the next page of the policy that is being fetched goes. */
function nextPage(engine: Engine): usize {
  return engine.back + POLICY_HEAD_BYTES + engine.backNext * POLICY_PAGE_BYTES;
}

function nextPageBytes(engine: Engine): u32 {
  return min<u32>(POLICY_PAGE_BYTES, engine.backLength - engine.backNext * POLICY_PAGE_BYTES);
}

/** Works on the fetched policy for one slice, if there is something to do. */
export function policySlice(engine: Engine, nowMs: u64): void {
  if (engine.backState == BACK_HASHING) hashSlice(engine, nowMs);
  else if (engine.backState == BACK_CHECKING) checkSlice(engine, nowMs);
}

/** Hashes on; a whole page that is not the one the manifest promised is as good as none. */
function hashSlice(engine: Engine, nowMs: u64): void {
  const state = changetype<usize>(engine) + offsetof<Engine>('hash0');
  const length = nextPageBytes(engine);
  const done = engine.backHashed;
  engine.backHashed = sha256Slice(state, nextPage(engine), done, length, SLICE_HASH_BYTES);
  if (engine.backHashed < length) return;
  if (!equalBytes(state, pageDigests(engine) + engine.backNext * 32, 32)) {
    blameHost(engine, CALL_FETCH);
    policyFailed(engine, nowMs);
    return;
  }
  engine.backNext++;
  engine.backState = engine.backNext < engine.backPages ? BACK_LOADING : BACK_CHECKING;
  if (engine.backState == BACK_CHECKING) {
    checkBegin(engine.checkState, engine.back, engine.backLength);
  }
}

/** Goes on checking the fetched policy for one slice. A refused one leaves what was there. */
function checkSlice(engine: Engine, nowMs: u64): void {
  const code = checkStep(engine.checkState, SLICE_CHECKS);
  if (code == 0) return;
  if (code < 0) {
    engine.lastError = (0x100 - code) as u32;
    noteEvent(POLICIES_REFUSED, engine.lastError);
    policyFailed(engine, nowMs);
    return;
  }
  engine.backState = BACK_VALID;
  settlePolicy(engine);
}

/**
 * Lets what is ready take its place: a fetched policy once every record that restricts has been
 * applied, a filled directory only together with the policy it belongs to.
 */
export function settlePolicy(engine: Engine): void {
  const valid = engine.backState == BACK_VALID && !isStale(engine);
  if (engine.fillWhole != 0) {
    if (policyPending(engine) && !valid) return;
    if (valid && engine.backRevision > engine.fillUpTo) return;
    if (valid) swapPolicy(engine);
    endFill(engine);
    return;
  }
  if (!valid) return;
  const filling = engine.fillDue != 0 || engine.walk != WALK_NONE;
  if (engine.complete == 0) {
    swapPolicy(engine);
  } else if (!filling && engine.restrictedTo >= engine.backRevision) {
    swapPolicy(engine);
    engine.directoryDue = 1;
  }
}

function swapPolicy(engine: Engine): void {
  if (engine.policy != 0 && engine.policyFresh == 0) forgetUsage(engine.usage);
  freeBlock(engine.policy, engine.policyBlock);
  engine.policy = engine.back;
  engine.policyBlock = engine.backBlock;
  engine.policyLength = engine.backLength;
  engine.policyRevision = engine.backRevision;
  engine.policyFresh = 1;
  engine.termsChanged = 1;
  engine.policyBackOffMs = 0;
  const at = changetype<usize>(engine);
  memory.copy(at + offsetof<Engine>('digest0'), at + offsetof<Engine>('backDigest0'), 32);
  noteEvent(POLICIES_APPLIED, engine.policyRevision);
  engine.back = 0;
  engine.backBlock = 0;
  engine.backState = BACK_NONE;
}
