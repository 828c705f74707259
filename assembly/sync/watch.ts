/**
 * The watch (docs/wire.md §5): what the engine holds, said in one open call, and the host's word
 * when something changed. It must never poll: the host answers when there is something to say.
 */

import { applicationCount, credentialCount, subscriptionCount } from '../directory/directory';
import { memoryBytes } from '../engine/blocks';
import { CALL_WATCH, callOf, Engine, policyPending, WALK_NONE } from '../engine/state';
import { holdingCount } from '../quota/holdings';
import { Usage } from '../usage/table';
import { ascii, asciiLength } from '../util/ascii';
import { areSafe } from '../util/frame';
import { isPage, takeInlinePage } from './directory';
import { hearHost, hearPolicyRevision } from './host';
import { bodyOf, openMessage } from './message';
import { beginMessage, beginSection, endMessage, takeBytes } from './write';

const REQUEST_MAGIC: u32 = 0x51574753;
const REPLY_MAGIC: u32 = 0x52574753;
/** Sections HOST, CHANGE, PAGE and RECORDS. */
const REPLY_SECTIONS: u32 = 0b11110;
const CHANGE: u32 = 2;
const CHANGE_BYTES: u32 = 16;
const CHANGE_PAGE: u32 = 1;
const CHANGE_FETCH: u32 = 2;
const CHANGE_REPORT: u32 = 4;
/** A watch answered sooner than this without news backs off, or it would spin. */
const QUICK_MS: u64 = 1_000;

const FLAG_COMPLETE: u32 = 1;
const FLAG_FILLING: u32 = 2;

/** Who we are, as the host shows it: three strings, each a length and its bytes. */
const PROXY: usize = memory.data(3 * 256, 8);
let proxyLength: u32 = 0;
let streams: u64 = 0;

/** Keeps what the proxy is called: node id, node's cluster. At most 255 bytes of each are kept. */
export function keepProxy(id: usize, idLength: u32, workload: usize, workloadLength: u32): void {
  let at = putString(PROXY, id, idLength);
  at = putString(at, workload, workloadLength);
  const version = ascii('0.1.0');
  proxyLength = (putString(at, version, asciiLength(version)) - PROXY) as u32;
}

function putString(at: usize, from: usize, length: u32): usize {
  const kept = min<u32>(length, 255);
  store<u8>(at, kept as u8);
  memory.copy(at + 1, from, kept);
  return at + 1 + kept;
}

/** Remembers how many streams are open, for the next report of state. */
export function keepStreamCount(count: u32): void {
  streams = count;
}

/** Writes the request; answers its length. */
export function writeWatch(engine: Engine, nowMs: u64): u32 {
  beginMessage(REQUEST_MAGIC);
  beginSection(1, false);
  const held = takeBytes(56);
  store<u64>(held, engine.incarnation);
  store<u64>(held, engine.store0, 8);
  store<u64>(held, engine.store1, 16);
  store<u64>(held, engine.policyRevision, 24);
  store<u64>(held, engine.directoryRevision, 32);
  let flags: u32 = engine.complete != 0 ? FLAG_COMPLETE : 0;
  engine.watchBlind = engine.fillDue != 0 || engine.walk != WALK_NONE ? 1 : 0;
  if (engine.watchBlind != 0) flags |= FLAG_FILLING;
  store<u32>(held, flags, 40);
  beginSection(2, false);
  if (proxyLength == 0) keepProxy(0, 0, 0, 0);
  memory.copy(takeBytes(proxyLength), PROXY, proxyLength);
  beginSection(3, true);
  const state = takeBytes(8 + 11 * 8);
  store<u16>(state, 8);
  store<u32>(state, 11, 4);
  store<u64>(state, credentialCount(engine.directory), 8);
  store<u64>(state, applicationCount(engine.directory), 16);
  store<u64>(state, subscriptionCount(engine.directory), 24);
  store<u64>(state, holdingCount(engine.holdings), 32);
  store<u64>(state, engine.heldCount, 40);
  store<u64>(state, streams, 48);
  store<u64>(state, memoryBytes(), 56);
  store<u64>(state, engine.lastWordMs == 0 ? 0 : nowMs - engine.lastWordMs, 64);
  store<u64>(state, engine.lastError, 72);
  store<u64>(state, engine.failures, 80);
  store<u64>(state, changetype<Usage>(engine.usage).count, 88);
  return endMessage();
}

/** Takes the answer; false when it is refused and nothing changed. */
export function takeWatch(engine: Engine, at: usize, length: u32, nowMs: u64): bool {
  const call = callOf(engine, CALL_WATCH);
  if (!openMessage(at, length, REPLY_MAGIC, REPLY_SECTIONS)) return false;
  const change = bodyOf(CHANGE, CHANGE_BYTES);
  if (change == 0 || !areSafe(change, 1)) return false;
  const flags = load<u32>(change, 8);
  if ((flags & CHANGE_PAGE) != 0 && !isPage(3)) return false;
  const hadStore = engine.hasStore;
  const wasStore = engine.store0;
  if (!hearHost(engine, call.sentMs, true, nowMs)) return false;
  hearPolicyRevision(engine, load<u64>(change));
  if ((flags & CHANGE_PAGE) != 0) {
    if (!takeInlinePage(engine)) engine.directoryDue = 1;
  } else if ((flags & CHANGE_FETCH) != 0) {
    engine.directoryDue = 1;
    engine.restrictedTo = 0;
  }
  if ((flags & CHANGE_REPORT) != 0) {
    engine.promptedMs = nowMs;
    engine.lastSyncMs = 0;
  }
  const news = flags != 0 || policyPending(engine) || hadStore == 0 || wasStore != engine.store0;
  if (!news && nowMs - call.sentMs < QUICK_MS) call.notBeforeMs = nowMs + QUICK_MS;
  if (policyPending(engine) && engine.policyBackOffMs > 0) call.notBeforeMs = nowMs + QUICK_MS;
  return true;
}
