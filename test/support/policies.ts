/**
 * Resource files for end to end tests: one product, its plans and callers, as an operator would
 * write them. Texts only; what they mean is the host's business.
 */

/** A limit as it stands in a plan. */
export interface LimitSpec {
  name: string;
  quota: number;
  window: string;
  onHostUnavailable?: 'deny' | 'allow';
  mode?: 'enforce' | 'shadow' | 'off';
}

/** What a set of resources is made of; everything has a default. */
export interface Setting {
  /** Name of the product and beginning of the file names; two sets may stand in one folder. */
  product?: string;
  /** Hosts the product governs; without them every host. */
  hosts?: string[];
  limits?: LimitSpec[];
  /** Applications, each subscribed to the one product on the one plan. */
  applications?: string[];
  /** Where keys may stand; without it in `x-api-key`. */
  identify?: object[];
  /** Steps of the product's request mediation. */
  steps?: object[];
  /** Steps of its response mediation. */
  responseSteps?: object[];
  cors?: object;
  proxyGroup?: string;
  /** Principals of the proxy group. */
  principals?: string[];
}

/** The product that every default set has. */
const PRODUCT = 'orders';

/** The application that every default set has. */
export const APPLICATION = 'shop';

const API_VERSION = 'sidegate.dev/v1alpha1';

/** One resource as an object. */
export function resource(kind: string, name: string, spec: object): object {
  return { apiVersion: API_VERSION, kind, metadata: { name }, spec };
}

/** The resource files of a setting, by name. */
export function resourcesOf(setting: Setting = {}): Record<string, string> {
  const { hosts, applications = [APPLICATION], proxyGroup = 'default' } = setting;
  const { product: name = PRODUCT } = setting;
  const { limits = [{ name: 'daily', quota: 1_000_000, window: '1d' }] } = setting;
  const product = resource('Product', name, {
    lifecycle: 'published',
    proxyGroup,
    ...(hosts === undefined ? {} : { hosts }),
    identify: setting.identify ?? [{ apiKey: { header: 'x-api-key' } }],
    unmatchedOperations: 'deny',
    operations: OPERATIONS,
    mediation: { request: setting.steps ?? STEPS, response: setting.responseSteps ?? [] },
    ...(setting.cors === undefined ? {} : { cors: setting.cors }),
  });
  const plan = resource('Plan', `${name}-gold`, { limits });
  const callers = applications.flatMap((application) => [
    resource('Application', application, { consumer: `${name}-buyer` }),
    resource('Subscription', application, { application, product: name, plan: `${name}-gold` }),
  ]);
  const { principals } = setting;
  const isDeclared = proxyGroup !== 'default' || principals !== undefined;
  const spec = principals === undefined ? {} : { principals };
  const group = isDeclared ? [resource('ProxyGroup', proxyGroup, spec)] : [];
  const consumer = resource('Consumer', `${name}-buyer`, { displayName: 'Buyer' });
  return {
    [`${name}-product.yaml`]: documents([...group, product]),
    [`${name}-plan.yaml`]: documents([plan]),
    [`${name}-callers.yaml`]: documents([consumer, ...callers]),
  };
}

const OPERATIONS = [
  { name: 'read', method: 'GET', path: '/orders', cost: 1 },
  { name: 'write', method: 'POST', path: '/orders', cost: 5 },
  { name: 'health', method: 'GET', path: '/health', security: 'none' },
];

/** A template's variable; written so that no linter takes it for one of this file. */
const variable = (name: string) => ['$', '{', name, '}'].join('');

const STEPS = [
  { set: { name: 'x-consumer', value: variable('consumer.name') } },
  { set: { name: 'x-plan', value: variable('plan.name') } },
  { remove: 'x-internal' },
];

/** A file of resources: JSON is YAML, and documents are set apart as YAML does. */
export function documents(resources: readonly object[]): string {
  return resources.map((one) => `${JSON.stringify(one, null, 2)}\n`).join('---\n');
}
