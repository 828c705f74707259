/**
 * Changes a request byte by byte and header by header, whatever it means: what grammar does not
 * think of. Names are kept in lower case, as Envoy hands them over.
 */
import type { Pair } from '../../../host/emulator/index.ts';
import type { SceneRequest } from '../rig/scene.ts';
import type { Dice } from './dice.ts';

/** Mutates a request in one to four places. */
export function mutate(
  dice: Dice,
  request: SceneRequest,
  keys: readonly string[] = [],
): SceneRequest {
  let headers = request.headers.slice();
  for (let left = 1 + dice.int(4); left > 0; left--) headers = mutateOnce(dice, headers, keys);
  return { ...request, headers };
}

function mutateOnce(dice: Dice, headers: Pair[], keys: readonly string[]): Pair[] {
  if (headers.length === 0) return [['', '']];
  const at = dice.int(headers.length);
  const [name, value] = headers[at] ?? ['', ''];
  const others = headers.slice();
  switch (dice.int(7)) {
    case 0:
      others.splice(at, 1);
      return others;
    case 1:
      others.splice(dice.int(headers.length), 0, [name, value]);
      return others;
    case 2:
      // Envoy makes the pseudo headers itself; nobody outside chooses their names.
      if (!name.startsWith(':')) others[at] = [damaged(dice, name).replace(/^:+/, ''), value];
      return others;
    case 3:
      others[at] = [name, headers[dice.int(headers.length)]?.[1] ?? ''];
      return others;
    case 4:
      others[at] = [name, keys.length > 0 ? dice.pick(keys) : value];
      return others;
    default:
      others[at] = [name, damaged(dice, value)];
      return others;
  }
}

/** A text with a few characters changed, put in, taken out or doubled. */
function damaged(dice: Dice, text: string): string {
  const at = dice.int(text.length + 1);
  const byte = String.fromCharCode(dice.int(256));
  switch (dice.int(5)) {
    case 0:
      return text.slice(0, at) + byte + text.slice(at);
    case 1:
      return text.slice(0, at) + text.slice(at + 1 + dice.int(4));
    case 2:
      return text.slice(0, at) + text.slice(at, at + 8).repeat(1 + dice.int(6)) + text.slice(at);
    case 3:
      return text.slice(0, at) + dice.pick(['%2f', '//', '\0', '\r\n', ',', ';', '_', '-', ' ']);
    default:
      return text.slice(0, at) + byte + text.slice(at + 1);
  }
}
