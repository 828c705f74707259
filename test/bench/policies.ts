/**
 * The product of the bench: what every request of a Sidegate chain meets. It may have many
 * operations, so that a policy has some size, and variants that differ, so that each is another
 * policy.
 */
import { documents, resource } from '../support/policies.ts';

/** What a product is made of; by default the job of the bench and no more. */
export interface ProductOptions {
  /** How many operations it has; one of them every request of the bench matches. */
  operations?: number;
  /** Two numbers that differ by one make two policies that differ. */
  variant?: number;
  /** Its name and where its paths begin, for one of several. */
  name?: string;
  basePath?: string;
  /** Whether responses are worked on: RateLimit fields and header operations. */
  answers?: boolean;
}

/** The name of the file. */
export const PRODUCT_FILE = 'orders-product.yaml';

const variable = (name: string) => ['$', '{', name, '}'].join('');

/** The file of a product, `orders` unless another name is given. */
export function benchProduct(options: ProductOptions = {}): string {
  const { operations = 2, variant = 0, answers = false, name = 'orders', basePath } = options;
  const more = Array.from({ length: operations - 2 }, (_, index) => ({
    name: `part-${index}`,
    method: 'GET',
    path: `/things-${index}/{id}/parts`,
    cost: 1,
  }));
  const product = resource('Product', name, {
    lifecycle: 'published',
    proxyGroup: 'default',
    ...(basePath !== undefined && { basePath }),
    identify: [{ apiKey: { header: 'x-api-key' } }],
    unmatchedOperations: 'deny',
    rateLimitFields: answers ? 'standard' : 'none',
    operations: [
      { name: 'read', method: 'GET', path: '/orders', cost: 1 },
      { name: 'write', method: 'POST', path: '/orders', cost: 5 },
      ...more,
    ],
    mediation: {
      request: [
        { set: { name: 'x-consumer', value: variable('consumer.name') } },
        { set: { name: 'x-plan', value: variant % 2 === 0 ? variable('plan.name') : 'another' } },
        { remove: 'x-internal' },
      ],
      ...(answers && { response: ANSWER_STEPS }),
    },
  });
  return documents([product]);
}

const ANSWER_STEPS = [
  { set: { name: 'x-served-by', value: 'orders' } },
  { remove: 'x-powered-by' },
];
