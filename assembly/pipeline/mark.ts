/**
 * The mark of requests that the filter let pass: a secret of the workload in a header, so that a
 * policy behind the filter can tell them from requests that never came through it. It keeps the
 * mark and sets it; what callers send under that name is removed with all identity headers.
 */
import { MARK_BYTES_MAX, MARK_BYTES_MIN } from '../limits';
import { ascii, asciiLength } from '../util/ascii';
import { editSet } from './edits';

const NAME = ascii('x-sidegate-mark');

let mark: usize = 0;
let markLength: u32 = 0;

/**
 * Keeps the mark, whose bytes stay while the VM lives. One of another length, or with bytes that
 * are no visible ASCII, is none: then the policy behind the filter lets nothing pass.
 */
export function keepMark(at: usize, length: u32): void {
  if (length < MARK_BYTES_MIN || length > MARK_BYTES_MAX) return;
  for (let i: u32 = 0; i < length; i++) {
    if (<u32>load<u8>(at + i) - 0x21 > 0x7e - 0x21) return;
  }
  mark = at;
  markLength = length;
}

/** Marks the request, which passes, where the workload has a mark. */
export function markPassed(): void {
  if (markLength != 0) editSet(NAME, asciiLength(NAME), mark, markLength);
}
