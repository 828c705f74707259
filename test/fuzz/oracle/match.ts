/**
 * Which product and operation a request is for: docs/wire.md, "Matching", sentence by sentence,
 * with regular expressions and recursion where the filter has tables and loops.
 */
import type { Policy, PolicyNode, Range } from '../../../host/wire/policy.ts';
import { wireText } from './world.ts';

/** What matching comes to. `product` and `operation` are indexes into the policy. */
export type Match =
  | { readonly kind: 'not governed' | 'ambiguous' | 'nothing' }
  | { readonly kind: 'unmatched'; readonly product: number }
  | { readonly kind: 'found'; readonly product: number; readonly operation: number };

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'];
const SEGMENTS_MAX = 64;

/** Matches a request; a header that is missing is an empty text. */
export function match(policy: Policy, authority: string, path: string, method: string): Match {
  const root = nodeOfHost(policy, authority);
  if (root === undefined) return { kind: 'not governed' };
  const plain = path.replace(/[?#].*$/s, '');
  if (isAmbiguous(plain)) return { kind: 'ambiguous' };
  const segments = plain.slice(1).split('/').map(comparable);
  if (segments.length > SEGMENTS_MAX) return { kind: 'nothing' };
  const operation = descend(policy, root, segments, method);
  if (operation !== undefined) {
    return { kind: 'found', operation, product: policy.operations[operation]?.product ?? -1 };
  }
  const product = deepestProduct(policy, root, segments);
  return product === undefined ? { kind: 'nothing' } : { kind: 'unmatched', product };
}

/** The node behind a host, or undefined if no product governs it. */
export function nodeOfHost(policy: Policy, authority: string): number | undefined {
  const host = authority
    .replace(/[A-Z]/g, (letter) => letter.toLowerCase())
    .replace(/^(\[[^\]]*\][^:]*|[^:]*):.*$/s, '$1')
    .replace(/\.$/, '');
  const exact = policy.hosts.find(({ name }) => wireText(name) === host);
  if (exact !== undefined) return exact.node;
  const covering = policy.wildcards
    .filter(({ name }) => host.endsWith(wireText(name)) && host.length > wireText(name).length)
    .sort((a, b) => wireText(b.name).length - wireText(a.name).length);
  return covering[0]?.node ?? policy.anyHostNode;
}

/** Whether two parsers could read a path, already cut at its query, in two ways. */
export function isAmbiguous(path: string): boolean {
  if (!path.startsWith('/') || path.includes('//')) return true;
  if (/[^\x21-\x7e]|[;\\]/.test(path)) return true;
  if (/%(?![0-9a-f]{2})/i.test(path) || /%(2f|5c|00)/i.test(path)) return true;
  if (/%(2[de]|3[0-9]|4[1-9a-f]|5[0-9af]|6[1-9a-f]|7[0-9ae])/i.test(path)) return true;
  return path.split('/').some((segment) => segment === '.' || segment === '..');
}

function comparable(segment: string): string {
  return segment.replace(/%[0-9a-f]{2}/gi, (escaped) => escaped.toUpperCase());
}

/** The operation at or below a node: literal first, then any segment, then the node's own `**`. */
function descend(
  policy: Policy,
  at: number,
  rest: readonly string[],
  method: string,
): number | undefined {
  const node = policy.nodes[at];
  if (node === undefined) return undefined;
  const [segment, ...others] = rest;
  const below =
    segment === undefined
      ? operationOf(policy, node.methods, method)
      : descendInto(policy, node, { segment, others, method });
  return below ?? operationOf(policy, node.restMethods, method);
}

function descendInto(
  policy: Policy,
  node: PolicyNode,
  step: { segment: string; others: readonly string[]; method: string },
): number | undefined {
  const { segment, others, method } = step;
  const literal = edgeTo(policy, node, segment);
  const found = literal === undefined ? undefined : descend(policy, literal, others, method);
  if (found !== undefined || node.anyNode === undefined || segment === '') return found;
  return descend(policy, node.anyNode, others, method);
}

function edgeTo(policy: Policy, node: PolicyNode, segment: string): number | undefined {
  return slice(policy.edges, node.edges).find(({ name }) => wireText(name) === segment)?.node;
}

function operationOf(policy: Policy, range: Range, method: string): number | undefined {
  const bit = METHODS.indexOf(method);
  const has = (mask: number) => mask >= 2 ** 31 || (bit >= 0 && (mask & (1 << bit)) !== 0);
  return slice(policy.methods, range).find(({ mask }) => has(mask))?.operation;
}

/** The product whose base path is the longest on the literal way. */
function deepestProduct(policy: Policy, root: number, segments: readonly string[]) {
  let node = policy.nodes[root];
  let product = node?.product;
  for (const segment of segments) {
    const next = node === undefined ? undefined : edgeTo(policy, node, segment);
    if (next === undefined) break;
    node = policy.nodes[next];
    product = node?.product ?? product;
  }
  return product;
}

/** The records of a range. */
export function slice<T>(table: readonly T[], { first, count }: Range): readonly T[] {
  return table.slice(first, first + count);
}
