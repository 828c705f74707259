/**
 * Reads what the RateLimit fields are made of: Structured Fields (RFC 9651), Lists of Strings with
 * parameters that are Integers. It follows the parsing algorithms step by step and is stricter than
 * any caller, so that a field it takes is one that everybody takes.
 */

/** A member of a List: a String and its parameters. */
export interface Item {
  readonly value: string;
  readonly parameters: Readonly<Record<string, number>>;
}

/** Reads a List, or throws with the place at which the text is none. */
export function parseList(text: string): Item[] {
  return new Parser(text).list();
}

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  list(): Item[] {
    this.#take(/ */y);
    const items: Item[] = [];
    while (this.#at < this.#text.length) {
      items.push(this.#item());
      this.#take(/[ \t]*/y);
      if (this.#at === this.#text.length) break;
      this.#need(/,[ \t]*/y, 'a comma');
      if (this.#at === this.#text.length) this.#fail('a member after the comma');
    }
    return items;
  }

  #item(): Item {
    const quoted = this.#need(/"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"/y, 'a String');
    const value = quoted.slice(1, -1).replace(/\\(.)/g, '$1');
    const parameters: Record<string, number> = {};
    while (this.#take(/;/y) !== undefined) {
      this.#take(/ */y);
      const key = this.#need(/[a-z*][a-z0-9_.*-]*/y, 'a key');
      this.#need(/=/y, 'a value');
      parameters[key] = Number(this.#need(/-?\d{1,15}(?![\d.])/y, 'an Integer'));
    }
    return { value, parameters };
  }

  #need(pattern: RegExp, what: string): string {
    return this.#take(pattern) ?? this.#fail(what);
  }

  /** The text at this place if it is of the (sticky) pattern. */
  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }

  #fail(what: string): never {
    throw new Error(`expected ${what} at ${this.#at} of ${JSON.stringify(this.#text)}`);
  }
}
