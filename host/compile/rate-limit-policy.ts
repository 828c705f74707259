/**
 * Writes the `RateLimit-Policy` field of a plan (draft-ietf-httpapi-ratelimit-headers-10): a List
 * of Strings with parameters, one for each limit that is enforced. It is the same for every
 * response, so it is written once here and never in a proxy.
 */
import type { Plan } from '../resources/model.ts';

/** Largest Integer of a structured field; a larger quota is told as this one. */
const INTEGER_MAX = 999_999_999_999_999;

/** The field's value, or undefined for a plan whose callers are told nothing. */
export function rateLimitPolicy({ limits, showsLimits }: Plan): string | undefined {
  if (!showsLimits) return undefined;
  const items = limits
    .filter(({ mode }) => mode === 'enforce')
    .map(({ name, quota, windowSeconds }) => {
      return `"${name}";q=${Math.min(quota, INTEGER_MAX)};w=${windowSeconds}`;
    });
  return items.length === 0 ? undefined : items.join(', ');
}
