/**
 * Decides a request, phase by phase (ARCHITECTURE.md "The way of a request"), from the policy,
 * directory and holdings of one engine. It reads the header index, collects edits and fills the
 * decision record; it answers nobody, and a request that waits is decided again from its start.
 */
import { CHOICE_ALLOW, HOP_ACCEPT } from '../bootstrap/bootstrap';
import { isHopPrincipal, readHop } from '../credential/hop';
import { beginQuestions } from '../credential/principal';
import { cutAllKeys, findKey, KEY_NONE, KEY_ONE, KEY_TOO_LONG } from '../credential/source';
import * as reason from '../decision/reason';
import {
  Decision,
  MODE_OFF_,
  MODE_SHADOW,
  PHASE_IDENTIFY,
  PHASE_MATCH,
  PHASE_PREFLIGHT,
} from '../decision/record';
import { hopsOf, Root } from '../engine/roots';
import { engineAt, hostTimeMs } from '../engine/state';
import { FORGED_MAX } from '../limits';
import { matchHost } from '../match/host';
import { METHOD_OPTIONS, methodBit } from '../match/method';
import { MATCH_AMBIGUOUS, MATCH_FOUND, MATCH_PASSES, Match, matchPath } from '../match/path';
import {
  OPERATION_ANONYMOUS,
  Operation,
  PRODUCT_OFF,
  PRODUCT_SHADOW,
  PRODUCT_STALE_DENIES,
  Product,
} from '../policy/layout';
import { operationAt, productAt } from '../policy/policy';
import { NONE } from '../util/bytes';
import { preflightMask } from './cors';
import { CURRENT } from './current';
import { editCount, resetEdits } from './edits';
import { identified } from './identify';
import { mediated } from './mediated';
import { awaitStart, deny, endWait, OUTCOME_ASK, OUTCOME_HOP, pass } from './outcome';
import {
  readNothing,
  readRequest,
  removeOwn,
  requestAuthority,
  requestAuthorityLength,
  requestMethod,
  requestMethodLength,
  requestPath,
  requestPathLength,
} from './read';

const MATCH: usize = memory.data(16, 8);
const KEY: usize = memory.data(16, 8);
/** What the search for a key came to. */
let source: i32 = KEY_NONE;

/** The request could not be read: nothing but its refusal is known of it. */
export function decideUnreadable(root: Root, decision: Decision): u32 {
  reset(root, decision, 0, 0);
  readNothing();
  CURRENT.policy = 0;
  return deny(decision, reason.REQUEST_UNREADABLE);
}

function reset(root: Root, decision: Decision, waiting: usize, atMs: u64): void {
  CURRENT.engine = root.engine;
  CURRENT.held = waiting;
  CURRENT.nowMs = atMs;
  CURRENT.policy = CURRENT.engine == 0 ? 0 : engineAt(CURRENT.engine).policy;
  CURRENT.product = 0;
  CURRENT.plan = 0;
  CURRENT.application = 0;
  CURRENT.credential = 0;
  CURRENT.subscription = 0;
  CURRENT.keyEditsFrom = 0;
  CURRENT.keyEditsTo = 0;
  CURRENT.operation = 0;
  decision.mode = root.mode;
}

/**
 * Decides the request whose headers are indexed. `waiting` = its held entry when it waited before,
 * else 0. Fills the record's reason; with `OUTCOME_HOLD` that is the reason if it waits in vain.
 */
export function decide(root: Root, decision: Decision, waiting: usize, atMs: u64): u32 {
  reset(root, decision, waiting, atMs);
  readRequest(CURRENT.policy);
  if (editCount() > FORGED_MAX) return refuseCrowd(decision);
  CURRENT.keyEditsFrom = editCount();
  CURRENT.keyEditsTo = CURRENT.keyEditsFrom;
  if (root.mode == MODE_OFF_) return pass(decision, reason.MODE_OFF);
  if (CURRENT.policy == 0) return withoutPolicy(root, decision);
  const known = engineAt(CURRENT.engine);
  decision.policyRevision = known.policyRevision;
  decision.phase = PHASE_MATCH;
  const node = matchHost(CURRENT.policy, requestAuthority(), requestAuthorityLength());
  if (node == NONE) {
    if (root.otherHosts == CHOICE_ALLOW) return pass(decision, reason.OTHER_HOST_PASSED);
    cutEverywhere();
    return deny(decision, reason.HOST_NOT_GOVERNED);
  }
  return matched(root, decision, node);
}

/** More identity headers than are removed: it passes in no mode; its keys are cut for the log. */
function refuseCrowd(decision: Decision): u32 {
  resetEdits();
  if (CURRENT.policy != 0) cutEverywhere();
  return deny(decision, reason.REQUEST_UNREADABLE);
}

function withoutPolicy(root: Root, decision: Decision): u32 {
  if (root.noPolicy != CHOICE_ALLOW) cutEverywhere();
  if (CURRENT.engine != 0) return awaitStart(root, decision, reason.NO_POLICY);
  return endWait(root, decision, reason.NO_POLICY);
}

function matched(root: Root, decision: Decision, node: u32): u32 {
  const method = methodBit(requestMethod(), requestMethodLength());
  const match = changetype<Match>(MATCH);
  const preflight = method == METHOD_OPTIONS && isPreflight(node);
  const found = preflight ? MATCH_FOUND : matchFor(node, method);
  if (found == MATCH_AMBIGUOUS) {
    cutEverywhere();
    return deny(decision, reason.PATH_AMBIGUOUS);
  }
  if (match.product == NONE) {
    cutEverywhere();
    return deny(decision, reason.OPERATION_NOT_FOUND);
  }
  const target = productAt(CURRENT.policy, match.product);
  CURRENT.product = changetype<usize>(target);
  decision.product = target.id;
  if ((target.flags & PRODUCT_OFF) != 0) {
    decision.mode = MODE_OFF_;
    return pass(decision, reason.MODE_OFF);
  }
  if ((target.flags & PRODUCT_SHADOW) != 0) decision.mode = MODE_SHADOW;
  source = findKey(CURRENT.policy, target, KEY);
  CURRENT.keyEditsTo = editCount();
  if (found == MATCH_PASSES) return pass(decision, reason.UNMATCHED_PASSED);
  if (found != MATCH_FOUND) return deny(decision, reason.OPERATION_NOT_FOUND);
  const operation = operationAt(CURRENT.policy, match.operation);
  CURRENT.operation = changetype<usize>(operation);
  decision.operation = operation.id;
  CURRENT.cost = operation.cost;
  if (isTooOld(root) && (target.flags & PRODUCT_STALE_DENIES) != 0) {
    return deny(decision, reason.POLICY_STALE);
  }
  if (preflight) {
    decision.phase = PHASE_PREFLIGHT;
    return mediated(decision, reason.PREFLIGHT);
  }
  decision.phase = PHASE_IDENTIFY;
  if (root.hop == HOP_ACCEPT) {
    const now = hostTimeMs(engineAt(CURRENT.engine), CURRENT.nowMs);
    decision.subscription = readHop(target.id, now);
    if (decision.subscription != 0) return OUTCOME_HOP;
  }
  return called(root, decision, target, operation);
}

/**
 * Goes on after `OUTCOME_HOP` with the peer's name, empty if it has none. From a trusted one the
 * request passes as it is, because the filter there has decided, counted and edited it; from
 * anybody else the token is worth nothing.
 */
export function brought(root: Root, decision: Decision, peer: usize, length: u32): u32 {
  if (!isHopPrincipal(hopsOf(root), peer, length)) {
    decision.subscription = 0;
    const operation = changetype<Operation>(CURRENT.operation);
    return called(root, decision, changetype<Product>(CURRENT.product), operation);
  }
  resetEdits();
  removeOwn(0);
  return pass(decision, reason.HOP);
}

/** Who calls, and may they? */
function called(root: Root, decision: Decision, target: Product, operation: Operation): u32 {
  if ((operation.flags & OPERATION_ANONYMOUS) != 0) return mediated(decision, reason.ANONYMOUS);
  if (source == KEY_NONE) {
    if (target.identityCount == 0) return deny(decision, reason.KEY_MISSING);
    beginQuestions(CURRENT.policy, target);
    return OUTCOME_ASK;
  }
  if (source == KEY_TOO_LONG) return deny(decision, reason.KEY_MALFORMED);
  if (source != KEY_ONE) return deny(decision, reason.KEY_CONFLICT);
  CURRENT.key = load<u32>(KEY);
  CURRENT.keyLength = load<u32>(KEY, 4);
  return identified(root, decision, target, false);
}

function matchFor(node: u32, methods: u32): i32 {
  return matchPath(CURRENT.policy, node, requestPath(), requestPathLength(), methods, MATCH);
}

/** Whether a browser asks first, for an operation there is, of a product that has CORS. */
function isPreflight(node: u32): bool {
  const asked = preflightMask();
  if (asked == 0 || matchFor(node, asked) != MATCH_FOUND) return false;
  return productAt(CURRENT.policy, changetype<Match>(MATCH).product).cors != 0;
}

/** No word from the host for too long. */
function isTooOld(root: Root): bool {
  return CURRENT.nowMs - engineAt(CURRENT.engine).lastWordMs > (root.maxPolicyAgeMs as u64);
}

/** Cuts every key that counts for any product: the product of the request is not known. */
function cutEverywhere(): void {
  cutAllKeys(CURRENT.policy);
  CURRENT.keyEditsTo = editCount();
}
