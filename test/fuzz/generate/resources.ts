/**
 * Random sets of resources as an operator might write them: several products that share hosts and
 * paths, key sources of every kind, plans with and without limits, callers in every state. A set
 * may be one that the host refuses; who asks must look.
 */
import { digestOf, makeKey } from '../../../host/credential/key.ts';
import type { Dice } from './dice.ts';

/** A set of resources and every key that stands in it. */
export interface ResourceText {
  readonly yaml: string;
  readonly keys: readonly string[];
}

const HOSTS = [
  ...['orders.example.com', 'a.example.com', 'b.a.example.com', '*.example.com'],
  ...['*.a.example.com', 'x.test', '*.test'],
];
const HEADERS = ['x-api-key', 'x-key', 'authorization', 'cookie-key', 'x_key'];
const FIELDS = ['api_key', 'key', 'a', 'sid'];
const PREFIXES = ['', 'Bearer ', 'ApiKey ', 'Key:'];
const SEGMENTS = ['orders', 'v1', 'a', '{}', '*', 'a.b', '~x', '%41b', '%C3%A9', 'A'];
/** One for each product, so that hosts may be shared. */
const BASES = ['/', '/v1', '/orders', '/v1/a', '/v1/orders'];
const METHODS = ['GET', 'POST', 'DELETE', 'HEAD', 'OPTIONS', 'CONNECT', '*'];
const VARIABLES = [
  ...['consumer.name', 'application.name', 'plan.name', 'product.name', 'credential.id'],
];
const EDITED = ['x-consumer', 'x_plan', 'x-app', 'x-note', 'x-key', 'accept', 'x-internal'];
/** Headers that may be renamed: none of them names a caller. */
const FREE = ['x-h-1', 'user-agent', 'x-free', 'origin'];
const ORIGINS = ['https://a.example.com', 'http://x.test:8080'];
const MORE_ORIGINS = ['https://*.example.com', 'https://*.test:444'];
const BRANDS = ['sg', 'acme', 'sgx'];
const STATES = ['enabled', 'enabled', 'enabled', 'disabled'];

/** Around the time at which scenes are played: noon of 4 May 2026. */
const VALIDITY = [
  { notAfter: '2026-05-04T12:00Z' },
  { notAfter: '2027-01-01T00:00Z' },
  { notBefore: '2026-05-04T12:00Z' },
  { notBefore: '2026-05-05T00:00Z' },
  { notBefore: '2026-05-01T00:00Z', notAfter: '2026-06-01T00:00Z' },
];

/** Who may be verified by a proxy, and what of it names a caller. */
export const PRINCIPALS = ['spiffe://cluster.local/ns/shop/sa/web', 'spiffe://a/b', 'urn:x'];
export const ISSUERS = ['https://id.example', 'https://id.example/b'];
export const AUDIENCES = ['api', 'web', 'https://api.example.com'];
export const CLAIMS = ['sub', 'azp'];
export const SUBJECTS = ['mobile', 'm\u00e9', 'x'];

const NETWORKS = [['10.0.0.0/8'], ['2001:db8::/32', '192.168.1.7/32'], ['0.0.0.0/0'], ['::/0']];
/** Limits that are rates; the others count units of a quota. */
const RATES: ReadonlySet<string> = new Set(['swift', 'slow']);
const PAGES = [['app.example.com'], ['*.shop.test', 'a.test']];

/** A variable of a template; written so that no linter takes it for one of this file. */
const variable = (name: string) => ['$', '{', name, '}'].join('');

/** Draws a set. */
export function drawResources(dice: Dice): ResourceText {
  const first = dice.int(BASES.length);
  // Where nothing costs more than one unit, limits may be as small as limits can be.
  const dearest = dice.pick([1, 4]);
  const products = dice.times(1 + dice.int(4), (at) => {
    return product(dice, `p${at}`, BASES[(first + at) % BASES.length] ?? '/', dearest);
  });
  const plans = dice.times(2, (at) => plan(dice, `plan${at}`, dearest));
  const applications = ['shop', 'bot', 'idle'];
  const consumer = resource('Consumer', 'acme', {});
  const subscriptions = products.flatMap(({ metadata }) =>
    dice.some(applications).map((application) => {
      const on = dice.pick(plans);
      return resource('Subscription', `${application}-${metadata.name}`, {
        ...{ application, product: metadata.name, plan: on.metadata.name },
        ...(dice.once(6) && { state: 'suspended' }),
        ...(dice.once(3) && { overrides: overrides(dice, on.spec) }),
      });
    }),
  );
  const keys = dice.times(6, () => drawKey(dice));
  const credentials = keys.map((key, at) => credential(dice, `c${at}`, key, applications));
  const verified = principals(dice, applications);
  const parties = applications.map((name) => resource('Application', name, { consumer: 'acme' }));
  const callers = [...parties, ...subscriptions, ...credentials, ...verified];
  const all = [...products, ...plans, consumer, ...callers];
  const yaml = all.map((one) => `${JSON.stringify(one)}\n`).join('---\n');
  return { yaml, keys };
}

function resource<T extends object>(kind: string, name: string, spec: T) {
  return { apiVersion: 'sidegate.dev/v1alpha1', kind, metadata: { name }, spec };
}

/** A key of one of the brands, or one of no form at all. */
function drawKey(dice: Dice): string {
  if (dice.once(5)) return `opaque ${dice.int(1_000_000)} ~key`;
  return makeKey(dice.pick(BRANDS), (count) => dice.bytes(count)).key.reveal();
}

function product(dice: Dice, name: string, basePath: string, dearest: number) {
  const hosts = dice.some(HOSTS);
  const operations = dice.times(1 + dice.int(6), (at) => operation(dice, `o${at}`, dearest));
  const opaque = dice.once(3);
  const brands = dice.some(BRANDS);
  return resource('Product', name, {
    ...(hosts.length > 0 && { hosts }),
    basePath,
    identify: sources(dice),
    ...(opaque ? { keyFormat: 'opaque' } : { ...(brands.length > 0 && { brands }) }),
    unmatchedOperations: dice.pick(['deny', 'allow']),
    mode: dice.pick(['enforce', 'enforce', 'enforce', 'enforce', 'shadow', 'off']),
    operations,
    mediation: {
      request: dice.times(dice.int(5), () => step(dice)),
      ...(dice.once(2) && { response: dice.times(dice.int(4), () => step(dice)) }),
    },
    rateLimitFields: dice.pick(['standard', 'legacy', 'both', 'none']),
    ...(dice.once(2) && { cors: cors(dice) }),
  });
}

function cors(dice: Dice): object {
  const allowOrigins = dice.once(3) ? ['*'] : [dice.pick(ORIGINS), ...dice.some(MORE_ORIGINS)];
  return {
    allowOrigins,
    ...(allowOrigins[0] !== '*' && dice.once(2) && { allowCredentials: true }),
    ...(dice.once(2) && { exposeHeaders: ['x-note'] }),
  };
}

function sources(dice: Dice): object[] {
  const identities = dice.once(3) ? callers(dice) : [];
  // A product may know its callers by nothing else.
  const keys = identities.length > 0 && dice.once(4) ? [] : keySources(dice);
  return [...keys, ...identities];
}

/** Ways to know a caller without a key. */
function callers(dice: Dice): object[] {
  const token = () => {
    const audiences = ['api', ...dice.some(AUDIENCES)];
    return { jwt: { issuer: dice.pick(ISSUERS), audiences, claim: dice.pick(CLAIMS) } };
  };
  const ways = dice.pick([
    [{ mtls: {} }],
    [token()],
    [token(), { mtls: {} }],
    [{ mtls: {} }, token()],
  ]);
  return ways;
}

function keySources(dice: Dice): object[] {
  const header = dice.int(HEADERS.length);
  const inFields = [{ query: dice.pick(FIELDS) }, { cookie: dice.pick(FIELDS) }];
  const headers = dice.times(1 + dice.int(3), (at) => {
    const prefix = dice.pick(PREFIXES);
    const name = HEADERS[(header + at) % HEADERS.length];
    return { header: name, ...(prefix !== '' && { prefix }) };
  });
  return [...headers, ...dice.some(inFields)].map((apiKey) => ({ apiKey }));
}

function operation(dice: Dice, name: string, dearest: number) {
  const segments = dice.times(dice.int(4), (at) => dice.pick(SEGMENTS).replace('{}', `{p${at}}`));
  const path = segments.length === 0 ? '/' : `/${segments.join('/')}`;
  const tail = dice.pick(['', '', '', '/', '/**']);
  return {
    ...{ name, method: dice.pick(METHODS), path: path === '/' ? `/${tail.slice(1)}` : path + tail },
    ...(dice.once(4) && { cost: 1 + dice.int(dearest) }),
    ...(dice.once(4) && { security: 'none' }),
    ...(dice.once(4) && { mediation: both(dice) }),
  };
}

function step(dice: Dice): object {
  const name = dice.pick(EDITED);
  if (dice.once(6)) return { remove: name };
  if (dice.once(6)) return { rename: { from: dice.pick(FREE), to: dice.pick(FREE) } };
  const parts = dice.times(1 + dice.int(3), () =>
    dice.once(3) ? dice.pick(['lit', 'a b', '-', 'x/y']) : variable(dice.pick(VARIABLES)),
  );
  const edit = dice.pick(['set', 'set', 'add', 'append', 'setIfAbsent']);
  return { [edit]: { name, value: parts.join('') } };
}

function plan(dice: Dice, name: string, dearest: number) {
  const limits = dice.some(['small', 'large', 'swift', 'slow']).map((limit) => ({
    ...(RATES.has(limit) ? rate(dice, limit, dearest) : exact(dice, limit, dearest)),
    ...{ name: limit },
    mode: dice.pick(['enforce', 'enforce', 'enforce', 'enforce', 'enforce', 'off', 'shadow']),
  }));
  return resource('Plan', name, { limits: shuffled(dice, limits), mediation: both(dice) });
}

function exact(dice: Dice, limit: string, dearest: number) {
  const quota = limit === 'large' ? 1_000_000 : dearest + dice.int(dice.pick([4, 50]));
  return { window: dice.pick(['1d', '12h']), quota };
}

/** A rate; some are below one a second, which makes their shares statistical. */
function rate(dice: Dice, limit: string, dearest: number) {
  const quota = dearest + dice.int(dice.pick([4, limit === 'swift' ? 50 : 200]));
  return {
    ...{ class: dice.pick(['rate', 'approximate']), quota },
    window: limit === 'swift' ? '1s' : '1m',
    ...(dice.once(2) && { burst: burst(dice, quota, dearest) }),
    ...(dice.once(3) && { onHostUnavailable: dice.pick(['deny', 'allow', 'localShare']) }),
  };
}

/** Mostly one that a few requests spend. */
function burst(dice: Dice, quota: number, dearest: number): number {
  return Math.min(dearest + dice.int(dice.pick([3, 3, quota])), quota);
}

function shuffled<T>(dice: Dice, list: readonly T[]): T[] {
  return list.reduce<T[]>((some, one) => some.toSpliced(dice.int(some.length + 1), 0, one), []);
}

/** Programs for the request, for the response, or for both. */
function both(dice: Dice): object {
  const steps = () => dice.times(dice.int(3), () => step(dice));
  return { request: steps(), ...(dice.once(2) && { response: steps() }) };
}

/** Overrides of limits of a plan. */
function overrides(dice: Dice, plan: { readonly limits: readonly { name: string }[] }): object[] {
  return dice.some(plan.limits).map(({ name: limit }) => ({
    ...{ limit, quota: 5 + dice.int(dice.pick([50, 1_000])) },
    ...(RATES.has(limit) && dice.once(3) && { burst: burst(dice, 5, 4) }),
    ...(dice.once(2) && { mode: dice.pick(['enforce', 'shadow', 'off']) }),
  }));
}

/** Credentials of those whom a proxy has verified. */
function principals(dice: Dice, applications: readonly string[]) {
  const forms = [
    ...dice.some(PRINCIPALS).map((principal) => ({ principal })),
    ...dice
      .some(ISSUERS)
      .flatMap((issuer) =>
        dice.some(SUBJECTS).map((value) => ({ claim: { issuer, name: dice.pick(CLAIMS), value } })),
      ),
  ];
  return forms.map((form, at) =>
    resource('Credential', `principal-${at}`, {
      ...{ application: dice.pick(applications), ...form, state: dice.pick(STATES) },
      ...(dice.once(6) && { cidrs: dice.pick(NETWORKS) }),
    }),
  );
}

function credential(dice: Dice, name: string, key: string, applications: readonly string[]) {
  return resource('Credential', name, {
    application: dice.pick(applications),
    digest: Buffer.from(digestOf(key)).toString('hex'),
    state: dice.pick(STATES),
    ...(dice.once(2) && dice.pick(VALIDITY)),
    ...(dice.once(6) && { cidrs: dice.pick(NETWORKS) }),
    ...(dice.once(6) && { referers: dice.pick(PAGES) }),
  });
}
