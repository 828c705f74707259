/**
 * The problem bodies of denials (RFC 9457). They say what a caller may know and nothing of what it
 * sent: no key, no path, no host is ever repeated.
 */
import * as reason from '../decision/reason';
import { asciiList } from '../util/ascii';
import { putBytes, putDecimal, putKnownEntry, putLiteral } from './text';

/** Titles of the denials from the first to the last that says who or what was at fault. */
const TITLES = asciiList(
  'Host is not served here|Path is ambiguous|No such operation|API key is missing|' +
    'More than one API key|API key is not valid|API key is not valid|API key is disabled|' +
    'API key has expired|API key is not valid yet|No subscription to this product|' +
    'Subscription is suspended|Request cannot be satisfied as assigned quota has been exceeded|',
);

const PLACES: usize = memory.data((reason.QUOTA_EXCEEDED - reason.FIRST_DENIAL + 1) * 4, 4);

/** Writes a short title for a denial; the same for a malformed and an unknown key. */
export function putTitle(why: u32): void {
  if (why <= reason.QUOTA_EXCEEDED) putKnownEntry(TITLES, why - reason.FIRST_DENIAL, PLACES);
  else if (why == reason.CIDR_DENIED) putLiteral('API key is not for this address');
  else if (why == reason.REFERER_DENIED) putLiteral('API key is not for this page');
  else if (why == reason.CALLER_MISSING) putLiteral('No key, certificate or token');
  else if (why == reason.CALLER_UNKNOWN) putLiteral('Certificate or token is not known');
  else putLiteral('No decision is possible now');
}

/** Writes the body of a denial, with the name of the limit that is spent if one is. */
export function putBody(why: u32, limit: usize, limitLength: u32): void {
  const isSpent = why == reason.QUOTA_EXCEEDED;
  putLiteral('{"type":"');
  if (isSpent) putLiteral('https://iana.org/assignments/http-problem-types#quota-exceeded');
  else putLiteral('about:blank');
  putLiteral('","title":"');
  putTitle(why);
  putLiteral('","status":');
  putDecimal(reason.reasonStatus(why));
  putLiteral(',"code":"');
  reason.putReason(why == reason.KEY_MALFORMED ? reason.KEY_UNKNOWN : why);
  if (isSpent && limitLength != 0) {
    putLiteral('","violated-policies":["');
    putBytes(limit, limitLength);
    putLiteral('"]}');
  } else {
    putLiteral('"}');
  }
}
