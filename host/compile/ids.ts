/**
 * Which names of a set need stable ids, and the ids once they are known. Ids are given by the
 * store; nothing is ever identified by its place in a list.
 */
import type { Operation, Plan, Product, ResourceSet, Subscription } from '../resources/model.ts';
import { variantOf } from '../resources/overrides.ts';
import { Places, referenceText } from '../resources/reference.ts';
import type { NamedKind, NameKey } from './output.ts';

/** Name of a proxy group's id: groups are known by name alone. */
export function groupKey(group: string): NameKey {
  return { kind: 'ProxyGroup', namespace: '', name: group };
}

/** Name of an operation's id. */
export function operationKey({ namespace, name }: Product, operation: Operation): NameKey {
  return { kind: 'Operation', namespace, name: `${name}/${operation.name}` };
}

/** Name of a limit's id: the limit's name, shared by all plans of the namespace. */
export function limitKey(
  plan: { readonly namespace: string },
  limit: { readonly name: string },
): NameKey {
  return { kind: 'Limit', namespace: plan.namespace, name: limit.name };
}

/**
 * Name of a subscription's uid. Application and product are what may never change under one uid;
 * its own namespace, name and plan are left out, so that none of them refills what was used.
 */
export function subscriptionKey({
  application,
  product,
}: Pick<Subscription, 'application' | 'product'>): NameKey {
  const { namespace, name } = application;
  return { kind: 'Subscription', namespace, name: `${name}/${referenceText(product, namespace)}` };
}

/**
 * Name of the id of a plan. Overrides of subscriptions make variants of it, each with an id of its
 * own; its limits keep theirs, so that an override refills nothing.
 */
export function planKey({ namespace, name, variant }: PlanIdentity): NameKey {
  return { kind: 'Plan', namespace, name: variant === undefined ? name : `${name}/${variant}` };
}

type PlanIdentity = Pick<Plan, 'namespace' | 'name' | 'variant'>;

/** Name of the id of the plan that a subscription is on, as its overrides change it. */
export function subscribedPlanKey({ plan, overrides }: Subscription): NameKey {
  return planKey(overrides.length === 0 ? plan : { ...plan, variant: variantOf(overrides) });
}

/** The name of a plan by the name of its id. */
export function planName(name: string): string {
  return name.split('/')[0] ?? '';
}

/** Name of the id of a resource that is known by kind, namespace and name. */
export function resourceKey(
  kind: 'Product' | 'Consumer' | 'Application',
  namespace: string,
  name: string,
): NameKey {
  return { kind, namespace, name };
}

/** Every name of a set that needs an id, and those of the proxy groups, in a fixed order. */
export function idNames(set: ResourceSet, groups: readonly string[]): NameKey[] {
  return [
    ...groups.map(groupKey),
    ...set.products.map(({ namespace, name }) => resourceKey('Product', namespace, name)),
    ...set.products.flatMap((each) => each.operations.map((one) => operationKey(each, one))),
    ...set.plans.map(planKey),
    ...set.subscriptions.filter(({ overrides }) => overrides.length > 0).map(subscribedPlanKey),
    ...set.plans.flatMap((plan) => plan.limits.map((limit) => limitKey(plan, limit))),
    ...set.consumers.map(({ namespace, name }) => resourceKey('Consumer', namespace, name)),
    ...set.applications.map(({ namespace, name }) => resourceKey('Application', namespace, name)),
    ...set.subscriptions.map(subscriptionKey),
  ];
}

/** The ids of names. */
export class Ids {
  readonly #ids = new Map<NamedKind, Places<number>>();

  /** `ids[i]` is the id of `names[i]`. */
  constructor(names: readonly NameKey[], ids: readonly number[]) {
    for (const [i, key] of names.entries()) {
      let byName = this.#ids.get(key.kind);
      if (byName === undefined) {
        byName = new Places();
        this.#ids.set(key.kind, byName);
      }
      byName.set(key, ids[i] ?? 0);
    }
  }

  /** The id of a name of the set. Throws for any other: a reference was not checked. */
  of(key: NameKey): number {
    const id = this.#ids.get(key.kind)?.get(key);
    if (id === undefined || id < 1) {
      throw new Error(`no id for ${key.kind} ${key.namespace}/${key.name}`);
    }
    return id;
  }
}
