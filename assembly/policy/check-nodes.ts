/**
 * Checks the trees of path templates: ranges, that every child comes after its parent and has only
 * one, and that edges are sorted. That makes every walk of a request end, and keeps it from meeting
 * a node twice. One record or one edge at a time, so that a slice may end anywhere.
 */
import { METHODS_PER_NODE_MAX, NODES_MAX, SEGMENT_BYTES_MAX } from '../limits';
import { NONE } from '../util/bytes';
import {
  checkRange,
  checkText,
  compareTexts,
  REFUSED_INDEX,
  REFUSED_ORDER,
  REFUSED_TEXT,
  Refusal,
  TEXT_ANY,
} from './check-texts';
import { EDGES, METHODS, NamedNode, NODES, Node, PRODUCTS } from './layout';
import { countOf, recordOf } from './policy';

/** Bytes of the map of nodes that have a parent, one bit each. */
export const PARENTS_BYTES: u32 = (NODES_MAX + 8) / 8;

/** Notes that a node has a parent; false if it has one already or does not come after it. */
function adopt(policy: usize, parents: usize, parent: u32, child: u32): bool {
  if (child <= parent || child >= countOf(policy, NODES)) return false;
  const at = parents + (child >> 3);
  const bit = <u8>((<u32>1) << (child & 7));
  const bits = load<u8>(at);
  if ((bits & bit) != 0) return false;
  store<u8>(at, bits | bit);
  return true;
}

/** Checks the node `index` but for its edges; `parents` is the map. 0 or a refusal. */
export function checkNode(policy: usize, parents: usize, index: u32): i32 {
  const node = changetype<Node>(recordOf(policy, NODES, index));
  const methods: u32 = node.methodCount;
  const rest: u32 = node.restMethodCount;
  const inside =
    checkRange(policy, EDGES, node.edgeFirst, node.edgeCount, u32.MAX_VALUE) &&
    checkRange(policy, METHODS, node.methodFirst, methods, METHODS_PER_NODE_MAX) &&
    checkRange(policy, METHODS, node.restMethodFirst, rest, METHODS_PER_NODE_MAX) &&
    (node.product == NONE || node.product < countOf(policy, PRODUCTS));
  if (!inside) return Refusal.of(NODES, REFUSED_INDEX);
  if (node.anyNode == NONE) return 0;
  return adopt(policy, parents, index, node.anyNode) ? 0 : Refusal.of(NODES, REFUSED_ORDER);
}

/** Edges of a node that `checkNode` let pass. */
export function edgeCount(policy: usize, index: u32): u32 {
  return changetype<Node>(recordOf(policy, NODES, index)).edgeCount;
}

/** Checks the edge number `edge` of the node `index`. 0 or a refusal. */
export function checkEdge(policy: usize, parents: usize, index: u32, edge: u32): i32 {
  const node = changetype<Node>(recordOf(policy, NODES, index));
  const at = recordOf(policy, EDGES, node.edgeFirst + edge);
  const found = changetype<NamedNode>(at);
  if (!checkText(policy, found.text, found.textLength, 0, SEGMENT_BYTES_MAX, TEXT_ANY)) {
    return Refusal.of(EDGES, REFUSED_TEXT);
  }
  if (!adopt(policy, parents, index, found.node)) return Refusal.of(EDGES, REFUSED_INDEX);
  if (edge == 0) return 0;
  const last = changetype<NamedNode>(recordOf(policy, EDGES, node.edgeFirst + edge - 1));
  const order = compareTexts(policy, last.text, last.textLength, found.text, found.textLength);
  return order < 0 ? 0 : Refusal.of(EDGES, REFUSED_ORDER);
}
