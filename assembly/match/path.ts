/**
 * Finds the operation for a path and a method in the tree of a host. The most specific template
 * that has the method wins, segment by segment from the left: a literal before a parameter before
 * `**`. It never guesses: a path that may be read in two ways is an answer of its own.
 */
import { EDGES, METHODS, Method, NODES, Node, PRODUCT_UNMATCHED_PASS } from '../policy/layout';
import { findNode, operationAt, productAt, recordOf } from '../policy/policy';
import { NONE } from '../util/bytes';
import { ANY_METHOD } from './method';
import {
  PATH_READ,
  PATH_TOO_LONG,
  readPath,
  segmentAt,
  segmentCount,
  segmentLength,
} from './segments';

/** Answers of `matchPath`. */
export const MATCH_FOUND: i32 = 0;
export const MATCH_PASSES: i32 = 1;
export const MATCH_NOT_FOUND: i32 = 2;
export const MATCH_AMBIGUOUS: i32 = 3;

/** What `matchPath` found: indexes of the policy, or NONE. */
@unmanaged
export class Match {
  operation: u32;
  product: u32;
}

/**
 * Matches a path, query included, below a node that `matchHost` answered, and writes a `Match` at
 * `out`: an operation and its product · only a product that lets unmatched operations pass · for
 * "not found" the product whose base path it was under, if any.
 */
export function matchPath(
  policy: usize,
  node: u32,
  path: usize,
  length: u32,
  method: u32,
  out: usize,
): i32 {
  const match = changetype<Match>(out);
  match.operation = NONE;
  match.product = NONE;
  const read = readPath(path, length);
  // A path cut short could fall out of a `**` that asks for a key: too long is never passed on.
  if (read == PATH_TOO_LONG) return MATCH_NOT_FOUND;
  if (read != PATH_READ) return MATCH_AMBIGUOUS;
  const operation = walk(policy, node, 0, method | ANY_METHOD);
  if (operation != NONE) {
    match.operation = operation;
    match.product = operationAt(policy, operation).product;
    return MATCH_FOUND;
  }
  match.product = deepestProduct(policy, node);
  if (match.product == NONE) return MATCH_NOT_FOUND;
  const passes = (productAt(policy, match.product).flags & PRODUCT_UNMATCHED_PASS) != 0;
  return passes ? MATCH_PASSES : MATCH_NOT_FOUND;
}

/**
 * The operation below a node for the segments from `segment` on, or NONE. Depth is at most one more
 * than `SEGMENTS_MAX`, and no node is met twice, because each has one parent.
 */
function walk(policy: usize, index: u32, segment: u32, mask: u32): u32 {
  const node = changetype<Node>(recordOf(policy, NODES, index));
  if (segment == segmentCount()) {
    const ends = findMethod(policy, node.methodFirst, node.methodCount, mask);
    if (ends != NONE) return ends;
  } else {
    const child = findEdge(policy, node, segment);
    if (child != NONE) {
      const found = walk(policy, child, segment + 1, mask);
      if (found != NONE) return found;
    }
    if (node.anyNode != NONE && segmentLength(segment) != 0) {
      const found = walk(policy, node.anyNode, segment + 1, mask);
      if (found != NONE) return found;
    }
  }
  return findMethod(policy, node.restMethodFirst, node.restMethodCount, mask);
}

/** The operation of the first record whose mask meets `mask`, or NONE. */
function findMethod(policy: usize, first: u32, count: u32, mask: u32): u32 {
  for (let i: u32 = 0; i < count; i++) {
    const method = changetype<Method>(recordOf(policy, METHODS, first + i));
    if ((method.mask & mask) != 0) return method.operation;
  }
  return NONE;
}

/** The child of a node for the literal text of a segment, or NONE. */
function findEdge(policy: usize, node: Node, segment: u32): u32 {
  const at = segmentAt(segment);
  return findNode(policy, EDGES, node.edgeFirst, node.edgeCount, at, segmentLength(segment));
}

/** The product whose base path reaches farthest along the literal way, or NONE. */
function deepestProduct(policy: usize, index: u32): u32 {
  let product = NONE;
  let segment: u32 = 0;
  while (index != NONE) {
    const node = changetype<Node>(recordOf(policy, NODES, index));
    if (node.product != NONE) product = node.product;
    index = segment < segmentCount() ? findEdge(policy, node, segment) : NONE;
    segment++;
  }
  return product;
}
