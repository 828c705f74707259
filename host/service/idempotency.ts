/**
 * Idempotency keys, by which a request that is sent twice is done once. What a caller chose as one
 * may be anything, a secret too: it must never be kept.
 */
import { digestOf } from '../credential/key.ts';
import { canonicalJson } from '../resources/canonical-json.ts';
import type { Once } from '../store/access.ts';

/** What an idempotency key may be: 1 to 128 printable characters. */
export const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,128}$/;

/** What is kept of a request and its key; the order of fields makes no other request of it. */
export function onceOf(idempotencyKey: string, request: unknown): Once {
  return { idempotencyKey: digest(idempotencyKey), request: digest(canonicalJson(request)) };
}

function digest(text: string): string {
  return Buffer.from(digestOf(text)).toString('hex');
}
