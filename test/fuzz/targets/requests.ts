/**
 * The target `requests`: resource sets drawn at random, requests to each, and for every request
 * the oracle's word. A case is a resource set and the requests to it, the last of which shows it.
 */
import { Dice } from '../generate/dice.ts';
import { mutate } from '../generate/mutate.ts';
import { drawRequest, type Palette, Pause } from '../generate/requests.ts';
import { drawCompiled } from '../rig/draw.ts';
import { judge } from '../rig/judge.ts';
import { Scene, type SceneRequest } from '../rig/scene.ts';
import { type Round, readCorpus, type Target } from '../target.ts';

/** What a case of this target is. */
export interface RequestCase {
  /** A YAML text, one document a line. */
  readonly resources: readonly string[];
  readonly requests: readonly SceneRequest[];
}

const REQUESTS_PER_ROUND = 400;
/** Longest row of one request at one time, so that small limits come to their end within it. */
const ROW_MAX = 24;
const SHRINKS_MAX = 300;

/** The target. */
export const requests: Target = { name: 'requests', round, replay };

/** Requests of the corpus: what mutation begins with, besides what is drawn. */
const known: readonly SceneRequest[] = [...readCorpus('requests').values()].flatMap(({ input }) => [
  ...(input as RequestCase).requests,
]);

async function round(seed: number): Promise<Round> {
  const dice = new Dice(seed);
  const { yaml, keys, compiled } = await drawCompiled(dice);
  const scene = new Scene(compiled);
  const palette = { world: compiled.world, keys };
  const played: SceneRequest[] = [];
  const metered: SceneRequest[] = [];
  const pause = new Pause(dice);
  let row = 0;
  for (let i = 0; i < REQUESTS_PER_ROUND; i++) {
    const last = metered.at(-1);
    if (row === 0 && last !== undefined && dice.once(ROW_MAX)) row = dice.int(ROW_MAX);
    const request =
      row > 0 && last !== undefined
        ? { ...last, afterMs: dice.once(ROW_MAX) ? 1 : 0 }
        : { ...drawNext(dice, palette, metered), afterMs: pause.next() };
    if (row > 0) row--;
    played.push(request);
    const { verdict, ...rest } = scene.play(request);
    if (verdict.owner !== undefined) metered.push(request);
    const what = judge({ verdict, ...rest }) ?? scene.excess();
    if (what === undefined) continue;
    const input = await shrink({ resources: yaml.split('\n'), requests: played }, what);
    return { executions: i + 1, findings: [{ what, input }] };
  }
  return { executions: REQUESTS_PER_ROUND, findings: [] };
}

/** A new request, one of the corpus changed, or again one that came as far as to the limits. */
function drawNext(dice: Dice, palette: Palette, metered: readonly SceneRequest[]): SceneRequest {
  const last = metered.at(-1);
  // The same one again and again, or no rate would come to its end.
  if (last !== undefined && dice.once(2)) return dice.once(2) ? last : dice.pick(metered);
  if (known.length > 0 && dice.once(10)) return mutate(dice, dice.pick(known), palette.keys);
  return drawRequest(dice, palette);
}

async function replay(input: unknown): Promise<string | undefined> {
  const { resources, requests: list } = input as RequestCase;
  const scene = await Scene.of(resources.join('\n'));
  if (scene === undefined) return 'the host refuses these resources';
  for (const request of list) {
    const what = judge(scene.play(request)) ?? scene.excess();
    if (what !== undefined) return what;
  }
  return undefined;
}

/** Makes a case smaller while it goes on showing the same kind of thing. */
async function shrink(input: RequestCase, what: string): Promise<RequestCase> {
  const kindOf = (text: string | undefined) => text?.replace(/["[{].*/s, '');
  let left = SHRINKS_MAX;
  let best = input;
  const shows = async (smaller: RequestCase) => {
    if (left-- <= 0 || kindOf(await replay(smaller)) !== kindOf(what)) return false;
    best = smaller;
    return true;
  };
  const last = input.requests.at(-1);
  if (last !== undefined) await shows({ ...best, requests: [last] });
  for (let size = best.requests.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at + size < best.requests.length; ) {
      const requests = best.requests.toSpliced(at, size);
      if (!(await shows({ ...best, requests }))) at += size;
    }
  }
  for (let at = (best.requests.at(-1)?.headers.length ?? 0) - 1; at >= 0; at--) {
    const request = best.requests.at(-1);
    if (request === undefined) break;
    const fewer = { ...request, headers: request.headers.toSpliced(at, 1) };
    await shows({ ...best, requests: [...best.requests.slice(0, -1), fewer] });
  }
  return best;
}
