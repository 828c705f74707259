/**
 * Decides which products stand behind which host of a proxy group. Hosts that the same products
 * cover in the same order share one tree.
 */
import type { Product } from '../resources/model.ts';
import { buildTree, TreeNode, treeSize } from './tree.ts';

/** Most nodes of all trees; once they are passed, no further tree is built. */
export const NODES_MAX = 65_535;

/** A host name or a wildcard's suffix with the tree behind it. */
export interface HostTree {
  readonly name: string;
  readonly tree: TreeNode;
}

/** The hosts of a proxy group. */
export interface Hosts {
  /** Sorted by bytes. */
  readonly exact: readonly HostTree[];
  /** `.example.com` for `*.example.com`; sorted by bytes. */
  readonly wildcards: readonly HostTree[];
  /** Behind every other host, or undefined. */
  readonly anyHost: TreeNode | undefined;
  /** Every tree once, in the order of first use. */
  readonly trees: readonly TreeNode[];
}

/** Builds the hosts and trees of the products of one proxy group. */
export function buildHosts(products: readonly Product[]): Hosts {
  const exact = new Map<string, Product[]>();
  const suffixes = new Map<string, Product[]>();
  const everywhere: Product[] = [];
  for (const product of products) {
    if (product.hosts.length === 0) everywhere.push(product);
    for (const host of product.hosts) {
      if (host.startsWith('*')) push(suffixes, host.slice(1), product);
      else push(exact, host, product);
    }
  }
  const forest = new Forest();
  const wider = (name: string) => [...coveringSuffixes(name, suffixes), everywhere];
  return {
    exact: sortedNames(exact).map(([name, layer]) => ({
      name,
      tree: forest.of([layer, ...wider(name)]),
    })),
    wildcards: sortedNames(suffixes).map(([name, layer]) => ({
      name,
      tree: forest.of([layer, ...wider(name)]),
    })),
    anyHost: everywhere.length === 0 ? undefined : forest.of([everywhere]),
    trees: forest.trees,
  };
}

/** The products of every wildcard that covers a name, the longest first. */
function coveringSuffixes(name: string, suffixes: Map<string, Product[]>): Product[][] {
  const layers: Product[][] = [];
  for (let dot = name.indexOf('.', 1); dot !== -1; dot = name.indexOf('.', dot + 1)) {
    const layer = suffixes.get(name.slice(dot));
    if (layer !== undefined) layers.push(layer);
  }
  return layers;
}

/** Trees by what they are made of. */
class Forest {
  readonly trees: TreeNode[] = [];
  readonly #numbers = new Map<Product, number>();
  readonly #known = new Map<string, TreeNode>();
  #nodes = 0;

  of(layers: readonly (readonly Product[])[]): TreeNode {
    // A product that covers a host twice counts once, where it is most specific.
    const met = new Set<Product>();
    const once = layers.map((layer) => layer.filter((each) => !met.has(each) && met.add(each)));
    const used = once.filter((layer) => layer.length > 0);
    const key = used.map((layer) => layer.map((each) => this.#numberOf(each)).join()).join('/');
    let tree = this.#known.get(key);
    if (tree === undefined) {
      // Every host may have a tree of its own: beyond the bound one more would only cost memory.
      tree = this.#nodes > NODES_MAX ? new TreeNode() : buildTree(used);
      this.#nodes += treeSize(tree);
      this.#known.set(key, tree);
      this.trees.push(tree);
    }
    return tree;
  }

  #numberOf(product: Product): number {
    const number = this.#numbers.get(product) ?? this.#numbers.size;
    this.#numbers.set(product, number);
    return number;
  }
}

function push(map: Map<string, Product[]>, name: string, product: Product): void {
  const list = map.get(name) ?? [];
  map.set(name, list);
  list.push(product);
}

/** Host names are ASCII, so the order of their characters is that of their bytes. */
function sortedNames<T>(map: Map<string, T>): [string, T][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}
