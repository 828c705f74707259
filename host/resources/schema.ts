/**
 * The one source of what a resource may say: TypeScript types, validation and the JSON Schema for
 * editors all come from here. It must never describe a field that the host does not honour; fields
 * of later versions are named in `later`, so that they are refused by name instead of ignored.
 */
import Type, { type Static, type TSchema } from 'typebox';

/** The only apiVersion there is. */
export const API_VERSION = 'sidegate.dev/v1alpha1';

/** Texts with a grammar of their own; `formats.ts` reads them. */
export type TextFormat =
  | 'name'
  | 'operation-name'
  | 'host'
  | 'base-path'
  | 'path-template'
  | 'window'
  | 'header-name'
  | 'edited-header'
  | 'key-prefix'
  | 'header-template'
  | 'digest'
  | 'time'
  | 'brand';

/** What validation knows of a schema beyond JSON Schema. Left out of the schema for editors. */
export interface Extras {
  readonly format?: TextFormat;
  /** Fields that a later version brings. */
  readonly later?: readonly string[];
  /** The required field that every later field could stand in for. */
  readonly instead?: string;
  /** Values that a later version brings. */
  readonly laterValues?: readonly string[];
  /** Exactly one of these fields must be there. */
  readonly exactlyOne?: readonly string[];
  /** No value may stand twice in the list. */
  readonly distinct?: boolean;
}

/** A schema's extras. */
export function extrasOf(schema: TSchema): Extras {
  return (schema as { sidegate?: Extras }).sidegate ?? {};
}

/** Highest cost of an operation. */
export const COST_MAX = 1_000_000;

function object<T extends Record<string, TSchema>>(
  description: string,
  properties: T,
  sidegate: Extras = {},
) {
  return Type.Object(properties, { description, additionalProperties: false, sidegate });
}

function text(format: TextFormat, description: string, more: object = {}) {
  return Type.String({ description, sidegate: { format }, ...more });
}

/** One of some words; `later` lists words that a later version brings. */
function word<const T extends readonly string[]>(
  description: string,
  values: T,
  fallback: T[number] | undefined,
  later: string[] = [],
) {
  const preset = fallback === undefined ? {} : { default: fallback };
  const sidegate: Extras = { laterValues: later };
  return Type.Unsafe<T[number]>({ type: 'string', enum: values, description, ...preset, sidegate });
}

function list<T extends TSchema>(
  item: T,
  description: string,
  maxItems: number,
  more: object = {},
) {
  return Type.Array(item, { description, maxItems, ...more });
}

const name = (description: string, more: object = {}) =>
  text('name', `${description} A DNS label: a–z, 0–9 and -, 1–63 characters.`, more);

const Metadata = object(
  'What names the resource.',
  {
    name: name('Name, unique by kind and namespace.'),
    namespace: Type.Optional(name('Namespace.', { default: 'default' })),
    labels: Type.Optional(
      Type.Unsafe<Record<string, string>>({
        type: 'object',
        description: 'Words of your own; kept, never interpreted.',
        additionalProperties: { type: 'string' },
        maxProperties: 64,
      }),
    ),
  },
  { later: ['annotations'] },
);

const ApiKey = object(
  'Takes the key from a request header.',
  {
    header: text('header-name', 'Name of the header.'),
    prefix: Type.Optional(
      text('key-prefix', 'Text before the key, such as "Bearer ". Compared without case.', {
        default: '',
      }),
    ),
  },
  { later: ['query', 'cookie'], instead: 'header' },
);

const Source = object(
  'A place a key may come from.',
  { apiKey: ApiKey },
  { later: ['jwt', 'mtls', 'anonymous'], instead: 'apiKey' },
);

/** Methods by name; their places are the bits of the mask in docs/wire.md. */
export const METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'CONNECT',
  'OPTIONS',
  'TRACE',
  'PATCH',
] as const;

/** Stands for every method. */
export const ANY_METHOD = '*';

const Method = word('A method, or "*" for every method.', [...METHODS, ANY_METHOD], undefined);

const Operation = object(
  'Requests that belong together: methods on one path template.',
  {
    name: text('operation-name', 'Name, unique in the product, such as listOrders.'),
    method: Type.Optional(Method),
    methods: Type.Optional(
      list(Method, 'Several methods.', 10, { minItems: 1, sidegate: { distinct: true } }),
    ),
    path: text(
      'path-template',
      'Path below basePath: literal segments, {name} or * for one segment, ** for the rest.',
    ),
    cost: Type.Optional(
      Type.Integer({
        description: 'Units that a request takes from every limit it falls under.',
        minimum: 1,
        maximum: COST_MAX,
        default: 1,
      }),
    ),
    security: Type.Optional(
      word('"none": no key is asked for and no quota is counted.', ['none'], undefined),
    ),
  },
  {
    exactlyOne: ['method', 'methods'],
    later: ['scopes', 'conditions', 'mediation', 'identify', 'mode', 'limits', 'description'],
  },
);

const Edit = object('A header and its value.', {
  name: text('edited-header', 'Name of the header.'),
  value: text(
    'header-template',
    'Text; a variable stands as $ and its name in braces, such as consumer.name.',
  ),
});

const Step = object(
  'One edit of the request headers.',
  {
    set: Type.Optional(Edit),
    add: Type.Optional(Edit),
    remove: Type.Optional(text('edited-header', 'Name of the header to remove.')),
  },
  {
    exactlyOne: ['set', 'add', 'remove'],
    later: ['append', 'ifAbsent', 'rename', 'copy', 'when', 'if', 'conditions'],
  },
);

const Mediation = object(
  'Header edits.',
  { request: Type.Optional(list(Step, 'Edits of the request, in order.', 64, { default: [] })) },
  { later: ['response', 'conditions'] },
);

const Product = object(
  'What is protected: hosts, operations and how callers identify themselves.',
  {
    lifecycle: Type.Optional(
      word('State of the product.', ['published'], 'published', ['draft', 'deprecated', 'retired']),
    ),
    proxyGroup: Type.Optional(
      name('The proxy group whose proxies protect it.', { default: 'default' }),
    ),
    hosts: Type.Optional(
      list(
        text('host', 'A host name, or "*." and a domain. Ports of requests are ignored.'),
        'Hosts it governs; none = every host of the proxies of its group.',
        1024,
        { default: [], sidegate: { distinct: true } },
      ),
    ),
    basePath: Type.Optional(
      text('base-path', 'Path that all operations begin with.', { default: '/' }),
    ),
    identify: Type.Optional(
      list(Source, 'Where the key may stand, in order of preference.', 16, { default: [] }),
    ),
    keyFormat: Type.Optional(
      word(
        '"sidegate": every key is made by key create and checked by its checksum before anything ' +
          'else. "opaque": keys of any form are accepted.',
        ['sidegate', 'opaque'],
        'sidegate',
      ),
    ),
    brands: Type.Optional(
      list(text('brand', 'What a key begins with, before its "_".'), 'Brands of its keys.', 8, {
        minItems: 1,
        sidegate: { distinct: true },
      }),
    ),
    unmatchedOperations: Type.Optional(
      word('What happens to a request that is no operation.', ['deny', 'allow'], 'deny'),
    ),
    onStalePolicy: Type.Optional(
      word('What a proxy does that has heard nothing for too long.', ['serve', 'deny'], 'serve'),
    ),
    operations: Type.Optional(list(Operation, 'The operations.', 16384, { default: [] })),
    mediation: Type.Optional(Mediation),
  },
  {
    later: [
      'cors',
      'scopes',
      'mode',
      'denials',
      'limits',
      'description',
      'displayName',
      'openapi',
      'rateLimitFields',
      'usage',
    ],
  },
);

const Limit = object(
  'A quota in a window.',
  {
    name: name('Name, shared by all plans of the namespace: an account belongs to it.'),
    class: Type.Optional(word('How it is enforced.', ['exact'], 'exact', ['rate', 'approximate'])),
    quota: Type.Integer({
      description: 'Units in one window.',
      minimum: 1,
      maximum: Number.MAX_SAFE_INTEGER,
    }),
    window: text('window', 'Length of the window, from "1s" to "1d", aligned to UTC.'),
    onHostUnavailable: Type.Optional(
      word('What happens when no quota can be had.', ['deny', 'allow'], 'deny', ['localShare']),
    ),
    mode: Type.Optional(word('Whether it is enforced.', ['enforce'], 'enforce', ['shadow', 'off'])),
  },
  {
    later: [
      'burst',
      'calendar',
      'partition',
      'partitionBy',
      'owner',
      'per',
      'unit',
      'cost',
      'conditions',
      'operations',
      'renamedFrom',
      'localShare',
      'unlimited',
    ],
  },
);

const Plan = object(
  'A named bundle of limits.',
  { limits: Type.Optional(list(Limit, 'The limits; none = unlimited.', 8, { default: [] })) },
  { later: ['mode', 'scopes', 'approval', 'description', 'displayName', 'concurrency', 'blocks'] },
);

const Consumer = object('The party accountable for calls.', {
  displayName: Type.Optional(Type.String({ description: 'Name for people.', maxLength: 256 })),
  contacts: Type.Optional(
    list(Type.String({ maxLength: 256 }), 'Whom to ask, for people.', 16, { default: [] }),
  ),
});

const Application = object(
  'A program of a consumer; owns credentials and subscriptions.',
  {
    consumer: name('The consumer it belongs to.'),
    displayName: Type.Optional(Type.String({ description: 'Name for people.', maxLength: 256 })),
  },
  { later: ['identities', 'state'] },
);

const Subscription = object(
  'An application uses a product on a plan.',
  {
    application: name('The application.'),
    product: name('The product.'),
    plan: name('The plan.'),
    state: Type.Optional(word('Whether it may be used.', ['active', 'suspended'], 'active')),
  },
  { later: ['overrides', 'approval', 'scopes', 'billingDay', 'notBefore', 'notAfter'] },
);

const Credential = object(
  'The record of a key that was made elsewhere. Never the key: keys are made by key create.',
  {
    application: name('The application it belongs to.'),
    digest: text('digest', 'SHA-256 of the key, 64 lower-case hex digits.'),
    notBefore: Type.Optional(
      text('time', 'The key is valid from here, such as 2026-01-31T00:00Z.'),
    ),
    notAfter: Type.Optional(text('time', 'The key is no longer valid from here.')),
    state: Type.Optional(word('Whether it may be used.', ['enabled', 'disabled'], 'enabled')),
  },
  { later: ['cidrs', 'referers', 'scopes'] },
);

const ProxyGroup = object(
  'The part of policy and directory that one set of proxies needs.',
  {},
  { later: ['principals', 'meshIdentity', 'partitions'] },
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
export type OperationSpec = Static<typeof Operation>;
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
