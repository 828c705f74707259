/**
 * A filter that does what a text tells it to do and writes down every result: the probe with which
 * the emulator's rules are shown, and compared with a real Envoy. It holds no policy and is never
 * shipped; it allocates freely (stub runtime), so it is of no use for measuring memory.
 *
 * The text is the plugin configuration, one line per callback (`tick: now; log info hi`), and may
 * be replaced for one stream by the request header `x-script` (callbacks parted by `|`). Arguments
 * are parted by blanks; `~` stands for a blank inside an argument, `''` for an empty one.
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

const ARENA_BYTES: usize = 1 << 20;
const ARENA: usize = memory.data(1 << 20, 16);
const OUT: usize = memory.data(64, 16);

/** What `malloc` does: 0 answers, 1 refuses, 2 makes a call not allowed there, 3 traps, 4 logs. */
let mallocMode: u32 = 0;
let mallocCalls: u32 = 0;
let arenaTop: usize = 0;
let trace: string = '';
let returned: i32 = -1;
let lastToken: u32 = 0;
let lastStream: u32 = 0;
let lastRoot: u32 = 0;
let counter: u32 = 0;

const config = new Map<string, string>();
const streams = new Map<u32, string>();
const metrics = new Map<string, u32>();

export function proxy_abi_version_0_2_1(): void {}

export function malloc(size: usize): usize {
  mallocCalls++;
  if (mallocMode == 1) return 0;
  if (mallocMode == 2) proxy_set_tick_period_milliseconds(1);
  if (mallocMode == 3) unreachable();
  if (mallocMode == 4) logLine(2, 'malloc');
  if (arenaTop + size > ARENA_BYTES) return 0;
  const at = ARENA + arenaTop;
  arenaTop = (arenaTop + size + 15) & ~15;
  return at;
}

/** The number of streams begun, an address of which a host can read. */
export function probe_streams(): u32 {
  return lastStream;
}

export const probe_answer: i32 = 42;

/** The bytes of a text, one per character, at an address of their own. */
class Bytes {
  at: usize;
  length: i32;
  constructor(text: string) {
    this.length = text.length;
    this.at = heap.alloc(text.length + 1);
    for (let i = 0; i < text.length; i++) store<u8>(this.at + i, text.charCodeAt(i) as u8);
  }
}

function textAt(at: usize, length: usize): string {
  let text = '';
  for (let i: usize = 0; i < length; i++) {
    const byte = load<u8>(at + i);
    if (byte > 0x20 && byte < 0x7f && byte != 0x25) text += String.fromCharCode(byte);
    else text += '%' + (byte < 16 ? '0' : '') + (byte as u32).toString(16);
  }
  return text;
}

function outText(): string {
  return textAt(load<usize>(OUT), load<usize>(OUT, 4));
}

function logLine(level: u32, text: string): u32 {
  const bytes = new Bytes(text);
  return proxy_log(level, bytes.at, bytes.length);
}

function unquote(argument: string): string {
  return argument == "''" ? '' : argument.replaceAll('~', ' ');
}

/** Pairs in the layout of the ABI: `{u32 count; {u32,u32}[count]; name\0 value\0 …}`. */
class PairsBuffer {
  at: usize = 0;
  length: i32 = 0;
  constructor(text: string) {
    const items = text.length == 0 ? new Array<string>() : text.split(',');
    let length = 4;
    for (let i = 0; i < items.length; i++) length += 8 + items[i].length + 1;
    this.at = heap.alloc(length);
    this.length = length;
    store<u32>(this.at, items.length);
    let next = this.at + 4 + 8 * items.length;
    for (let i = 0; i < items.length; i++) {
      const equals = items[i].indexOf('=');
      const name = items[i].substring(0, equals);
      const value = unquote(items[i].substring(equals + 1));
      store<u32>(this.at + 4 + 8 * i, name.length);
      store<u32>(this.at + 8 + 8 * i, value.length);
      next = putText(next, name);
      next = putText(next, value);
    }
    this.length = (next - this.at) as i32;
  }
}

function putText(at: usize, text: string): usize {
  for (let i = 0; i < text.length; i++) store<u8>(at + i, text.charCodeAt(i) as u8);
  store<u8>(at + text.length, 0);
  return at + text.length + 1;
}

function pairsText(at: usize, length: usize): string {
  if (length == 0) return '';
  const count = load<u32>(at);
  let next = at + 4 + 8 * count;
  let text = '';
  for (let i: u32 = 0; i < count; i++) {
    const nameLength = load<u32>(at + 4 + 8 * i);
    const valueLength = load<u32>(at + 8 + 8 * i);
    if (i > 0) text += ',';
    text += textAt(next, nameLength);
    next += nameLength + 1;
    text += '=' + textAt(next, valueLength);
    next += valueLength + 1;
  }
  return text;
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

function note(op: string, code: u32, value: string = ''): void {
  trace += ' ' + op + '=' + code.toString();
  if (value.length > 0) trace += '(' + value + ')';
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
    let id = word[1] == 'stream' ? lastStream : word[1] == 'root' ? lastRoot : U32.parseInt(word[1]);
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
  else if (op == 'malloc') mallocMode = U32.parseInt(word[1]);
  else if (op == 'mallocs') note(op, mallocCalls);
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

function run(script: string): void {
  const steps = script.split(';');
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i].trim();
    if (step.length == 0) continue;
    const word = step.split(' ');
    const op = word[0];
    if (runHeaders(op, word) || runStream(op, word) || runState(op, word)) continue;
    if (runMetric(op, word) || runSystem(op, word) || runSelf(op, word)) continue;
    trace += ' unknown:' + op;
  }
}

/** Runs what the text says for a callback and logs the results; answers `return`'s value or `none`. */
function act(callback: string, scripts: string, args: string, none: i32): i32 {
  trace = 'trace ' + callback + args;
  returned = none;
  const lines = scripts.split('|');
  for (let i = 0; i < lines.length; i++) {
    const colon = lines[i].indexOf(':');
    if (colon > 0 && lines[i].substring(0, colon).trim() == callback) {
      run(lines[i].substring(colon + 1));
    }
  }
  logLine(2, trace);
  return returned;
}

function configured(id: u32): string {
  const key = id.toString();
  return config.has(key) ? config.get(key) : '';
}

function streamScript(id: u32): string {
  return streams.has(id) ? streams.get(id) : configured(lastRoot);
}

const parents = new Map<u32, u32>();

export function proxy_on_context_create(id: u32, parent: u32): void {
  arenaTop = 0;
  parents.set(id, parent);
  if (parent == 0) {
    const code = proxy_get_buffer_bytes(7, 0, 1 << 20, OUT, OUT + 4);
    let text = '';
    if (code == 0) {
      const at = load<usize>(OUT);
      for (let i: usize = 0; i < load<usize>(OUT, 4); i++) {
        text += String.fromCharCode(load<u8>(at + i));
      }
    }
    config.set(id.toString(), text.replaceAll('\n', '|'));
    lastRoot = id;
    act('create', configured(id), '', 0);
  }
}

export function proxy_on_vm_start(id: u32, size: u32): u32 {
  arenaTop = 0;
  return act('start', configured(id), ' ' + size.toString(), 1);
}

export function proxy_on_configure(id: u32, size: u32): u32 {
  arenaTop = 0;
  return act('configure', configured(id), ' ' + size.toString(), 1);
}

export function proxy_on_tick(id: u32): void {
  arenaTop = 0;
  act('tick', configured(id), '', 0);
}

export function proxy_on_request_headers(id: u32, count: u32, end: u32): u32 {
  arenaTop = 0;
  lastStream = id;
  lastRoot = parents.get(id);
  const name = new Bytes('x-script');
  if (proxy_get_header_map_value(0, name.at, name.length, OUT, OUT + 4) == 0) {
    const at = load<usize>(OUT);
    let text = '';
    for (let i: usize = 0; i < load<usize>(OUT, 4); i++) text += String.fromCharCode(load<u8>(at + i));
    streams.set(id, text);
  }
  return act('request', streamScript(id), ' ' + count.toString() + ' ' + end.toString(), 0);
}

export function proxy_on_response_headers(id: u32, count: u32, end: u32): u32 {
  arenaTop = 0;
  lastRoot = parents.get(id);
  return act('response', streamScript(id), ' ' + count.toString() + ' ' + end.toString(), 0);
}

export function proxy_on_http_call_response(
  id: u32,
  token: u32,
  headers: u32,
  body: u32,
  trailers: u32,
): void {
  arenaTop = 0;
  const args = ' ' + (token == lastToken ? 'last' : 'other') + ' ' + headers.toString() + ' ' +
    body.toString() + ' ' + trailers.toString();
  act('answer', streams.has(lastStream) ? streams.get(lastStream) : configured(id), args, 0);
}

export function proxy_on_done(id: u32): u32 {
  arenaTop = 0;
  if (parents.get(id) != 0) return act('streamdone', streamScript(id), '', 1);
  return act('done', configured(id), '', 1);
}

export function proxy_on_log(id: u32): void {
  arenaTop = 0;
  act('log', streamScript(id), '', 0);
}

export function proxy_on_delete(id: u32): void {
  arenaTop = 0;
  if (parents.get(id) != 0) act('streamdelete', streamScript(id), '', 0);
  else act('delete', configured(id), '', 0);
  streams.delete(id);
  parents.delete(id);
}
