/**
 * Sets of resources that compile: what both targets begin a round with. It must never hand on a set
 * that the host would refuse.
 */
import type { Dice } from '../generate/dice.ts';
import { drawResources, type ResourceText } from '../generate/resources.ts';
import { type Compiled, compileText } from './compiled.ts';

/** A set, and what the host makes of it. */
export interface Drawn extends ResourceText {
  readonly compiled: Compiled;
}

const DRAWS_MAX = 50;

/** Draws until a set compiles: most draws hold something that the host refuses. */
export async function drawCompiled(dice: Dice): Promise<Drawn> {
  for (let i = 0; i < DRAWS_MAX; i++) {
    const drawn = drawResources(dice);
    const compiled = await compileText(drawn.yaml);
    if (compiled !== undefined) return { ...drawn, compiled };
  }
  throw new Error(`${DRAWS_MAX} sets in a row are refused`);
}
