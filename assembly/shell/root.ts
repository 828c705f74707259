/**
 * The root callbacks: configuration, ticks, answers of the host, the end of a root. Hands bytes and
 * clock to the core and makes the calls that it asks for. It decides nothing.
 */
import {
  BOOTSTRAP_OK,
  bootstrapProblemKey,
  bootstrapProblemKeyLength,
  putBootstrapProblem,
  readBootstrap,
} from '../bootstrap/bootstrap';
import { seedMemo } from '../credential/memo';
import {
  addRoot,
  configureRoot,
  deleteRoot,
  findRoot,
  isLastRoot,
  Root,
  retireRoot,
  rootAt,
} from '../engine/roots';
import { Engine, engineAt, LEAVING_BEGUN, LEAVING_DONE, LEAVING_TOLD } from '../engine/state';
import { REPLY_BYTES_MAX } from '../limits';
import { putBytes, putLiteral, textBegin, textLength } from '../pipeline/text';
import { holdingCount } from '../quota/holdings';
import { roundOfHoldings } from '../quota/round';
import { callByToken, NO_CALL, takeAnswer } from '../sync/schedule';
import { workOn } from '../sync/work';
import { hasUsage } from '../usage/report';
import { usageTick } from '../usage/table';
import { ascii, asciiLength } from '../util/ascii';
import {
  BUFFER_CALL_RESPONSE,
  BUFFER_PLUGIN_CONFIGURATION,
  LOG_ERROR,
  MAP_CALL_RESPONSE,
  monotonicMs,
  OK,
  outAddress,
  outAt,
  outLength,
  proxy_done,
  proxy_get_buffer_bytes,
  proxy_get_header_map_value,
  proxy_log,
  proxy_set_effective_context,
  proxy_set_tick_period_milliseconds,
  randomBits,
} from './abi';
import { resetArena } from './arena';
import { makeCalls, paceTicks } from './calls';
import { flushTelemetry } from './metrics';
import { resumeHeld } from './stream';
import { readSurroundings } from './surroundings';

const FIRST_TICK_MS: u32 = 20;
/** The last report may take so long before the root goes without an answer. */
const LEAVE_MS: u64 = 1_000;
const STATUS_NAME: usize = memory.data<u8>([0x3a, 0x73, 0x74, 0x61, 0x74, 0x75, 0x73]);
const LINE: usize = memory.data(512, 8);

/** `proxy_on_context_create` of a root. */
export function onRootCreate(id: u32): void {
  resetArena();
  readSurroundings();
  addRoot(id, monotonicMs());
}

/** `proxy_on_configure`: accepts or refuses by the bytes alone. */
export function onConfigure(id: u32, length: u32): bool {
  resetArena();
  let at: usize = 0;
  if (length > 0) {
    if (
      proxy_get_buffer_bytes(BUFFER_PLUGIN_CONFIGURATION, 0, length, outAt(), outAt() + 4) == OK
    ) {
      at = outAddress();
      length = outLength();
    } else {
      length = 0;
    }
  }
  const code = readBootstrap(at, length);
  if (code != BOOTSTRAP_OK) {
    logRefusal(code);
    return false;
  }
  const nowMs = monotonicMs();
  const found = addRoot(id, nowMs);
  if (found == 0) {
    log(LOG_ERROR, ascii('sidegate: too many roots; requests of this one are refused'));
    return true;
  }
  const root = rootAt(found);
  configureRoot(root, randomBits(), randomBits(), nowMs);
  seedMemo(randomBits(), randomBits());
  if (root.engine == 0) log(LOG_ERROR, ascii('sidegate: no room for another engine'));
  root.tickMs = FIRST_TICK_MS;
  proxy_set_tick_period_milliseconds(FIRST_TICK_MS);
  return true;
}

function logRefusal(code: u32): void {
  textBegin(LINE, 512);
  putLiteral('sidegate: pluginConfig refused: ');
  if (bootstrapProblemKeyLength() > 0) {
    putLiteral('"');
    putBytes(bootstrapProblemKey(), min<u32>(bootstrapProblemKeyLength(), 64));
    putLiteral('" ');
  } else {
    putLiteral('it ');
  }
  putBootstrapProblem(code);
  proxy_log(LOG_ERROR, LINE, textLength());
}

function log(level: u32, text: usize): void {
  proxy_log(level, text, asciiLength(text));
}

/** `proxy_on_tick`. */
export function onTick(id: u32): void {
  resetArena();
  const nowMs = monotonicMs();
  flushTelemetry(nowMs);
  const root = engineRoot(id);
  if (root == 0) return;
  const engine = engineAt(rootAt(root).engine);
  if (engine.leavingRoot != 0 && leaveIfDone(engine, nowMs) && findRoot(id) == 0) return;
  if (engine.newestRoot != id) return;
  const isDone = workOn(engine, nowMs);
  roundOfHoldings(engine, nowMs);
  usageTick(engine.usage, nowMs);
  goOn(engine, isDone, nowMs);
}

/** The root with this id if it has an engine, else 0. */
function engineRoot(id: u32): usize {
  const at = findRoot(id);
  return at == 0 || rootAt(at).engine == 0 ? 0 : at;
}

function goOn(engine: Engine, changed: bool, nowMs: u64): void {
  if (engine.heldCount > 0) resumeHeld(engine, changed, nowMs);
  makeCalls(engine, nowMs);
  paceTicks(engine);
}

/** `proxy_on_http_call_response`. */
export function onCallResponse(id: u32, token: u32, headers: u32, bodyBytes: u32): void {
  resetArena();
  const root = engineRoot(id);
  if (root == 0) return;
  const engine = engineAt(rootAt(root).engine);
  const kind = callByToken(engine, token);
  if (kind == NO_CALL) return;
  const nowMs = monotonicMs();
  const status = headers == 0 ? 0 : readStatus();
  let at: usize = 0;
  let length: u32 = 0;
  if (status == 200 && bodyBytes > 0 && bodyBytes <= REPLY_BYTES_MAX) {
    if (proxy_get_buffer_bytes(BUFFER_CALL_RESPONSE, 0, bodyBytes, outAt(), outAt() + 4) == OK) {
      at = outAddress();
      length = outLength();
    }
  }
  takeAnswer(engine, kind, status, at, length, nowMs);
  goOn(engine, true, nowMs);
  if (engine.leavingRoot != 0) leaveIfDone(engine, nowMs);
}

function readStatus(): u32 {
  const got = proxy_get_header_map_value(MAP_CALL_RESPONSE, STATUS_NAME, 7, outAt(), outAt() + 4);
  if (got != OK || outLength() != 3) return 0;
  const at = outAddress();
  let status: u32 = 0;
  for (let i = 0; i < 3; i++) {
    const digit = (load<u8>(at + i) as u32) - 0x30;
    if (digit > 9) return 0;
    status = status * 10 + digit;
  }
  return status;
}

/**
 * `proxy_on_done` of a root: false while its last report is on the way. A root that is done is
 * forgotten at once, because the proxy deletes it and its open calls with it.
 */
export function onRootDone(at: usize): bool {
  resetArena();
  const root = rootAt(at);
  const last = isLastRoot(root);
  retireRoot(root);
  const nowMs = monotonicMs();
  if (root.engine == 0 || !last || hasNothingToTell(engineAt(root.engine))) {
    forgetRoot(root, nowMs);
    return true;
  }
  const engine = engineAt(root.engine);
  // A root that was leaving when this one adopted its engine has nothing to wait for any more.
  if (engine.leavingRoot != 0) leaveIfDone(engine, nowMs);
  engine.leaving = LEAVING_BEGUN;
  engine.leavingRoot = root.id;
  engine.leaveByMs = nowMs + LEAVE_MS;
  makeCalls(engine, nowMs);
  if (engine.leaving != LEAVING_DONE) return false;
  forgetRoot(root, nowMs);
  return true;
}

function hasNothingToTell(engine: Engine): bool {
  return engine.hasStore == 0 || (holdingCount(engine.holdings) == 0 && !hasUsage(engine.usage));
}

/** Forgets a root; if others share its engine, the newest of them makes its calls anew. */
function forgetRoot(root: Root, nowMs: u64): void {
  const engine = root.engine;
  const shared = engine != 0 && engineAt(engine).roots > 1;
  deleteRoot(root);
  if (shared && engineAt(engine).newestRoot != 0) goOn(engineAt(engine), true, nowMs);
}

/**
 * Lets the root go if its last report was answered, took too long, or a new root has adopted; true
 * when it went, and perhaps its engine with it.
 */
function leaveIfDone(engine: Engine, nowMs: u64): bool {
  const waits = engine.leaving == LEAVING_BEGUN || engine.leaving == LEAVING_TOLD;
  if (waits && nowMs < engine.leaveByMs) return false;
  const at = findRoot(engine.leavingRoot);
  proxy_set_effective_context(engine.leavingRoot);
  engine.leavingRoot = 0;
  proxy_done();
  if (at != 0) forgetRoot(rootAt(at), nowMs);
  return true;
}
