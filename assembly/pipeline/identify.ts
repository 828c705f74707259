/**
 * From a key to the subscription: look up, state, subscription. What does not resolve yet waits
 * for policy and directory to agree.
 */
import { ADDRESS_FORWARDED, ADDRESS_OF_PEER } from '../bootstrap/bootstrap';
import { isForReferer, isForwardedFromCidr, isFromCidr } from '../credential/caller';
import { isWellFormed } from '../credential/format';
import { MEMO_UNKNOWN, MEMO_WELL_FORMED, recallKey, rememberKey } from '../credential/memo';
import { principalAt, principalLength } from '../credential/principal';
import * as reason from '../decision/reason';
import {
  Decision,
  PHASE_FORMAT,
  PHASE_LOOK_UP,
  PHASE_STATE,
  PHASE_SUBSCRIPTION,
} from '../decision/record';
import { findApplication, findCredential, findSubscription } from '../directory/directory';
import {
  Application,
  CREDENTIAL_ENABLED,
  Credential,
  SUBSCRIPTION_ACTIVE,
  Subscription,
} from '../directory/entry';
import { Rules } from '../directory/rules';
import { Root } from '../engine/roots';
import { engineAt, hostTimeMs, mayServeFill, policyPending } from '../engine/state';
import { PRODUCT_KEY_FORMAT, Product } from '../policy/layout';
import { planAt, planById } from '../policy/policy';
import { DIGEST_BYTES, sha256 } from '../util/sha256';
import { CURRENT } from './current';
import { metered } from './meter';
import { awaitStart, deny, OUTCOME_LOCATE } from './outcome';

const DIGEST: usize = memory.data(32, 8);

/**
 * Goes on after `OUTCOME_ASK`, when all questions were asked: whom did the proxy name?
 */
export function asked(root: Root, decision: Decision): u32 {
  CURRENT.key = principalAt();
  CURRENT.keyLength = principalLength();
  if (CURRENT.keyLength == 0) return deny(decision, reason.CALLER_MISSING);
  return identified(root, decision, changetype<Product>(CURRENT.product), true);
}

/**
 * The request has a key, or its caller is known to the proxy by what `CURRENT.key` says: does it
 * have the form, whose is it, and may it call `to`?
 */
export function identified(root: Root, decision: Decision, to: Product, isPrincipal: bool): u32 {
  const known = engineAt(CURRENT.engine);
  decision.phase = PHASE_FORMAT;
  const recalled = recallKey(CURRENT.key, CURRENT.keyLength, DIGEST);
  const hasForm = !isPrincipal && (to.flags & PRODUCT_KEY_FORMAT) != 0;
  if (hasForm && recalled != MEMO_WELL_FORMED && !isWellFormed(CURRENT.key, CURRENT.keyLength)) {
    return deny(decision, reason.KEY_MALFORMED);
  }
  decision.phase = PHASE_LOOK_UP;
  if (known.complete == 0 && !mayServeFill(known)) {
    return awaitStart(root, decision, reason.NO_POLICY);
  }
  if (recalled == MEMO_UNKNOWN) sha256(CURRENT.key, CURRENT.keyLength, DIGEST);
  // No key can be sent that has an inverted digest, so none can stand for a principal.
  if (isPrincipal) invert(DIGEST);
  CURRENT.credential = findCredential(known.directory, DIGEST);
  if (isPrincipal) invert(DIGEST);
  if (recalled == MEMO_UNKNOWN) rememberKey(DIGEST, CURRENT.credential != 0, hasForm);
  if (CURRENT.credential == 0) {
    if (known.complete == 0) return awaitStart(root, decision, reason.NO_POLICY);
    if (policyPending(known)) return awaitStart(root, decision, reason.POLICY_PENDING);
    return deny(decision, isPrincipal ? reason.CALLER_UNKNOWN : reason.KEY_UNKNOWN);
  }
  const key = changetype<Credential>(CURRENT.credential);
  decision.credential = key.id;
  decision.phase = PHASE_STATE;
  if (key.pending != 0) return awaitStart(root, decision, reason.POLICY_PENDING);
  if (key.state != CREDENTIAL_ENABLED) return deny(decision, reason.KEY_DISABLED);
  const unixMs = hostTimeMs(known, CURRENT.nowMs);
  if (key.notAfterMs != 0 && unixMs >= key.notAfterMs) return deny(decision, reason.KEY_EXPIRED);
  if (unixMs < key.notBeforeMs) return deny(decision, reason.KEY_NOT_YET_VALID);
  return key.rules == 0 ? subscribed(root, decision, to, key) : ruled(root, decision, to, key);
}

function invert(digest: usize): void {
  for (let i: usize = 0; i < DIGEST_BYTES; i += 8) store<u64>(digest + i, ~load<u64>(digest + i));
}

/** The key is bound to pages or networks: is the caller inside? */
function ruled(root: Root, decision: Decision, to: Product, key: Credential): u32 {
  const rules = changetype<Rules>(key.rules);
  if (rules.refererCount != 0 && !isForReferer(key.rules)) {
    return deny(decision, reason.REFERER_DENIED);
  }
  if (rules.cidrCount == 0) return subscribed(root, decision, to, key);
  if (root.clientAddress == ADDRESS_OF_PEER) return OUTCOME_LOCATE;
  const forwarded = root.clientAddress == ADDRESS_FORWARDED;
  return admitted(root, decision, forwarded && isForwardedFromCidr(key.rules, root.trustedHops));
}

/** Goes on after `OUTCOME_LOCATE` with the address of the peer, port and all; empty: not known. */
export function located(root: Root, decision: Decision, address: usize, length: u32): u32 {
  const key = changetype<Credential>(CURRENT.credential);
  return admitted(root, decision, isFromCidr(key.rules, address, length));
}

function admitted(root: Root, decision: Decision, isInside: bool): u32 {
  if (!isInside) return deny(decision, reason.CIDR_DENIED);
  const to = changetype<Product>(CURRENT.product);
  return subscribed(root, decision, to, changetype<Credential>(CURRENT.credential));
}

function subscribed(root: Root, decision: Decision, to: Product, key: Credential): u32 {
  const known = engineAt(CURRENT.engine);
  decision.phase = PHASE_SUBSCRIPTION;
  CURRENT.application = findApplication(known.directory, key.application);
  if (CURRENT.application == 0) return unresolved(root, decision);
  const caller = changetype<Application>(CURRENT.application);
  decision.application = caller.id;
  if (caller.pending != 0) return awaitStart(root, decision, reason.POLICY_PENDING);
  CURRENT.subscription = findSubscription(known.directory, caller.id, to.id);
  if (CURRENT.subscription == 0) return unresolved(root, decision);
  const terms = changetype<Subscription>(CURRENT.subscription);
  decision.subscription = terms.id;
  if (terms.pending != 0) return awaitStart(root, decision, reason.POLICY_PENDING);
  if (terms.state != SUBSCRIPTION_ACTIVE) return deny(decision, reason.SUBSCRIPTION_SUSPENDED);
  CURRENT.plan = planById(CURRENT.policy, terms.plan);
  if (CURRENT.plan == 0) return unresolved(root, decision);
  decision.plan = terms.plan;
  return metered(root, decision, planAt(CURRENT.plan));
}

/** An id leads nowhere: that may be a matter of moments, or it means that nobody allowed it. */
function unresolved(root: Root, decision: Decision): u32 {
  const known = engineAt(CURRENT.engine);
  if (known.complete == 0) return awaitStart(root, decision, reason.NO_POLICY);
  if (policyPending(known)) return awaitStart(root, decision, reason.POLICY_PENDING);
  return deny(decision, reason.NOT_SUBSCRIBED);
}
