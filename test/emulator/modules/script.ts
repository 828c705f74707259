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
  proxy_get_buffer_bytes,
  proxy_get_header_map_value,
} from '@solo-io/proxy-runtime/assembly/imports';
import { allocate, beginCallback } from './script-arena';
import { newestRoot, newestStream, newestToken, run, setContexts } from './script-steps';
import { beginTrace, Bytes, given, logLine, OUT, traced } from './script-text';

const config = new Map<string, string>();
const streams = new Map<u32, string>();
const parents = new Map<u32, u32>();

export function proxy_abi_version_0_2_1(): void {}

export function malloc(size: usize): usize {
  return allocate(size);
}

/** The stream begun last: a function without arguments, for hosts that read exports. */
export function probe_streams(): u32 {
  return newestStream();
}

/** A global, for hosts that read exports. */
export const probe_answer: i32 = 42;

/** Takes the steps of a callback and logs the results; answers what `return` says, or `none`. */
function act(callback: string, scripts: string, args: string, none: i32): i32 {
  beginTrace('trace ' + callback + args);
  let returned = none;
  const lines = scripts.split('|');
  for (let i = 0; i < lines.length; i++) {
    const colon = lines[i].indexOf(':');
    if (colon > 0 && lines[i].substring(0, colon).trim() == callback) {
      returned = run(lines[i].substring(colon + 1), none);
    }
  }
  logLine(2, traced());
  return returned;
}

function configured(id: u32): string {
  const key = id.toString();
  return config.has(key) ? config.get(key) : '';
}

function streamScript(id: u32): string {
  return streams.has(id) ? streams.get(id) : configured(newestRoot());
}

export function proxy_on_context_create(id: u32, parent: u32): void {
  beginCallback();
  parents.set(id, parent);
  if (parent == 0) {
    const code = proxy_get_buffer_bytes(7, 0, 1 << 20, OUT, OUT + 4);
    const text = code == 0 ? given() : '';
    config.set(id.toString(), text.replaceAll('\n', '|'));
    setContexts(newestStream(), id);
    act('create', configured(id), '', 0);
  }
}

export function proxy_on_vm_start(id: u32, size: u32): u32 {
  beginCallback();
  return act('start', configured(id), ' ' + size.toString(), 1);
}

export function proxy_on_configure(id: u32, size: u32): u32 {
  beginCallback();
  return act('configure', configured(id), ' ' + size.toString(), 1);
}

export function proxy_on_tick(id: u32): void {
  beginCallback();
  act('tick', configured(id), '', 0);
}

export function proxy_on_request_headers(id: u32, count: u32, end: u32): u32 {
  beginCallback();
  setContexts(id, parents.get(id));
  const name = new Bytes('x-script');
  if (proxy_get_header_map_value(0, name.at, name.length, OUT, OUT + 4) == 0) {
    streams.set(id, given());
  }
  return act('request', streamScript(id), ' ' + count.toString() + ' ' + end.toString(), 0);
}

export function proxy_on_response_headers(id: u32, count: u32, end: u32): u32 {
  beginCallback();
  setContexts(newestStream(), parents.get(id));
  return act('response', streamScript(id), ' ' + count.toString() + ' ' + end.toString(), 0);
}

export function proxy_on_http_call_response(
  id: u32,
  token: u32,
  headers: u32,
  body: u32,
  trailers: u32,
): void {
  beginCallback();
  const args = ' ' + (token == newestToken() ? 'last' : 'other') + ' ' + headers.toString() + ' ' +
    body.toString() + ' ' + trailers.toString();
  const stream = newestStream();
  act('answer', streams.has(stream) ? streams.get(stream) : configured(id), args, 0);
}

export function proxy_on_done(id: u32): u32 {
  beginCallback();
  if (parents.get(id) != 0) return act('streamdone', streamScript(id), '', 1);
  return act('done', configured(id), '', 1);
}

export function proxy_on_log(id: u32): void {
  beginCallback();
  act('log', streamScript(id), '', 0);
}

export function proxy_on_delete(id: u32): void {
  beginCallback();
  if (parents.get(id) != 0) act('streamdelete', streamScript(id), '', 0);
  else act('delete', configured(id), '', 0);
  streams.delete(id);
  parents.delete(id);
}
