/**
 * The target `messages`: bytes of policy, manifest, pages, directory, watch and sync changed on the
 * way, with right and with wrong digests. A case is an attack with the bytes that were sent.
 */
import { Dice } from '../generate/dice.ts';
import { mutateBytes, mutateMessage } from '../generate/frames.ts';
import { drawRequest } from '../generate/requests.ts';
import { ATTACKS } from '../rig/attacks.ts';
import { compileText } from '../rig/compiled.ts';
import { drawCompiled } from '../rig/draw.ts';
import type { SceneRequest } from '../rig/scene.ts';
import type { Round, Target } from '../target.ts';

/** What a case of this target is. */
export interface MessageCase {
  readonly attack: string;
  /** A YAML text, one document a line. */
  readonly resources: readonly string[];
  readonly other: readonly string[];
  /** Changed messages in the order they were sent, in hexadecimal; the last one goes on. */
  readonly sent: readonly string[];
  readonly probes: readonly SceneRequest[];
}

const ATTACKS_PER_ROUND = 20;
const PROBES = 12;

/** The target. */
export const messages: Target = { name: 'messages', round, replay };

async function round(seed: number): Promise<Round> {
  const dice = new Dice(seed);
  const [first, other] = [await drawCompiled(dice), await drawCompiled(dice)];
  const palette = { world: first.compiled.world, keys: first.keys };
  for (let i = 0; i < ATTACKS_PER_ROUND; i++) {
    const attack = dice.pick(Object.keys(ATTACKS));
    const probes = dice
      .times(PROBES, () => drawRequest(dice, palette))
      .map((probe) => ({ ...probe, settings: 0 }));
    const sent: string[] = [];
    const change = (intact: Uint8Array) => {
      const bytes = attack === 'page' ? mutateBytes(dice, intact) : mutateMessage(dice, intact);
      sent.push(Buffer.from(bytes).toString('hex'));
      return bytes;
    };
    const parts = { compiled: first.compiled, other: other.compiled, change, probes };
    const what = ATTACKS[attack]?.(parts);
    if (what === undefined) continue;
    const input: MessageCase = {
      ...{ attack, resources: first.yaml.split('\n'), other: other.yaml.split('\n'), sent, probes },
    };
    return { executions: i + 1, findings: [{ what, input: await shrink(input, what) }] };
  }
  return { executions: ATTACKS_PER_ROUND, findings: [] };
}

async function replay(input: unknown): Promise<string | undefined> {
  const { attack, resources, other, sent, probes } = input as MessageCase;
  const [compiled, second] = [
    await compileText(resources.join('\n')),
    await compileText(other.join('\n')),
  ];
  if (compiled === undefined || second === undefined) return 'the host refuses these resources';
  let next = 0;
  const change = (intact: Uint8Array) => {
    const hex = sent[Math.min(next++, sent.length - 1)];
    return hex === undefined ? intact : new Uint8Array(Buffer.from(hex, 'hex'));
  };
  const play = ATTACKS[attack];
  return play ? play({ compiled, other: second, change, probes }) : `no attack ${attack}`;
}

/** Leaves out the probes that are not needed to show it. */
async function shrink(input: MessageCase, what: string): Promise<MessageCase> {
  let best = input;
  for (const probe of input.probes) {
    const smaller = { ...input, probes: [probe] };
    if ((await replay(smaller)) === what) return smaller;
  }
  const none = { ...input, probes: [] };
  if ((await replay(none)) === what) best = none;
  return best;
}
