/**
 * Puts headers in front of the filter as a proxy would, and reads back the edits it made, as text.
 */
import {
  EDIT_ADD,
  EDIT_REMOVE,
  editAt,
  editCount,
  resetEdits,
} from '../../../assembly/pipeline/edits';
import { indexHeaders } from '../../../assembly/pipeline/headers';
import { textOf } from './bytes';
import { Writer } from './writer';

/** Indexes headers given as `name: value`; forgets the edits of the last request. */
export function request(headers: string[]): void {
  const sizes = new Writer().u32(headers.length);
  const bytes = new Writer();
  for (let i = 0; i < headers.length; i++) {
    const colon = headers[i].indexOf(': ');
    const name = headers[i].substring(0, colon);
    const value = headers[i].substring(colon + 2);
    const before = bytes.length;
    bytes.text(name);
    const middle = bytes.length;
    bytes.u8(0).text(value);
    sizes.u32(middle - before).u32(bytes.length - middle - 1);
    bytes.u8(0);
  }
  const whole = sizes.add(bytes);
  indexHeaders(whole.place(), whole.length);
  resetEdits();
}

/** The edits, one per line: `name=value` set, `name+value` added, `-name` removed. */
export function edits(): string {
  const lines: string[] = [];
  for (let i: u32 = 0; i < editCount(); i++) {
    const edit = editAt(i);
    const op = load<u32>(edit);
    const name = textOf(load<u32>(edit, 4), load<u32>(edit, 8));
    if (op == EDIT_REMOVE) {
      lines.push('-' + name);
      continue;
    }
    const value = textOf(load<u32>(edit, 12), load<u32>(edit, 16));
    lines.push(name + (op == EDIT_ADD ? '+' : '=') + value);
  }
  return lines.join('\n');
}
