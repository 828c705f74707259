/**
 * The part of the WebAssembly JavaScript interface the emulator uses, declared here because the
 * type library that holds it would bring every browser global along. Declarations only.
 */
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array<ArrayBuffer>);
  }
  class Instance {
    constructor(module: Module, imports: Record<string, Record<string, unknown>>);
    readonly exports: Record<string, unknown>;
  }
  class Memory {
    private constructor();
    readonly buffer: ArrayBuffer;
  }
  class Global {
    private constructor();
    readonly value: unknown;
  }
  class RuntimeError extends Error {}
}
