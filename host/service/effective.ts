/**
 * What is in force for one product: read from the policy that proxies fetch, not from what somebody
 * meant to publish, and beside it the plans of its subscriptions. It must never change anything.
 */
import { referenceText, resolveReference } from '../resources/reference.ts';
import type { Specs } from '../resources/schema/schema.ts';
import { specOf } from '../resources/spec.ts';
import type { Store, StoredResource } from '../store/store.ts';
import { decodePolicy, type Policy } from '../wire/policy.ts';

/** A plan that subscriptions bring to a product. */
export interface EffectivePlan {
  readonly name: string;
  readonly limits: Specs['Plan']['limits'];
  /** How many subscriptions are in each state. */
  readonly subscriptions: Readonly<Record<string, number>>;
}

/** What proxies do for a product. */
export interface Effective {
  readonly namespace: string;
  readonly name: string;
  readonly lifecycle: string;
  readonly proxyGroup: string;
  /** Revision of the policy that its proxies are to hold. */
  readonly policyRevision: number;
  /** Whether the product is in that policy; nothing below holds when it is not. */
  readonly served: boolean;
  readonly sources: readonly { readonly place: string; readonly name: string }[];
  readonly operations: readonly {
    readonly name: string;
    readonly cost: number;
    readonly anonymous: boolean;
  }[];
  readonly plans: readonly EffectivePlan[];
}

const PAGE = 1_000;
/** Places of keys as policies number them. */
const PLACES = ['', 'header', 'query', 'cookie'];

/** What is in force for a product, or undefined when there is none of this name. */
export async function effectiveOf(
  store: Store,
  namespace: string,
  name: string,
): Promise<Effective | undefined> {
  const spec = specOf<'Product'>(await store.resource('Product', namespace, name));
  if (spec === undefined) return undefined;
  const { lifecycle = 'published', proxyGroup = 'default' } = spec;
  const [newest] = await store.policies(proxyGroup);
  const policy = newest === undefined ? undefined : decodePolicy(newest.bytes);
  const [id] = await store.reserveIds([{ kind: 'Product', namespace, name }], true);
  const found = policy?.ok === true ? inPolicy(policy.value, id ?? 0) : undefined;
  return {
    ...{ namespace, name, lifecycle, proxyGroup, policyRevision: newest?.revision ?? 0 },
    served: found !== undefined,
    sources: found?.sources ?? [],
    operations: found?.operations ?? [],
    plans: await plansOf(store, namespace, name),
  };
}

function inPolicy(
  policy: Policy,
  id: number,
): Pick<Effective, 'sources' | 'operations'> | undefined {
  const index = policy.products.findIndex((each) => each.id === id);
  const product = policy.products[index];
  if (product === undefined) return undefined;
  const { first, count } = product.sources;
  return {
    sources: policy.sources.slice(first, first + count).map(({ kind, name }) => {
      return { place: PLACES[kind] ?? String(kind), name };
    }),
    operations: policy.operations
      .filter((each) => each.product === index)
      .map(({ name, cost, anonymous }) => ({ name, cost, anonymous })),
  };
}

async function plansOf(store: Store, namespace: string, product: string): Promise<EffectivePlan[]> {
  const counts = new Map<string, Record<string, number>>();
  let after: { namespace: string; name: string } | undefined;
  do {
    const page: readonly StoredResource[] = await store.resourcePage({
      ...{ kind: 'Subscription', limit: PAGE },
      ...(after !== undefined && { after }),
    });
    for (const { text, namespace: from } of page) {
      const spec = specOf<'Subscription'>(text);
      if (spec === undefined) continue;
      const used = resolveReference(spec.product, from);
      if (used.name !== product || used.namespace !== namespace) continue;
      const plan = referenceText(resolveReference(spec.plan, from), namespace);
      const states = counts.get(plan) ?? {};
      counts.set(plan, states);
      const { state = 'active' } = spec;
      states[state] = (states[state] ?? 0) + 1;
    }
    after = page.length === PAGE ? page.at(-1) : undefined;
  } while (after !== undefined);
  const names = [...counts.keys()].sort();
  return Promise.all(
    names.map(async (name) => {
      const plan = resolveReference(name, namespace);
      const spec = specOf<'Plan'>(await store.resource('Plan', plan.namespace, plan.name));
      return { name, limits: spec?.limits, subscriptions: counts.get(name) ?? {} };
    }),
  );
}
