/**
 * Compiles a resource set: the policy and the directory records of every proxy group. Pure: the
 * same set and ids give the same bytes, in the same order.
 */
import type { Plan, Product, ResourceSet, Subscription } from '../resources/model.ts';
import { overridden } from '../resources/overrides.ts';
import { Places, placeText, referenceText } from '../resources/reference.ts';
import { ByteWriter } from '../wire/bytes.ts';
import { type Ids, planKey, resourceKey, subscribedPlanKey, subscriptionKey } from './ids.ts';
import {
  type CompiledGroup,
  type CompiledRecord,
  type CompiledSet,
  type DeclaredCredential,
  type Excess,
  RecordKind,
} from './output.ts';
import { compilePolicy } from './policy.ts';
import { writeApplication, writeSubscription } from './records.ts';

/** Bytes of memory taken at once for bodies of records. */
const BODIES_BYTES = 65_536;

/** A compiled set, or the bounds it would pass. */
export type Compiled =
  | { readonly ok: true; readonly value: CompiledSet }
  | { readonly ok: false; readonly excess: readonly Excess[] };

/**
 * The proxy groups a set needs: those it names, and those that had a policy before, whose proxies
 * have to be told that nothing is left for them. Sorted, each once.
 */
export function groupsOf(set: ResourceSet, known: readonly string[]): string[] {
  const named = [
    'default',
    ...set.proxyGroups.map(({ name }) => name),
    ...set.products.map(({ proxyGroup }) => proxyGroup),
  ];
  return [...new Set([...named, ...known])].sort();
}

/** The policies of some proxy groups in the order asked, or the bounds they would pass. */
export function compilePolicies(
  set: ResourceSet,
  groups: readonly string[],
  ids: Ids,
): { readonly policies: readonly Uint8Array[]; readonly excess: readonly Excess[] } {
  const policies: Uint8Array[] = [];
  const excess: Excess[] = [];
  const sold = soldPlans(set);
  for (const group of groups) {
    const products = productsOf(set, group);
    const namespaces = new Set(products.map(({ namespace }) => namespace));
    const near = set.plans.filter(({ namespace }) => namespaces.has(namespace));
    const further = products.flatMap((each) => [...(sold.get(placeText(each)) ?? [])]);
    const plans = new Map([...near.map((each) => [planPlace(each), each] as const), ...further]);
    const policy = compilePolicy({ group, products, plans: [...plans.values()] }, ids);
    if (policy.ok) policies.push(policy.bytes);
    else excess.push(...policy.excess);
  }
  return { policies, excess };
}

function planPlace(plan: Plan): string {
  return placeText(planKey(plan));
}

/**
 * Plans that only subscriptions bring to each product: those of other namespaces, and those that
 * overrides make, each once.
 */
function soldPlans(set: ResourceSet): Map<string, Map<string, Plan>> {
  const plans = new Map(set.plans.map((each) => [placeText(each), each]));
  const sold = new Map<string, Map<string, Plan>>();
  for (const { product, plan: reference, overrides } of set.subscriptions) {
    if (reference.namespace === product.namespace && overrides.length === 0) continue;
    const plan = plans.get(placeText(reference));
    if (plan === undefined) continue;
    const key = placeText(product);
    const list = sold.get(key) ?? new Map();
    const variant = overridden(plan, overrides);
    sold.set(key, list.set(planPlace(variant), variant));
  }
  return sold;
}

/** Compiles a checked set for the given proxy groups. */
export function compileSet(set: ResourceSet, groups: readonly string[], ids: Ids): Compiled {
  const { policies, excess } = compilePolicies(set, groups, ids);
  if (excess.length > 0) return { ok: false, excess };
  const projection = new Projection(set, ids);
  const compiled = policies.map((policy, i): CompiledGroup => {
    const group = groups[i] ?? '';
    return { group, policy, records: projection.recordsOf(productsOf(set, group)) };
  });
  const credentials = set.credentials.map(declared);
  return { ok: true, value: { groups: compiled, credentials } };
}

function productsOf(set: ResourceSet, group: string): Product[] {
  return set.products.filter((each) => each.isServed && each.proxyGroup === group);
}

/** The record of an application, and the last call that took it in. */
interface Projected {
  readonly record: CompiledRecord;
  call: number;
}

/** Turns subscriptions into records: only what has a subscription to a product is in. */
class Projection {
  readonly #ids: Ids;
  readonly #subscriptions = new Places<Subscription[]>();
  readonly #applications = new Places<Projected>();
  #calls = 0;
  readonly #plans = new Places<number>();
  /** Bodies of all records: one piece of memory each would cost more than what it holds. */
  readonly #bodies = new ByteWriter(BODIES_BYTES);

  constructor(set: ResourceSet, ids: Ids) {
    this.#ids = ids;
    for (const subscription of set.subscriptions) {
      const list = this.#subscriptions.get(subscription.product);
      if (list === undefined) this.#subscriptions.set(subscription.product, [subscription]);
      else list.push(subscription);
    }
    for (const { namespace, name, consumer } of set.applications) {
      const id = ids.of(resourceKey('Application', namespace, name));
      const consumerId = ids.of(resourceKey('Consumer', consumer.namespace, consumer.name));
      const names = { consumerName: consumer.name, applicationName: name };
      const body = writeApplication(this.#bodies, { consumer: consumerId, ...names }).take();
      const record = { kind: RecordKind.application, id, body };
      this.#applications.set({ namespace, name }, { record, call: 0 });
    }
  }

  /** Applications and subscriptions of some products, ordered by kind and id. */
  recordsOf(products: readonly Product[]): CompiledRecord[] {
    const applications: CompiledRecord[] = [];
    const subscriptions: CompiledRecord[] = [];
    this.#calls += 1;
    for (const product of products) {
      const id = this.#ids.of(resourceKey('Product', product.namespace, product.name));
      for (const subscription of this.#subscriptions.get(product) ?? []) {
        const application = this.#applications.get(subscription.application);
        if (application === undefined) throw new Error('a reference was not checked');
        if (application.call !== this.#calls) applications.push(application.record);
        application.call = this.#calls;
        subscriptions.push(this.#subscription(subscription, application.record.id, id));
      }
    }
    const byId = (a: CompiledRecord, b: CompiledRecord) => a.id - b.id;
    return applications.sort(byId).concat(subscriptions.sort(byId));
  }

  #subscription(subscription: Subscription, application: number, product: number): CompiledRecord {
    const plan = this.#planOf(subscription);
    const { active } = subscription;
    const id = this.#ids.of(subscriptionKey(subscription));
    const says = { application, product, plan, active };
    const body = writeSubscription(this.#bodies, says).take();
    return { kind: RecordKind.subscription, id, body };
  }

  #planOf(subscription: Subscription): number {
    const { plan, overrides } = subscription;
    if (overrides.length > 0) return this.#ids.of(subscribedPlanKey(subscription));
    const known = this.#plans.get(plan);
    if (known !== undefined) return known;
    const id = this.#ids.of(subscribedPlanKey(subscription));
    this.#plans.set(plan, id);
    return id;
  }
}

function declared(credential: ResourceSet['credentials'][number]): DeclaredCredential {
  const { origin: _, application, ...rest } = credential;
  return { ...rest, application: referenceText(application, rest.namespace) };
}
