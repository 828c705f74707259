/**
 * WASI preview 1 as Envoy gives it: clocks, randomness, environment and two log streams; files and
 * arguments are empty or refused. Time and randomness are the VM's own.
 */
import { Errno, LOG_LEVELS, RANDOM_BYTES_MAX } from './abi.ts';
import type { HostFunctions } from './guest.ts';
import { byteString } from './memory.ts';
import type { Vm } from './vm.ts';

const STDOUT = 1;
const STDERR = 2;
const REALTIME = 0;
const MONOTONIC = 1;

function clocks(vm: Vm): HostFunctions {
  return {
    clock_time_get: (clock: number, _precision: bigint, at: number) => {
      if (clock !== REALTIME && clock !== MONOTONIC) return Errno.notsup;
      const now = clock === REALTIME ? vm.clock.wallNs : vm.clock.monotonicNs;
      return vm.guest.memory.setU64(at, now) ? Errno.success : Errno.fault;
    },
    clock_res_get: (clock: number, at: number) => {
      if (clock !== REALTIME && clock !== MONOTONIC) return Errno.notsup;
      return vm.guest.memory.setU64(at, 1n) ? Errno.success : Errno.fault;
    },
    random_get: (at: number, length: number) => {
      const wanted = length >>> 0;
      if (wanted > RANDOM_BYTES_MAX) return Errno.inval;
      const bytes = new Uint8Array(wanted);
      vm.random.fill(bytes);
      return vm.guest.memory.write(at, bytes) ? Errno.success : Errno.fault;
    },
    sched_yield: () => Errno.success,
    poll_oneoff: (_in: number, _out: number, _count: number, eventsAt: number) =>
      vm.guest.memory.setU32(eventsAt, 0) ? Errno.success : Errno.fault,
  };
}

function environment(vm: Vm): HostFunctions {
  const lines = Object.entries(vm.environment).map(([name, value]) =>
    byteString(`${name}=${value}\0`),
  );
  const pair = (firstAt: number, first: number, secondAt: number, second: number) => {
    const { memory } = vm.guest;
    const written = memory.setU32(firstAt, first) && memory.setU32(secondAt, second);
    return written ? Errno.success : Errno.fault;
  };
  const bytes = lines.reduce((sum, line) => sum + line.length, 0);
  return {
    environ_sizes_get: (countAt: number, bytesAt: number) =>
      pair(countAt, lines.length, bytesAt, bytes),
    environ_get: (pointersAt: number, textAt: number) => {
      const { memory } = vm.guest;
      let pointer = pointersAt;
      let text = textAt;
      for (const line of lines) {
        if (!memory.setU32(pointer, text) || !memory.writeText(text, line)) return Errno.fault;
        pointer += 4;
        text += line.length;
      }
      return Errno.success;
    },
    args_sizes_get: (countAt: number, bytesAt: number) => pair(countAt, 0, bytesAt, 0),
    args_get: () => Errno.success,
  };
}

function files(vm: Vm): HostFunctions {
  const vectors = (at: number, count: number): string | undefined => {
    const { memory } = vm.guest;
    let text = '';
    for (let i = 0; i < count; i++) {
      const from = memory.u32(at + 8 * i);
      const length = memory.u32(at + 8 * i + 4);
      if (from === undefined || length === undefined) return undefined;
      const part = length === 0 ? '' : memory.text(from, length);
      if (part === undefined) return undefined;
      text += part;
    }
    return text;
  };
  return {
    fd_write: (fd: number, at: number, count: number, writtenAt: number) => {
      if (fd !== STDOUT && fd !== STDERR) return Errno.badf;
      const text = vectors(at, count >>> 0);
      if (text === undefined) return Errno.fault;
      const level = LOG_LEVELS.indexOf(fd === STDOUT ? 'info' : 'error');
      if (text !== '') vm.writeLog(level, text.endsWith('\n') ? text.slice(0, -1) : text);
      return vm.guest.memory.setU32(writtenAt, text.length) ? Errno.success : Errno.fault;
    },
    fd_fdstat_get: (fd: number, at: number) => {
      if (fd !== STDOUT && fd !== STDERR) return Errno.badf;
      const status = new Uint8Array(24);
      status[8] = 64;
      return vm.guest.memory.write(at, status) ? Errno.success : Errno.fault;
    },
    fd_fdstat_set_flags: () => Errno.nosys,
    fd_read: () => Errno.nosys,
    fd_seek: () => Errno.success,
    fd_close: () => Errno.success,
    fd_filestat_get: () => Errno.badf,
    fd_prestat_get: () => Errno.badf,
    fd_prestat_dir_name: () => Errno.nosys,
    path_open: () => Errno.noent,
    path_filestat_get: () => Errno.notsup,
  };
}

/** The WASI functions of a VM, by name. `proc_exit` returns, as in Envoy. */
export function wasiFunctions(vm: Vm): HostFunctions {
  return { ...clocks(vm), ...environment(vm), ...files(vm), proc_exit: () => undefined };
}
