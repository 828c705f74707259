/**
 * The steps the probe can be told to take, one ABI call or one misdeed each. Every step writes its
 * name and result into the line of the callback.
 */
import {
  proxy_add_header_map_value,
  proxy_call_foreign_function,
  proxy_close_stream,
  proxy_continue_stream,
  proxy_define_metric,
  proxy_done,
  proxy_get_buffer_bytes,
  proxy_get_buffer_status,
  proxy_get_current_time_nanoseconds,
  proxy_get_header_map_pairs,
  proxy_get_header_map_size,
  proxy_get_header_map_value,
  proxy_get_metric,
  proxy_get_property,
  proxy_get_shared_data,
  proxy_get_status,
  proxy_http_call,
  proxy_increment_metric,
  proxy_log,
  proxy_record_metric,
  proxy_remove_header_map_value,
  proxy_replace_header_map_value,
  proxy_send_local_response,
  proxy_set_effective_context,
  proxy_set_header_map_pairs,
  proxy_set_property,
  proxy_set_shared_data,
  proxy_set_tick_period_milliseconds,
} from '@solo-io/proxy-runtime/assembly/imports';

import { allocations, setAllocation } from './script-arena';
import {
  Bytes,
  logLine,
  note,
  noteWord,
  OUT,
  outText,
  PairsBuffer,
  pairsText,
  textAt,
  unquote,
} from './script-text';

@external('env', 'proxy_get_log_level')
declare function proxy_get_log_level(level: usize): u32;

@external('wasi_snapshot_preview1', 'clock_time_get')
declare function clock_time_get(clock: u32, precision: u64, time: usize): u32;

@external('wasi_snapshot_preview1', 'random_get')
declare function random_get(bytes: usize, length: u32): u32;

@external('wasi_snapshot_preview1', 'environ_sizes_get')
declare function environ_sizes_get(count: usize, bytes: usize): u32;

@external('wasi_snapshot_preview1', 'environ_get')
declare function environ_get(pointers: usize, text: usize): u32;

@external('wasi_snapshot_preview1', 'fd_write')
declare function fd_write(fd: u32, vectors: usize, count: u32, written: usize): u32;

@external('wasi_unstable', 'proc_exit')
declare function proc_exit(code: u32): void;

let returned: i32 = -1;
let lastToken: u32 = 0;
let lastStream: u32 = 0;
let lastRoot: u32 = 0;
let counter: u32 = 0;
const metrics = new Map<string, u32>();

/** Remembers which stream and root `effective` means. */
export function setContexts(stream: u32, root: u32): void {
  lastStream = stream;
  lastRoot = root;
}

/** The stream whose request came last. */
export function newestStream(): u32 {
  return lastStream;
}

/** The root that ran last. */
export function newestRoot(): u32 {
  return lastRoot;
}

/** The token of the call made last. */
export function newestToken(): u32 {
  return lastToken;
}

function mapType(name: string): i32 {
  if (name == 'request') return 0;
  if (name == 'requestTrailers') return 1;
  if (name == 'response') return 2;
  if (name == 'responseTrailers') return 3;
  if (name == 'call') return 6;
  if (name == 'callTrailers') return 7;
  return I32.parseInt(name);
}

function runHeaders(op: string, word: string[]): bool {
  const map = word.length > 1 ? mapType(word[1]) : 0;
  const name = new Bytes(word.length > 2 ? unquote(word[2]) : '');
  const value = new Bytes(word.length > 3 ? unquote(word[3]) : '');
  if (op == 'get') {
    const code = proxy_get_header_map_value(map, name.at, name.length, OUT, OUT + 4);
    note(op, code, code == 0 ? outText() : '');
  } else if (op == 'pairs') {
    const code = proxy_get_header_map_pairs(map, OUT, OUT + 4);
    note(op, code, code == 0 ? pairsText(load<usize>(OUT), load<usize>(OUT, 4)) : '');
  } else if (op == 'size') {
    const code = proxy_get_header_map_size(map, OUT);
    note(op, code, code == 0 ? load<u32>(OUT).toString() : '');
  } else if (op == 'add') {
    note(op, proxy_add_header_map_value(map, name.at, name.length, value.at, value.length));
  } else if (op == 'replace') {
    note(op, proxy_replace_header_map_value(map, name.at, name.length, value.at, value.length));
  } else if (op == 'remove') {
    note(op, proxy_remove_header_map_value(map, name.at, name.length));
  } else if (op == 'set') {
    const pairs = new PairsBuffer(word.length > 2 ? word[2] : '');
    note(op, proxy_set_header_map_pairs(map, pairs.at, pairs.length));
  } else if (op == 'setmany') {
    let text = 'x-many=0';
    for (let i = 1; i < I32.parseInt(word[2]); i++) text += ',x-many=' + i.toString();
    const pairs = new PairsBuffer(text);
    note(op, proxy_set_header_map_pairs(map, pairs.at, pairs.length));
  } else {
    return false;
  }
  return true;
}

function runStream(op: string, word: string[]): bool {
  if (op == 'reply') {
    const details = new Bytes(word.length > 2 ? unquote(word[2]) : '');
    const body = new Bytes(word.length > 4 ? unquote(word[4]) : '');
    const pairs = new PairsBuffer(word.length > 5 ? word[5] : '');
    const grpc = word.length > 3 ? I32.parseInt(word[3]) : -1;
    const status = U32.parseInt(word[1]);
    note(op, proxy_send_local_response(status, details.at, details.length, body.at, body.length,
      pairs.at, pairs.length, grpc));
  } else if (op == 'continue') {
    note(op, proxy_continue_stream(I32.parseInt(word[1])));
  } else if (op == 'close') {
    note(op, proxy_close_stream(I32.parseInt(word[1])));
  } else if (op == 'effective') {
    const id =
      word[1] == 'stream' ? lastStream : word[1] == 'root' ? lastRoot : U32.parseInt(word[1]);
    note(op, proxy_set_effective_context(id));
  } else if (op == 'done') {
    note(op, proxy_done());
  } else if (op == 'tick') {
    note(op, proxy_set_tick_period_milliseconds(U32.parseInt(word[1])));
  } else if (op == 'call') {
    const cluster = new Bytes(unquote(word[1]));
    const pairs = new PairsBuffer(unquote(word[2]));
    const body = new Bytes(word.length > 4 ? unquote(word[4]) : '');
    const code = proxy_http_call(cluster.at, cluster.length, pairs.at, pairs.length, body.at,
      body.length, 0, 0, U32.parseInt(word[3]), OUT);
    lastToken = load<u32>(OUT);
    note(op, code);
  } else if (op == 'status') {
    const code = proxy_get_status(OUT + 8, OUT, OUT + 4);
    note(op, code, load<u32>(OUT, 8).toString() + ':' + outText());
  } else {
    return false;
  }
  return true;
}

function runState(op: string, word: string[]): bool {
  const first = new Bytes(word.length > 1 ? unquote(word[1]) : '');
  const second = new Bytes(word.length > 2 ? unquote(word[2]) : '');
  if (op == 'prop') {
    for (let i = 0; i < first.length; i++) {
      if (load<u8>(first.at + i) == 0x2f) store<u8>(first.at + i, 0);
    }
    const code = proxy_get_property(first.at, first.length, OUT, OUT + 4);
    note(op, code, code == 0 ? outText() : '');
  } else if (op == 'setprop') {
    note(op, proxy_set_property(first.at, first.length, second.at, second.length));
  } else if (op == 'share') {
    const cas = word.length > 3 ? U32.parseInt(word[3]) : 0;
    note(op, proxy_set_shared_data(first.at, first.length, second.at, second.length, cas));
  } else if (op == 'shared') {
    const code = proxy_get_shared_data(first.at, first.length, OUT, OUT + 4, OUT + 8);
    note(op, code, code == 0 ? outText() + ':' + (load<u32>(OUT, 8) != 0 ? 'cas' : '0') : '');
  } else if (op == 'buffer') {
    const start = U32.parseInt(word[2]);
    const length = I32.parseInt(word[3]) as u32;
    const code = proxy_get_buffer_bytes(I32.parseInt(word[1]), start, length, OUT, OUT + 4);
    note(op, code, code == 0 ? outText() : '');
  } else if (op == 'bufferstatus') {
    const code = proxy_get_buffer_status(I32.parseInt(word[1]), OUT, OUT + 4);
    note(op, code, code == 0 ? load<u32>(OUT).toString() : '');
  } else if (op == 'foreign') {
    const code = proxy_call_foreign_function(first.at, first.length, second.at, second.length,
      OUT, OUT + 4);
    note(op, code);
  } else {
    return false;
  }
  return true;
}

function runMetric(op: string, word: string[]): bool {
  if (op == 'define') {
    const name = new Bytes(word[2]);
    const code = proxy_define_metric(I32.parseInt(word[1]), name.at, name.length, OUT);
    if (code == 0) metrics.set(word[2], load<u32>(OUT));
    note(op, code, code == 0 ? load<u32>(OUT).toString() : '');
  } else if (op == 'inc') {
    note(op, proxy_increment_metric(metricId(word[1]), I64.parseInt(word[2])));
  } else if (op == 'record') {
    note(op, proxy_record_metric(metricId(word[1]), U64.parseInt(word[2])));
  } else if (op == 'metric') {
    const code = proxy_get_metric(metricId(word[1]), OUT);
    note(op, code, code == 0 ? load<u64>(OUT).toString() : '');
  } else {
    return false;
  }
  return true;
}

function metricId(name: string): u32 {
  return metrics.has(name) ? metrics.get(name) : U32.parseInt(name);
}

function runSystem(op: string, word: string[]): bool {
  if (op == 'now') {
    const code = proxy_get_current_time_nanoseconds(OUT);
    note(op, code, code == 0 ? load<u64>(OUT).toString() : '');
  } else if (op == 'clock') {
    const code = clock_time_get(U32.parseInt(word[1]), 0, OUT);
    note(op, code, code == 0 ? load<u64>(OUT).toString() : '');
  } else if (op == 'random') {
    const length = U32.parseInt(word[1]);
    const at = heap.alloc(length + 1);
    const code = random_get(at, length);
    note(op, code, code == 0 && length <= 32 ? textAt(at, length) : '');
  } else if (op == 'env') {
    const code = environ_sizes_get(OUT, OUT + 4);
    const at = heap.alloc(load<u32>(OUT) * 4 + load<u32>(OUT, 4) + 1);
    const text = at + load<u32>(OUT) * 4;
    environ_get(at, text);
    note(op, code, textAt(text, load<u32>(OUT, 4)));
  } else if (op == 'print') {
    const text = new Bytes(unquote(word[2]) + '\n');
    store<usize>(OUT, text.at);
    store<u32>(OUT, text.length, 4);
    note(op, fd_write(U32.parseInt(word[1]), OUT, 1, OUT + 8), load<u32>(OUT, 8).toString());
  } else if (op == 'log') {
    note(op, logLine(U32.parseInt(word[1]), unquote(word[2])));
  } else if (op == 'level') {
    note(op, proxy_get_log_level(OUT), load<u32>(OUT).toString());
  } else if (op == 'badread') {
    note(op, proxy_log(2, 0xfffffff0, 64));
  } else if (op == 'badwrite') {
    note(op, proxy_get_current_time_nanoseconds(0xfffffff8));
  } else {
    return false;
  }
  return true;
}

function runSelf(op: string, word: string[]): bool {
  if (op == 'return') returned = I32.parseInt(word[1]);
  else if (op == 'once') returned = firstTime(word[1]) ? 1 : 0;
  else if (op == 'trap') unreachable();
  else if (op == 'exit') proc_exit(1);
  else if (op == 'malloc') setAllocation(U32.parseInt(word[1]));
  else if (op == 'mallocs') note(op, allocations());
  else if (op == 'grow') note(op, memory.grow(I32.parseInt(word[1])) >= 0 ? 1 : 0);
  else if (op == 'count') note(op, ++counter);
  else return false;
  return true;
}

/** Whether this is the first time in the whole process that a key is asked for. */
function firstTime(text: string): bool {
  const key = new Bytes(text);
  const first = proxy_get_shared_data(key.at, key.length, OUT, OUT + 4, OUT + 8) != 0;
  proxy_set_shared_data(key.at, key.length, key.at, key.length, 0);
  return first;
}

/** Takes the steps of a script; answers what `return` says, or `none`. */
export function run(script: string, none: i32): i32 {
  returned = none;
  const steps = script.split(';');
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i].trim();
    if (step.length == 0) continue;
    const word = step.split(' ');
    const op = word[0];
    if (runHeaders(op, word) || runStream(op, word) || runState(op, word)) continue;
    if (runMetric(op, word) || runSystem(op, word) || runSelf(op, word)) continue;
    noteWord('unknown:' + op);
  }
  return returned;
}
