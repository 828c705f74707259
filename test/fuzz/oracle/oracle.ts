/**
 * The oracle: what Sidegate has to do with a request, phase by phase, written from docs/wire.md and
 * ARCHITECTURE.md and from nothing else. Simple, slow and obviously right; it must never be made to
 * agree with the filter other than by changing those pages.
 */
import { createHash } from 'node:crypto';
import type { Pair } from '../../../host/emulator/index.ts';
import type {
  Policy,
  PolicyOperation,
  PolicyPlan,
  PolicyProduct,
} from '../../../host/wire/policy.ts';
import type { Accounts, AskedAt } from './accounts.ts';
import { corsFields, limitFields, preflightOf, withFields } from './answers.ts';
import { type Caller, callerText } from './caller.ts';
import { mediated, type Party, withoutIdentity, withoutKeys } from './edits.ts';
import { countedKeys, isWellFormed, oneKey } from './identify.ts';
import { type Match, match, slice } from './match.ts';
import { type Denial, REASONS } from './reasons.ts';
import { ruleAgainst } from './rules.ts';
import type { Credential, Settings, Subscription, World } from './world.ts';

/** A request as the filter sees it: headers in lower case, pseudo headers included. */
export interface Request {
  readonly headers: readonly Pair[];
  /** Whom the proxy has verified, if anybody. */
  readonly caller?: Caller | undefined;
}

/** What has to become of a request. */
export interface Verdict {
  readonly reason: string;
  /** The name of the limit that denied. */
  readonly limit?: string;
  /** Whether shadow mode made a pass of a denial. */
  readonly shadow: boolean;
  /** What the caller is answered; absent when the request goes on. */
  readonly denial?: Denial;
  /** The name of the product, once it is known. */
  readonly product?: string;
  /** The headers upstream sees; of a denied request those left for the log, identity apart. */
  readonly headers: readonly Pair[];
  /** The subscription whose quota was asked. */
  readonly owner?: number;
  /** What the request costs. */
  readonly cost?: number;
  /** The fields that a denial carries of CORS and of limits, seconds as `SECONDS`. */
  readonly told?: readonly Pair[];
  /** What the caller gets of the service's answer, seconds as `SECONDS`. */
  readonly answers?: (service: readonly Pair[]) => readonly Pair[];
  /** Set when the reason depends on what this model does not follow: anything but a bypass goes. */
  readonly vague?: boolean;
}

/** What a decision is made from besides the request. */
export interface Facts {
  readonly world: World;
  readonly settings: Settings;
  /** Unix milliseconds. */
  readonly nowMs: number;
  readonly accounts: Accounts;
  readonly at: AskedAt;
}

/** Beyond these the filter does not read a request (docs/limits.md). */
const HEADERS_MAX = 1_024;
const ARENA_BYTES = 262_144;
const FORGED_MAX = 256;
/** Modes of products and limits. */
const SHADOW = 1;
const OFF = 2;

/** What is known of a request on its way through the phases. */
interface Found {
  readonly product?: PolicyProduct;
  readonly operation?: PolicyOperation;
  readonly plan?: PolicyPlan;
  readonly party?: Party;
  readonly limit?: string;
  readonly vague?: boolean;
  readonly owner?: number;
  readonly cost?: number;
}

/** Decides a request. Takes its cost from `accounts` if it is allowed. */
export function decide(request: Request, facts: Facts): Verdict {
  const { world, settings } = facts;
  const { headers } = request;
  const plain = withoutIdentity(world.policy, headers);
  if (isUnreadable(headers)) return verdict('request_unreadable', plain);
  if (headers.length - plain.length > FORGED_MAX) {
    return verdict('request_unreadable', withoutKeys(world.policy, world.policy.products, plain));
  }
  if (settings.mode === 'off') return verdict('mode_off', plain);
  const [reason, found] = phases(request, facts);
  const { policy } = world;
  const { product } = found;
  if (reason === 'other_host_passed') return verdict(reason, plain);
  if (product?.mode === OFF) return { ...verdict('mode_off', plain), product: product.name };
  const cutting = product === undefined ? policy.products : [product];
  const more = {
    ...(product && { product: product.name }),
    ...(found.limit !== undefined && { limit: found.limit }),
    ...(found.vague && { vague: true }),
    ...(found.owner !== undefined && { owner: found.owner }),
    ...(found.cost !== undefined && { cost: found.cost }),
  };
  const denial = REASONS.get(reason);
  const cut = withoutIdentity(policy, withoutKeys(policy, cutting, headers));
  if (denial !== undefined) {
    const shadow = settings.mode === 'shadow' || product?.mode === SHADOW;
    const cors = product === undefined ? [] : corsFields(policy, product, headers);
    const told = [...cors, ...fieldsOf(found, facts)];
    return { ...verdict(reason, cut), ...more, denial, shadow, told };
  }
  if (product === undefined || reason === 'unmatched_passed') {
    return { ...verdict(reason, cut), ...more };
  }
  const programs = { ...found, product };
  const party = found.party ?? {};
  const fields = fieldsOf(found, facts);
  const answers = (service: readonly Pair[]) =>
    mediated(policy, programs, party, withFields(service, fields), 'response');
  return { ...verdict(reason, mediated(policy, programs, party, cut)), ...more, answers };
}

/** What is told of the limits of a plan, where proxy and product enforce. */
function fieldsOf({ product, plan, owner, limit }: Found, facts: Facts): Pair[] {
  const enforced = facts.settings.mode === 'enforce' && product?.mode === 0;
  if (!enforced || product === undefined || plan === undefined || owner === undefined) return [];
  const by = { product, plan, owner, ...(limit !== undefined && { denied: limit }) };
  return limitFields(facts.world.policy, by, facts.accounts);
}

function verdict(reason: string, headers: readonly Pair[]): Verdict {
  const denial = REASONS.get(reason);
  return { reason, headers, shadow: false, ...(denial && { denial }) };
}

function isUnreadable(headers: readonly Pair[]): boolean {
  const bytes = headers.reduce((sum, [name, value]) => sum + name.length + value.length + 10, 4);
  return headers.length === 0 || headers.length > HEADERS_MAX || bytes > ARENA_BYTES;
}

/** Match, identify, format, look up, state, subscription, quota. */
function phases({ headers, caller }: Request, facts: Facts): [string, Found] {
  const { policy } = facts.world;
  const first = (name: string) => headers.find(([other]) => other === name)?.[1] ?? '';
  const asked = preflightOf(headers);
  if (asked !== undefined) {
    const aim = match(policy, first(':authority'), first(':path'), asked);
    const product = aim.kind === 'found' ? policy.products[aim.product] : undefined;
    if (aim.kind === 'found' && product?.cors !== undefined) {
      const operation = policy.operations[aim.operation];
      return ['preflight', { product, ...(operation && { operation }) }];
    }
  }
  const found = match(policy, first(':authority'), first(':path'), first(':method'));
  const early = unmatched(found, policy, facts.settings);
  if (early !== undefined) return early;
  if (found.kind !== 'found') return ['operation_not_found', {}];
  const product = policy.products[found.product];
  const operation = policy.operations[found.operation];
  if (product === undefined || operation === undefined) return ['operation_not_found', {}];
  if (operation.anonymous) return ['anonymous', { product, operation }];
  const credential = identified(facts, product, headers, caller);
  if (typeof credential === 'string') return [credential, { product }];
  const refusal = stateOf(credential, facts.nowMs);
  if (refusal !== undefined) return [refusal, { product }];
  const against = ruleAgainst(credential, headers, facts.settings);
  if (against !== undefined) return [against, { product }];
  const [reason, more] = subscribed(product, operation.cost, credential, facts);
  return [reason, { ...more, operation }];
}

function unmatched(found: Match, policy: Policy, settings: Settings): [string, Found] | undefined {
  if (found.kind === 'not governed') {
    return settings.otherHosts === 'allow' ? ['other_host_passed', {}] : ['host_not_governed', {}];
  }
  if (found.kind === 'ambiguous') return ['path_ambiguous', {}];
  if (found.kind !== 'unmatched') return undefined;
  const product = policy.products[found.product];
  if (product === undefined) return undefined;
  return [product.passUnmatched ? 'unmatched_passed' : 'operation_not_found', { product }];
}

/** The credential of a request, or why it has none. */
function identified(
  { world }: Facts,
  product: PolicyProduct,
  headers: readonly Pair[],
  caller: Caller | undefined,
): Credential | string {
  const { policy, directory } = world;
  const key = oneKey(countedKeys(policy, product, headers));
  if (key === 'conflict') return 'key_conflict';
  if (key === 'missing') {
    if (product.identities.count === 0) return 'key_missing';
    const text = callerText(policy, product, caller ?? {});
    if (text === undefined) return 'caller_missing';
    const digest = createHash('sha256').update(text).digest();
    const inverted = Buffer.from(digest.map((byte) => byte ^ 0xff));
    return directory.credentials.get(inverted.toString('hex')) ?? 'caller_unknown';
  }
  if (!isWellFormed(policy, product, key)) return 'key_malformed';
  const digest = createHash('sha256').update(key, 'latin1').digest('hex');
  return directory.credentials.get(digest) ?? 'key_unknown';
}

function stateOf(credential: Credential, nowMs: number): string | undefined {
  const { enabled, notBeforeMs, notAfterMs } = credential;
  if (!enabled) return 'key_disabled';
  if (notAfterMs !== 0 && nowMs >= notAfterMs) return 'key_expired';
  return notBeforeMs !== 0 && nowMs < notBeforeMs ? 'key_not_yet_valid' : undefined;
}

function subscribed(
  product: PolicyProduct,
  cost: number,
  credential: Credential,
  facts: Facts,
): [string, Found] {
  const { applications, subscriptions } = facts.world.directory;
  const application = applications.get(credential.application);
  const subscription = subscriptions.get(`${credential.application}/${product.id}`);
  const plan = facts.world.policy.plans.find(({ id }) => id === subscription?.plan);
  if (application === undefined || subscription === undefined || plan === undefined) {
    return ['not_subscribed', { product }];
  }
  if (!subscription.active) return ['subscription_suspended', { product }];
  const party: Party = {
    consumer: application.consumerName,
    application: application.applicationName,
    plan: plan.name,
    credential: credential.id,
  };
  return quota(product, cost, { subscription, plan, party }, facts);
}

function quota(
  product: PolicyProduct,
  cost: number,
  by: { subscription: Subscription; plan: PolicyPlan; party: Party },
  facts: Facts,
): [string, Found] {
  const { party, plan, subscription } = by;
  const limits = slice(facts.world.policy.limits, plan.limits);
  const about = { product, plan, party, owner: subscription.id, cost };
  // In shadow nothing waits for units: whether there are some, and what is left then, is chance.
  const shadowed =
    facts.settings.mode === 'shadow' ||
    product.mode === SHADOW ||
    limits.some(({ mode }) => mode === SHADOW);
  if (shadowed && limits.length > 0) facts.accounts.blur(subscription.id);
  if (facts.accounts.isBlurred(subscription.id)) {
    return ['allowed', { ...about, vague: true }];
  }
  const denies = facts.accounts.take(subscription.id, limits, cost, facts.at);
  if (denies === undefined) return ['allowed', about];
  return ['quota_exceeded', { ...about, limit: denies.name }];
}
