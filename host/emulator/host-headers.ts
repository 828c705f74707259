/**
 * The ABI calls on header maps, with Envoy's result codes: a map that is not there now answers
 * `badArgument` (its pairs: none), and only the log phase answers `notFound` instead.
 */
import { MAP_TYPE_MAX, MapType, Result } from './abi.ts';
import type { HostFunctions } from './guest.ts';
import type { HeaderMap } from './header-map.ts';
import type { Vm } from './vm.ts';

function readable(vm: Vm, type: number): HeaderMap | undefined {
  if (type === MapType.callHeaders) return vm.actingRoot?.answering?.headers;
  if (type === MapType.requestHeaders) return vm.actingStream?.readable('request');
  if (type === MapType.responseHeaders) return vm.actingStream?.readable('response');
  return undefined;
}

function writable(vm: Vm, type: number): HeaderMap | undefined {
  if (type === MapType.requestHeaders) return vm.actingStream?.writable('request');
  if (type === MapType.responseHeaders) return vm.actingStream?.writable('response');
  return undefined;
}

function beyond(type: number): boolean {
  return type >>> 0 > MAP_TYPE_MAX;
}

function reads(vm: Vm): HostFunctions {
  return {
    proxy_get_header_map_value: (
      type: number,
      name: number,
      nameLength: number,
      at: number,
      lengthAt: number,
    ) => {
      if (beyond(type)) return Result.badArgument;
      const key = vm.guest.memory.text(name, nameLength);
      if (key === undefined) return Result.invalidMemoryAccess;
      const map = readable(vm, type);
      if (!map) return vm.actingStream?.logging ? Result.notFound : Result.badArgument;
      const value = map.get(key);
      return value === undefined ? Result.notFound : vm.guest.giveText(value, at, lengthAt);
    },
    proxy_get_header_map_pairs: (type: number, at: number, lengthAt: number) => {
      if (beyond(type)) return Result.badArgument;
      return vm.guest.give(readable(vm, type)?.encoded() ?? new Uint8Array(0), at, lengthAt);
    },
    proxy_get_header_map_size: (type: number, at: number) => {
      if (beyond(type)) return Result.badArgument;
      const map = writable(vm, type);
      if (!map) return Result.badArgument;
      return vm.guest.memory.setU32(at, map.byteSize) ? Result.ok : Result.invalidMemoryAccess;
    },
  };
}

function writes(vm: Vm): HostFunctions {
  const change =
    (edit: (map: HeaderMap, name: string, value: string) => void) =>
    (type: number, name: number, nameLength: number, value: number, valueLength: number) => {
      if (beyond(type)) return Result.badArgument;
      const key = vm.guest.memory.text(name, nameLength);
      const text = vm.guest.memory.text(value, valueLength);
      if (key === undefined || text === undefined) return Result.invalidMemoryAccess;
      const map = writable(vm, type);
      if (!map) return Result.badArgument;
      edit(map, key, text);
      return Result.ok;
    };
  const remove = change((map, name) => map.remove(name));
  return {
    proxy_add_header_map_value: change((map, name, value) => map.add(name, value)),
    proxy_replace_header_map_value: change((map, name, value) => map.replace(name, value)),
    proxy_remove_header_map_value: (type: number, name: number, nameLength: number) =>
      remove(type, name, nameLength, 0, 0),
    proxy_set_header_map_pairs: (type: number, at: number, length: number) => {
      if (beyond(type)) return Result.badArgument;
      const pairs = vm.guest.memory.pairs(at, length);
      if (!pairs) return Result.invalidMemoryAccess;
      const map = writable(vm, type);
      if (!map) return Result.badArgument;
      map.setAll(pairs);
      return Result.ok;
    },
  };
}

/** The header functions of a VM, by name. */
export function headerFunctions(vm: Vm): HostFunctions {
  return { ...reads(vm), ...writes(vm) };
}
