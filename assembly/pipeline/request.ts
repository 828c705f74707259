/**
 * Decides a request, phase by phase (ARCHITECTURE.md "One request"), from the policy, directory and
 * holdings of one engine. It reads the header index, collects edits and fills the decision record;
 * it answers nobody, and a request that has to wait is decided again from its first phase.
 */
import { CHOICE_ALLOW } from '../bootstrap/bootstrap';
import { isWellFormed } from '../credential/format';
import { cutAllKeys, findKey, KEY_NONE, KEY_ONE, KEY_TOO_LONG } from '../credential/source';
import * as reason from '../decision/reason';
import {
  Decision,
  MODE_ENFORCE,
  MODE_OFF_,
  PHASE_FORMAT,
  PHASE_IDENTIFY,
  PHASE_LOOK_UP,
  PHASE_MATCH,
  PHASE_MEDIATE,
  PHASE_QUOTA,
  PHASE_STATE,
  PHASE_SUBSCRIPTION,
} from '../decision/record';
import { findApplication, findCredential, findSubscription } from '../directory/directory';
import {
  Application,
  applicationName,
  CREDENTIAL_ENABLED,
  Credential,
  consumerName,
  SUBSCRIPTION_ACTIVE,
  Subscription,
} from '../directory/entry';
import { Root } from '../engine/roots';
import { Engine, engineAt, mayServeFill, policyPending } from '../engine/state';
import { matchHost } from '../match/host';
import { methodBit } from '../match/method';
import { MATCH_AMBIGUOUS, MATCH_FOUND, MATCH_PASSES, Match, matchPath } from '../match/path';
import { runProgram } from '../mediate/program';
import {
  LIMITS,
  OPERATION_ANONYMOUS,
  Plan,
  PRODUCT_KEY_FORMAT,
  PRODUCT_STALE_DENIES,
  Product,
} from '../policy/layout';
import { operationAt, planAt, planById, productAt, recordOf, textAt } from '../policy/policy';
import {
  ASK_COLD,
  ASK_EXHAUSTED,
  ASK_OK,
  ASK_PASSED,
  ASK_UNAVAILABLE,
  askAll,
  askRetryAfterS,
} from '../quota/ask';
import { NONE } from '../util/bytes';
import { sha256 } from '../util/sha256';
import { editCount, editsOverflowed, scratch } from './edits';
import { Held, mayHold } from './hold';
import {
  readNothing,
  readRequest,
  requestAuthority,
  requestAuthorityLength,
  requestMethod,
  requestMethodLength,
  requestPath,
  requestPathLength,
} from './read';
import { putDecimal, textBegin, textLength } from './text';

/** Outcomes of `decide`. */
export const OUTCOME_PASS: u32 = 0;
export const OUTCOME_DENY: u32 = 1;
export const OUTCOME_HOLD: u32 = 2;

/** The request being decided; one at a time. */
let engine: usize = 0;
let policy: usize = 0;
let nowMs: u64 = 0;
let held: usize = 0;
let product: usize = 0;
let plan: usize = 0;
let application: usize = 0;
let credential: usize = 0;
let subscription: usize = 0;
let keyFrom: u32 = 0;
let keyTo: u32 = 0;
let keyAt: usize = 0;
let keyLength: u32 = 0;
let cost: u32 = 1;

const MATCH: usize = memory.data(16, 8);
const KEY: usize = memory.data(16, 8);
const DIGEST: usize = memory.data(32, 8);
/** Five texts {address u32, length u32} in the order of part kinds 1 to 5. */
const VALUES: usize = memory.data(40, 8);

/** First of the edits that cut keys; they are carried out before a denial too. */
export function keyEditsFrom(): u32 {
  return keyFrom;
}

/** One more than the last of the edits that cut keys. */
export function keyEditsTo(): u32 {
  return keyTo;
}

/** Address of the product the request fell under, or 0; likewise the others. */
export function decidedProduct(): usize {
  return product;
}

/** The plan of the subscription, or 0. */
export function decidedPlan(): usize {
  return plan;
}

/** The application of the credential, or 0. */
export function decidedApplication(): usize {
  return application;
}

/** The policy it was decided with, or 0. */
export function decidedPolicy(): usize {
  return policy;
}

/** The request could not be read: nothing but its refusal is known of it. */
export function decideUnreadable(root: Root, decision: Decision): u32 {
  reset(root, decision, 0, 0);
  readNothing();
  policy = 0;
  return deny(decision, reason.REQUEST_UNREADABLE);
}

function reset(root: Root, decision: Decision, waiting: usize, atMs: u64): void {
  engine = root.engine;
  held = waiting;
  nowMs = atMs;
  policy = engine == 0 ? 0 : engineAt(engine).policy;
  product = 0;
  plan = 0;
  application = 0;
  credential = 0;
  subscription = 0;
  keyFrom = 0;
  keyTo = 0;
  decision.mode = root.mode;
}

/**
 * Decides the request whose headers are indexed. `waiting` = its held entry when it waited before,
 * else 0. Fills the record's reason; with `OUTCOME_HOLD` that is the reason if it waits in vain.
 */
export function decide(root: Root, decision: Decision, waiting: usize, atMs: u64): u32 {
  reset(root, decision, waiting, atMs);
  readRequest(policy);
  keyFrom = editCount();
  keyTo = keyFrom;
  if (root.mode == MODE_OFF_) return pass(decision, reason.MODE_OFF);
  if (policy == 0) return withoutPolicy(root, decision);
  const known = engineAt(engine);
  decision.policyRevision = known.policyRevision;
  decision.phase = PHASE_MATCH;
  const node = matchHost(policy, requestAuthority(), requestAuthorityLength());
  if (node == NONE) {
    if (root.otherHosts == CHOICE_ALLOW) return pass(decision, reason.OTHER_HOST_PASSED);
    cutEverywhere();
    return deny(decision, reason.HOST_NOT_GOVERNED);
  }
  return matched(root, decision, node);
}

function pass(decision: Decision, why: u32): u32 {
  decision.reason = why as u8;
  return editsOverflowed() ? deny(decision, reason.REQUEST_UNREADABLE) : OUTCOME_PASS;
}

function deny(decision: Decision, why: u32): u32 {
  decision.reason = why as u8;
  return OUTCOME_DENY;
}

function withoutPolicy(root: Root, decision: Decision): u32 {
  if (engine != 0) return awaitStart(root, decision, reason.NO_POLICY);
  return endWait(root, decision, reason.NO_POLICY);
}

/** What is answered when nothing more is waited for. */
function endWait(root: Root, decision: Decision, why: u32): u32 {
  if (why != reason.HELD_FULL && why != reason.NO_POLICY) return deny(decision, why);
  if (root.noPolicy == CHOICE_ALLOW) return pass(decision, reason.NO_POLICY_PASSED);
  return deny(decision, why);
}

/** Something the request needs is not there yet: wait for it, or answer as `why` says. */
function awaitStart(root: Root, decision: Decision, why: u32): u32 {
  if (mayWaitForStart(root)) return hold(decision, why);
  const full = held == 0 && root.mode == MODE_ENFORCE && root.startHoldMs > 0;
  if (full && why == reason.NO_POLICY) return endWait(root, decision, reason.HELD_FULL);
  return full ? deny(decision, reason.HELD_FULL) : endWait(root, decision, why);
}

function mayWaitForStart(root: Root): bool {
  if (root.mode != MODE_ENFORCE || root.startHoldMs == 0) return false;
  if (held == 0) return mayHold(engineAt(engine), 0);
  const until = changetype<Held>(held).startUntilMs;
  return until == 0 || nowMs < until;
}

function hold(decision: Decision, why: u32): u32 {
  decision.reason = why as u8;
  return OUTCOME_HOLD;
}

function matched(root: Root, decision: Decision, node: u32): u32 {
  const bit = methodBit(requestMethod(), requestMethodLength());
  const found = matchPath(policy, node, requestPath(), requestPathLength(), bit, MATCH);
  const match = changetype<Match>(MATCH);
  if (found == MATCH_AMBIGUOUS) {
    cutEverywhere();
    return deny(decision, reason.PATH_AMBIGUOUS);
  }
  if (match.product == NONE) {
    cutEverywhere();
    return deny(decision, reason.OPERATION_NOT_FOUND);
  }
  const target = productAt(policy, match.product);
  product = changetype<usize>(target);
  decision.product = target.id;
  const source = findKey(policy, target, KEY);
  keyTo = editCount();
  if (found == MATCH_PASSES) return pass(decision, reason.UNMATCHED_PASSED);
  if (found != MATCH_FOUND) return deny(decision, reason.OPERATION_NOT_FOUND);
  const operation = operationAt(policy, match.operation);
  decision.operation = operation.id;
  cost = operation.cost;
  if (isTooOld(root) && (target.flags & PRODUCT_STALE_DENIES) != 0) {
    return deny(decision, reason.POLICY_STALE);
  }
  decision.phase = PHASE_IDENTIFY;
  if ((operation.flags & OPERATION_ANONYMOUS) != 0) return mediated(decision, reason.ANONYMOUS);
  if (source == KEY_NONE) return deny(decision, reason.KEY_MISSING);
  if (source == KEY_TOO_LONG) return deny(decision, reason.KEY_MALFORMED);
  if (source != KEY_ONE) return deny(decision, reason.KEY_CONFLICT);
  keyAt = load<u32>(KEY) as usize;
  keyLength = load<u32>(KEY, 4);
  decision.phase = PHASE_FORMAT;
  if ((target.flags & PRODUCT_KEY_FORMAT) != 0 && !isWellFormed(keyAt, keyLength)) {
    return deny(decision, reason.KEY_MALFORMED);
  }
  return identified(root, decision, target);
}

/** No word from the host for too long. */
function isTooOld(root: Root): bool {
  return nowMs - engineAt(engine).lastWordMs > root.maxPolicyAgeMs;
}

/** Cuts every key that counts for any product: the product of the request is not known. */
function cutEverywhere(): void {
  cutAllKeys(policy);
  keyTo = editCount();
}

function identified(root: Root, decision: Decision, to: Product): u32 {
  const known = engineAt(engine);
  decision.phase = PHASE_LOOK_UP;
  if (known.complete == 0 && !mayServeFill(known)) {
    return awaitStart(root, decision, reason.NO_POLICY);
  }
  sha256(keyAt, keyLength, DIGEST);
  credential = findCredential(known.directory, DIGEST);
  if (credential == 0) {
    if (known.complete == 0) return awaitStart(root, decision, reason.NO_POLICY);
    if (policyPending(known)) return awaitStart(root, decision, reason.POLICY_PENDING);
    return deny(decision, reason.KEY_UNKNOWN);
  }
  const key = changetype<Credential>(credential);
  decision.credential = key.id;
  decision.phase = PHASE_STATE;
  if (key.pending != 0) return awaitStart(root, decision, reason.POLICY_PENDING);
  if (key.state != CREDENTIAL_ENABLED) return deny(decision, reason.KEY_DISABLED);
  const unixMs = nowMs + (known.clockOffsetMs as u64);
  if (key.notAfterMs != 0 && unixMs >= key.notAfterMs) return deny(decision, reason.KEY_EXPIRED);
  if (unixMs < key.notBeforeMs) return deny(decision, reason.KEY_NOT_YET_VALID);
  return subscribed(root, decision, to, key);
}

function subscribed(root: Root, decision: Decision, to: Product, key: Credential): u32 {
  const known = engineAt(engine);
  decision.phase = PHASE_SUBSCRIPTION;
  application = findApplication(known.directory, key.application);
  if (application == 0) return unresolved(root, decision);
  const caller = changetype<Application>(application);
  decision.application = caller.id;
  if (caller.pending != 0) return awaitStart(root, decision, reason.POLICY_PENDING);
  subscription = findSubscription(known.directory, caller.id, to.id);
  if (subscription == 0) return unresolved(root, decision);
  const terms = changetype<Subscription>(subscription);
  decision.subscription = terms.id;
  if (terms.pending != 0) return awaitStart(root, decision, reason.POLICY_PENDING);
  if (terms.state != SUBSCRIPTION_ACTIVE) return deny(decision, reason.SUBSCRIPTION_SUSPENDED);
  plan = planById(policy, terms.plan);
  if (plan == 0) return unresolved(root, decision);
  decision.plan = terms.plan;
  return metered(root, decision, planAt(plan));
}

/** An id leads nowhere: that may be a matter of moments, or it means that nobody allowed it. */
function unresolved(root: Root, decision: Decision): u32 {
  const known = engineAt(engine);
  if (known.complete == 0) return awaitStart(root, decision, reason.NO_POLICY);
  if (policyPending(known)) return awaitStart(root, decision, reason.POLICY_PENDING);
  return deny(decision, reason.NOT_SUBSCRIBED);
}

function metered(root: Root, decision: Decision, on: Plan): u32 {
  decision.phase = PHASE_QUOTA;
  if (on.limitCount == 0) return mediated(decision, reason.ALLOWED);
  const limits = recordOf(policy, LIMITS, on.limitFirst);
  const stride = load<u32>(policy + LIMITS * 16, 8);
  const mayWait = mayWaitForQuota(root, decision.subscription);
  const enforce = root.mode == MODE_ENFORCE;
  const answer = askAll(
    engineAt(engine),
    decision,
    limits,
    stride,
    on.limitCount,
    cost,
    mayWait,
    enforce,
    nowMs,
  );
  decision.retryAfterS = askRetryAfterS();
  switch (answer) {
    case ASK_OK:
      return mediated(decision, reason.ALLOWED);
    case ASK_PASSED:
      return mediated(decision, reason.QUOTA_UNAVAILABLE_PASSED);
    case ASK_EXHAUSTED:
      return deny(decision, reason.QUOTA_EXCEEDED);
    case ASK_COLD:
      return hold(decision, reason.QUOTA_UNAVAILABLE);
    default:
      return deny(decision, reason.QUOTA_UNAVAILABLE);
  }
}

function mayWaitForQuota(root: Root, owner: u64): bool {
  if (root.mode != MODE_ENFORCE || root.holdMs == 0) return false;
  const known = engineAt(engine);
  if (held == 0) return mayHold(known, owner);
  const until = changetype<Held>(held).quotaUntilMs;
  return until == 0 || nowMs < until;
}

function mediated(decision: Decision, why: u32): u32 {
  decision.phase = PHASE_MEDIATE;
  memory.fill(VALUES, 0, 40);
  const target = changetype<Product>(product);
  setValue(3, textAt(policy, target.name), target.nameLength);
  if (application != 0) {
    const caller = changetype<Application>(application);
    setValue(0, consumerName(caller), caller.consumerNameLength);
    setValue(1, applicationName(caller), caller.applicationNameLength);
  }
  if (plan != 0) setValue(2, textAt(policy, planAt(plan).name), planAt(plan).nameLength);
  if (credential != 0 && application != 0) {
    const room = scratch(20);
    textBegin(room, 20);
    putDecimal(decision.credential);
    setValue(4, room, textLength());
  }
  runProgram(policy, target, VALUES);
  return pass(decision, why);
}

function setValue(index: u32, at: usize, length: u32): void {
  store<u32>(VALUES + index * 8, at as u32);
  store<u32>(VALUES + index * 8, length, 4);
}
