/**
 * Kinds as people write them on a command line: in any case, one or many, with a guess at what
 * was meant.
 */
import { KINDS, type Kind } from '../resources/schema/schema.ts';
import { suggest } from '../resources/suggest.ts';
import { CommandError, Exit } from './outcome.ts';

/** The kind that a word means; `word` may be `plan`, `Plans` or `proxygroups`. */
export function readKind(word: string): Kind {
  const plain = word.toLowerCase().replaceAll('-', '').replace(/s$/, '');
  const kind = KINDS.find((each) => each.toLowerCase() === plain);
  if (kind !== undefined) return kind;
  const words = KINDS.map((each) => each.toLowerCase());
  const meant = suggest(plain, words);
  throw new CommandError(Exit.usage, `unknown kind ${JSON.stringify(word)}`, [
    meant === undefined ? `Use ${words.join(', ')}.` : `Did you mean ${meant}?`,
  ]);
}
