/**
 * Kinds as people write them on a command line: in any case, one or many, `kind/name` too, with a
 * guess at what was meant.
 */
import { KINDS, type Kind } from '../resources/schema/schema.ts';
import { suggest } from '../resources/suggest.ts';
import { CommandError, Exit } from './outcome.ts';

/** The kinds as people write them. */
export const KIND_WORDS = KINDS.map((kind) => kind.toLowerCase());

/** A kind and what is named of it, by two words or one: `plan gold`, `plan/gold`. */
export function readNamed(
  word: string,
  name?: string,
): { readonly kind: Kind; readonly name: string | undefined } {
  const [kind = '', inside, ...more] = word.split('/');
  if (inside === undefined) return { kind: readKind(kind), name };
  if (name === undefined && more.length === 0 && inside !== '') {
    return { kind: readKind(kind), name: inside };
  }
  throw new CommandError(Exit.usage, `${JSON.stringify(word)} is no kind`, [
    'Write kind and name as two words or with one "/" between them.',
  ]);
}

/** Kinds of what the audit trail tells of, beside those of resources. */
const TOLD_KINDS = ['AccessToken', 'Quota'] as const;

/** The kind of an entry of the audit trail that a word means. */
export function readToldKind(word: string): string {
  const plain = plainOf(word);
  return TOLD_KINDS.find((each) => each.toLowerCase() === plain) ?? readKind(word);
}

function plainOf(word: string): string {
  return word.toLowerCase().replaceAll('-', '').replace(/s$/, '');
}

/** The kind that a word means; `word` may be `plan`, `Plans` or `proxygroups`. */
export function readKind(word: string): Kind {
  const plain = plainOf(word);
  const kind = KINDS.find((each) => each.toLowerCase() === plain);
  if (kind !== undefined) return kind;
  const meant = suggest(plain, KIND_WORDS);
  throw new CommandError(Exit.usage, `unknown kind ${JSON.stringify(word)}`, [
    meant === undefined ? `Use ${KIND_WORDS.join(', ')}.` : `Did you mean ${meant}?`,
  ]);
}
