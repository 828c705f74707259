/**
 * Wraps a text that must not be printed. Every way of turning it into text gives a placeholder,
 * so that a log line or an error that holds one by mistake holds nothing.
 */
const REDACTED = '[secret]';

/** The method by which Node turns a value into text for a log. */
const INSPECT = Symbol.for('nodejs.util.inspect.custom');

/** A secret text. `reveal` is the only way to it; call it where the text is handed over, only. */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The secret itself. */
  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [Symbol.toPrimitive](): string {
    return REDACTED;
  }

  [INSPECT](): string {
    return REDACTED;
  }
}
