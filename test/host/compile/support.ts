/**
 * What the tests of compiling share: sets from YAML, ids, and a matcher that follows docs/wire.md
 * over a decoded policy. It must never use the code that compiles.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { compileSet, groupsOf } from '../../../host/compile/compile.ts';
import { Ids, idNames } from '../../../host/compile/ids.ts';
import type { CompiledGroup } from '../../../host/compile/output.ts';
import { type InputFile, loadResources } from '../../../host/resources/load.ts';
import type { ResourceSet } from '../../../host/resources/model.ts';
import { formatProblems } from '../../../host/resources/problem.ts';
import {
  decodePolicy,
  type NamedNode,
  type Policy,
  type PolicyNode,
} from '../../../host/wire/policy.ts';

const GOOD = new URL('../../fixtures/resources/good/', import.meta.url);

/** The files of the good corpus. */
export function goodFiles(): InputFile[] {
  return readdirSync(GOOD).map((name) => ({
    name,
    bytes: new Uint8Array(readFileSync(new URL(name, GOOD))),
  }));
}

/** The set of some YAML, which must be free of problems. */
export function setOf(text: string): ResourceSet {
  return setOfFiles([{ name: 'set.yaml', bytes: new TextEncoder().encode(text) }]);
}

/** The set of some files, which must be free of problems. */
export function setOfFiles(files: readonly InputFile[]): ResourceSet {
  const loaded = loadResources(files);
  assert.equal(loaded.ok ? '' : formatProblems(loaded.problems), '');
  if (!loaded.ok) throw new Error('not loaded');
  return loaded.set;
}

/** Ids in the order of first need, from 1. */
export function idsOf(set: ResourceSet, groups = groupsOf(set, [])): Ids {
  const names = idNames(set, groups);
  const known = new Map<string, number>();
  const ids = names.map((name) => {
    const key = JSON.stringify(name);
    const id = known.get(key) ?? known.size + 1;
    known.set(key, id);
    return id;
  });
  return new Ids(names, ids);
}

/** Compiles a set whose bounds are kept. */
export function compileGroups(set: ResourceSet, known: readonly string[] = []): CompiledGroup[] {
  const groups = groupsOf(set, known);
  const compiled = compileSet(set, groups, idsOf(set, groups));
  assert.ok(compiled.ok);
  return [...compiled.value.groups];
}

/** The policy of a proxy group, decoded. */
export function policyOf(set: ResourceSet, group = 'default'): Policy {
  const compiled = compileGroups(set).find((each) => each.group === group);
  const decoded = decodePolicy(compiled?.policy ?? new Uint8Array());
  assert.ok(decoded.ok);
  return decoded.value;
}

/** What a policy says of a request: an operation, a product alone, or nothing. */
export interface Match {
  readonly product: string;
  /** '' when the request is no operation of the product. */
  readonly operation: string;
}

const METHODS = 'GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH'.split(' ');

/** Follows docs/wire.md, "Matching", for a host without port and a path in normal form. */
export function match(policy: Policy, host: string, method: string, path: string) {
  const root = rootOf(policy, host);
  if (root === undefined) return 'not governed';
  const segments = path.slice(1).split('/');
  const bit = METHODS.indexOf(method);
  const mask = bit === -1 ? 0 : 1 << bit;
  const found = descend(policy, root, segments, mask);
  if (found !== undefined) return found;
  const product = deepestProduct(policy, root, segments);
  if (product === undefined) return 'nothing';
  return { product: policy.products[product]?.name ?? '', operation: '' };
}

function rootOf(policy: Policy, host: string): number | undefined {
  const exact = policy.hosts.find(({ name }) => name === host);
  if (exact !== undefined) return exact.node;
  const wildcards = policy.wildcards.filter(
    ({ name }) => host.endsWith(name) && host.length > name.length,
  );
  wildcards.sort((a, b) => b.name.length - a.name.length);
  return wildcards[0]?.node ?? policy.anyHostNode;
}

function descend(policy: Policy, at: number, rest: string[], mask: number): Match | undefined {
  const node = policy.nodes[at] as PolicyNode;
  const [segment, ...others] = rest;
  if (segment === undefined) {
    const ends = operationIn(policy, node.methods, mask);
    return ends ?? operationIn(policy, node.restMethods, mask);
  }
  const edge = edgeOf(policy, node, segment);
  const literal = edge === undefined ? undefined : descend(policy, edge.node, others, mask);
  if (literal !== undefined) return literal;
  if (node.anyNode !== undefined && segment !== '') {
    const any = descend(policy, node.anyNode, others, mask);
    if (any !== undefined) return any;
  }
  return operationIn(policy, node.restMethods, mask);
}

function edgeOf(policy: Policy, node: PolicyNode, segment: string): NamedNode | undefined {
  const { first, count } = node.edges;
  return policy.edges.slice(first, first + count).find(({ name }) => name === segment);
}

function operationIn(
  policy: Policy,
  { first, count }: { first: number; count: number },
  mask: number,
): Match | undefined {
  const methods = policy.methods.slice(first, first + count);
  const found = methods.find((each) => (each.mask & mask) !== 0 || each.mask >>> 31 === 1);
  const operation = found === undefined ? undefined : policy.operations[found.operation];
  if (operation === undefined) return undefined;
  return {
    product: policy.products[operation.product]?.name ?? '',
    operation: operation.name,
  };
}

function deepestProduct(policy: Policy, root: number, segments: string[]): number | undefined {
  let node = policy.nodes[root];
  let product = node?.product;
  for (const segment of segments) {
    const edge = node === undefined ? undefined : edgeOf(policy, node, segment);
    if (edge === undefined) break;
    node = policy.nodes[edge.node];
    product = node?.product ?? product;
  }
  return product;
}
