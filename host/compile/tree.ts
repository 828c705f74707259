/**
 * Builds the trees of path templates behind hosts. A tree holds every product that covers its
 * host; where two would match the same request, the one with the more specific host has it.
 */
import type { Operation, Product } from '../resources/model.ts';
import { ANY_METHOD, METHODS } from '../resources/schema/schema.ts';

/** An operation at a node, with the methods it has there. */
export interface Place {
  readonly mask: number;
  readonly product: Product;
  readonly operation: Operation;
}

/** A node: one step of a path. */
export class TreeNode {
  readonly edges = new Map<string, TreeNode>();
  /** Child for one segment of any text. */
  any: TreeNode | undefined;
  /** Operations of templates that end here. */
  readonly ends: Place[] = [];
  /** Operations of templates that end here in `**`. */
  readonly rests: Place[] = [];
  /** The product whose base path ends here. */
  product: Product | undefined;
}

/** Bit of the mask that stands for every method. */
export const ANY_METHOD_BIT = 0x80000000;

/** The mask of some methods, as docs/wire.md numbers them. */
export function methodMask(methods: readonly string[]): number {
  let mask = 0;
  for (const method of methods) {
    if (method === ANY_METHOD) mask |= ANY_METHOD_BIT;
    else mask |= 1 << (METHODS as readonly string[]).indexOf(method);
  }
  return mask >>> 0;
}

/** Nodes of a tree, the root included. */
export function treeSize(root: TreeNode): number {
  const open = [root];
  let nodes = 0;
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    nodes += 1;
    open.push(...node.edges.values());
    if (node.any !== undefined) open.push(node.any);
  }
  return nodes;
}

/** The tree of layers of products, the most specific layer first. */
export function buildTree(layers: readonly (readonly Product[])[]): TreeNode {
  const root = new TreeNode();
  for (const layer of layers) {
    // Within a layer nothing is taken twice; only what earlier layers took is gone.
    const places = layer.flatMap((product) => placesOf(root, product));
    for (const { list, place } of places) list.push(place);
    for (const product of layer) {
      const node = walk(root, product.basePath);
      node.product ??= product;
    }
  }
  return root;
}

function placesOf(root: TreeNode, product: Product): { list: Place[]; place: Place }[] {
  return product.operations.flatMap((operation) => {
    const node = operation.segments.reduce(
      (at, each) => (each === 'any' ? anyChild(at) : child(at, each.literal)),
      walk(root, product.basePath),
    );
    const list = operation.rest ? node.rests : node.ends;
    const mask = methodMask(operation.methods) & ~takenMask(list);
    return mask === 0 ? [] : [{ list, place: { mask: mask >>> 0, product, operation } }];
  });
}

/** Methods that are gone: all of them once one operation has every method. */
function takenMask(places: readonly Place[]): number {
  const taken = places.reduce((mask, place) => mask | place.mask, 0);
  return (taken & ANY_METHOD_BIT) === 0 ? taken : -1;
}

function walk(root: TreeNode, segments: readonly string[]): TreeNode {
  return segments.reduce(child, root);
}

function child(node: TreeNode, segment: string): TreeNode {
  let next = node.edges.get(segment);
  if (next === undefined) {
    next = new TreeNode();
    node.edges.set(segment, next);
  }
  return next;
}

function anyChild(node: TreeNode): TreeNode {
  node.any ??= new TreeNode();
  return node.any;
}
