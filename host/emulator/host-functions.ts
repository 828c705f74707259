/**
 * Everything a VM offers its guest, by the name under which a module imports it.
 */
import { WASI_MODULES } from './abi.ts';
import type { HostFunction, HostFunctions } from './guest.ts';
import { callFunctions } from './host-calls.ts';
import { headerFunctions } from './host-headers.ts';
import { stateFunctions } from './host-state.ts';
import { wasiFunctions } from './host-wasi.ts';
import type { Vm } from './vm.ts';

/** The host functions of `vm`, by `module.name`. */
export function hostFunctions(vm: Vm): HostFunctions {
  const all: Record<string, HostFunction> = {
    'env.pthread_equal': (left: number, right: number) => (left === right ? 1 : 0),
    'env.emscripten_notify_memory_growth': () => undefined,
  };
  const proxy = { ...headerFunctions(vm), ...stateFunctions(vm), ...callFunctions(vm) };
  for (const [name, host] of Object.entries(proxy)) all[`env.${name}`] = host;
  for (const module of WASI_MODULES) {
    for (const [name, host] of Object.entries(wasiFunctions(vm))) all[`${module}.${name}`] = host;
  }
  return all;
}
