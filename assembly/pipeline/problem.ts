/**
 * The problem bodies of denials (RFC 9457). They say what a caller may know and nothing of what it
 * sent: no key, no path, no host is ever repeated.
 */
import * as reason from '../decision/reason';
import { putDecimal, putLiteral } from './text';

/** A short title for a denial; the same for a malformed and an unknown key. */
export function problemTitle(why: u32): string {
  switch (why) {
    case reason.HOST_NOT_GOVERNED: return 'Host is not served here';
    case reason.PATH_AMBIGUOUS: return 'Path is ambiguous';
    case reason.OPERATION_NOT_FOUND: return 'No such operation';
    case reason.KEY_MISSING: return 'API key is missing';
    case reason.KEY_CONFLICT: return 'More than one API key';
    case reason.KEY_MALFORMED:
    case reason.KEY_UNKNOWN: return 'API key is not valid';
    case reason.KEY_DISABLED: return 'API key is disabled';
    case reason.KEY_EXPIRED: return 'API key has expired';
    case reason.KEY_NOT_YET_VALID: return 'API key is not valid yet';
    case reason.NOT_SUBSCRIBED: return 'No subscription to this product';
    case reason.SUBSCRIPTION_SUSPENDED: return 'Subscription is suspended';
    case reason.QUOTA_EXCEEDED:
      return 'Request cannot be satisfied as assigned quota has been exceeded';
    case reason.QUOTA_UNAVAILABLE: return 'Quota cannot be checked now';
    default: return 'No decision is possible now';
  }
}

/** The name under which a body and only a body gives the reason. */
function publicName(why: u32): string {
  return reason.reasonName(why == reason.KEY_MALFORMED ? reason.KEY_UNKNOWN : why);
}

/** Writes the body of a denial but for its closing brace. */
export function bodyOf(why: u32, status: u32): void {
  putLiteral('{"type":"');
  putLiteral(
    why == reason.QUOTA_EXCEEDED
      ? 'https://iana.org/assignments/http-problem-types#quota-exceeded'
      : 'about:blank',
  );
  putLiteral('","title":"');
  putLiteral(problemTitle(why));
  putLiteral('","status":');
  putDecimal(status);
  putLiteral(',"code":"');
  putLiteral(publicName(why));
  putLiteral('"');
}
