/**
 * Tests of compiled policies: golden bytes that both sides read, matching against a plain reading
 * of the resources, and bounds.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compilePolicies } from '../../../host/compile/compile.ts';
import { NODES_MAX } from '../../../host/compile/hosts.ts';
import type { Operation, Product, ResourceSet } from '../../../host/resources/model.ts';
import { decodePolicy } from '../../../host/wire/policy.ts';
import { assertGolden } from '../../support/golden.ts';
import { printSeed } from '../../support/seed.ts';
import { compileGroups, goodFiles, idsOf, match, policyOf, setOf, setOfFiles } from './support.ts';

printSeed();

const HEAD = 'apiVersion: sidegate.dev/v1alpha1\nkind: Product\nmetadata:';

/** A product in YAML with a key source and the given operations `name: method path`. */
function product(name: string, hosts: string, basePath: string, operations: string[]): string {
  const lines = operations.map((line) => {
    const [operation, method, path] = line.split(/:? /);
    return `    - { name: ${operation}, method: "${method}", path: "${path}" }\n`;
  });
  return (
    `${HEAD} { name: ${name} }\nspec:\n  hosts: [${hosts}]\n  basePath: ${basePath}\n` +
    `  identify: [{ apiKey: { header: x-api-key } }]\n  operations:\n${lines.join('')}---\n`
  );
}

// Guarantees one reading of the format on both sides: the filter's tests read these bytes too.
test('golden policies', () => {
  for (const { group, policy } of compileGroups(setOfFiles(goodFiles()), ['gone'])) {
    const decoded = decodePolicy(policy);
    assert.ok(decoded.ok);
    assertGolden(`policy-${group}`, decoded.value, policy);
  }
});

// Guarantees that the same resources give the same bytes, in whatever order they were written.
test('equal resources give equal bytes', () => {
  const forwards = compileGroups(setOfFiles(goodFiles()));
  const backwards = compileGroups(setOfFiles(goodFiles().reverse()));
  assert.deepEqual(forwards, backwards);
});

// Guarantees the order of docs/wire.md: literal, then any segment, then the deepest rest.
test('the most specific template with the method counts', () => {
  const operations = ['one: GET /a/b', 'two: GET /a/{x}', 'three: POST /a/{x}', 'four: * /a/**'];
  const policy = policyOf(setOf(product('p', 'h.x', '/v1', [...operations, 'five: GET /**'])));
  const of = (method: string, path: string) => {
    const found = match(policy, 'h.x', method, path);
    return typeof found === 'string' ? found : found.operation;
  };
  assert.equal(of('GET', '/v1/a/b'), 'one');
  assert.equal(of('POST', '/v1/a/b'), 'three', 'a template without the method yields');
  assert.equal(of('GET', '/v1/a/c'), 'two');
  assert.equal(of('PUT', '/v1/a/b'), 'four');
  assert.equal(of('BREW', '/v1/a/b/c'), 'four', 'a method that has no name');
  assert.equal(of('GET', '/v1/a'), 'four', 'the rest may be empty');
  assert.equal(of('GET', '/v1/z'), 'five');
  assert.equal(of('POST', '/v1/z'), '', 'the product has it, no operation does');
  assert.equal(of('GET', '/v2'), 'nothing');
});

// Guarantees that a wider product goes on where a narrower one says nothing, and yields elsewhere.
test('products of wider hosts stand behind those of narrower ones', () => {
  const set = setOf(
    product('exact', 'a.b.c', '/v1', ['get: GET /x']) +
      product('wild', '"*.b.c"', '/v1', ['get: GET /x', 'put: PUT /x', 'y: GET /y']) +
      product('wider', '"*.c"', '/', ['y: GET /v1/y', 'z: GET /z']) +
      product('all', '', '/', ['z: GET /z', 'q: GET /q']),
  );
  const policy = policyOf(set);
  const of = (host: string, method: string, path: string) => {
    const found = match(policy, host, method, path);
    return typeof found === 'string' ? found : `${found.product}/${found.operation}`;
  };
  assert.equal(of('a.b.c', 'GET', '/v1/x'), 'exact/get');
  assert.equal(of('a.b.c', 'PUT', '/v1/x'), 'wild/put');
  assert.equal(of('a.b.c', 'GET', '/v1/y'), 'wild/y');
  assert.equal(of('a.b.c', 'GET', '/z'), 'wider/z');
  assert.equal(of('a.b.c', 'GET', '/q'), 'all/q');
  assert.equal(of('a.b.c', 'DELETE', '/v1/x'), 'exact/', 'the narrowest product decides');
  assert.equal(of('n.b.c', 'GET', '/v1/x'), 'wild/get');
  assert.equal(of('b.c', 'GET', '/v1/y'), 'wider/y', 'a wildcard needs a label');
  assert.equal(of('else.where', 'GET', '/z'), 'all/z');
});

// Guarantees that a hundred hosts of one product cost one tree.
test('hosts with the same products share a tree', () => {
  const hosts = Array.from({ length: 100 }, (_, i) => `h${i}.x`).join(', ');
  const policy = policyOf(setOf(product('p', `${hosts}, "*.x"`, '/', ['a: GET /a', 'b: GET /b'])));
  assert.equal(new Set(policy.hosts.map(({ node }) => node)).size, 1);
  assert.equal(policy.wildcards[0]?.node, policy.hosts[0]?.node, 'a product counts once');
  assert.equal(policy.nodes.length, 3);
});

// Guarantees that an unbounded mix of hosts and operations is refused before it fills the memory.
test('trees beyond the bound are refused and not built', () => {
  const many = Array.from({ length: 900 }, (_, i) => `o${i}: GET /o${i}`);
  const narrow = Array.from({ length: 100 }, (_, i) =>
    product(`p${i}`, `h${i}.x`, '/v1', ['a: GET /a']),
  );
  const set = setOf(product('wide', '', '/', many) + narrow.join(''));
  const { excess } = compilePolicies(set, ['default'], idsOf(set));
  const nodes = excess.find(({ what }) => what === 'path nodes');
  assert.equal(nodes?.most, NODES_MAX);
  assert.ok(nodes.count > NODES_MAX && nodes.count < 2 * NODES_MAX, `${nodes.count}`);
});

const segment = fc.constantFrom('a', 'b', '{p}', '*', '');
const template = fc.tuple(fc.array(segment, { maxLength: 3 }), fc.boolean()).map(([list, rest]) => {
  const inner = list.filter((each, i) => each !== '' || (i === list.length - 1 && !rest));
  const parts = inner.map((each, i) => (each === '{p}' ? `{p${i}}` : each));
  return [...parts, ...(rest ? ['**'] : [])].map((part) => `/${part}`).join('');
});
const method = fc.constantFrom('GET', 'POST', '*');
const products = fc.array(
  fc.record({
    hosts: fc.uniqueArray(fc.constantFrom('x.y.z', 'q.z', '*.y.z', '*.z'), { maxLength: 2 }),
    basePath: fc.constantFrom('/', '/a', '/b', '/a/b'),
    operations: fc.array(fc.tuple(method, template), { maxLength: 5 }),
  }),
  { minLength: 1, maxLength: 4 },
);

/** How a host covers a request's host: the longer the better, -1 for not at all. */
function coverage(hosts: readonly string[], host: string): number {
  if (hosts.length === 0) return 0;
  const lengths = hosts.map((each) => {
    if (each === host) return 1000;
    return each.startsWith('*') && host.endsWith(each.slice(1)) ? each.length : -1;
  });
  return Math.max(...lengths);
}

interface Candidate {
  readonly product: Product;
  readonly operation: Operation;
  /** Comparable text: per segment 0 literal, 1 any, 2 rest; smaller is more specific. */
  readonly rank: string;
  /** How closely the product's hosts name the host. */
  readonly width: number;
  /** False when only `*` has the method. */
  readonly named: boolean;
}

function candidateOf(product: Product, operation: Operation, path: string[]): string | undefined {
  const steps = [...product.basePath.map((literal) => ({ literal })), ...operation.segments];
  if (operation.rest ? path.length < steps.length : path.length !== steps.length) return undefined;
  let rank = '';
  for (const [i, step] of steps.entries()) {
    if (step === 'any' ? path[i] === '' : path[i] !== step.literal) return undefined;
    rank += step === 'any' ? '1' : '0';
  }
  return operation.rest ? `${rank}2` : rank;
}

/** The answer by comparing every operation with the request, without any tree. */
function plainMatch(set: ResourceSet, host: string, method: string, path: string) {
  const segments = path.slice(1).split('/');
  const covering = set.products.filter(({ hosts }) => coverage(hosts, host) >= 0);
  const candidates: Candidate[] = covering.flatMap((product) =>
    product.operations.flatMap((operation) => {
      const rank = candidateOf(product, operation, segments);
      if (rank === undefined || !operation.methods.some((m) => m === '*' || m === method))
        return [];
      const named = operation.methods.includes(method);
      return [{ product, operation, rank, named, width: coverage(product.hosts, host) }];
    }),
  );
  candidates.sort((a, b) => {
    if (a.rank !== b.rank) return a.rank < b.rank ? -1 : 1;
    return b.width - a.width || Number(b.named) - Number(a.named);
  });
  const [best] = candidates;
  if (best !== undefined) return { product: best.product.name, operation: best.operation.name };
  if (covering.length === 0) return 'not governed';
  const bases = covering.filter(({ basePath }) => basePath.every((s, i) => s === segments[i]));
  bases.sort(
    (a, b) =>
      b.basePath.length - a.basePath.length || coverage(b.hosts, host) - coverage(a.hosts, host),
  );
  const [base] = bases;
  return base === undefined ? 'nothing' : { product: base.name, operation: '' };
}

// Guarantees that the tree decides as a plain reading of the resources does, for any set.
test('matching in the tree equals comparing with every operation', () => {
  let decided = 0;
  fc.assert(
    fc.property(products, (list) => {
      const yaml = list.map(({ hosts, basePath, operations }, i) => {
        const lines = operations.map(([m, path], j) => `o${j}: ${m} ${path}`);
        return product(`p${i}`, hosts.map((each) => `"${each}"`).join(', '), basePath, lines);
      });
      let set: ResourceSet;
      try {
        set = setOf(yaml.join(''));
      } catch {
        // Sets whose products or operations clash are refused; they have no answer to compare.
        return;
      }
      const policy = policyOf(set);
      for (const host of ['x.y.z', 'w.y.z', 'q.z', 'z', 'other']) {
        for (const path of ['/', '/a', '/a/', '/a/b', '/a/c', '/b/a/a', '/a/b/a/c', '/c']) {
          for (const name of ['GET', 'POST', 'BREW']) {
            const expected = plainMatch(set, host, name, path);
            assert.deepEqual(match(policy, host, name, path), expected, `${name} ${host}${path}`);
            decided += 1;
          }
        }
      }
    }),
    { numRuns: 300 },
  );
  assert.ok(decided > 1_000, `only ${decided} requests were compared`);
});
