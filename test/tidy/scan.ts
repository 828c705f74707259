/**
 * Tells code from comments and literals in TypeScript, JavaScript and AssemblyScript text, so that
 * the rules of this folder never stumble over a brace in a string or an import in a comment. It
 * knows tokens only: it must never try to understand types, and it must never fail on a file it
 * does not understand.
 */

/** A piece of a text, from `start` (inclusive) to `end` (exclusive), in UTF-16 units. */
export interface Span {
  start: number;
  end: number;
}

/** What `scan` makes of a text. `code` has the same length and the same line ends as the text. */
export interface Scan {
  /** The text with comments and the contents of literals blanked out; quotes stay. */
  code: string;
  comments: Span[];
  /** String, template and regular-expression literals, quotes included. */
  literals: Span[];
}

const REGEX_WORDS = new Set([
  'return',
  'typeof',
  'case',
  'in',
  'of',
  'do',
  'else',
  'yield',
  'await',
]);

/**
 * Splits a text into code, comments and literals. Total: unterminated literals end with the text.
 */
export function scan(text: string): Scan {
  return new Scanner(text).run();
}

/** The 1-based line a position of the text stands on. */
export function lineAt(text: string, position: number): number {
  let line = 1;
  for (let i = text.indexOf('\n'); i !== -1 && i < position; i = text.indexOf('\n', i + 1)) line++;
  return line;
}

class Scanner {
  private readonly text: string;
  private readonly comments: Span[] = [];
  private readonly literals: Span[] = [];
  private position = 0;

  constructor(text: string) {
    this.text = text;
  }

  run(): Scan {
    if (this.text.startsWith('#!')) this.comment(this.endOfLine(0));
    this.walk(false);
    return { code: this.masked(), comments: this.comments, literals: this.literals };
  }

  /** Walks code up to the end of the text, or to the brace that closes a template's hole. */
  private walk(inHole: boolean): void {
    let depth = 0;
    while (this.position < this.text.length) {
      const c = this.text[this.position];
      const next = this.text[this.position + 1];
      if (c === '/' && next === '/') this.comment(this.endOfLine(this.position));
      else if (c === '/' && next === '*') this.comment(this.after('*/', this.position + 2));
      else if (c === '"' || c === "'") this.literal(this.endOfQuoted(c));
      else if (c === '`') this.template();
      else if (c === '/' && this.regexMayStart()) this.literal(this.endOfRegex());
      else {
        if (c === '{') depth++;
        if (c === '}' && depth-- === 0 && inHole) return;
        this.position++;
      }
    }
  }

  private comment(end: number): void {
    this.comments.push({ start: this.position, end });
    this.position = end;
  }

  private literal(end: number): void {
    this.literals.push({ start: this.position, end });
    this.position = end;
  }

  /** A template: each run of literal text is a span of its own, holes are walked as code. */
  private template(): void {
    let start = this.position++;
    while (this.position < this.text.length) {
      const c = this.text[this.position];
      if (c === '\\') this.position += 2;
      else if (c === '$' && this.text[this.position + 1] === '{') {
        this.position += 2;
        this.literals.push({ start, end: this.position });
        this.walk(true);
        start = this.position++;
      } else if (c === '`') {
        this.literals.push({ start, end: ++this.position });
        return;
      } else this.position++;
    }
    this.literals.push({ start, end: this.text.length });
  }

  private endOfLine(from: number): number {
    const end = this.text.indexOf('\n', from);
    return end === -1 ? this.text.length : end;
  }

  private after(mark: string, from: number): number {
    const end = this.text.indexOf(mark, from);
    return end === -1 ? this.text.length : end + mark.length;
  }

  private endOfQuoted(quote: string): number {
    let i = this.position + 1;
    while (i < this.text.length && this.text[i] !== quote && this.text[i] !== '\n') {
      i += this.text[i] === '\\' ? 2 : 1;
    }
    return Math.min(i + 1, this.text.length);
  }

  private endOfRegex(): number {
    let inClass = false;
    let i = this.position + 1;
    while (i < this.text.length && this.text[i] !== '\n') {
      const c = this.text[i];
      if (c === '\\') i++;
      else if (c === '[') inClass = true;
      else if (c === ']') inClass = false;
      else if (c === '/' && !inClass) return i + 1;
      i++;
    }
    return this.position + 1;
  }

  /** A slash begins a regular expression where an operand is expected, else it divides. */
  private regexMayStart(): boolean {
    let i = this.position - 1;
    while (i >= 0 && /\s/.test(this.text[i] ?? '')) i--;
    if (i < 0) return true;
    const c = this.text[i] ?? '';
    if (!/[\w$)\]}'"`]/.test(c)) return true;
    if (!/\w/.test(c)) return false;
    const word = /[\w$]+$/.exec(this.text.slice(Math.max(0, i - 20), i + 1))?.[0] ?? '';
    return REGEX_WORDS.has(word);
  }

  private masked(): string {
    const out: string[] = [];
    const spans = [
      ...this.comments,
      ...this.literals.map(({ start, end }) => ({ start: start + 1, end: end - 1 })),
    ].sort((a, b) => a.start - b.start);
    let from = 0;
    for (const { start, end } of spans) {
      if (end <= start) continue;
      out.push(this.text.slice(from, start), blank(this.text.slice(start, end)));
      from = end;
    }
    out.push(this.text.slice(from));
    return out.join('');
  }
}

function blank(text: string): string {
  return text.replace(/[^\n]/g, ' ');
}
