/**
 * Golden wire files: `<name>.json` is the readable form, `<name>.bin` the bytes. Both are
 * compared with what the code makes, or written anew when UPDATE_GOLDEN=1.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';

const FOLDER = new URL('../fixtures/wire/', import.meta.url);

/** JSON in which bigints are decimal strings and bytes are hexadecimal strings. */
export function readable(value: unknown): string {
  const plain = (_key: string, part: unknown) => {
    if (typeof part === 'bigint') return part.toString();
    return part;
  };
  return `${JSON.stringify(hexed(value), plain, 2)}\n`;
}

// Typed arrays would stringify as objects; nested ones are not reached by toJSON.
function hexed(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(hexed);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, hexed(part)]));
}

/** The bytes of a golden file. */
export function golden(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`${name}.bin`, FOLDER)));
}

/** Fails unless the golden files of this name hold exactly this value and these bytes. */
export function assertGolden(name: string, value: unknown, bytes: Uint8Array): void {
  const json = new URL(`${name}.json`, FOLDER);
  const bin = new URL(`${name}.bin`, FOLDER);
  if (process.env.UPDATE_GOLDEN === '1') {
    writeFileSync(json, readable(value));
    writeFileSync(bin, bytes);
  }
  assert.equal(readable(value), readFileSync(json, 'utf8'), `${name}.json`);
  assert.equal(
    Buffer.from(bytes).toString('hex'),
    readFileSync(bin).toString('hex'),
    `${name}.bin`,
  );
}
