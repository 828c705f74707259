/**
 * A file of resources as text with positions. It turns offsets into lines and columns and must
 * never interpret what the text says.
 */
import { LineCounter } from 'yaml';

/** What the excerpt of a place shows. */
export interface Shown {
  readonly line: number;
  readonly column: number;
  /** Columns of the place on its first line, at least 1. */
  readonly length: number;
  readonly excerpt: string;
}

/** The text of one file. */
export class SourceFile {
  readonly name: string;
  readonly text: string;
  #lines: LineCounter | undefined;

  constructor(name: string, text: string) {
    this.name = name;
    this.text = text;
  }

  /** Line and column of an offset, both from 1. */
  position(offset: number): { line: number; column: number } {
    if (this.#lines === undefined) {
      this.#lines = new LineCounter();
      this.#lines.addNewLine(0);
      for (let at = this.text.indexOf('\n'); at !== -1; at = this.text.indexOf('\n', at + 1)) {
        this.#lines.addNewLine(at + 1);
      }
    }
    const { line, col } = this.#lines.linePos(offset);
    return { line, column: col };
  }

  /** The first line of a place, fit to be printed: control characters become spaces. */
  show(offset: number, length: number): Shown {
    const { line, column } = this.position(offset);
    const start = offset - column + 1;
    const end = this.text.indexOf('\n', start);
    const raw = this.text.slice(start, end === -1 ? undefined : end);
    const excerpt = raw.replace(/\p{Cc}|\p{Cf}|\p{Zl}|\p{Zp}/gu, ' ').trimEnd();
    const onLine = Math.min(length, excerpt.length - column + 1);
    return { line, column, length: Math.max(1, onLine), excerpt };
  }
}
