/**
 * Texts, bytes and header lists of the probe, and the line in which it writes down results. It
 * allocates and never frees.
 */
import { proxy_log } from '@solo-io/proxy-runtime/assembly/imports';

/** Where the host writes what it answers. */
export const OUT: usize = memory.data(64, 16);

let trace: string = '';

/** Begins a line. */
export function beginTrace(text: string): void {
  trace = text;
}

/** The line so far. */
export function traced(): string {
  return trace;
}

/** Adds a step and its result to the line. */
export function note(op: string, code: u32, value: string = ''): void {
  trace += ' ' + op + '=' + code.toString();
  if (value.length > 0) trace += '(' + value + ')';
}

/** Adds a word to the line. */
export function noteWord(word: string): void {
  trace += ' ' + word;
}

/** The bytes of a text, one per character, at an address of their own. */
export class Bytes {
  at: usize;
  length: i32;
  constructor(text: string) {
    this.length = text.length;
    this.at = heap.alloc(text.length + 1);
    for (let i = 0; i < text.length; i++) store<u8>(this.at + i, text.charCodeAt(i) as u8);
  }
}

/** The bytes at an address as text; what is not visible ASCII as %xx. */
export function textAt(at: usize, length: usize): string {
  let text = '';
  for (let i: usize = 0; i < length; i++) {
    const byte = load<u8>(at + i);
    if (byte > 0x20 && byte < 0x7f && byte != 0x25) text += String.fromCharCode(byte);
    else text += '%' + (byte < 16 ? '0' : '') + (byte as u32).toString(16);
  }
  return text;
}

/** The text the host has handed over, byte by byte. */
export function given(): string {
  const at = load<usize>(OUT);
  let text = '';
  for (let i: usize = 0; i < load<usize>(OUT, 4); i++) {
    text += String.fromCharCode(load<u8>(at + i));
  }
  return text;
}

/** The value the host has handed over, as `textAt` writes it. */
export function outText(): string {
  return textAt(load<usize>(OUT), load<usize>(OUT, 4));
}

/** Logs a line. */
export function logLine(level: u32, text: string): u32 {
  const bytes = new Bytes(text);
  return proxy_log(level, bytes.at, bytes.length);
}

/** An argument as it is meant: `''` is empty, `~` a blank. */
export function unquote(argument: string): string {
  return argument == "''" ? '' : argument.replaceAll('~', ' ');
}

/** Pairs in the layout of the ABI: `{u32 count; {u32,u32}[count]; name\0 value\0 …}`. */
export class PairsBuffer {
  at: usize = 0;
  length: i32 = 0;
  constructor(text: string) {
    const items = text.length == 0 ? new Array<string>() : text.split(',');
    let length = 4;
    for (let i = 0; i < items.length; i++) length += 8 + items[i].length + 1;
    this.at = heap.alloc(length);
    this.length = length;
    store<u32>(this.at, items.length);
    let next = this.at + 4 + 8 * items.length;
    for (let i = 0; i < items.length; i++) {
      const equals = items[i].indexOf('=');
      const name = items[i].substring(0, equals);
      const value = unquote(items[i].substring(equals + 1));
      store<u32>(this.at + 4 + 8 * i, name.length);
      store<u32>(this.at + 8 + 8 * i, value.length);
      next = putText(next, name);
      next = putText(next, value);
    }
    this.length = (next - this.at) as i32;
  }
}

function putText(at: usize, text: string): usize {
  for (let i = 0; i < text.length; i++) store<u8>(at + i, text.charCodeAt(i) as u8);
  store<u8>(at + text.length, 0);
  return at + text.length + 1;
}

/** A header list in the layout of the ABI as `name=value,…`. */
export function pairsText(at: usize, length: usize): string {
  if (length == 0) return '';
  const count = load<u32>(at);
  let next = at + 4 + 8 * count;
  let text = '';
  for (let i: u32 = 0; i < count; i++) {
    const nameLength = load<u32>(at + 4 + 8 * i);
    const valueLength = load<u32>(at + 8 + 8 * i);
    if (i > 0) text += ',';
    text += textAt(next, nameLength);
    next += nameLength + 1;
    text += '=' + textAt(next, valueLength);
    next += valueLength + 1;
  }
  return text;
}

