/**
 * The schema of CORS: which sites may read what Sidegate answers. It must never describe a field
 * that the filter does not honour.
 */
import Type from 'typebox';
import { flag, list, object, text } from './kit.ts';

/** What browsers are told of an API that other sites call. */
export const Cors = object(
  'Other sites call this API from browsers. A preflight passes to the service without a key and ' +
    'uncounted, and denials can be read by the sites named here. Answers of the service are its own.',
  {
    allowOrigins: list(
      text(
        'origin',
        'An origin such as https://app.example.com, https://*.example.com for all hosts below, or *.',
      ),
      'Origins whose pages may read a denial.',
      64,
      { minItems: 1, sidegate: { distinct: true } },
    ),
    allowCredentials: Type.Optional(
      flag('Whether pages may send cookies and read what is answered to them.', false),
    ),
    exposeHeaders: Type.Optional(
      list(
        text('header-name', 'Name of a header.'),
        'Headers of denials that pages may read, beside those that tell of limits.',
        32,
        { default: [], sidegate: { distinct: true } },
      ),
    ),
  },
  { later: ['allowMethods', 'allowHeaders', 'maxAge', 'answer'] },
);
