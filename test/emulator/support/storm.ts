/**
 * A network that does to calls what networks do, repeatable by a seed. It must never change what a
 * host answers.
 */
import type { CallHandler, HttpCall } from '../../../host/emulator/index.ts';

/** A small generator of its own, so that a printed seed repeats a run. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 0x1_0000_0000;
  };
}

/** A network that loses, refuses and delays; two answers may overtake each other. */
export function stormy(serve: CallHandler, random: () => number): CallHandler {
  return async (call: HttpCall) => {
    const chance = random();
    if (chance < 0.08) return 'lost';
    if (chance < 0.16) return 'refused';
    const result = await serve(call);
    // An answer that never comes although the host has done what was asked.
    if (chance < 0.3) return 'lost';
    return typeof result === 'string' ? result : { ...result, afterMs: 1 + random() * 400 };
  };
}
