/**
 * The forms of values that several routes of the admin API take or answer: names, times, pages. It
 * must never hold a route.
 */
import { type Static, Type } from 'typebox';
import { IDEMPOTENCY_KEY } from '../../service/idempotency.ts';

/** What a DNS label looks like, its length aside. */
export const LABEL_PATTERN = '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$';

/** A DNS label. */
export const LABEL = Type.String({ minLength: 1, maxLength: 63, pattern: LABEL_PATTERN });

/** A time with its zone. */
export const TIME = Type.String({ format: 'date-time' });

/** How many items of a page, as a query has it. */
export const LIMIT = Type.String({ pattern: '^[1-9][0-9]{0,2}$' });

/** The header by which a request that is sent twice is done once. */
export const IdempotencyHeader = Type.Object({
  'idempotency-key': Type.Optional(Type.String({ pattern: IDEMPOTENCY_KEY.source })),
});

/** A request of a route that has {@link IdempotencyHeader} as its headers. */
export interface Once {
  Headers: Static<typeof IdempotencyHeader>;
}

/** Unix milliseconds as ISO 8601. */
export function iso(ms: number): string;
export function iso(ms: number | null): string | null;
export function iso(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
