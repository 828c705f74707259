/**
 * JSON in which the order of fields says nothing: equal values are equal texts, by which resources
 * and requests are compared. It must never change a value.
 */

/** The text of a value, its fields in the order of their names. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, sortedKeys);
}

function sortedKeys(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
