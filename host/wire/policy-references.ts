/**
 * Checks that every reference inside a policy leads somewhere. It looks at tables that were read
 * and must never look at bytes.
 */
import type { Policy, PolicyNode, Range } from './policy.ts';

const inside = (range: Range, table: readonly unknown[]) =>
  range.first + range.count <= table.length;

const known = (index: number | undefined, table: readonly unknown[]) =>
  index === undefined || index < table.length;

/** The name of the first table with a reference that leads nowhere, or undefined. */
export function danglingOf(policy: Policy): string | undefined {
  const { nodes, products } = policy;
  const checks: [string, boolean][] = [
    ['root', known(policy.anyHostNode, nodes)],
    ['hosts', policy.hosts.every(({ node }) => known(node, nodes))],
    ['wildcards', policy.wildcards.every(({ node }) => known(node, nodes))],
    ['edges', policy.edges.every(({ node }) => known(node, nodes))],
    ['methods', policy.methods.every((method) => known(method.operation, policy.operations))],
    [
      'operations',
      policy.operations.every(
        ({ product, mediation }) => known(product, products) && known(mediation, policy.mediation),
      ),
    ],
    [
      'plans',
      policy.plans.every(
        (plan) =>
          inside(plan.limits, policy.limits) &&
          known(plan.mediation, policy.mediation) &&
          known(plan.field, policy.fields),
      ),
    ],
    ['sources', policy.sources.every(({ audiences }) => inside(audiences, policy.audiences))],
    ['cors', policy.cors.every(({ origins }) => inside(origins, policy.origins))],
    [
      'mediation',
      policy.mediation.every((both) =>
        [both.request, both.response].every((each) => inside(each, policy.program)),
      ),
    ],
    ['program', policy.program.every((step) => inside(step.parts, policy.parts))],
    [
      'nodes',
      nodes.every(
        (node, index) =>
          inside(node.edges, policy.edges) &&
          known(node.anyNode, nodes) &&
          (node.anyNode ?? nodes.length) > index &&
          inside(node.methods, policy.methods) &&
          inside(node.restMethods, policy.methods) &&
          known(node.product, products) &&
          childrenOf(node, policy).every((child) => child > index),
      ),
    ],
    [
      'products',
      products.every(
        (product) =>
          inside(product.sources, policy.sources) &&
          inside(product.identities, policy.sources) &&
          inside(product.brands, policy.brands) &&
          inside(product.program, policy.program) &&
          inside(product.responseProgram, policy.program) &&
          known(product.cors, policy.cors),
      ),
    ],
  ];
  return checks.find(([, good]) => !good)?.[0];
}

function childrenOf(node: PolicyNode, policy: Policy): number[] {
  const { first, count } = node.edges;
  return policy.edges.slice(first, first + count).map((edge) => edge.node);
}
