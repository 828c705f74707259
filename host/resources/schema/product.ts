/**
 * The schema of products: hosts, operations, where keys stand, edits of headers. It must never
 * describe a field that the host does not honour.
 */
import Type from 'typebox';
import { Cors } from './cors.ts';
import { list, name, object, text, word } from './kit.ts';
import { Mediation } from './mediation.ts';

/** Highest cost of an operation. */
export const COST_MAX = 1_000_000;

/** A place of keys. */
export const ApiKey = object(
  'Takes the key from a request header, a parameter of the query or a cookie.',
  {
    header: Type.Optional(text('header-name', 'Name of the header.')),
    query: Type.Optional(text('key-parameter', 'Name of the query parameter; case counts.')),
    cookie: Type.Optional(text('key-parameter', 'Name of the cookie; case counts.')),
    prefix: Type.Optional(
      text(
        'key-prefix',
        'Text before the key in a header, such as "Bearer ". Compared without case.',
      ),
    ),
  },
  { exactlyOne: ['header', 'query', 'cookie'] },
);

const Mtls = object('The principal of the certificate that the caller showed in mutual TLS.', {});

/** A claim of a verified token. */
export const Jwt = object('A claim of the token that RequestAuthentication has verified.', {
  issuer: text('claim-text', 'The only issuer whose tokens count, as in their iss.'),
  audiences: list(
    text('claim-text', 'An audience.'),
    'Audiences of which a token must name one in its aud.',
    16,
    { minItems: 1, sidegate: { distinct: true } },
  ),
  claim: Type.Optional(
    text('claim', 'Name of the claim that says who calls, such as sub, azp or client_id.', {
      default: 'sub',
    }),
  ),
});

const Source = object(
  'How a caller may be known.',
  { apiKey: Type.Optional(ApiKey), mtls: Type.Optional(Mtls), jwt: Type.Optional(Jwt) },
  { exactlyOne: ['apiKey', 'mtls', 'jwt'], later: ['anonymous'] },
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

/** An operation of a product. */
export const Operation = object(
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
    mediation: Type.Optional(Mediation),
  },
  {
    exactlyOne: ['method', 'methods'],
    later: ['scopes', 'conditions', 'identify', 'mode', 'limits', 'description'],
  },
);

/** The spec of a product. */
export const Product = object(
  'What is protected: hosts, operations and how callers identify themselves.',
  {
    lifecycle: Type.Optional(
      word(
        'draft: no proxy knows it yet. published: open. deprecated: calls go on, no new ' +
          'subscriptions. retired: no proxy knows it any more.',
        ['draft', 'published', 'deprecated', 'retired'],
        'published',
      ),
    ),
    approval: Type.Optional(
      word(
        'Whether a new subscription has to be approved before it may be used.',
        ['automatic', 'manual'],
        'automatic',
      ),
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
      list(
        Source,
        'How callers are known, in order of preference, keys first: a key that counts is never ' +
          'passed over, and without one the first certificate or token that counts is the caller.',
        16,
        { default: [] },
      ),
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
    mode: Type.Optional(
      word(
        '"shadow": every denial becomes a pass that is counted and marked. "off": requests pass ' +
          'as they are, but for identity headers that callers made up.',
        ['enforce', 'shadow', 'off'],
        'enforce',
      ),
    ),
    usage: Type.Optional(
      object('What is counted of its requests besides how they were decided.', {
        responses: Type.Optional(
          word(
            '"counted": responses are counted by status class and latency, as `sidegate usage --by ' +
              'status,latency` shows them. It costs a read of the status when a stream is over: two ' +
              'calls into the proxy, some 8 % of the CPU of a request that Envoy answers itself.',
            ['ignored', 'counted'],
            'ignored',
          ),
        ),
      }),
    ),
    operations: Type.Optional(list(Operation, 'The operations.', 16384, { default: [] })),
    mediation: Type.Optional(Mediation),
    cors: Type.Optional(Cors),
    rateLimitFields: Type.Optional(
      word(
        'How callers are told what is left: "standard" by RateLimit and RateLimit-Policy, "legacy" ' +
          'by X-RateLimit-Limit, -Remaining and -Reset, "both" or "none".',
        ['standard', 'legacy', 'both', 'none'],
        'standard',
      ),
    ),
  },
  {
    later: ['scopes', 'denials', 'limits', 'description', 'displayName', 'openapi'],
  },
);
