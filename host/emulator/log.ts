/**
 * The lines a guest has logged. Keeps at most `LOGS_MAX` of them, the newest, so that a long run
 * does not fill the memory of the test.
 */
import { LOG_LEVELS, type LogLevel } from './abi.ts';

/** The most lines kept. */
export const LOGS_MAX = 10_000;

/** One line. */
export interface LogLine {
  level: LogLevel;
  message: string;
  /** The context that was acting. */
  contextId: number;
  atMs: number;
}

/** A log with a threshold. */
export class Log {
  #lines: LogLine[] = [];
  level: LogLevel;
  /** Lines at or above the threshold since the start, kept or not. */
  count = 0;

  constructor(level: LogLevel = 'info') {
    this.level = level;
  }

  /** The number of the threshold, as `proxy_get_log_level` answers it. */
  get levelNumber(): number {
    return LOG_LEVELS.indexOf(this.level);
  }

  /** The lines kept, oldest first. */
  get lines(): readonly LogLine[] {
    return this.#lines;
  }

  /** The messages kept, oldest first. */
  get messages(): string[] {
    return this.#lines.map(({ message }) => message);
  }

  /** Takes a line, unless it lies below the threshold. */
  write(level: number, message: string, contextId: number, atMs: number): void {
    const name = LOG_LEVELS[level];
    if (name === undefined || level < this.levelNumber) return;
    this.count++;
    if (this.#lines.length >= 2 * LOGS_MAX) this.#lines = this.#lines.slice(-LOGS_MAX);
    this.#lines.push({ level: name, message, contextId, atMs });
  }

  /** Forgets the lines kept. */
  clear(): void {
    this.#lines = [];
  }
}
