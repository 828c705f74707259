/**
 * Compares what the code makes with what the repository holds, or writes it there on request.
 */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { REGENERATE } from './reference.ts';
import { exists, ROOT, read } from './sources.ts';

/** Asserts that the file at `path` holds `text`; with UPDATE_GOLDEN=1 writes it instead. */
export function assertUpToDate(path: string, text: string): void {
  if (process.env.UPDATE_GOLDEN === '1') {
    mkdirSync(dirname(ROOT + path), { recursive: true });
    writeFileSync(ROOT + path, text);
    return;
  }
  assert.ok(exists(path), `${path} is not there: ${REGENERATE}`);
  assert.equal(read(path), text, `${path} is not up to date: ${REGENERATE}`);
}
