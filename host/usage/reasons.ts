/**
 * Names of the reasons for a decision, by their number on the wire. The filter's own list is
 * `assembly/decision/reason.ts`; a test holds this one to it. Append only.
 */

/** Numbers and names of all reasons, ascending. */
export const REASONS: readonly (readonly [number, string])[] = [
  [0, 'allowed'],
  [1, 'anonymous'],
  [2, 'unmatched_passed'],
  [3, 'other_host_passed'],
  [4, 'mode_off'],
  [5, 'no_policy_passed'],
  [6, 'quota_unavailable_passed'],
  [7, 'preflight'],
  [8, 'quota_local_share'],
  [9, 'hop'],
  [16, 'host_not_governed'],
  [17, 'path_ambiguous'],
  [18, 'operation_not_found'],
  [19, 'key_missing'],
  [20, 'key_conflict'],
  [21, 'key_malformed'],
  [22, 'key_unknown'],
  [23, 'key_disabled'],
  [24, 'key_expired'],
  [25, 'key_not_yet_valid'],
  [26, 'not_subscribed'],
  [27, 'subscription_suspended'],
  [28, 'quota_exceeded'],
  [29, 'quota_unavailable'],
  [30, 'no_policy'],
  [31, 'policy_pending'],
  [32, 'policy_stale'],
  [33, 'held_full'],
  [34, 'request_unreadable'],
  [35, 'cidr_denied'],
  [36, 'referer_denied'],
  [37, 'caller_missing'],
  [38, 'caller_unknown'],
];

/** The least number of a reason that denies. */
const FIRST_DENIAL = 16;

const NAMES = new Map(REASONS);
const DENIALS = new Set(REASONS.filter(([at]) => at >= FIRST_DENIAL).map(([, name]) => name));

/** Name of a reason; `reason-<number>` for one of a newer filter. */
export function reasonName(number: number): string {
  return NAMES.get(number) ?? `reason-${number}`;
}

/** Whether a reason of this name denies; one of a newer filter is taken for one that does. */
export function isDenial(name: string): boolean {
  return DENIALS.has(name) || name.startsWith('reason-');
}
