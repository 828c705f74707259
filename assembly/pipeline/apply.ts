/**
 * Turns a decision into what the caller and the log will see: the local response of a denial, the
 * filter state, the counter. The only place where an answer to a caller is composed; the shell
 * carries it out and adds nothing.
 */
import { HOP_MINT, STATE_OF_ALL, STATE_OF_DENIED } from '../bootstrap/bootstrap';
import { mintHop } from '../credential/hop';
import * as reason from '../decision/reason';
import {
  DECISION_ANSWERED,
  DECISION_DONE,
  DECISION_GRPC_WEB,
  DECISION_WOULD_DENY,
  Decision,
  MODE_ENFORCE,
  PHASE_QUOTA,
} from '../decision/record';
import { Application, applicationName } from '../directory/entry';
import { Root } from '../engine/roots';
import { engineAt, hostTimeMs } from '../engine/state';
import { Limit, Plan, Product } from '../policy/layout';
import { limitAt, textAt } from '../policy/policy';
import { countRequest } from '../telemetry/counters';
import { countDecision } from '../usage/count';
import { ascii } from '../util/ascii';
import { equalBytes } from '../util/bytes';
import { composeCors } from './cors';
import { CURRENT } from './current';
import { editAt, editCount, editsOverflowed } from './edits';
import { composeFields, showsFields } from './fields';
import { markPassed } from './mark';
import { OUTCOME_DENY, OUTCOME_PASS } from './outcome';
import { addPair, addTexts, beginPairs, endPairs, pairsAt } from './pairs';
import { putBody, putTitle } from './problem';
import { GRPC_NONE, GRPC_PLAIN, GRPC_WEB, requestGrpc } from './read';
import { putBytes, putDecimal, putLiteral, textBegin, textLength } from './text';

const STATE_BYTES: u32 = 512;
const DETAILS_BYTES: u32 = 384;
const BODY_BYTES: u32 = 1_024;
const FIELD_BYTES: u32 = 320;
const STATE: usize = memory.data(512, 8);
const DETAILS: usize = memory.data(384, 8);
const BODY: usize = memory.data(1024, 8);
const FIELD: usize = memory.data(320, 8);
const NO_STATUS: u32 = 0xffffffff;

let stateLength: u32 = 0;
let detailsLength: u32 = 0;
let bodyLength: u32 = 0;
/** What details and body were written for last: reason and kind of gRPC, name of the limit. */
let writtenKind: u32 = 0;
let writtenName: usize = 0;
let writtenNameLength: u32 = 0;
let pairsLength: u32 = 0;
let grpcCode: u32 = NO_STATUS;
let httpStatus: u32 = 0;
let editsFrom: u32 = 0;
let editsTo: u32 = 0;

/**
 * Composes what follows from an outcome that is not a hold; answers the outcome that stands: in
 * shadow a denial becomes a pass that is counted and marked. A request that could not be read
 * passes in no mode: identity headers that its caller made up would pass with it.
 */
export function apply(root: Root, decision: Decision, outcome: u32): u32 {
  // What could not be cut or removed for want of room would pass with it.
  if (decision.mode != MODE_ENFORCE && editsOverflowed()) {
    decision.reason = reason.REQUEST_UNREADABLE as u8;
  }
  const why = decision.reason as u32;
  let stands = outcome;
  const mayPass = decision.mode != MODE_ENFORCE && why != reason.REQUEST_UNREADABLE;
  if (outcome == OUTCOME_DENY && mayPass) {
    decision.flags |= DECISION_WOULD_DENY;
    stands = OUTCOME_PASS;
  }
  decision.flags |= DECISION_DONE;
  stateLength = 0;
  if (isTold(root, decision, outcome)) writeState(decision, why);
  countRequest(decision);
  // The filter in front has counted it.
  if (why != reason.HOP) countDecision(decision);
  if (stands == OUTCOME_PASS) {
    editsFrom = 0;
    if (root.hop == HOP_MINT && outcome == OUTCOME_PASS) mintToken(decision);
    markPassed();
    editsTo = editCount();
    decision.edits = editsTo as u16;
    return stands;
  }
  decision.flags |= DECISION_ANSWERED;
  decision.status = reason.reasonStatus(why) as u16;
  editsFrom = CURRENT.keyEditsFrom;
  editsTo = CURRENT.keyEditsTo;
  decision.edits = (editsTo - editsFrom) as u16;
  const grpc = requestGrpc();
  writeTexts(decision, why, grpc);
  writeResponse(decision, why, grpc);
  return stands;
}

/** A request of a subscription that passed need not be decided and counted again behind us. */
function mintToken(decision: Decision): void {
  if (decision.subscription == 0) return;
  const now = hostTimeMs(engineAt(CURRENT.engine), CURRENT.nowMs);
  mintHop(decision.product, decision.subscription, now);
}

/** Whether access logs are told of the request, which costs a call into the proxy. */
function isTold(root: Root, decision: Decision, outcome: u32): bool {
  if (root.filterState == STATE_OF_ALL) return true;
  if (root.filterState != STATE_OF_DENIED) return false;
  return outcome == OUTCOME_DENY || (decision.flags & DECISION_WOULD_DENY) != 0;
}

/** `product=… plan=… application=… reason=…`, what is not known left out. */
function writeState(decision: Decision, why: u32): void {
  const policy = CURRENT.policy;
  textBegin(STATE, STATE_BYTES);
  if (CURRENT.product != 0) {
    const product = changetype<Product>(CURRENT.product);
    putLiteral('product=');
    putBytes(textAt(policy, product.name), product.nameLength);
    // What follows is known of requests to a product alone.
    if (CURRENT.plan != 0) {
      const plan = changetype<Plan>(CURRENT.plan);
      putLiteral(' plan=');
      putBytes(textAt(policy, plan.name), plan.nameLength);
    }
    if (CURRENT.application != 0) {
      const application = changetype<Application>(CURRENT.application);
      putLiteral(' application=');
      putBytes(applicationName(application), application.applicationNameLength);
    }
    putLiteral(' ');
  }
  putLiteral('reason=');
  reason.putReason(why);
  if ((decision.flags & DECISION_WOULD_DENY) != 0) {
    putLiteral(' shadow=true');
    const limit = decidingLimit(decision);
    if (limit != 0) {
      putLiteral(' limit=');
      putBytes(limitName(limit), changetype<Limit>(limit).nameLength);
    }
  }
  stateLength = textLength();
}

/** The limit that decided, or 0. */
function decidingLimit(decision: Decision): usize {
  if (decision.limitIndex == 255 || CURRENT.plan == 0) return 0;
  const first = changetype<Plan>(CURRENT.plan).limitFirst;
  return changetype<usize>(limitAt(CURRENT.policy, first + decision.limitIndex));
}

function limitName(limit: usize): usize {
  return textAt(CURRENT.policy, changetype<Limit>(limit).name);
}

/**
 * Writes details and body. They say nothing but the reason and the limit, and a spent limit or a
 * key that is not known denies again and again: what was written for the same stays.
 */
function writeTexts(decision: Decision, why: u32, grpc: u32): void {
  const limit = decidingLimit(decision);
  const kind = why | (grpc << 8);
  const name = limit == 0 ? 0 : limitName(limit);
  const nameLength = limit == 0 ? 0 : changetype<Limit>(limit).nameLength;
  const same = kind == writtenKind && nameLength == writtenNameLength;
  if (same && equalBytes(name, writtenName, nameLength)) return;
  textBegin(DETAILS, DETAILS_BYTES);
  putLiteral('sidegate_');
  reason.putReason(why);
  if (limit != 0) {
    putLiteral('{limit=');
    writtenName = DETAILS + textLength();
    putBytes(name, nameLength);
    putLiteral('}');
  }
  detailsLength = textLength();
  writtenKind = kind;
  writtenNameLength = nameLength;
  textBegin(BODY, BODY_BYTES);
  if (grpc == GRPC_NONE) putBody(why, name, nameLength);
  else if (grpc == GRPC_PLAIN) putTitle(why);
  bodyLength = textLength();
}

function writeResponse(decision: Decision, why: u32, grpc: u32): void {
  const status = decision.status as u32;
  grpcCode = grpc == GRPC_PLAIN ? reason.grpcStatus(status) : NO_STATUS;
  httpStatus = grpc == GRPC_WEB ? 200 : status;
  beginPairs();
  if (grpc == GRPC_WEB) addWebStatus(decision, why);
  if (grpc == GRPC_NONE) addTexts(ascii('content-type'), ascii('application/problem+json'));
  if (status == 401) {
    textBegin(FIELD, FIELD_BYTES);
    putLiteral('ApiKey realm="');
    const product = changetype<Product>(CURRENT.product);
    putBytes(textAt(CURRENT.policy, product.name), product.nameLength);
    putLiteral('"');
    addPair(ascii('www-authenticate'), 16, FIELD, textLength());
  }
  if (status == 429 || status == 503) {
    textBegin(FIELD, FIELD_BYTES);
    putDecimal(max<u32>(decision.retryAfterS, 1));
    addPair(ascii('retry-after'), 11, FIELD, textLength());
  }
  addFields(decision);
  pairsLength = endPairs();
}

/**
 * A gRPC-Web denial is what a proxy with a filter for it would make of a gRPC one: 200, status and
 * message as headers, no body. Envoy takes the content type from what has no body; the response
 * phase puts it back.
 */
function addWebStatus(decision: Decision, why: u32): void {
  decision.flags |= DECISION_GRPC_WEB;
  textBegin(FIELD, FIELD_BYTES);
  putDecimal(reason.grpcStatus(decision.status));
  addPair(ascii('grpc-status'), 11, FIELD, textLength());
  textBegin(FIELD, FIELD_BYTES);
  putTitle(why);
  addPair(ascii('grpc-message'), 12, FIELD, textLength());
}

/** The fields that a response would get by edits, and what lets a page read them. */
function addFields(decision: Decision): void {
  const from = editCount();
  if (CURRENT.product != 0) composeCors();
  if (decision.phase == PHASE_QUOTA && showsFields(decision)) composeFields(decision);
  for (let i = from; i < editCount(); i++) {
    const edit = editAt(i);
    addPair(load<u32>(edit, 4), load<u32>(edit, 8), load<u32>(edit, 12), load<u32>(edit, 16));
  }
}

/** First of the edits to carry out. */
export function applyEditsFrom(): u32 {
  return editsFrom;
}

/** One more than the last of them. */
export function applyEditsTo(): u32 {
  return editsTo;
}

/** Text for the filter state; of no bytes when there is to be none. */
export function applyState(): usize {
  return STATE;
}

/** Bytes of the text for the filter state. */
export function applyStateLength(): u32 {
  return stateLength;
}

/** Response code details of a denial. */
export function applyDetails(): usize {
  return DETAILS;
}

/** Bytes of the details. */
export function applyDetailsLength(): u32 {
  return detailsLength;
}

/** Body of a denial. */
export function applyBody(): usize {
  return BODY;
}

/** Bytes of the body. */
export function applyBodyLength(): u32 {
  return bodyLength;
}

/** Header pairs of a denial. */
export function applyPairs(): usize {
  return pairsAt();
}

/** Bytes of the header pairs. */
export function applyPairsLength(): u32 {
  return pairsLength;
}

/** HTTP status of a denial. */
export function applyStatus(): u32 {
  return httpStatus;
}

/** gRPC status of a denial; all ones when the request is no gRPC one. */
export function applyGrpcStatus(): u32 {
  return grpcCode;
}
