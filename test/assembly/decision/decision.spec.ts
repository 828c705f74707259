/**
 * Pins the numbers, names and statuses of the reasons, and holds the decision records to their
 * bound. Guarantees that a log line of today means the same in a year.
 */
import * as reason from '../../../assembly/decision/reason';
import {
  clearDecision,
  DECISION_BYTES,
  DECISION_HELD,
  Decision,
  freeDecision,
  spareDecision,
  takeDecision,
} from '../../../assembly/decision/record';
import { STREAMS_MAX } from '../../../assembly/limits';
import { putBody, putTitle } from '../../../assembly/pipeline/problem';
import { textBegin, textLength } from '../../../assembly/pipeline/text';
import { room, textOf } from '../support/bytes';

const TEXT: usize = room(512);

function nameOf(number: u32): string {
  textBegin(TEXT, 512);
  reason.putReason(number);
  return textOf(TEXT, textLength());
}

function titleOf(number: u32): string {
  textBegin(TEXT, 512);
  putTitle(number);
  return textOf(TEXT, textLength());
}

function body(number: u32): string {
  textBegin(TEXT, 512);
  putBody(number, 0, 0);
  return textOf(TEXT, textLength());
}

function pin(number: u32, name: string, status: u32): void {
  expect(nameOf(number)).toBe(name, number.toString());
  expect(reason.reasonStatus(number)).toBe(status, name);
}

describe('reasons', () => {
  test('keep their numbers, names and statuses', () => {
    pin(0, 'allowed', 0);
    pin(1, 'anonymous', 0);
    pin(2, 'unmatched_passed', 0);
    pin(3, 'other_host_passed', 0);
    pin(4, 'mode_off', 0);
    pin(5, 'no_policy_passed', 0);
    pin(6, 'quota_unavailable_passed', 0);
    pin(7, 'preflight', 0);
    pin(8, 'quota_local_share', 0);
    pin(9, 'hop', 0);
    pin(16, 'host_not_governed', 403);
    pin(17, 'path_ambiguous', 400);
    pin(18, 'operation_not_found', 404);
    pin(19, 'key_missing', 401);
    pin(20, 'key_conflict', 401);
    pin(21, 'key_malformed', 401);
    pin(22, 'key_unknown', 401);
    pin(23, 'key_disabled', 401);
    pin(24, 'key_expired', 401);
    pin(25, 'key_not_yet_valid', 401);
    pin(26, 'not_subscribed', 403);
    pin(27, 'subscription_suspended', 403);
    pin(28, 'quota_exceeded', 429);
    pin(29, 'quota_unavailable', 503);
    pin(30, 'no_policy', 503);
    pin(31, 'policy_pending', 503);
    pin(32, 'policy_stale', 503);
    pin(33, 'held_full', 503);
    pin(34, 'request_unreadable', 503);
    pin(35, 'cidr_denied', 403);
    pin(36, 'referer_denied', 403);
    pin(37, 'caller_missing', 401);
    pin(38, 'caller_unknown', 401);
    expect(reason.REASON_END).toBe(39);
  });

  test('have a gRPC status of their own', () => {
    expect(reason.grpcStatus(401)).toBe(16);
    expect(reason.grpcStatus(403)).toBe(7);
    expect(reason.grpcStatus(404)).toBe(12);
    expect(reason.grpcStatus(429)).toBe(8);
    expect(reason.grpcStatus(400)).toBe(3);
    expect(reason.grpcStatus(503)).toBe(14);
  });

  test('have a title each, and tell nobody a mistyped key from an unknown one', () => {
    for (let number = reason.FIRST_DENIAL; number < reason.REASON_END; number++) {
      expect(titleOf(number).length).toBeGreaterThan(8, nameOf(number));
    }
    expect(titleOf(reason.KEY_MISSING)).toBe('API key is missing');
    expect(titleOf(reason.KEY_NOT_YET_VALID)).toBe('API key is not valid yet');
    expect(titleOf(reason.SUBSCRIPTION_SUSPENDED)).toBe('Subscription is suspended');
    expect(titleOf(reason.HELD_FULL)).toBe('No decision is possible now');
    expect(body(reason.KEY_MALFORMED)).toBe(body(reason.KEY_UNKNOWN));
    expect(body(reason.NOT_SUBSCRIBED)).toBe(
      '{"type":"about:blank","title":"No subscription to this product","status":403,' +
        '"code":"not_subscribed"}',
    );
  });
});

describe('decision records', () => {
  test('are as many as their bound, and come back', () => {
    const first = takeDecision(1, 7);
    let last = first;
    for (let i: u32 = 2; i <= STREAMS_MAX; i++) last = takeDecision(i, 7);
    expect(last).not.toBe(0);
    expect(takeDecision(99999, 7)).toBe(0);
    expect(spareDecision(99999, 7)).not.toBe(0);
    changetype<Decision>(last).reason = 9;
    freeDecision(last);
    freeDecision(0);
    freeDecision(spareDecision(99999, 7));
    const again = takeDecision(5, 8);
    expect(again).toBe(last);
    expect(changetype<Decision>(again).reason).toBe(0);
    expect(changetype<Decision>(again).root).toBe(8);
    expect(changetype<Decision>(again).limitIndex).toBe(255);
  });

  test('keep that a stream was held when it is decided again, and nothing else', () => {
    const at = room(DECISION_BYTES);
    clearDecision(at, 3, 1);
    changetype<Decision>(at).flags = 0xff;
    changetype<Decision>(at).plan = 4;
    clearDecision(at, 3, 1);
    expect(changetype<Decision>(at).flags).toBe(DECISION_HELD);
    expect(changetype<Decision>(at).plan).toBe(0);
    clearDecision(at, 4, 1);
    expect(changetype<Decision>(at).flags).toBe(0);
  });
});
