/**
 * Keeps a folder for one process: a side database held under an exclusive lock of the operating
 * system, which goes with the process however it ends. It must never be decided by a file that
 * merely exists: such a file outlives a killed process and would lock its owner out.
 */
import { DatabaseSync } from 'node:sqlite';

/** A lock held. */
export interface FileLock {
  release(): void;
}

/** SQLite's primary result code for a lock that another connection holds. */
const SQLITE_BUSY = 5;

/**
 * Locks `path`, making the file when there is none. Answers undefined when another process, or
 * another part of this one, holds it. Never waits. Not to be trusted on a network file system.
 */
export function lockFile(path: string): FileLock | undefined {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;');
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return undefined;
    throw error;
  }
  return { release: () => database.close() };
}
