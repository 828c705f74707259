/**
 * What the emulator throws: only for things a test must not miss. Everything a guest can observe is
 * a result code, and everything a caller of the emulator can expect is a value.
 */

/** The guest did something the emulator does not imitate; the test cannot go on and must know. */
export class NotEmulated extends Error {
  override readonly name = 'NotEmulated';
}

/** The guest did something after which a real Envoy was seen to crash. */
export class EnvoyWouldCrash extends Error {
  override readonly name = 'EnvoyWouldCrash';
}

/** A host function was called where Envoy forbids it; traps the guest. */
export class RestrictedCallback extends Error {
  override readonly name = 'RestrictedCallback';
  constructor() {
    super('restricted_callback');
  }
}

/** Whether Envoy would see `error`, thrown out of a module, as a trap of that module. */
export function isTrap(error: unknown): error is Error {
  return (
    error instanceof WebAssembly.RuntimeError ||
    error instanceof RestrictedCallback ||
    (error instanceof RangeError && error.message.includes('call stack'))
  );
}
