/**
 * The folder of resource files: reads it whole and tells when it may have changed. It must never
 * look into a file, and never report half of a change as the whole: readers read again.
 */
import { type FSWatcher, readdirSync, readFileSync, statSync, watch } from 'node:fs';
import { join } from 'node:path';
import { FILES_MAX } from '../resources/load.ts';

/** A file as read. */
export interface FolderFile {
  /** Path from where the host or command was started, as people know it. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Most folders below one another; a link to a folder above would never end. */
const DEPTH_MAX = 16;

/**
 * Every `.yaml` and `.yml` file of a folder and the folders in it, by name; or the one file when
 * `path` is one. Names beginning with a dot are skipped. Throws what the file system throws.
 */
export function readFolder(path: string): FolderFile[] {
  return listFiles(path).map((name) => ({ name, bytes: new Uint8Array(readFileSync(name)) }));
}

function listFiles(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  const files: string[] = [];
  const visit = (folder: string, depth: number) => {
    if (depth > DEPTH_MAX) throw new Error(`${folder} lies more than ${DEPTH_MAX} folders deep`);
    for (const entry of readdirSync(folder).sort()) {
      if (entry.startsWith('.')) continue;
      const child = join(folder, entry);
      // Mounted configuration is links to files, so that links are followed.
      const stats = statSync(child, { throwIfNoEntry: false });
      if (stats?.isDirectory()) visit(child, depth + 1);
      else if (stats?.isFile() && /\.ya?ml$/.test(entry)) files.push(child);
      if (files.length > FILES_MAX) throw new Error(`${path} holds more than ${FILES_MAX} files`);
    }
  };
  visit(path, 0);
  return files;
}

/** Names, sizes and times of a folder's files as one text; another text = something changed. */
export function folderSignature(path: string): string {
  try {
    return listFiles(path)
      .map((name) => {
        const { size, mtimeMs, ino } = statSync(name);
        return `${name}:${size}:${mtimeMs}:${ino}`;
      })
      .join('\n');
  } catch (error) {
    return `unreadable: ${(error as NodeJS.ErrnoException).code}`;
  }
}

/** When to look. */
export interface FolderWatchOptions {
  /** Quiet time after the last event before `onChange` is called. */
  readonly debounceMs: number;
  /** How often to look even without an event: some file systems send none. */
  readonly pollMs: number;
}

/**
 * Calls `onChange` when files of the folder may have changed, until the returned function is
 * called. Events of the system are hints only; the poll finds what they miss.
 */
export function watchFolder(
  path: string,
  onChange: () => void,
  { debounceMs, pollMs }: FolderWatchOptions,
): () => void {
  let known = folderSignature(path);
  let timer: NodeJS.Timeout | undefined;
  const settle = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const now = folderSignature(path);
      if (now === known) return;
      known = now;
      onChange();
    }, debounceMs);
  };
  const poll = setInterval(() => {
    if (folderSignature(path) !== known) settle();
  }, pollMs);
  const watcher = startWatcher(path, settle);
  return () => {
    clearTimeout(timer);
    clearInterval(poll);
    watcher?.close();
  };
}

function startWatcher(path: string, onEvent: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(path, { recursive: true }, onEvent);
    // The folder may go away or events may run out; the poll goes on.
    watcher.on('error', () => watcher.close());
    return watcher;
  } catch {
    return undefined;
  }
}
