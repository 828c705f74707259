/**
 * Composes the calls to the host: cluster, headers, body, time-out. The shell sends what stands
 * here; this file never decides when.
 */
import { authoritySlot, clusterSlot, groupSlot } from '../bootstrap/bootstrap';
import {
  CALL_FETCH,
  CALL_SYNC,
  CALL_URGENT,
  CALL_WATCH,
  callOf,
  Engine,
  engineNames,
  FETCH_MANIFEST,
  FETCH_PAGE,
  WALK_FILL,
} from '../engine/state';
import { addPair, addTexts, beginPairs, endPairs, pairsAt } from '../pipeline/pairs';
import {
  putBytes,
  putDecimal,
  putHex,
  putLiteral,
  textBegin,
  textFits,
  textLength,
} from '../pipeline/text';
import { ascii } from '../util/ascii';
import { writeReport } from './report';
import { writeWatch } from './watch';
import { messageBytes } from './write';

const WATCH_TIMEOUT_MS: u32 = 35_000;
const FETCH_TIMEOUT_MS: u32 = 5_000;
const SYNC_TIMEOUT_MS: u32 = 2_000;
/** A larger secret than this is not sent, and the host refuses the call. */
const SECRET_MAX: u32 = 1_024;

const PATH: usize = memory.data(512, 8);
function secretRoom(): usize {
  return memory.data(1024 + 16, 8);
}

let secretLength: u32 = 0;
let bodyLength: u32 = 0;
let pairsLength: u32 = 0;
let timeoutMs: u32 = 0;

/** Keeps the secret for calls to the host; longer than 1,024 bytes counts as none. */
export function keepSecret(at: usize, length: u32): void {
  if (length == 0 || length > SECRET_MAX) return;
  textBegin(secretRoom(), SECRET_MAX + 16);
  putLiteral('Bearer ');
  putBytes(at, length);
  secretLength = textLength();
}

/** Composes the call of this kind that is due; false when it cannot be. */
export function composeCall(engine: Engine, kind: u32, nowMs: u64): bool {
  bodyLength = 0;
  textBegin(PATH, 512);
  switch (kind) {
    case CALL_WATCH:
      timeoutMs = WATCH_TIMEOUT_MS;
      putLiteral('/v1/watch/');
      putGroup(engine);
      bodyLength = writeWatch(engine, nowMs);
      break;
    case CALL_SYNC:
    case CALL_URGENT:
      timeoutMs = SYNC_TIMEOUT_MS;
      putLiteral('/v1/sync/');
      putGroup(engine);
      bodyLength = writeReport(engine, kind, nowMs);
      break;
    default:
      timeoutMs = FETCH_TIMEOUT_MS;
      writeFetchPath(engine);
      break;
  }
  if (!textFits()) return false;
  writePairs(engine, kind != CALL_FETCH);
  return pairsLength != 0;
}

function putGroup(engine: Engine): void {
  const slot = groupSlot(engineNames(engine));
  putBytes(slot + 2, load<u16>(slot));
}

function writeFetchPath(engine: Engine): void {
  const what = callOf(engine, CALL_FETCH).what;
  if (what == FETCH_MANIFEST || what == FETCH_PAGE) {
    putLiteral('/v1/policy/');
    putGroup(engine);
    if (what == FETCH_MANIFEST) return;
    putLiteral('/');
    putHex(changetype<usize>(engine) + offsetof<Engine>('backDigest0'), 32);
    putLiteral('/');
    putDecimal(engine.backNext);
    return;
  }
  putLiteral('/v1/directory/');
  putGroup(engine);
  putLiteral('?after=');
  putDecimal(engine.walk == WALK_FILL ? engine.fillFrom : engine.directoryRevision);
  if (engine.hasCursor == 0) return;
  putLiteral('&cursor=');
  putDecimal(engine.cursorRevision);
  putLiteral('.');
  putDecimal(engine.cursorKind);
  putLiteral('.');
  putDecimal(engine.cursorId);
}

function writePairs(engine: Engine, post: bool): void {
  const authority = authoritySlot(engineNames(engine));
  const pathLength = textLength();
  beginPairs();
  addTexts(ascii(':method'), post ? ascii('POST') : ascii('GET'));
  addPair(ascii(':path'), 5, PATH, pathLength);
  addPair(ascii(':authority'), 10, authority + 2, load<u16>(authority));
  addTexts(ascii('x-sidegate-format'), ascii('1'));
  if (post) addTexts(ascii('content-type'), ascii('application/x-sidegate'));
  if (secretLength > 0) addPair(ascii('authorization'), 13, secretRoom(), secretLength);
  pairsLength = endPairs();
}

/** The slot of the name of the cluster that calls go to now. */
export function callCluster(engine: Engine): usize {
  return clusterSlot(engineNames(engine), engine.cluster);
}

/** Header pairs of the call composed last. */
export function callPairs(): usize {
  return pairsAt();
}

/** Bytes of its header pairs. */
export function callPairsLength(): u32 {
  return pairsLength;
}

/** Body of the call composed last. */
export function callBody(): usize {
  return messageBytes();
}

/** Bytes of its body. */
export function callBodyLength(): u32 {
  return bodyLength;
}

/** Its time-out in milliseconds. */
export function callTimeoutMs(): u32 {
  return timeoutMs;
}
