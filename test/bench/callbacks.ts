/**
 * What a callback of the filter costs in executed WebAssembly instructions, counted in the emulator
 * on the module that ships, so that no machine changes a number.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { type LoadedModule, loadModule } from '../../host/emulator/index.ts';
import type { FilterRig } from '../emulator/support/filter.ts';
import { RELEASE_MODULE } from '../support/rig.ts';
import { COUNTER, meter } from './meter.ts';

/** The release module with its counter. */
export async function meteredModule(): Promise<LoadedModule> {
  const loaded = loadModule(meter(await readFile(RELEASE_MODULE)));
  assert.ok(loaded.ok, loaded.ok ? '' : JSON.stringify(loaded.problems));
  return loaded.module;
}

/** Instructions executed so far by a rig with that module. */
export function instructionsOf(rig: FilterRig): number {
  return Number(rig.vm.guest.read(COUNTER) ?? 0);
}

/** Looks at every callback from now on; answers the most that each kind has executed. */
export function followCallbacks(rig: FilterRig): Map<string, number> {
  const largest = new Map<string, number>();
  const { guest } = rig.vm;
  const call = guest.call.bind(guest);
  guest.call = (callback, ...rest) => {
    const before = instructionsOf(rig);
    const answer = call(callback, ...rest);
    const took = instructionsOf(rig) - before;
    largest.set(callback, Math.max(largest.get(callback) ?? 0, took));
    return answer;
  };
  return largest;
}
