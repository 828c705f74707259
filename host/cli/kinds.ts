/**
 * Kinds as people write them on a command line: in any case, one or many, with a guess at what
 * was meant.
 */
import { KINDS, type Kind } from '../resources/schema/schema.ts';
import { suggest } from '../resources/suggest.ts';
import { CommandError, Exit } from './outcome.ts';

/** The kinds as people write them. */
export const KIND_WORDS = KINDS.map((kind) => kind.toLowerCase());

/** The kind that a word means; `word` may be `plan`, `Plans` or `proxygroups`. */
export function readKind(word: string): Kind {
  const plain = word.toLowerCase().replaceAll('-', '').replace(/s$/, '');
  const kind = KINDS.find((each) => each.toLowerCase() === plain);
  if (kind !== undefined) return kind;
  const meant = suggest(plain, KIND_WORDS);
  throw new CommandError(Exit.usage, `unknown kind ${JSON.stringify(word)}`, [
    meant === undefined ? `Use ${KIND_WORDS.join(', ')}.` : `Did you mean ${meant}?`,
  ]);
}
