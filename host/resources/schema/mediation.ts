/**
 * The schema of header edits, the same for products, plans and operations. It must never describe
 * an edit that the filter does not make.
 */
import Type from 'typebox';
import { list, object, text } from './kit.ts';

/** Most steps of one program, as the filter reads them. */
const STEPS_MAX = 64;

const VALUE = text(
  'header-template',
  'Text; a variable stands as $ and its name in braces, such as consumer.name.',
);

const Edit = object('A header and its value.', {
  name: text('edited-header', 'Name of the header.'),
  value: VALUE,
});

const Append = object('A header whose values may be joined by commas, and a further value.', {
  name: text('joined-header', 'Name of the header.'),
  value: VALUE,
});

const Rename = object('A header and its new name.', {
  from: text('edited-header', 'Name it has.'),
  to: text('edited-header', 'Name it gets; what stood under that name is gone.'),
});

/** One edit of headers. */
export const Step = object(
  'One edit of the headers.',
  {
    set: Type.Optional(Edit),
    add: Type.Optional(Edit),
    append: Type.Optional(Append),
    setIfAbsent: Type.Optional(Edit),
    remove: Type.Optional(text('edited-header', 'Name of the header to remove.')),
    rename: Type.Optional(Rename),
  },
  {
    exactlyOne: ['set', 'add', 'append', 'setIfAbsent', 'remove', 'rename'],
    later: ['copy', 'when', 'if', 'conditions'],
  },
);

/** The edits of a product, a plan or an operation. */
export const Mediation = object(
  'Header edits. Those of the product come first, then those of the plan, then the operation’s.',
  {
    request: Type.Optional(
      list(Step, 'Edits of the request, in order.', STEPS_MAX, { default: [] }),
    ),
    response: Type.Optional(
      list(Step, 'Edits of the response, in order; not of denials.', STEPS_MAX, { default: [] }),
    ),
  },
  { later: ['conditions'] },
);
