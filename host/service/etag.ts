/**
 * The tag of a resource's text, by which a caller says which one it means. It holds no secret.
 */
import { createHash } from 'node:crypto';

/** Equal texts have equal tags. */
export function etagOf(text: string): string {
  return `"${createHash('sha256').update(text).digest('hex').slice(0, 32)}"`;
}
