/**
 * Checks what a set means as a whole: products that claim the same requests, operations that no
 * quota could ever pay, limits and sources named twice. Each finding is a problem at its place.
 */
import type { ErrorCode, Facts } from './errors.ts';
import { checkEdits } from './meaning-edits.ts';
import { checkIdentify } from './meaning-identify.ts';
import type {
  Credential,
  Limit,
  Operation,
  Override,
  Plan,
  Product,
  ResourceSet,
} from './model.ts';
import type { Origin, Path } from './origin.ts';
import { overridden, overriddenLimit, variantOf } from './overrides.ts';
import { SEGMENTS_MAX } from './path.ts';
import type { Problem } from './problem.ts';
import { placeText } from './reference.ts';
import { ANY_METHOD, RATE_QUOTA_MAX } from './schema/schema.ts';
import { suggest } from './suggest.ts';

/** Problems of the set. References that lead nowhere are skipped: they have problems already. */
export function checkMeaning(set: ResourceSet): Problem[] {
  return [
    ...set.products.flatMap(checkProduct),
    ...set.plans.flatMap(checkPlan),
    ...checkOverrides(set),
    ...set.credentials.flatMap(checkCredential),
    ...checkClaims(inOrderOfClaims(set.products)),
    ...checkCosts(set),
    ...checkEdits(set),
  ];
}

function at(origin: Origin | undefined, code: ErrorCode, facts: Facts, path: Path): Problem[] {
  return origin === undefined ? [] : [origin.problem(code, facts, path)];
}

function checkProduct(product: Product): Problem[] {
  const { origin, operations, sources, name } = product;
  const problems = namedTwice(origin, 'operation', operations, (i) => ['operations', i, 'name']);
  // A prefix is compared without case and without the spaces around what follows it.
  const places = sources.map(({ place, name, prefix }) => {
    const scheme = prefix.trim().toLowerCase();
    const named = place === 'header' ? name : `${place} ${name}`;
    return { name: scheme === '' ? named : `${named}: ${scheme}` };
  });
  const indexes = sources.map(({ index }) => index);
  const pathOf = (i: number): Path => ['identify', indexes[i] ?? i];
  problems.push(...namedTwice(origin, 'key source', places, pathOf));
  problems.push(...strayPrefixes(product), ...checkIdentify(product));
  problems.push(...sameRequests(product), ...tooDeep(product));
  if (product.cors?.credentials === true && product.cors.origins.includes('*')) {
    problems.push(...at(origin, 'SG1411', {}, ['spec', 'cors', 'allowCredentials']));
  }
  const needy = operations.findIndex((operation) => !operation.anonymous);
  if (sources.length + product.identities.length === 0 && needy !== -1) {
    const facts = { name: operations[needy]?.name ?? '', product: name };
    problems.push(...at(origin, 'SG1404', facts, ['spec', 'operations', needy, 'name']));
  }
  return problems;
}

/** A prefix in front of a value that no one writes with a scheme. */
function strayPrefixes({ origin, sources }: Product): Problem[] {
  return sources.flatMap(({ place, prefix, index }) =>
    place === 'header' || prefix === ''
      ? []
      : at(origin, 'SG1406', { place }, ['spec', 'identify', index, 'apiKey', 'prefix']),
  );
}

function namedTwice(
  origin: Origin | undefined,
  what: string,
  list: readonly { readonly name: string }[],
  pathOf: (index: number) => Path,
): Problem[] {
  const first = new Map<string, number>();
  return list.flatMap(({ name }, i) => {
    const other = first.get(name);
    if (other === undefined) {
      first.set(name, i);
      return [];
    }
    const where = origin?.where(['spec', ...pathOf(other)]) ?? '';
    return at(origin, 'SG1303', { what, name, where }, ['spec', ...pathOf(i)]);
  });
}

/** An operation's template with its base path, one key for all templates of the same shape. */
function shapeOf(product: Product, operation: Operation): string {
  const literals = product.basePath.map((text) => `=${text}`);
  const segments = operation.segments.map((each) => (each === 'any' ? '*' : `=${each.literal}`));
  return [...literals, ...segments, operation.rest ? '**' : ''].join('/');
}

interface Claim {
  readonly operation: Operation;
  readonly index: number;
}

/** What a product claims: the operation behind every method and shape. */
function claimsOf(product: Product): Map<string, Claim> {
  const claims = new Map<string, Claim>();
  for (const [index, operation] of product.operations.entries()) {
    for (const method of operation.methods) {
      const key = `${method} ${shapeOf(product, operation)}`;
      if (!claims.has(key)) claims.set(key, { operation, index });
    }
  }
  return claims;
}

function sameRequests(product: Product): Problem[] {
  const claims = claimsOf(product);
  return product.operations.flatMap((operation, index) => {
    const method = operation.methods.find(
      (each) => claims.get(`${each} ${shapeOf(product, operation)}`)?.index !== index,
    );
    if (method === undefined) return [];
    const first = claims.get(`${method} ${shapeOf(product, operation)}`);
    return clash(product, index, method, product, first);
  });
}

/** Operations that no request reaches: the filter reads no further than SEGMENTS_MAX. */
function tooDeep({ origin, basePath, operations }: Product): Problem[] {
  return operations.flatMap(({ segments }, i) => {
    if (basePath.length + segments.length <= SEGMENTS_MAX) return [];
    const path = ['spec', 'operations', i, 'path'];
    const why = `has, with its base path, more than ${SEGMENTS_MAX} segments`;
    return at(origin, 'SG1202', { value: origin?.text(path) ?? '', why }, path);
  });
}

function clash(
  product: Product,
  index: number,
  method: string,
  owner: Product,
  other: Claim | undefined,
): Problem[] {
  const path: Path = ['spec', 'operations', index, 'path'];
  const where = owner.origin?.where(['spec', 'operations', other?.index ?? 0, 'path']) ?? '';
  const facts = {
    name: product.operations[index]?.name ?? '',
    other: other?.operation.name ?? '',
    method: method === ANY_METHOD ? 'every method' : method,
    where,
  };
  return at(product.origin, 'SG1402', facts, path);
}

/** Products that proxies know, stored ones first: who comes later has the problem. */
function inOrderOfClaims(products: readonly Product[]): Product[] {
  const rank = ({ origin }: Product) => (origin?.isStored === true ? 0 : 1);
  return products.filter(({ isServed }) => isServed).sort((a, b) => rank(a) - rank(b));
}

/** Products of one proxy group that share a host, each pair once. */
function checkClaims(products: readonly Product[]): Problem[] {
  const byHost = new Map<string, Product[]>();
  const seen = new Map<Product, Set<Product>>();
  const problems: Problem[] = [];
  for (const product of products) {
    for (const host of product.hosts.length === 0 ? [''] : product.hosts) {
      const key = `${product.proxyGroup}/${host}`;
      const others = byHost.get(key) ?? [];
      byHost.set(key, others);
      for (const other of others) {
        const met = seen.get(product) ?? new Set();
        seen.set(product, met);
        if (!met.has(other)) problems.push(...checkPair(product, other, host));
        met.add(other);
      }
      others.push(product);
    }
  }
  return problems;
}

function checkPair(product: Product, other: Product, host: string): Problem[] {
  const [a, b] = [product.basePath, other.basePath];
  // Templates of the same shape need base paths of which one begins with the other.
  if (!a.slice(0, b.length).every((segment, i) => segment === b[i])) return [];
  if (a.length === b.length) {
    const facts = {
      name: product.name,
      other: other.name,
      host: host === '' ? 'every host' : `host ${host}`,
      path: `/${a.join('/')}`,
      where: other.origin?.where() ?? '',
    };
    return at(product.origin, 'SG1401', facts, ['metadata', 'name']);
  }
  const claims = claimsOf(other);
  const problems: Problem[] = [];
  for (const [key, claim] of claimsOf(product)) {
    const first = claims.get(key);
    const [method = ''] = key.split(' ');
    if (first !== undefined) problems.push(...clash(product, claim.index, method, other, first));
  }
  return problems;
}

function checkPlan(plan: Plan): Problem[] {
  return [
    ...namedTwice(plan.origin, 'limit', plan.limits, (i) => ['limits', i, 'name']),
    ...plan.limits.flatMap((limit, i) => checkLimit(plan.origin, limit, ['limits', i])),
  ];
}

/** What a limit says of its burst and of the host, against what its class can do. */
function checkLimit(origin: Origin | undefined, limit: Limit, place: Path): Problem[] {
  const { name, class: limitClass, quota, burst } = limit;
  const path = (field: string): Path => ['spec', ...place, field];
  const says = (field: string) => origin?.has(path(field)) ?? false;
  const problems: Problem[] = [];
  const add = (code: ErrorCode, facts: Facts, field: string) =>
    problems.push(...at(origin, code, facts, path(field)));
  if (limitClass === 'exact' && says('burst')) add('SG1421', { name }, 'burst');
  if (burst > quota) add('SG1422', { name, burst, quota }, 'burst');
  if (limitClass !== 'exact' && quota > RATE_QUOTA_MAX) {
    add('SG1423', { quota, class: limitClass, most: RATE_QUOTA_MAX }, 'quota');
  }
  const needless = ['onHostUnavailable', 'localShare'].find(says);
  if (limitClass === 'approximate' && needless !== undefined) add('SG1426', { name }, needless);
  else if (limit.onHostUnavailable !== 'localShare' && says('localShare')) {
    add('SG1425', { name }, 'localShare');
  }
  return problems;
}

/** What subscriptions have instead of what their plans say. */
function checkOverrides({ plans, subscriptions }: ResourceSet): Problem[] {
  const byPlace = new Map(plans.map((each) => [placeText(each), each]));
  return subscriptions.flatMap(({ origin, overrides, plan: reference }) => {
    const plan = byPlace.get(placeText(reference));
    if (overrides.length === 0 || plan === undefined) return [];
    const names = overrides.map(({ limit: name }) => ({ name }));
    return [
      ...namedTwice(origin, 'override of limit', names, (i) => ['overrides', i, 'limit']),
      ...overrides.flatMap((override, i) => checkOverride(origin, plan, override, i)),
    ];
  });
}

function checkOverride(
  origin: Origin | undefined,
  plan: Plan,
  override: Override,
  index: number,
): Problem[] {
  const { limit: name, quota, burst, mode } = override;
  const place: Path = ['overrides', index];
  const limit = plan.limits.find((each) => each.name === name);
  if (limit === undefined) {
    const names = plan.limits.map((each) => each.name);
    const facts = { plan: plan.name, name, names: names.join(', ') || 'none' };
    const suggestion = suggest(name, names);
    const path = ['spec', ...place, 'limit'];
    return origin === undefined ? [] : [origin.problem('SG1427', facts, path, { suggestion })];
  }
  if (quota === undefined && burst === undefined && mode === undefined) {
    return at(origin, 'SG1428', { name }, ['spec', ...place, 'limit']);
  }
  return checkLimit(origin, overriddenLimit(limit, override), place);
}

function checkCredential({ origin, notBeforeMs, notAfterMs }: Credential): Problem[] {
  if (notBeforeMs === null || notAfterMs === null || notAfterMs > notBeforeMs) return [];
  return at(origin, 'SG1212', {}, ['spec', 'notAfter']);
}

/** Operations that cost more than a quota holds, where a subscription brings them together. */
function checkCosts(set: ResourceSet): Problem[] {
  const products = new Map(set.products.map((each) => [placeText(each), each]));
  const plans = new Map(set.plans.map((each) => [placeText(each), each]));
  const seen = new Set<string>();
  return set.subscriptions.flatMap(({ name, product, plan, overrides }) => {
    const variant = overrides.length === 0 ? '' : variantOf(overrides);
    const pair = `${placeText(product)}/${placeText(plan)}/${variant}`;
    const used = products.get(placeText(product));
    const on = plans.get(placeText(plan));
    if (used === undefined || on === undefined || seen.has(pair)) return [];
    seen.add(pair);
    return costsOf(used, overridden(on, overrides), name);
  });
}

/** Units of the dearest operation that a limit can ever admit. */
function mostAtOnce({ class: limitClass, quota, burst }: Limit): number {
  return limitClass === 'exact' ? quota : Math.min(quota, burst);
}

function costsOf(product: Product, plan: Plan, subscription: string): Problem[] {
  return product.operations.flatMap((operation, i) => {
    const { cost, anonymous } = operation;
    const limit = plan.limits.find((each) => mostAtOnce(each) < cost);
    if (anonymous || limit === undefined) return [];
    const { name, quota, burst } = limit;
    const facts = { cost, limit: name, plan: plan.name, quota, burst, subscription };
    const code = quota < cost ? 'SG1403' : 'SG1424';
    return at(product.origin, code, facts, ['spec', 'operations', i, 'cost']);
  });
}
