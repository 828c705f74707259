/**
 * The problems of a set as a whole and those that only the store finds. `errors.ts` has the others
 * and the rules for all.
 */
import type { ErrorText } from './errors.ts';

/** The codes SG14 and SG15. */
export const MEANING_ERRORS = {
  SG1401: {
    summary: 'Two products claim the same requests.',
    message: 'products "{name}" and "{other}" share {host} and base path {path}',
    fix: 'Give one another host or base path; the other stands at {where}.',
  },
  SG1402: {
    summary: 'Two operations match the same requests.',
    message: 'operation "{name}" matches the same requests as "{other}" ({method})',
    fix: 'Change the path or the methods of one; the other stands at {where}.',
  },
  SG1403: {
    summary: 'An operation costs more than a quota holds, so it could never be admitted.',
    message: 'cost {cost} is above the quota {quota} of limit "{limit}" in plan "{plan}"',
    fix: 'Lower the cost or raise the quota; subscription "{subscription}" brings them together.',
  },
  SG1404: {
    summary: 'An operation needs a caller and the product does not say how one is known.',
    message: 'operation "{name}" needs a caller, but product "{product}" knows none',
    fix: 'Add identify to the product, or security: none to the operation.',
  },
  SG1405: {
    summary: 'What a proxy group would have to hold is beyond a bound.',
    message: 'proxy group "{group}" needs {count} {what}, at most {most}',
    fix: 'Move products to another proxy group.',
  },
  SG1406: {
    summary: 'A prefix stands where values have none.',
    message: 'a prefix belongs to a header, not to a {place}',
    fix: 'Remove the prefix.',
  },
  SG1407: {
    summary: 'A key that counts is never passed over, so nothing stands before the keys.',
    message: 'apiKey stands after {other}',
    fix: 'Put every apiKey first; certificates and tokens are asked where no key counts.',
  },
  SG1408: {
    summary: 'Istio refuses a key after "Bearer" before the filter could read it.',
    message: 'a key after "Bearer" in authorization and jwt exclude one another',
    fix: 'Put the key in a header of its own, or make two products of it.',
  },
  SG1410: {
    summary: 'A renamed header would let a caller speak for somebody.',
    message: 'header "{name}" is set from what is known of the caller, at {where}',
    fix: 'Rename to another header: a caller must not write what a service takes for identity.',
  },
  SG1411: {
    summary: 'CORS would let every site act for its visitors.',
    message: 'allowCredentials stands with the origin "*"',
    fix: 'Name the origins that may send credentials, or leave allowCredentials out.',
  },
  SG1421: {
    summary: 'A burst has no meaning for an exact limit, which counts windows.',
    message: 'limit "{name}" is exact and has no burst',
    fix: 'Remove burst, and add a limit of class rate beside it for the highest rate.',
  },
  SG1422: {
    summary: 'A burst is above the quota of its window.',
    message: 'burst {burst} is above the quota {quota} of limit "{name}"',
    fix: 'Lower burst, or raise the quota.',
  },
  SG1423: {
    summary: 'A quota is higher than a limit that is not exact can measure.',
    message: 'quota {quota} is too high for class {class}',
    fix: 'Use at most {most}, a shorter window, or class exact.',
  },
  SG1424: {
    summary: 'An operation costs more than the burst of a limit, so it could never be admitted.',
    message: 'cost {cost} is above the burst {burst} of limit "{limit}" in plan "{plan}"',
    fix: 'Lower the cost or raise the burst; subscription "{subscription}" brings them together.',
  },
  SG1425: {
    summary: 'A local share is given to a limit that never uses one.',
    message: 'limit "{name}" does not go on with a local share',
    fix: 'Add onHostUnavailable: localShare, or remove localShare.',
  },
  SG1426: {
    summary: 'An approximate limit never asks the host, so that it cannot miss it.',
    message: 'limit "{name}" is approximate and decided without the host',
    fix: 'Remove onHostUnavailable and localShare, or use class rate or exact.',
  },
  SG1427: {
    summary: 'An override names a limit that the plan does not have.',
    message: 'plan "{plan}" has no limit "{name}"',
    fix: 'Name one of its limits: {names}.',
  },
  SG1428: {
    summary: 'An override changes nothing.',
    message: 'the override of limit "{name}" says nothing',
    fix: 'Give it a quota, a burst or a mode, or remove it.',
  },
  SG1501: {
    summary: 'A declared credential has the digest of a key that key create made.',
    message: 'the digest belongs to a key made by key create',
    fix: 'Remove the credential: the key works, or was revoked, without it.',
  },
  SG1502: {
    summary: 'A declared credential has the name of a key that key create made.',
    message: 'the name "{name}" belongs to a key made by key create',
    fix: 'Choose another name.',
  },
  SG1503: {
    summary: 'The directory of a proxy group is full. Nothing was applied.',
    message: '{reason}',
    fix: 'Revoke keys that are not used, or move products to another proxy group.',
  },
  SG1504: {
    summary: 'A deprecated or retired product takes no new subscription.',
    message: 'product "{name}" is {lifecycle} and takes no new subscription',
    fix: 'Subscribe to another product, or publish this one again.',
  },
} as const satisfies Record<string, ErrorText>;
