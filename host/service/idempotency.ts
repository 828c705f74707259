/**
 * Idempotency keys, by which a request that is sent twice is done once. What a caller chose as one
 * may be anything, a secret too: it must never be kept.
 */
import { digestOf } from '../credential/key.ts';

/** What an idempotency key may be: 1 to 128 printable characters. */
export const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,128}$/;

/** What is kept of an idempotency key. */
export function keptAs(idempotencyKey: string): string {
  return Buffer.from(digestOf(idempotencyKey)).toString('hex');
}
