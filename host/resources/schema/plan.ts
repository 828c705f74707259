/**
 * The schema of plans and their limits. It must never describe a field that the host does not
 * honour.
 */
import Type from 'typebox';
import { list, name, object, text, word } from './kit.ts';
import { Mediation } from './mediation.ts';

/** Highest quota and burst of a limit that is not exact. */
export const RATE_QUOTA_MAX = 1_000_000_000;

/** A limit of a plan. */
export const Limit = object(
  'A quota in a window.',
  {
    name: name('Name, shared by all plans of the namespace: an account belongs to it.'),
    class: Type.Optional(
      word(
        '"exact": never more than the quota in a window, by leases of units. "rate": any time ' +
          'admits burst plus quota per window at most, by shares of the rate. "approximate": ' +
          'local shares, no call on the way of a request; statistical.',
        ['exact', 'rate', 'approximate'],
        'exact',
        ['concurrency'],
      ),
    ),
    quota: Type.Integer({
      description: 'Units in one window.',
      minimum: 1,
      maximum: Number.MAX_SAFE_INTEGER,
    }),
    window: text('window', 'Length of the window, from "1s" to "1d", aligned to UTC if exact.'),
    burst: Type.Optional(
      Type.Integer({
        description: 'Most units admitted at one instant; the quota when absent. Not for exact.',
        minimum: 1,
        maximum: RATE_QUOTA_MAX,
      }),
    ),
    onHostUnavailable: Type.Optional(
      word(
        'What happens when no quota can be had: a denial, a pass, or a pass as far as localShare ' +
          'goes; for class rate also as far as the last share goes. Default: deny; localShare for ' +
          'class rate.',
        ['deny', 'allow', 'localShare'],
        undefined,
      ),
    ),
    localShare: Type.Optional(
      Type.Integer({
        description:
          'Per cent of the quota that all proxies together may go on with in a window while they ' +
          'have no word from the host; 10 when absent.',
        minimum: 1,
        maximum: 100,
      }),
    ),
    mode: Type.Optional(
      word(
        '"shadow": counted, never denies, what it would have denied is marked. "off": not counted.',
        ['enforce', 'shadow', 'off'],
        'enforce',
      ),
    ),
  },
  {
    later: [
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
      'unlimited',
    ],
  },
);

/** The spec of a plan. */
export const Plan = object(
  'A named bundle of limits.',
  {
    limits: Type.Optional(list(Limit, 'The limits; none = unlimited.', 8, { default: [] })),
    mediation: Type.Optional(Mediation),
    rateLimitFields: Type.Optional(
      word(
        '"product": callers on this plan are told what is left as the product says; "none": not.',
        ['product', 'none'],
        'product',
      ),
    ),
  },
  { later: ['mode', 'scopes', 'approval', 'description', 'displayName', 'concurrency', 'blocks'] },
);
