/**
 * The spec in the text of a stored resource. It was checked before it was stored, and must never be
 * taken from anywhere else.
 */
import type { Specs } from './schema/schema.ts';

/** What the text of a stored resource of this kind says; undefined where there is none. */
export function specOf<K extends keyof Specs>(text: string | undefined): Specs[K] | undefined {
  return text === undefined ? undefined : JSON.parse(text).spec;
}
