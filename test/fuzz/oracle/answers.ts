/**
 * What a caller is told beside the decision: the RateLimit fields, what lets pages of other sites
 * read a denial, and what the response programs make of the service's answer (docs/wire.md, "What
 * callers are told" and "CORS"). The seconds of a window are told late by a hash that this model
 * does not follow: they stand as `T`.
 */
import { HeaderMap, type Pair } from '../../../host/emulator/index.ts';
import type { Policy, PolicyLimit, PolicyPlan, PolicyProduct } from '../../../host/wire/policy.ts';
import type { Accounts } from './accounts.ts';
import { slice } from './match.ts';
import { wireText } from './world.ts';

/** Stands for seconds until a window is over. */
export const SECONDS = 'T';
/** Mode of a limit that is enforced. */
const ENFORCE = 0;

/** The fields that tell of limits and of CORS, by which an answer is compared. */
export const TOLD = /^(x-)?ratelimit(-|$)|^access-control-|^vary$/;

/** How callers of a plan stand: `denied` = the limit that has just refused, if one has. */
export function limitFields(
  policy: Policy,
  by: { product: PolicyProduct; plan: PolicyPlan; owner: number; denied?: string },
  accounts: Accounts,
): Pair[] {
  const { product, plan, owner, denied } = by;
  const limits = slice(policy.limits, plan.limits).filter(({ mode }) => mode === ENFORCE);
  if (plan.field === undefined) return [];
  const promised = limits.map(
    ({ name, quota, windowKind }) => `"${wireText(name)}";q=${quota};w=${windowKind}`,
  );
  const standard: Pair[] = product.standardFields
    ? [['ratelimit-policy', promised.join(', ')]]
    : [];
  const shown =
    denied === undefined ? leastLeft(limits, owner, accounts) : limits.find(isNamed(denied));
  if (shown === undefined) return standard;
  const { name, quota } = shown;
  const left = Math.min(accounts.standing(owner, shown)?.units ?? 0, quota);
  if (product.standardFields) {
    standard.push(['ratelimit', `"${wireText(name)}";r=${left};t=${SECONDS}`]);
  }
  if (!product.legacyFields) return standard;
  return [
    ...standard,
    ['x-ratelimit-limit', String(quota)],
    ['x-ratelimit-remaining', String(left)],
    ['x-ratelimit-reset', SECONDS],
  ];
}

function isNamed(wanted: string) {
  return ({ name }: PolicyLimit) => name === wanted;
}

/** The limit with the least part left, the earlier of two that are equal. */
function leastLeft(limits: readonly PolicyLimit[], owner: number, accounts: Accounts) {
  const part = (limit: PolicyLimit) => accounts.standing(owner, limit)?.part ?? Infinity;
  return limits.filter((limit) => part(limit) <= 1).toSorted((a, b) => part(a) - part(b))[0];
}

/** What a denial says to a page of another site. */
export function corsFields(
  policy: Policy,
  product: PolicyProduct,
  headers: readonly Pair[],
): Pair[] {
  const cors = product.cors === undefined ? undefined : policy.cors[product.cors];
  if (cors === undefined) return [];
  const vary: Pair[] = cors.anyOrigin ? [] : [['vary', 'origin']];
  const origin = headers.find(([name]) => name === 'origin')?.[1];
  if (origin === undefined) return vary;
  const isAllowed = slice(policy.origins, cors.origins).some(({ start, end }) => {
    if (end === '') return origin === wireText(start);
    const between = origin.slice(wireText(start).length, -wireText(end).length);
    const isWhole = origin === wireText(start) + between + wireText(end);
    return isWhole && /^[a-z0-9.-]+$/.test(between);
  });
  if (!cors.anyOrigin && !isAllowed) return vary;
  return [
    ...vary,
    ['access-control-allow-origin', cors.anyOrigin ? '*' : origin],
    ...(cors.credentials ? [['access-control-allow-credentials', 'true'] as Pair] : []),
    ['access-control-expose-headers', wireText(cors.exposed)],
  ];
}

/** The method that a preflight asks for; undefined when the request is none. */
export function preflightOf(headers: readonly Pair[]): string | undefined {
  const first = (name: string) => headers.find(([other]) => other === name)?.[1];
  if (first(':method') !== 'OPTIONS' || first('origin') === undefined) return undefined;
  return first('access-control-request-method');
}

/** The service's answer with these fields in the place of its own. */
export function withFields(service: readonly Pair[], fields: readonly Pair[]): Pair[] {
  const map = new HeaderMap('response', service);
  for (const [name, value] of fields) map.replace(name, value);
  return map.pairs();
}

/** The same with the seconds of every field as `SECONDS`, and those seconds. */
export function withoutSeconds(headers: readonly Pair[]): { headers: Pair[]; seconds: number[] } {
  const seconds: number[] = [];
  const kept = headers.map(([name, value]): Pair => {
    const form =
      name === 'ratelimit' ? /(;t=)(\d+)$/ : name === 'x-ratelimit-reset' ? /()(\d+)$/ : undefined;
    const found = form?.exec(value);
    if (!form || !found) return [name, value];
    seconds.push(Number(found[2]));
    return [name, value.replace(form, `$1${SECONDS}`)];
  });
  return { headers: kept, seconds };
}
