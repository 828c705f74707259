/**
 * What of CORS is the same for every denial of a product: the list of headers that pages may read.
 */
import type { Cors, RateLimitFields } from '../resources/model.ts';

const STANDARD = ['RateLimit', 'RateLimit-Policy'];
const LEGACY = ['X-RateLimit-Limit', 'X-RateLimit-Remaining', 'X-RateLimit-Reset'];
const FIELDS: Record<RateLimitFields, readonly string[]> = {
  standard: STANDARD,
  legacy: LEGACY,
  both: [...STANDARD, ...LEGACY],
  none: [],
};
/** When to come back, and how a gRPC-Web call was refused. */
const ALWAYS = ['Retry-After', 'Grpc-Status', 'Grpc-Message'];

/** The value of `Access-Control-Expose-Headers` of denials. */
export function exposedHeaders({ exposeHeaders }: Cors, fields: RateLimitFields): string {
  const own = [...FIELDS[fields], ...ALWAYS];
  const known = new Set(own.map((name) => name.toLowerCase()));
  return [...own, ...exposeHeaders.filter((name) => !known.has(name.toLowerCase()))].join(', ');
}
