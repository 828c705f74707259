/**
 * Random sets of resources whose references lead somewhere, as the texts of files. Small pools of
 * names make two sets meet, so that one changed into the other makes, changes and removes.
 */
import fc from 'fast-check';

/** One resource of a file. */
interface Whole {
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
  readonly spec: object;
}

const pick = (prefix: string, most: number) =>
  fc
    .uniqueArray(fc.nat(most - 1), { maxLength: most })
    .map((all) => all.map((n) => `${prefix}${n}`));

const limit = fc.record({
  name: fc.constantFrom('burst', 'daily'),
  quota: fc.integer({ min: 10, max: 99 }),
  window: fc.constantFrom('1s', '5m', '1h', '1d'),
});

/** What a set is made of: which names are there, and what they say. */
const parts = fc.record({
  consumers: pick('consumer-', 3),
  applications: pick('application-', 4),
  plans: pick('plan-', 3),
  products: pick('product-', 3),
  pairs: fc.uniqueArray(fc.nat(11), { maxLength: 8 }),
  credentials: fc.uniqueArray(fc.nat(5), { maxLength: 5 }),
  limits: fc.uniqueArray(limit, { maxLength: 2, selector: ({ name }) => name }),
  state: fc.constantFrom(undefined, 'active', 'suspended', 'pending', 'rejected'),
  lifecycle: fc.constantFrom('draft', 'published'),
  cost: fc.integer({ min: 1, max: 10 }),
  displayName: fc.string({ maxLength: 12 }),
  overridden: fc.boolean(),
  /** Whether consumers and plans stand in a namespace of their own. */
  shared: fc.boolean(),
  labels: fc.dictionary(fc.constantFrom('team', 'yes', '007', 'null'), fc.string({ maxLength: 5 })),
});

type Parts = typeof parts extends fc.Arbitrary<infer T> ? T : never;

/** A random set as files: one resource each, in random order of kinds. */
export const sets: fc.Arbitrary<{ readonly name: string; readonly text: string }[]> = parts.map(
  (made) =>
    resourcesOf(made).map(({ kind, name, namespace = 'default', spec }) => ({
      name: `${name}.yaml`,
      text: JSON.stringify({
        ...{ apiVersion: 'sidegate.dev/v1alpha1', kind },
        metadata: { name, namespace, labels: made.labels },
        spec,
      }),
    })),
);

const SHARED = { namespace: 'shared' };

/** A limit of every plan: an override of it leads somewhere whatever becomes of the plan. */
const ALWAYS = { name: 'always', quota: 50, window: '1d' };

function resourcesOf(made: Parts): Whole[] {
  const { displayName, limits, state, lifecycle, cost } = made;
  const of = (kind: string, names: readonly string[], spec: (name: string) => object): Whole[] =>
    names.map((name) => ({ kind, name, spec: spec(name) }));
  const shared = (kind: string, names: readonly string[], spec: object): Whole[] =>
    of(kind, names, () => spec).map((each) => ({ ...each, ...(made.shared && SHARED) }));
  const there = (name: string | undefined) =>
    name !== undefined && made.shared ? `${SHARED.namespace}/${name}` : name;
  const consumer = there(made.consumers[0]);
  const applications = consumer === undefined ? [] : made.applications;
  const plan = there(made.plans[0]);
  const pairs = plan === undefined ? [] : pairsOf(made, applications);
  const credentials = applications.length === 0 ? [] : made.credentials;
  return [
    ...shared('Consumer', made.consumers, { displayName }),
    ...of('Application', applications, () => ({ consumer })),
    ...shared('Plan', made.plans, { limits: [ALWAYS, ...limits] }),
    ...of('Product', made.products, (name) => ({
      ...{ lifecycle, hosts: [`${name}.example.com`], identify: [{ apiKey: { header: 'x-key' } }] },
      operations: [{ name: 'read', method: 'GET', path: '/things/{id}', cost }],
    })),
    ...pairs.map(([application, product]) => ({
      kind: 'Subscription',
      name: `${application}-${product}`,
      spec: {
        ...{ application, product, plan, ...(state !== undefined && { state }) },
        ...(made.overridden && { overrides: [{ limit: ALWAYS.name, quota: 50 + cost }] }),
      },
    })),
    ...credentials.map((n) => ({
      kind: 'Credential',
      name: `credential-${n}`,
      spec: { application: applications[0], digest: `${n}`.repeat(64) },
    })),
  ];
}

function pairsOf({ pairs, products }: Parts, applications: readonly string[]): [string, string][] {
  return pairs.flatMap((n): [string, string][] => {
    const application = applications[n % 4];
    const product = products[Math.floor(n / 4)];
    return application === undefined || product === undefined ? [] : [[application, product]];
  });
}
