/**
 * Tells one version of the compiler from another by its source, so that nobody has to remember to
 * say that the same resources come to other bytes. It reads files of this program alone.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What turns resources and credentials into what filters get. */
const SOURCES = ['compile', 'credential', 'resources', 'store/directory.ts', 'wire'];

/** A text that is another whenever a source of the compiler is, though it may make the same. */
export function compilerMark(root = join(import.meta.dirname, '..')): string {
  const hash = createHash('sha256');
  for (const source of SOURCES) {
    const path = join(root, source);
    const files = source.endsWith('.ts') ? [path] : filesIn(path);
    for (const file of files) hash.update(file.slice(root.length)).update(readFileSync(file));
  }
  return hash.digest('hex').slice(0, 32);
}

function filesIn(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.map(({ parentPath, name }) => join(parentPath, name)).sort();
}
