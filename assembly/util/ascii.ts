/**
 * Texts that stand in the module as ASCII. The compiler's transform (assembly/ascii.mjs) puts the
 * letters there and addresses into the program; here they are read. There are no strings in the
 * filter, at no time.
 */

/**
 * The address of the letters of a literal. The transform takes the place of every call, and what it
 * does not replace does not compile: nothing is ever a string.
 */
export function ascii(_literal: string): usize {
  return 0;
}

/** The address of a list, given as a literal whose entries are ended by `|` each; likewise. */
export function asciiList(_literal: string): usize {
  return 0;
}

const LIST_END: u32 = 255;

/** Letters of a text that `ascii` gave. */
export function asciiLength(text: usize): u32 {
  return load<u16>(text - 2);
}

/** Entry `index` of a list: the byte that says its length, before its letters; 0 beyond the end. */
export function asciiEntry(list: usize, index: u32): usize {
  let at = list;
  for (let length: u32 = load<u8>(at); length != LIST_END; length = load<u8>(at)) {
    if (index == 0) return at;
    index--;
    at += 1 + length;
  }
  return 0;
}
