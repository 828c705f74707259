/**
 * The problem bodies of denials (RFC 9457). They say what a caller may know and nothing of what it
 * sent: no key, no path, no host is ever repeated.
 */
import * as reason from '../decision/reason';
import { putDecimal, putEntry, putLiteral } from './text';

const WHERE = 'Host is not served here|Path is ambiguous|No such operation|';
const WHO = 'API key is missing|More than one API key|API key is not valid|API key is not valid|';
const WHEN = 'API key is disabled|API key has expired|API key is not valid yet|';
const WHAT = 'No subscription to this product|Subscription is suspended|';
const QUOTA = 'Request cannot be satisfied as assigned quota has been exceeded';

/** Writes a short title for a denial; the same for a malformed and an unknown key. */
export function putTitle(why: u32): void {
  if (why < reason.KEY_MISSING) putEntry(WHERE, why - reason.HOST_NOT_GOVERNED);
  else if (why < reason.KEY_DISABLED) putEntry(WHO, why - reason.KEY_MISSING);
  else if (why < reason.NOT_SUBSCRIBED) putEntry(WHEN, why - reason.KEY_DISABLED);
  else if (why < reason.QUOTA_EXCEEDED) putEntry(WHAT, why - reason.NOT_SUBSCRIBED);
  else if (why == reason.QUOTA_EXCEEDED) putLiteral(QUOTA);
  else putLiteral('No decision is possible now');
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
  putTitle(why);
  putLiteral('","status":');
  putDecimal(status);
  putLiteral(',"code":"');
  reason.putReason(why == reason.KEY_MALFORMED ? reason.KEY_UNKNOWN : why);
  putLiteral('"');
}
