/**
 * Finds the tree that governs a host: the exact name, else the longest wildcard, else the tree for
 * hosts that no product names. It looks at the authority alone and decides nothing about it.
 */
import { HOST_BYTES_MAX } from '../limits';
import { HOSTS, WILDCARDS } from '../policy/layout';
import { anyHostNode, countOf, findNode } from '../policy/policy';
import { copyLower, findByte, NONE } from '../util/bytes';

/** The end of the host in lower case: all of it, or one byte more than any name may have. */
const LOWER: usize = memory.data(256, 8);

const COLON: u32 = 0x3a;
const DOT: u32 = 0x2e;
const OPENING_BRACKET: u32 = 0x5b;
const CLOSING_BRACKET: u32 = 0x5d;

/**
 * The length of an authority without its port: up to the first colon (of an address in brackets
 * the first behind them), digits after it or not, because what some server takes for a governed
 * host must be taken for it here.
 */
export function withoutPort(host: usize, length: u32): u32 {
  const isAddress = length > 0 && <u32>load<u8>(host) == OPENING_BRACKET;
  const end = isAddress ? findByte(host, length, CLOSING_BRACKET) : length;
  const from = end < length ? end : 0;
  return from + findByte(host + from, length - from, COLON);
}

/**
 * The node of the tree for an authority as the caller sent it, or NONE: not governed. Case, port
 * and one trailing dot do not count. A wildcard needs at least one label before it; a host longer
 * than any name can still end in one, so that length is no way around a product.
 */
export function matchHost(policy: usize, host: usize, length: u32): u32 {
  let bytes = withoutPort(host, length);
  if (bytes > 0 && <u32>load<u8>(host + bytes - 1) == DOT) bytes--;
  const kept = min(bytes, HOST_BYTES_MAX + 1);
  copyLower(LOWER, host + bytes - kept, kept);
  if (bytes <= HOST_BYTES_MAX) {
    const exact = findNode(policy, HOSTS, 0, countOf(policy, HOSTS), LOWER, bytes);
    if (exact != NONE) return exact;
  }
  const wildcards = countOf(policy, WILDCARDS);
  if (wildcards != 0) {
    for (let at: u32 = 1; at < kept; at++) {
      if (<u32>load<u8>(LOWER + at) != DOT) continue;
      const node = findNode(policy, WILDCARDS, 0, wildcards, LOWER + at, kept - at);
      if (node != NONE) return node;
    }
  }
  return anyHostNode(policy);
}
