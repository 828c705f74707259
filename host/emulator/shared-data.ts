/**
 * The key-value store all VMs of a process share, apart by VM id, with Envoy's rules for cas
 * numbers: 0 writes always, and a key that is absent is written whatever the number. Never forgets
 * a key.
 */
import { Result } from './abi.ts';

/** A value and the number that guards its next write. */
export interface SharedValue {
  value: Uint8Array;
  cas: number;
}

/** Shared data of one process. */
export class SharedData {
  readonly #spaces = new Map<string, Map<string, SharedValue>>();
  #cas = 0;

  /** The value under a key, or undefined. */
  get(vmId: string, key: string): SharedValue | undefined {
    return this.#spaces.get(vmId)?.get(key);
  }

  /** Writes a value; answers `Result.ok` or `Result.casMismatch`. */
  set(vmId: string, key: string, value: Uint8Array, cas: number): number {
    let space = this.#spaces.get(vmId);
    if (!space) {
      space = new Map();
      this.#spaces.set(vmId, space);
    }
    const present = space.get(key);
    if (present && cas !== 0 && cas !== present.cas) return Result.casMismatch;
    this.#cas = this.#cas === 0xffffffff ? 1 : this.#cas + 1;
    space.set(key, { value, cas: this.#cas });
    return Result.ok;
  }
}
