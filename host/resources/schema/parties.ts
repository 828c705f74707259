/**
 * The schemas of who calls and who is called by: consumers, applications, subscriptions,
 * credentials, proxy groups. It must never describe a field that the host does not honour.
 */
import Type from 'typebox';
import { RULES_MAX } from '../../credential/rules.ts';
import { list, name, object, reference, text, word } from './kit.ts';
import { RATE_QUOTA_MAX } from './plan.ts';

/** The spec of a consumer. */
export const Consumer = object('The party accountable for calls.', {
  displayName: Type.Optional(Type.String({ description: 'Name for people.', maxLength: 256 })),
  contacts: Type.Optional(
    list(Type.String({ maxLength: 256 }), 'Whom to ask, for people.', 16, { default: [] }),
  ),
});

/** The spec of an application. */
export const Application = object(
  'A program of a consumer; owns credentials and subscriptions.',
  {
    consumer: reference('The consumer it belongs to.'),
    displayName: Type.Optional(Type.String({ description: 'Name for people.', maxLength: 256 })),
  },
  { later: ['state'] },
);

/** What a subscription has instead of what its plan says. */
export const Override = object('Another quota, burst or mode of one limit of the plan.', {
  limit: name('The limit, by its name in the plan.'),
  quota: Type.Optional(
    Type.Integer({
      description: 'Units in one window.',
      minimum: 1,
      maximum: Number.MAX_SAFE_INTEGER,
    }),
  ),
  burst: Type.Optional(
    Type.Integer({
      description:
        "Most units admitted at one instant; the plan's, at most the quota, when absent.",
      minimum: 1,
      maximum: RATE_QUOTA_MAX,
    }),
  ),
  mode: Type.Optional(word('As in the plan.', ['enforce', 'shadow', 'off'], undefined)),
});

/** The spec of a subscription. */
export const Subscription = object(
  'An application uses a product on a plan.',
  {
    application: reference('The application.'),
    product: reference('The product.'),
    plan: reference('The plan.'),
    overrides: Type.Optional(
      list(Override, 'What is different from the plan for this subscription.', 8),
    ),
    state: Type.Optional(
      word(
        'Whether it may be used: only active ones may. Left out, a subscription keeps the state ' +
          'it has; a new one is active, or pending where the product asks for approval.',
        ['pending', 'active', 'suspended', 'rejected'],
        undefined,
      ),
    ),
  },
  { later: ['approval', 'scopes', 'billingDay', 'notBefore', 'notAfter'] },
);

const Claim = object('A claim of tokens that RequestAuthentication has verified.', {
  issuer: text('claim-text', 'Issuer of the tokens, as in their iss.'),
  name: text('claim', 'Name of the claim, such as sub, azp or client_id.'),
  value: text('claim-text', 'What the claim says for this application; compared byte by byte.'),
});

/** The spec of a credential. */
export const Credential = object(
  'By what an application is known: a key that was made elsewhere (never the key itself: keys are ' +
    'made by key create), the principal of its certificate, or a claim of its tokens.',
  {
    application: reference('The application it belongs to.'),
    digest: Type.Optional(text('digest', 'SHA-256 of the key, 64 lower-case hex digits.')),
    principal: Type.Optional(
      text(
        'principal',
        'URI of the certificate that the caller shows in mutual TLS, such as ' +
          'spiffe://cluster.local/ns/shop/sa/web; compared byte by byte.',
      ),
    ),
    claim: Type.Optional(Claim),
    notBefore: Type.Optional(text('time', 'It is valid from here, such as 2026-01-31T00:00Z.')),
    notAfter: Type.Optional(text('time', 'It is no longer valid from here.')),
    state: Type.Optional(word('Whether it may be used.', ['enabled', 'disabled'], 'enabled')),
    cidrs: Type.Optional(
      list(
        text('cidr', 'A network, such as 10.0.0.0/8 or 2001:db8::/32.'),
        'Networks the key may be used from; none = everywhere.',
        RULES_MAX,
        { default: [], sidegate: { distinct: true } },
      ),
    ),
    referers: Type.Optional(
      list(
        text('referer', 'A host name, or "*." and a domain.'),
        'Hosts of the pages the key may be used for; none = all, and requests of no page.',
        RULES_MAX,
        { default: [], sidegate: { distinct: true } },
      ),
    ),
  },
  { exactlyOne: ['digest', 'principal', 'claim'], later: ['scopes'] },
);

/** The spec of a proxy group. */
export const ProxyGroup = object(
  'The part of policy and directory that one set of proxies needs.',
  {
    principals: Type.Optional(
      list(
        text('principal', 'A principal, such as spiffe://cluster.local/ns/shop/sa/orders.'),
        'Principals of the workloads whose proxies these are. A host with --mesh-identity lets ' +
          'them alone call for this proxy group.',
        1_024,
        { default: [], sidegate: { distinct: true } },
      ),
    ),
  },
  { later: ['partitions'] },
);
