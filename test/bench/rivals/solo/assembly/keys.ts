/**
 * The keys that the rival knows, set apart by blanks. Empty here: the bench writes a file of its
 * own in its place before it compiles.
 */
export const KEYS = "";
