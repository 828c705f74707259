/**
 * Resources as the host works with them: every text read into what it means. Whatever is built
 * here was checked before; what several resources must agree on is checked elsewhere.
 */
import { DEFAULT_BRAND } from '../credential/key.ts';
import { claimDigest, principalDigest } from '../credential/principal.ts';
import type { CredentialRules } from '../credential/rules.ts';
import { passed } from './formats.ts';
import { readDigest, readHeaderName, readKeyParameter, readTime, readWindow } from './names.ts';
import type { Origin } from './origin.ts';
import { type AllowedOrigin, readOrigin } from './origins.ts';
import { type PathTemplate, readBasePath, readPathTemplate } from './path.ts';
import { type Reference, resolveReference } from './reference.ts';
import type {
  CredentialSpec,
  JwtSpec,
  Kind,
  LimitSpec,
  MediationSpec,
  Metadata,
  OperationSpec,
  ProductSpec,
  Specs,
  StepSpec,
} from './schema/schema.ts';
import { type Part, readTemplate } from './template.ts';

/** A checked resource as it was written, defaults filled in. */
export interface Document<K extends Kind = Kind> {
  readonly kind: K;
  readonly metadata: Metadata;
  readonly spec: Specs[K];
  /** Absent where no problem can be about it. */
  readonly origin: Origin | undefined;
}

/** What every resource has. */
export interface Named {
  readonly namespace: string;
  readonly name: string;
  readonly origin: Origin | undefined;
}

/** A place that may hold a key. */
export interface KeySource {
  readonly place: 'header' | 'query' | 'cookie';
  /** Of a header in lower case. */
  readonly name: string;
  /** What stands before the key; '' for nothing. */
  readonly prefix: string;
  /** Where it stands in `identify`. */
  readonly index: number;
}

/** A way to know a caller without a key: by the peer's certificate, or by a verified token. */
export type Identity = { readonly index: number } & (
  | { readonly by: 'mtls' }
  | ({ readonly by: 'jwt' } & Required<JwtSpec>)
);

export interface Operation extends PathTemplate {
  readonly name: string;
  /** Methods in upper case, or `*`. */
  readonly methods: readonly string[];
  readonly cost: number;
  readonly anonymous: boolean;
  readonly mediation: Mediation;
}

/** One header edit. `parts` is empty for remove and the new name in lower case for rename. */
export interface Step {
  readonly op: 'set' | 'add' | 'remove' | 'append' | 'setIfAbsent' | 'rename';
  /** In lower case. */
  readonly header: string;
  readonly parts: readonly Part[];
}

/** Header edits, in order. */
export interface Mediation {
  readonly request: readonly Step[];
  readonly response: readonly Step[];
}

/** No edits at all. */
export const NO_EDITS: Mediation = { request: [], response: [] };

/** Whether what a product or a limit says is enforced. */
export type Mode = 'enforce' | 'shadow' | 'off';

export interface Product extends Named {
  /** Whether proxies know it: published or deprecated. */
  readonly isServed: boolean;
  readonly proxyGroup: string;
  readonly hosts: readonly string[];
  /** Segments. */
  readonly basePath: readonly string[];
  readonly sources: readonly KeySource[];
  /** Asked in this order where no key counts. */
  readonly identities: readonly Identity[];
  /** Brands of its keys; none = keys of any form. */
  readonly brands: readonly string[];
  readonly passUnmatched: boolean;
  readonly denyStale: boolean;
  readonly mode: Mode;
  /** Whether responses are counted by status class and latency. */
  readonly countsResponses: boolean;
  readonly operations: readonly Operation[];
  readonly mediation: Mediation;
  readonly rateLimitFields: RateLimitFields;
  readonly cors: Cors | undefined;
}

/** Which sites may read denials from a page. */
export interface Cors {
  readonly origins: readonly AllowedOrigin[];
  readonly credentials: boolean;
  /** Further headers of denials that pages may read. */
  readonly exposeHeaders: readonly string[];
}

/** How callers are told what is left of their quota. */
export type RateLimitFields = 'standard' | 'legacy' | 'both' | 'none';

export interface Limit {
  readonly name: string;
  /** Units, 1 … 2^53-1. */
  readonly quota: number;
  /** 1 … 86,400. */
  readonly windowSeconds: number;
  readonly class: 'exact' | 'rate' | 'approximate';
  /** Most units at one instant; 0 for class exact. */
  readonly burst: number;
  readonly onHostUnavailable: 'deny' | 'allow' | 'localShare';
  /** Per cent of the quota to go on with under `localShare`. */
  readonly localShare: number;
  readonly mode: Mode;
}

export interface Plan extends Named {
  /** Names the overrides that changed it; absent for a plan as declared. */
  readonly variant?: string;
  readonly limits: readonly Limit[];
  readonly mediation: Mediation;
  /** False: callers on it are never told what is left. */
  readonly showsLimits: boolean;
}

export interface Application extends Named {
  readonly consumer: Reference;
}

/** What a subscription has instead of what its plan says of one limit; absent = as the plan. */
export interface Override {
  readonly limit: string;
  readonly quota?: number;
  readonly burst?: number;
  readonly mode?: Mode;
}

export interface Subscription extends Named {
  readonly application: Reference;
  readonly product: Reference;
  readonly plan: Reference;
  readonly overrides: readonly Override[];
  readonly active: boolean;
}

export interface Credential extends Named {
  readonly application: Reference;
  /** 32 bytes. */
  readonly digest: Uint8Array;
  readonly state: 'enabled' | 'disabled';
  readonly notBeforeMs: number | null;
  readonly notAfterMs: number | null;
  readonly rules: CredentialRules;
}

/** All resources of a set by kind, each list in the order of namespace and name. */
export interface ResourceSet {
  readonly products: readonly Product[];
  readonly plans: readonly Plan[];
  readonly consumers: readonly Named[];
  readonly applications: readonly Application[];
  readonly subscriptions: readonly Subscription[];
  readonly credentials: readonly Credential[];
  readonly proxyGroups: readonly Named[];
}

/** Builds the set from checked documents, whatever their order. */
export function buildSet(documents: readonly Document[]): ResourceSet {
  const sorted = [...documents].sort(
    (a, b) =>
      compare(named(a).namespace, named(b).namespace) || compare(named(a).name, named(b).name),
  );
  const of = <K extends Kind, T>(kind: K, build: (document: Document<K>) => T): T[] =>
    sorted.filter((each): each is Document<K> => each.kind === kind).map(build);
  return {
    products: of('Product', product),
    plans: of('Plan', plan),
    consumers: of('Consumer', named),
    applications: of('Application', application),
    subscriptions: of('Subscription', subscription),
    credentials: of('Credential', credential),
    proxyGroups: of('ProxyGroup', named),
  };
}

function named(document: Document): Named {
  const { name, namespace = 'default' } = document.metadata;
  return { name, namespace, origin: document.origin };
}

function product(document: Document<'Product'>): Product {
  const { spec } = document;
  return {
    ...named(document),
    isServed: !['draft', 'retired'].includes(spec.lifecycle ?? 'published'),
    proxyGroup: spec.proxyGroup ?? 'default',
    hosts: spec.hosts ?? [],
    basePath: passed(readBasePath(spec.basePath ?? '/')),
    sources: (spec.identify ?? []).flatMap(keySource),
    identities: (spec.identify ?? []).flatMap(identity),
    brands: brandsOf(spec),
    passUnmatched: spec.unmatchedOperations === 'allow',
    denyStale: spec.onStalePolicy === 'deny',
    mode: spec.mode ?? 'enforce',
    countsResponses: spec.usage?.responses === 'counted',
    operations: (spec.operations ?? []).map(operation),
    mediation: mediation(spec.mediation),
    rateLimitFields: spec.rateLimitFields ?? 'standard',
    cors: spec.cors && cors(spec.cors),
  };
}

type Source = NonNullable<ProductSpec['identify']>[number];

function keySource({ apiKey }: Source, index: number): KeySource[] {
  if (apiKey === undefined) return [];
  const { header, query, cookie, prefix = '' } = apiKey;
  if (header !== undefined) {
    return [{ place: 'header', name: passed(readHeaderName(header)), prefix, index }];
  }
  const place = query === undefined ? 'cookie' : 'query';
  return [{ place, name: passed(readKeyParameter(query ?? cookie ?? '')), prefix, index }];
}

function identity({ mtls, jwt }: Source, index: number): Identity[] {
  if (jwt !== undefined) return [{ by: 'jwt', claim: 'sub', ...jwt, index }];
  return mtls === undefined ? [] : [{ by: 'mtls', index }];
}

function brandsOf(spec: ProductSpec): readonly string[] {
  return spec.keyFormat === 'opaque' ? [] : (spec.brands ?? [DEFAULT_BRAND]);
}

function operation(spec: OperationSpec): Operation {
  const { name, method, methods = [], path, cost = 1, security } = spec;
  return {
    ...passed(readPathTemplate(path)),
    name,
    methods: method === undefined ? methods : [method],
    cost,
    anonymous: security === 'none',
    mediation: mediation(spec.mediation),
  };
}

function cors(spec: NonNullable<ProductSpec['cors']>): Cors {
  return {
    origins: spec.allowOrigins.map((each) => passed(readOrigin(each))),
    credentials: spec.allowCredentials ?? false,
    exposeHeaders: spec.exposeHeaders ?? [],
  };
}

function mediation(spec: MediationSpec = {}): Mediation {
  const { request = [], response = [] } = spec;
  return { request: request.map(step), response: response.map(step) };
}

const EDITS = ['set', 'add', 'append', 'setIfAbsent'] as const;

function step(spec: StepSpec): Step {
  const { remove, rename } = spec;
  if (remove !== undefined) {
    return { op: 'remove', header: passed(readHeaderName(remove)), parts: [] };
  }
  if (rename !== undefined) {
    const to = passed(readHeaderName(rename.to));
    return { op: 'rename', header: passed(readHeaderName(rename.from)), parts: [{ text: to }] };
  }
  const op = EDITS.find((each) => spec[each] !== undefined) ?? 'set';
  const { name = '', value = '' } = spec[op] ?? {};
  return { op, header: passed(readHeaderName(name)), parts: passed(readTemplate(value)) };
}

function plan(document: Document<'Plan'>): Plan {
  const { limits = [], mediation: edits, rateLimitFields } = document.spec;
  return {
    ...named(document),
    limits: limits.map(limit),
    mediation: mediation(edits),
    showsLimits: rateLimitFields !== 'none',
  };
}

/** Per cent of the quota that may be gone on with when a limit names none. */
const LOCAL_SHARE = 10;

function limit(spec: LimitSpec): Limit {
  const { name, quota, class: limitClass = 'exact', localShare = LOCAL_SHARE } = spec;
  const preset = limitClass === 'rate' ? 'localShare' : 'deny';
  return {
    name,
    quota,
    windowSeconds: passed(readWindow(spec.window)),
    class: limitClass,
    burst: limitClass === 'exact' ? 0 : (spec.burst ?? quota),
    onHostUnavailable: spec.onHostUnavailable ?? preset,
    localShare,
    mode: spec.mode ?? 'enforce',
  };
}

function application(document: Document<'Application'>): Application {
  const base = named(document);
  return { ...base, consumer: resolveReference(document.spec.consumer, base.namespace) };
}

function subscription(document: Document<'Subscription'>): Subscription {
  const { application, product, plan, state, overrides = [] } = document.spec;
  const base = named(document);
  return {
    ...base,
    application: resolveReference(application, base.namespace),
    product: resolveReference(product, base.namespace),
    plan: resolveReference(plan, base.namespace),
    overrides,
    active: (state ?? 'active') === 'active',
  };
}

function credential(document: Document<'Credential'>): Credential {
  const { application, notBefore, notAfter, state = 'enabled' } = document.spec;
  const { cidrs = [], referers = [] } = document.spec;
  const base = named(document);
  return {
    ...base,
    application: resolveReference(application, base.namespace),
    digest: credentialDigest(document.spec),
    state,
    notBeforeMs: notBefore === undefined ? null : passed(readTime(notBefore)),
    notAfterMs: notAfter === undefined ? null : passed(readTime(notAfter)),
    rules: { cidrs, referers },
  };
}

/** What a credential may be of; the fields of its spec, exactly one of which is there. */
export const CREDENTIAL_FORMS = ['digest', 'principal', 'claim'] as const;

/** By what the filter finds a credential: the digest of its key, principal or claim. */
export function credentialDigest({ digest, principal, claim }: CredentialSpec): Uint8Array {
  if (principal !== undefined) return principalDigest(principal);
  return claim === undefined ? passed(readDigest(digest ?? '')) : claimDigest(claim);
}

/**
 * The same in hexadecimal. A digest is taken as it is written, because there may be a hundred
 * thousand of them.
 */
export function credentialDigestText(spec: CredentialSpec): string {
  return spec.digest ?? Buffer.from(credentialDigest(spec)).toString('hex');
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
