/**
 * The stream callbacks: hands the headers and the clock to the pipeline and carries out what it
 * decided. No decision is made here; a request that cannot even be read is refused.
 */

import {
  answerQuestion,
  nextQuestion,
  PEER,
  questionAt,
  questionLength,
} from '../credential/principal';
import * as reason from '../decision/reason';
import {
  clearDecision,
  DECISION_HELD,
  DECISION_HOLDING,
  DECISION_MEASURED,
  Decision,
  spareDecision,
} from '../decision/record';
import { findRoot, Root, rootAt } from '../engine/roots';
import { Engine, engineAt, heldAt } from '../engine/state';
import { RESUMES_MAX, TEST_BUILD } from '../limits';
import {
  apply,
  applyBody,
  applyBodyLength,
  applyDetails,
  applyDetailsLength,
  applyEditsFrom,
  applyEditsTo,
  applyGrpcStatus,
  applyPairs,
  applyPairsLength,
  applyState,
  applyStateLength,
  applyStatus,
} from '../pipeline/apply';
import { CURRENT } from '../pipeline/current';
import { resetEdits } from '../pipeline/edits';
import { HEADER_NAME_LENGTH, headerAt, headerCount, indexHeaders } from '../pipeline/headers';
import { addHeld, dropHeld, findHeld, Held } from '../pipeline/hold';
import { asked, located } from '../pipeline/identify';
import {
  OUTCOME_ASK,
  OUTCOME_DENY,
  OUTCOME_HOLD,
  OUTCOME_HOP,
  OUTCOME_LOCATE,
} from '../pipeline/outcome';
import { brought, decide, decideUnreadable } from '../pipeline/request';
import { restoreHeaders, stashHeaders } from '../pipeline/stash';
import { dropStream, recordOfStream, rootOfStream } from '../pipeline/streams';
import { noteEvent, REQUESTS_HELD } from '../telemetry/events';
import { countResponse } from '../usage/count';
import { ascii, asciiLength } from '../util/ascii';
import { equalBytes } from '../util/bytes';
import {
  CONTINUE,
  MAP_REQUEST,
  monotonicMs,
  OK,
  outAddress,
  outAt,
  outLength,
  PAUSE,
  proxy_continue_stream,
  proxy_get_header_map_pairs,
  proxy_send_local_response,
  proxy_set_effective_context,
  proxy_set_property,
  readProperty,
  readPropertyAt,
} from './abi';
import { resetArena } from './arena';
import { makeUrgentCall, paceTicks } from './calls';
import { carryOutEdits } from './response';

/** `sidegate`: the filter state that access logs read. */
const STATE_NAME = ascii('sidegate');
const STATE_NAME_LENGTH: usize = 8;
const REQUEST_STREAM: i32 = 0;
const UNREADABLE_STATUS: u32 = 503;
/** Direction of a listener that takes traffic into the workload. */
const INBOUND: u64 = 1;

/** `proxy_on_request_headers` of a stream. */
export function onRequestHeaders(stream: u32): i32 {
  resetArena();
  const at = findRoot(rootOfStream(stream));
  if (at == 0) {
    proxy_send_local_response(UNREADABLE_STATUS, 0, 0, 0, 0, 0, 0, 0xffffffff);
    return PAUSE;
  }
  const root = rootAt(at);
  const nowMs = monotonicMs();
  const decision = recordFor(stream, root);
  const outcome = decideNow(root, decision, 0, nowMs);
  if (outcome == OUTCOME_HOLD) {
    holdStream(root, decision, stream, 0, nowMs);
    proxy_set_effective_context(stream);
    return PAUSE;
  }
  return carryOut(root, decision, outcome) ? CONTINUE : PAUSE;
}

function recordFor(stream: u32, root: Root): Decision {
  const record = recordOfStream(stream);
  if (record == 0) return changetype<Decision>(spareDecision(stream, root.id));
  clearDecision(record, stream, root.id);
  return changetype<Decision>(record);
}

function decideNow(root: Root, decision: Decision, held: usize, nowMs: u64): u32 {
  resetEdits();
  decision.decidedMs = nowMs;
  const got = proxy_get_header_map_pairs(MAP_REQUEST, outAt(), outAt() + 4);
  if (got != OK || !indexHeaders(outAddress(), outLength())) {
    return decideUnreadable(root, decision);
  }
  if (held != 0 && !restoreHeld(changetype<Held>(held))) return decideUnreadable(root, decision);
  if (TEST_BUILD) trapIfAsked();
  let outcome = decide(root, decision, held, nowMs);
  if (outcome == OUTCOME_HOP) outcome = askPeer(root, decision);
  if (outcome == OUTCOME_ASK) outcome = ask(root, decision);
  return outcome == OUTCOME_LOCATE ? locate(root, decision) : outcome;
}

/** Asks the proxy who brought a hop token. */
function askPeer(root: Root, decision: Decision): u32 {
  const known = readProperty(PEER);
  return brought(root, decision, outAddress(), known ? outLength() : 0);
}

/** Asks the proxy who calls, one property after the other, until the pipeline has heard enough. */
function ask(root: Root, decision: Decision): u32 {
  while (nextQuestion()) {
    const known = readPropertyAt(questionAt(), questionLength());
    answerQuestion(outAddress(), known ? outLength() : 0);
  }
  return asked(root, decision);
}

/**
 * Reads the address of the peer. At the inbound listener of a sidecar Envoy takes it from a header
 * that any caller in the mesh may write: there it is not known, whatever the configuration says.
 */
function locate(root: Root, decision: Decision): u32 {
  const direction = ascii('xds\0listener_direction');
  if (readProperty(direction) && outLength() == 8 && load<u64>(outAddress()) == INBOUND) {
    return located(root, decision, 0, 0);
  }
  if (!readProperty(ascii('source\0address'))) return located(root, decision, 0, 0);
  return located(root, decision, outAddress(), outLength());
}

/** Carries out a pass or a denial; true when the request goes on. */
function carryOut(root: Root, decision: Decision, decided: u32): bool {
  const outcome = apply(root, decision, decided);
  const told = applyStateLength();
  if (told != 0) proxy_set_property(STATE_NAME, STATE_NAME_LENGTH, applyState(), told);
  carryOutEdits(MAP_REQUEST, applyEditsFrom(), applyEditsTo());
  if (outcome != OUTCOME_DENY) return true;
  proxy_send_local_response(
    applyStatus(),
    applyDetails(),
    applyDetailsLength(),
    applyBody(),
    applyBodyLength(),
    applyPairs(),
    applyPairsLength(),
    applyGrpcStatus(),
  );
  return false;
}

/**
 * Cuts the keys of a request before it is paused: should its caller go away, the access log is
 * written from the headers as they are then. They are read once more, because cutting has moved
 * bytes in the first copy. What does not fit stays and is cut when the request is decided.
 */
function cutHeld(engine: Engine, held: Held): void {
  const from = CURRENT.keyEditsFrom;
  const to = CURRENT.keyEditsTo;
  if (from == to) return;
  const got = proxy_get_header_map_pairs(MAP_REQUEST, outAt(), outAt() + 4);
  if (got != OK || !indexHeaders(outAddress(), outLength())) return;
  held.stash = stashHeaders(engine.stash, held.stream, from, to);
  if (held.stash != 0) carryOutEdits(MAP_REQUEST, from, to);
}

function restoreHeld(held: Held): bool {
  return held.stash == 0 || restoreHeaders(held.stash);
}

/** Lets a request wait; `at` = its entry when it waited before. */
function holdStream(root: Root, decision: Decision, stream: u32, at: usize, nowMs: u64): void {
  const engine = engineAt(root.engine);
  const held = at == 0 ? addHeld(engine, stream, root.id) : changetype<Held>(at);
  if (at == 0) cutHeld(engine, held);
  decision.flags |= DECISION_HELD | DECISION_HOLDING;
  if (at == 0) noteEvent(REQUESTS_HELD, stream);
  if (decision.reason == (reason.QUOTA_UNAVAILABLE as u8)) {
    held.subscription = decision.subscription;
    if (held.quotaUntilMs == 0) held.quotaUntilMs = nowMs + (root.holdMs as u64);
    if (at == 0) makeUrgentCall(engine, nowMs);
  } else if (held.startUntilMs == 0) {
    held.startUntilMs = nowMs + (root.startHoldMs as u64);
  }
  paceTicks(engine);
}

/**
 * Decides held requests again: all of them when `changed`, else those whose time is over or that
 * wait for quota. At most `RESUMES_MAX` in one callback; what is left over waits for the next.
 */
export function resumeHeld(engine: Engine, changed: bool, nowMs: u64): void {
  if (changed) engine.turn++;
  let decided: u32 = 0;
  let index: u32 = 0;
  while (index < engine.heldCount && decided < RESUMES_MAX) {
    const held = changetype<Held>(heldAt(engine, index));
    const late = held.startUntilMs != 0 && nowMs >= held.startUntilMs;
    if (held.turn == engine.turn && !late && held.quotaUntilMs == 0) {
      index++;
      continue;
    }
    held.turn = engine.turn;
    decided++;
    if (resumeOne(engine, held, nowMs)) index++;
  }
}

/** Decides one held request again; true when it goes on waiting. */
function resumeOne(engine: Engine, held: Held, nowMs: u64): bool {
  const stream = held.stream;
  const at = findRoot(held.root);
  if (at == 0 || proxy_set_effective_context(stream) != OK) {
    dropHeld(engine, stream);
    return false;
  }
  resetArena();
  const root = rootAt(at);
  const decision = recordFor(stream, root);
  const outcome = decideNow(root, decision, changetype<usize>(held), nowMs);
  if (outcome == OUTCOME_HOLD) {
    holdStream(root, decision, stream, changetype<usize>(held), nowMs);
    return true;
  }
  dropHeld(engine, stream);
  decision.flags |= DECISION_HELD;
  if (carryOut(root, decision, outcome)) proxy_continue_stream(REQUEST_STREAM);
  return false;
}

/** Reads the status of a response, which costs as much as deciding: only where a product asks. */
function measure(decision: Decision): void {
  const at = findRoot(decision.root);
  if (at == 0 || rootAt(at).engine == 0) return;
  resetArena();
  const known = readProperty(ascii('response\0code'));
  const status = known && outLength() == 8 ? load<u32>(outAddress()) : 0;
  countResponse(engineAt(rootAt(at).engine).usage, decision, status, monotonicMs());
}

/** A stream is over: its record and its place among the held are free again. */
export function endStream(stream: u32): void {
  const record = recordOfStream(stream);
  if (record != 0 && (changetype<Decision>(record).flags & DECISION_MEASURED) != 0) {
    measure(changetype<Decision>(record));
  }
  if (record == 0 || (changetype<Decision>(record).flags & DECISION_HOLDING) != 0) {
    const at = findRoot(rootOfStream(stream));
    if (at != 0 && rootAt(at).engine != 0) {
      const engine = engineAt(rootAt(at).engine);
      if (findHeld(engine, stream) != 0) dropHeld(engine, stream);
    }
  }
  dropStream(stream);
}

const TRAP_NAME = ascii('x-sidegate-test-trap');

/** The switch of the test build: a request that asks for it takes the VM down. */
function trapIfAsked(): void {
  for (let i: u32 = 0; i < headerCount(); i++) {
    const header = headerAt(i);
    const length = load<u32>(header, HEADER_NAME_LENGTH);
    const same =
      length == asciiLength(TRAP_NAME) && equalBytes(load<u32>(header), TRAP_NAME, length);
    if (same) unreachable();
  }
}
