/**
 * The smallest module a proxy accepts that sees every request: what a wasm filter costs before it
 * does anything. Benches measure against it and the harness is proved with it.
 */
import { writeFile } from 'node:fs/promises';
import wabt from 'wabt';

const TEXT = `
(module
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param i32) (result i32) i32.const 1024)
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) i32.const 0)
)`;

/** Writes the module to a file. */
export async function writeNoopModule(file: string): Promise<void> {
  const { parseWat } = await wabt();
  const module = parseWat('noop.wat', TEXT);
  try {
    await writeFile(file, module.toBinary({}).buffer);
  } finally {
    module.destroy();
  }
}
