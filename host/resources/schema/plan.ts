/**
 * The schema of plans and their limits. It must never describe a field that the host does not
 * honour.
 */
import Type from 'typebox';
import { list, name, object, text, word } from './kit.ts';
import { Mediation } from './mediation.ts';

/** A limit of a plan. */
export const Limit = object(
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
