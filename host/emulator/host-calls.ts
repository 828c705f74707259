/**
 * The ABI calls that act: on streams, on the root's life, on the outside world, and the log, with
 * Envoy's result codes. What ends or moves a stream happens after the guest has returned.
 */
import { LOG_LEVELS, Result, STREAM_TYPE_MAX, StreamType } from './abi.ts';
import { NotEmulated } from './errors.ts';
import { type HostFunctions, VM_CONTEXT } from './guest.ts';
import { HeaderMap } from './header-map.ts';
import { grpcStatus, responseDetails } from './local-reply.ts';
import type { Vm } from './vm.ts';

function streams(vm: Vm): HostFunctions {
  return {
    proxy_continue_stream: (type: number) => {
      if (type >>> 0 > STREAM_TYPE_MAX) return Result.badArgument;
      if (type === StreamType.upstream) return Result.unimplemented;
      if (type !== StreamType.downstream) vm.actingStream?.continueStream(type);
      return Result.ok;
    },
    proxy_close_stream: (type: number) => {
      if (type >>> 0 > STREAM_TYPE_MAX) return Result.badArgument;
      if (type <= StreamType.response) vm.actingStream?.closeStream();
      return Result.ok;
    },
    proxy_send_local_response: (
      status: number,
      details: number,
      detailsLength: number,
      body: number,
      bodyLength: number,
      pairs: number,
      pairsLength: number,
      grpc: number,
    ) => {
      const { memory } = vm.guest;
      const detailsText = memory.text(details, detailsLength);
      const bodyText = memory.text(body, bodyLength);
      const headers = memory.pairs(pairs, pairsLength);
      if (detailsText === undefined || bodyText === undefined || !headers) {
        return Result.invalidMemoryAccess;
      }
      vm.actingStream?.sendLocalResponse({
        status,
        details: responseDetails(detailsText),
        body: bodyText,
        headers,
        grpcStatus: grpcStatus(grpc),
      });
      vm.stopsIteration = true;
      return Result.ok;
    },
    proxy_set_effective_context: (id: number) => {
      const chosen = id >>> 0;
      if (chosen !== VM_CONTEXT && !vm.context(chosen)) return Result.badArgument;
      vm.guest.effectiveId = chosen;
      return Result.ok;
    },
  };
}

function roots(vm: Vm): HostFunctions {
  return {
    proxy_done: () => vm.actingRoot?.done() ?? Result.notFound,
    proxy_set_tick_period_milliseconds: (periodMs: number) => {
      vm.actingRoot?.setTickPeriod(periodMs >>> 0);
      return Result.ok;
    },
    proxy_get_status: (codeAt: number, at: number, lengthAt: number) => {
      const status = vm.actingRoot?.status ?? { code: 0, message: '' };
      if (!vm.guest.memory.setU32(codeAt, status.code)) return Result.invalidMemoryAccess;
      return vm.guest.giveText(status.message, at, lengthAt);
    },
    proxy_call_foreign_function: (
      name: number,
      nameLength: number,
      argument: number,
      argumentLength: number,
      at: number,
      lengthAt: number,
    ) => {
      const { memory } = vm.guest;
      const text = memory.text(name, nameLength);
      const bytes = memory.copy(argument, argumentLength);
      if (text === undefined || !bytes) return Result.invalidMemoryAccess;
      vm.noteForeignCall({ name: text, argument: bytes });
      const known = vm.foreignFunctions[text];
      if (!known && text !== 'clear_route_cache') return Result.notFound;
      const result = known?.(bytes) ?? Result.ok;
      if (at !== 0 && !memory.setU32(at, 0)) return Result.invalidMemoryAccess;
      if (lengthAt !== 0 && !memory.setU32(lengthAt, 0)) return Result.invalidMemoryAccess;
      return result;
    },
  };
}

function httpCall(vm: Vm): HostFunctions {
  return {
    proxy_http_call: (
      cluster: number,
      clusterLength: number,
      pairs: number,
      pairsLength: number,
      body: number,
      bodyLength: number,
      trailers: number,
      trailersLength: number,
      timeoutMs: number,
      tokenAt: number,
    ) => {
      const { memory } = vm.guest;
      const root = vm.actingRoot;
      const name = memory.text(cluster, clusterLength);
      const given = memory.pairs(pairs, pairsLength);
      const bodyBytes = memory.copy(body, bodyLength);
      if (name === undefined || !given || !bodyBytes) return Result.invalidMemoryAccess;
      if (!memory.pairs(trailers, trailersLength)) return Result.invalidMemoryAccess;
      if (!root || !memory.setU32(tokenAt, 0)) return Result.invalidMemoryAccess;
      const behaviour = vm.clusters.get(name);
      if (timeoutMs < 0 || behaviour === 'unknown') return Result.badArgument;
      const headers = new HeaderMap('request', given);
      const complete = [':path', ':method', ':authority'].every((key) => headers.get(key));
      if (!complete) return Result.badArgument;
      if (behaviour === 'no_endpoint') return Result.internalFailure;
      if (bodyBytes.length > 0) headers.replace('content-length', String(bodyBytes.length));
      const call = { cluster: name, headers: headers.pairs(), body: bodyBytes, timeoutMs };
      memory.setU32(tokenAt, vm.makeCall(root, call));
      return Result.ok;
    },
  };
}

function system(vm: Vm): HostFunctions {
  return {
    proxy_log: (level: number, at: number, length: number) => {
      if (level >>> 0 >= LOG_LEVELS.length) return Result.badArgument;
      const message = vm.guest.memory.text(at, length);
      if (message === undefined) return Result.invalidMemoryAccess;
      vm.writeLog(level, message);
      return Result.ok;
    },
    proxy_get_log_level: (at: number) =>
      vm.guest.memory.setU32(at, vm.log.levelNumber) ? Result.ok : Result.invalidMemoryAccess,
    proxy_get_current_time_nanoseconds: (at: number) =>
      vm.guest.memory.setU64(at, vm.clock.wallNs) ? Result.ok : Result.invalidMemoryAccess,
  };
}

const NOT_EMULATED = [
  'proxy_register_shared_queue',
  'proxy_resolve_shared_queue',
  'proxy_dequeue_shared_queue',
  'proxy_enqueue_shared_queue',
  'proxy_set_buffer_bytes',
  'proxy_grpc_call',
  'proxy_grpc_stream',
  'proxy_grpc_close',
  'proxy_grpc_cancel',
  'proxy_grpc_send',
];

/** The functions that act, by name; those the emulator does not have throw when they are called. */
export function callFunctions(vm: Vm): HostFunctions {
  const refused: Record<string, () => number> = {};
  for (const name of NOT_EMULATED) {
    refused[name] = () => {
      throw new NotEmulated(name);
    };
  }
  return { ...streams(vm), ...roots(vm), ...httpCall(vm), ...system(vm), ...refused };
}
