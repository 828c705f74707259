/**
 * Every call into the proxy that the filter uses, under one roof: the declarations of the SDK that
 * are right, those of WASI beside them. Nothing else may import from the SDK, and nothing here
 * decides anything.
 */
import { proxy_get_property } from '@solo-io/proxy-runtime/assembly/imports';
import { asciiLength } from '../util/ascii';
import { clock_time_get, random_get } from './wasi_snapshot_preview1';

export {
  proxy_add_header_map_value,
  proxy_continue_stream,
  proxy_define_metric,
  proxy_done,
  proxy_get_buffer_bytes,
  proxy_get_header_map_pairs,
  proxy_get_header_map_value,
  proxy_http_call,
  proxy_increment_metric,
  proxy_log,
  proxy_remove_header_map_value,
  proxy_replace_header_map_value,
  proxy_send_local_response,
  proxy_set_effective_context,
  proxy_set_property,
  proxy_set_tick_period_milliseconds,
} from '@solo-io/proxy-runtime/assembly/imports';
export { environ_get, environ_sizes_get } from './wasi_snapshot_preview1';

/** Results of the ABI that are told apart. */
export const OK: u32 = 0;

/** Header maps. */
export const MAP_REQUEST: i32 = 0;
export const MAP_RESPONSE: i32 = 2;
export const MAP_CALL_RESPONSE: i32 = 6;

/** Buffers. */
export const BUFFER_CALL_RESPONSE: i32 = 4;
export const BUFFER_PLUGIN_CONFIGURATION: i32 = 7;

/** What a header callback answers. */
export const CONTINUE: i32 = 0;
export const PAUSE: i32 = 1;

/** Log levels. */
export const LOG_INFO: u32 = 2;
export const LOG_WARN: u32 = 3;
export const LOG_ERROR: u32 = 4;

/** Where the proxy writes an address and a length. */
const OUT: usize = memory.data(16, 8);

/** Address of the first of two u32 that the proxy writes. */
export function outAt(): usize {
  return OUT;
}

/** The address the proxy wrote last. */
export function outAddress(): usize {
  return load<u32>(OUT) as usize;
}

/** The length the proxy wrote last. */
export function outLength(): u32 {
  return load<u32>(OUT, 4);
}

/** Whether there is a property under a path that `ascii` gave; its bytes are at `outAddress`. */
export function readProperty(path: usize): bool {
  return readPropertyAt(path, asciiLength(path));
}

/** The same for a path of so many bytes. */
export function readPropertyAt(path: usize, length: u32): bool {
  return proxy_get_property(path, length, OUT, OUT + 4) == OK;
}

/** Milliseconds of the monotonic clock. 0 when the proxy refuses it, which it never does. */
export function monotonicMs(): u64 {
  store<u64>(OUT, 0);
  clock_time_get(1, 0, OUT);
  return load<u64>(OUT) / 1_000_000;
}

/** 64 random bits from the proxy. */
export function randomBits(): u64 {
  store<u64>(OUT, 0);
  random_get(OUT, 8);
  return load<u64>(OUT);
}
