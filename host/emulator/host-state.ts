/**
 * The ABI calls on properties, buffers, shared data and metrics, with Envoy's result codes.
 */
import { BUFFER_TYPE_MAX, BufferType, Result } from './abi.ts';
import { NotEmulated } from './errors.ts';
import type { HostFunctions } from './guest.ts';
import { bytesOf } from './memory.ts';
import { encodeProperty, type Found } from './properties.ts';
import { streamProperty } from './stream-properties.ts';
import type { Vm } from './vm.ts';

const EMPTY = new Uint8Array(0);

function findProperty(vm: Vm, path: string): Found {
  const { actingStream: stream, actingRoot: root } = vm;
  const given = stream?.properties?.find(path) ?? root?.properties.find(path);
  if (given && given !== 'map') return given;
  if (path === 'plugin_name') return encodeProperty(root?.plugin.name ?? '');
  if (path === 'plugin_root_id') return encodeProperty(root?.plugin.rootId ?? '');
  if (path === 'plugin_vm_id') return encodeProperty(vm.vmId);
  const own = stream && streamProperty(stream, path);
  return own ?? given ?? vm.properties.find(path);
}

function properties(vm: Vm): HostFunctions {
  return {
    proxy_get_property: (path: number, length: number, at: number, lengthAt: number) => {
      const name = vm.guest.memory.text(path, length);
      if (name === undefined) return Result.invalidMemoryAccess;
      const trimmed = name.endsWith('\0') ? name.slice(0, -1) : name;
      const found = trimmed === '' ? 'map' : findProperty(vm, trimmed);
      if (found === undefined) return Result.notFound;
      if (found === 'map') return Result.serializationFailure;
      return vm.guest.give(found, at, lengthAt);
    },
    proxy_set_property: (path: number, length: number, value: number, valueLength: number) => {
      const { memory } = vm.guest;
      const name = memory.text(path, length);
      const bytes = memory.copy(value, valueLength);
      if (name === undefined || !bytes) return Result.invalidMemoryAccess;
      const stream = vm.actingStream;
      if (!stream) return Result.notFound;
      stream.filterState.set(`wasm.${name}`, bytes);
      return Result.ok;
    },
  };
}

/** The bytes of a buffer, `undefined` if there is none now. */
function buffer(vm: Vm, type: number): Uint8Array | undefined {
  switch (type) {
    case BufferType.callBody:
      return vm.actingRoot?.answering?.body;
    case BufferType.vmConfiguration:
      return bytesOf(vm.vmConfiguration);
    case BufferType.pluginConfiguration: {
      const root = vm.actingRoot;
      if (!root?.configurationReadable) return undefined;
      return Buffer.from(root.plugin.configuration ?? '', 'utf8');
    }
    case BufferType.callData:
      throw new NotEmulated('the buffer of call data');
    default:
      return EMPTY;
  }
}

function buffers(vm: Vm): HostFunctions {
  return {
    proxy_get_buffer_bytes: (
      type: number,
      start: number,
      length: number,
      at: number,
      lengthAt: number,
    ) => {
      if (type >>> 0 > BUFFER_TYPE_MAX) return Result.badArgument;
      const bytes = buffer(vm, type);
      if (!bytes) return Result.notFound;
      const from = start >>> 0;
      const part = bytes.subarray(from, from + (length >>> 0));
      return vm.guest.give(part, at, lengthAt);
    },
    proxy_get_buffer_status: (type: number, lengthAt: number, flagsAt: number) => {
      if (type >>> 0 > BUFFER_TYPE_MAX) return Result.badArgument;
      const bytes = buffer(vm, type);
      if (!bytes) return Result.notFound;
      const { memory } = vm.guest;
      const written = memory.setU32(lengthAt, bytes.length) && memory.setU32(flagsAt, 0);
      return written ? Result.ok : Result.invalidMemoryAccess;
    },
  };
}

function sharedData(vm: Vm): HostFunctions {
  return {
    proxy_get_shared_data: (
      key: number,
      keyLength: number,
      at: number,
      lengthAt: number,
      casAt: number,
    ) => {
      const { memory } = vm.guest;
      const name = memory.text(key, keyLength);
      if (name === undefined) return Result.invalidMemoryAccess;
      const found = vm.sharedData.get(vm.vmId, name);
      if (!found) return Result.notFound;
      const given = vm.guest.give(found.value, at, lengthAt);
      if (given !== Result.ok) return given;
      return memory.setU32(casAt, found.cas) ? Result.ok : Result.invalidMemoryAccess;
    },
    proxy_set_shared_data: (
      key: number,
      keyLength: number,
      value: number,
      valueLength: number,
      cas: number,
    ) => {
      const { memory } = vm.guest;
      const name = memory.text(key, keyLength);
      const bytes = memory.copy(value, valueLength);
      if (name === undefined || !bytes) return Result.invalidMemoryAccess;
      return vm.sharedData.set(vm.vmId, name, bytes, cas >>> 0);
    },
  };
}

function metrics(vm: Vm): HostFunctions {
  return {
    proxy_define_metric: (type: number, name: number, length: number, idAt: number) => {
      const { memory } = vm.guest;
      const text = memory.text(name, length);
      if (text === undefined) return Result.invalidMemoryAccess;
      const id = vm.metrics.define(type >>> 0, text);
      if (id === undefined) return Result.badArgument;
      return memory.setU32(idAt, id) ? Result.ok : Result.invalidMemoryAccess;
    },
    proxy_increment_metric: (id: number, offset: bigint) => vm.metrics.increment(id >>> 0, offset),
    proxy_record_metric: (id: number, value: bigint) => vm.metrics.record(id >>> 0, value),
    proxy_get_metric: (id: number, at: number) => {
      const value = vm.metrics.read(id >>> 0);
      if (typeof value !== 'bigint') return value.result;
      return vm.guest.memory.setU64(at, value) ? Result.ok : Result.invalidMemoryAccess;
    },
  };
}

/** The functions on a VM's state, by name. */
export function stateFunctions(vm: Vm): HostFunctions {
  return { ...properties(vm), ...buffers(vm), ...sharedData(vm), ...metrics(vm) };
}
