/**
 * One instance of a module and the crossing into it: which context is current, what the guest may
 * call meanwhile, what a trap does, and how the host hands values over through the guest's own
 * `malloc`. Knows nothing of streams, roots or policies of failure.
 */

import { Result } from './abi.ts';
import { AbiCounter, PHASES } from './abi-counter.ts';
import { isTrap, RestrictedCallback } from './errors.ts';
import { GuestMemory } from './memory.ts';
import type { LoadedModule } from './module.ts';
import { ALLOWED_IN_INITIALIZE, ALLOWED_IN_MALLOC, type CallbackName } from './signatures.ts';

/**
 * A function of the host as a guest calls it: i32 come as numbers (signed), i64 as bigints, and the
 * answer is an i32 or nothing. The module was checked, so the arguments always fit.
 */
export type HostFunction = (...args: never[]) => number | undefined;

/** Host functions by name. */
export type HostFunctions = Readonly<Record<string, HostFunction>>;

type GuestFunction = (...args: number[]) => number | bigint | undefined;

/** Why a guest is dead. */
export interface Failure {
  /** The function in which it trapped. */
  in: string;
  message: string;
}

const PHASE = new Map(PHASES.map((name, i) => [name, i]));
const PHASE_MALLOC = PHASE.get('malloc') ?? 0;
const PHASE_INITIALIZE = PHASE.get('_initialize') ?? 0;
const PHASE_EXPORT = PHASE.get('export') ?? 0;
const NOTHING: ReadonlySet<string> = new Set();

/** The id of the context in which `malloc` and `_initialize` run. */
export const VM_CONTEXT = 0;

/** One instance of a module. */
export class Guest {
  readonly memory: GuestMemory;
  readonly counter: AbiCounter;
  /** Set once the guest has trapped; it is never entered again. */
  failure: Failure | undefined;
  /** The context whose callback runs, or undefined while the guest does not run. */
  currentId: number | undefined;
  /** The context the guest has chosen instead, or 0. */
  effectiveId = VM_CONTEXT;
  readonly #exports: Record<string, unknown>;
  readonly #malloc: GuestFunction;
  readonly #callbacks = new Map<string, GuestFunction>();
  #phase = PHASE_EXPORT;
  #allowed: ReadonlySet<string> | undefined;

  /** Instantiates; `hostFunctions` by `module.name` must hold every import of the module. */
  constructor(module: LoadedModule, hostFunctions: HostFunctions) {
    const names = module.border.imports.map(({ name }) => name);
    this.counter = new AbiCounter(names);
    const imports: Record<string, Record<string, HostFunction>> = {};
    names.forEach((name, index) => {
      const host = hostFunctions[name];
      if (!host) throw new Error(`no host function for ${name}`);
      const [space, field] = splitName(name);
      imports[space] ??= {};
      imports[space][field] = this.#counted(name, index, host);
    });
    const instance = new WebAssembly.Instance(module.wasm, imports);
    this.#exports = instance.exports;
    for (const { name } of module.border.exports) {
      this.#callbacks.set(name, this.#exports[name] as GuestFunction);
    }
    const memory = Object.values(this.#exports).find((item) => item instanceof WebAssembly.Memory);
    if (!memory) throw new Error('a loaded module exports a memory');
    this.memory = new GuestMemory(memory);
    this.#malloc = (this.#callbacks.get('malloc') ??
      this.#callbacks.get('proxy_on_memory_allocate')) as GuestFunction;
  }

  /** Runs the module's `_initialize`; to be called once, before anything else. */
  initialize(): void {
    const start = this.#callbacks.get('_initialize') ?? this.#callbacks.get('_start');
    if (start)
      this.#enter(PHASE_INITIALIZE, '_initialize', VM_CONTEXT, start, ALLOWED_IN_INITIALIZE);
  }

  /** Whether the module exports a callback. */
  has(callback: CallbackName): boolean {
    return this.#callbacks.has(callback);
  }

  /**
   * Makes a callback in a context. Answers its result, 0 for one that has none, and undefined if
   * the guest is dead, does not export it, or traps in it.
   */
  call(
    callback: CallbackName,
    context: number,
    a = 0,
    b = 0,
    c = 0,
    d = 0,
    e = 0,
  ): number | undefined {
    const target = this.#callbacks.get(callback);
    if (!target || this.failure) return undefined;
    const phase = PHASE.get(callback) ?? PHASE_EXPORT;
    return this.#enter(phase, callback, context, target, undefined, a, b, c, d, e);
  }

  /** Reads an exported global, or calls an exported function of one argument or none. */
  read(name: string, argument = 0): number | bigint | undefined {
    const item = this.#exports[name];
    if (item instanceof WebAssembly.Global) return item.value as number | bigint;
    const target = this.#callbacks.get(name);
    if (!target || this.failure) return undefined;
    return this.#enter(PHASE_EXPORT, name, VM_CONTEXT, target, NOTHING, argument);
  }

  /** Asks the guest for `length` bytes; 0 if it refuses, traps or answers an impossible address. */
  malloc(length: number): number {
    if (this.failure) return 0;
    const at =
      this.#enter(PHASE_MALLOC, 'malloc', VM_CONTEXT, this.#malloc, ALLOWED_IN_MALLOC, length) ?? 0;
    return this.memory.holds(at >>> 0, length) ? at >>> 0 : 0;
  }

  /** Hands bytes over and writes address and length where the guest wants them. */
  give(bytes: Uint8Array, addressAt: number, lengthAt: number): number {
    let at = 0;
    if (bytes.length > 0) {
      at = this.malloc(bytes.length);
      if (at === 0 || !this.memory.write(at, bytes)) return Result.invalidMemoryAccess;
    }
    return this.#giveWords(at, bytes.length, addressAt, lengthAt);
  }

  /** As `give`, for a byte string. */
  giveText(text: string, addressAt: number, lengthAt: number): number {
    let at = 0;
    if (text.length > 0) {
      at = this.malloc(text.length);
      if (at === 0 || !this.memory.writeText(at, text)) return Result.invalidMemoryAccess;
    }
    return this.#giveWords(at, text.length, addressAt, lengthAt);
  }

  #giveWords(at: number, length: number, addressAt: number, lengthAt: number): number {
    const written = this.memory.setU32(addressAt, at) && this.memory.setU32(lengthAt, length);
    return written ? Result.ok : Result.invalidMemoryAccess;
  }

  #enter(
    phase: number,
    name: string,
    context: number,
    target: GuestFunction,
    allowed: ReadonlySet<string> | undefined,
    a = 0,
    b = 0,
    c = 0,
    d = 0,
    e = 0,
  ): number | undefined {
    const { currentId, effectiveId } = this;
    const outerPhase = this.#phase;
    const outerAllowed = this.#allowed;
    this.currentId = context;
    this.effectiveId = VM_CONTEXT;
    this.#phase = phase;
    this.#allowed = allowed;
    this.counter.enter(phase);
    try {
      return Number(target(a, b, c, d, e) ?? 0);
    } catch (error) {
      if (!isTrap(error)) throw error;
      this.failure ??= { in: name, message: error.message };
      return undefined;
    } finally {
      this.currentId = currentId;
      this.effectiveId = effectiveId;
      this.#phase = outerPhase;
      this.#allowed = outerAllowed;
    }
  }

  #counted(name: string, index: number, host: HostFunction): HostFunction {
    return (...args) => {
      this.counter.note(this.#phase, index);
      if (this.#allowed && !this.#allowed.has(name)) throw new RestrictedCallback();
      return host(...args);
    };
  }
}

function splitName(name: string): [string, string] {
  const dot = name.indexOf('.');
  return [name.slice(0, dot), name.slice(dot + 1)];
}
