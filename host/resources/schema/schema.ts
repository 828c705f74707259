/**
 * The one source of what a resource may say: TypeScript types, validation and the JSON Schema for
 * editors all come from here and the files beside it. A field that the host does not honour is not
 * described; fields of later versions are named in `later`, so that they are refused by name
 * instead of ignored.
 */
import Type, { type Static } from 'typebox';
import { name, object } from './kit.ts';
import type { Mediation, Step } from './mediation.ts';
import { Application, Consumer, Credential, ProxyGroup, Subscription } from './parties.ts';
import { type Limit, Plan } from './plan.ts';
import { type Jwt, type Operation, Product } from './product.ts';

export { type Extras, extrasOf, type TextFormat } from './kit.ts';
export { RATE_QUOTA_MAX } from './plan.ts';
export { ANY_METHOD, COST_MAX, METHODS } from './product.ts';

/** The only apiVersion there is. */
export const API_VERSION = 'sidegate.dev/v1alpha1';

const Metadata = object(
  'What names the resource.',
  {
    name: name('Name, unique by kind and namespace.'),
    namespace: Type.Optional(name('Namespace.', { default: 'default' })),
    labels: Type.Optional(
      Type.Unsafe<Record<string, string>>({
        type: 'object',
        description:
          'Words of your own, by which resources are found: kept, and otherwise never interpreted.',
        additionalProperties: { type: 'string' },
        maxProperties: 64,
      }),
    ),
  },
  { later: ['annotations'] },
);

/** The spec of every kind. */
export const SPECS = {
  Product,
  Plan,
  Consumer,
  Application,
  Subscription,
  Credential,
  ProxyGroup,
} as const;

/** The name of a kind. */
export type Kind = keyof typeof SPECS;

/** All kinds, in the order of this file. */
export const KINDS = Object.keys(SPECS) as Kind[];

/** Kinds whose spec may be left out. */
const SPEC_OPTIONAL: readonly Kind[] = ['Consumer', 'ProxyGroup', 'Plan'];

/** The schema of whole resources of a kind. */
export function resourceSchema<K extends Kind>(kind: K) {
  const spec: (typeof SPECS)[K] & { description?: string } = SPECS[kind];
  const envelope = {
    apiVersion: Type.Literal(API_VERSION, { description: 'Version of this form.' }),
    kind: Type.Literal(kind, { description: spec.description }),
    metadata: Metadata,
    spec: SPEC_OPTIONAL.includes(kind) ? Type.Optional(spec) : spec,
  };
  return object(`${kind}: ${spec.description}`, envelope, { later: ['status'] });
}

export type Metadata = Static<typeof Metadata>;
export type ProductSpec = Static<typeof Product>;
export type JwtSpec = Static<typeof Jwt>;
export type OperationSpec = Static<typeof Operation>;
export type MediationSpec = Static<typeof Mediation>;
export type StepSpec = Static<typeof Step>;
export type PlanSpec = Static<typeof Plan>;
export type LimitSpec = Static<typeof Limit>;
export type ConsumerSpec = Static<typeof Consumer>;
export type ApplicationSpec = Static<typeof Application>;
export type SubscriptionSpec = Static<typeof Subscription>;
export type CredentialSpec = Static<typeof Credential>;
export type ProxyGroupSpec = Static<typeof ProxyGroup>;

/** The spec of every kind as a type. */
export interface Specs {
  Product: ProductSpec;
  Plan: PlanSpec;
  Consumer: ConsumerSpec;
  Application: ApplicationSpec;
  Subscription: SubscriptionSpec;
  Credential: CredentialSpec;
  ProxyGroup: ProxyGroupSpec;
}
