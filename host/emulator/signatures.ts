/**
 * The signatures of everything that crosses the border between Envoy and a guest, for refusing a
 * module as Envoy does. A signature is written `params:results`, one letter per value: `i` = i32,
 * `I` = i64. Holds no behaviour.
 */
import { WASI_MODULES } from './abi.ts';

const PROXY: Record<string, string> = {
  proxy_log: 'iii:i',
  proxy_get_status: 'iii:i',
  proxy_get_log_level: 'i:i',
  proxy_set_property: 'iiii:i',
  proxy_get_property: 'iiii:i',
  proxy_send_local_response: 'iiiiiiii:i',
  proxy_get_shared_data: 'iiiii:i',
  proxy_set_shared_data: 'iiiii:i',
  proxy_register_shared_queue: 'iii:i',
  proxy_resolve_shared_queue: 'iiiii:i',
  proxy_dequeue_shared_queue: 'iii:i',
  proxy_enqueue_shared_queue: 'iii:i',
  proxy_get_header_map_value: 'iiiii:i',
  proxy_add_header_map_value: 'iiiii:i',
  proxy_replace_header_map_value: 'iiiii:i',
  proxy_remove_header_map_value: 'iii:i',
  proxy_get_header_map_pairs: 'iii:i',
  proxy_set_header_map_pairs: 'iii:i',
  proxy_get_header_map_size: 'ii:i',
  proxy_get_buffer_status: 'iii:i',
  proxy_get_buffer_bytes: 'iiiii:i',
  proxy_set_buffer_bytes: 'iiiii:i',
  proxy_http_call: 'iiiiiiiiii:i',
  proxy_grpc_call: 'iiiiiiiiiiii:i',
  proxy_grpc_stream: 'iiiiiiiii:i',
  proxy_grpc_close: 'i:i',
  proxy_grpc_cancel: 'i:i',
  proxy_grpc_send: 'iiii:i',
  proxy_set_tick_period_milliseconds: 'i:i',
  proxy_get_current_time_nanoseconds: 'i:i',
  proxy_define_metric: 'iiii:i',
  proxy_increment_metric: 'iI:i',
  proxy_record_metric: 'iI:i',
  proxy_get_metric: 'ii:i',
  proxy_set_effective_context: 'i:i',
  proxy_done: ':i',
  proxy_call_foreign_function: 'iiiiii:i',
  proxy_continue_stream: 'i:i',
  proxy_close_stream: 'i:i',
};

const WASI: Record<string, string> = {
  args_get: 'ii:i',
  args_sizes_get: 'ii:i',
  clock_res_get: 'ii:i',
  clock_time_get: 'iIi:i',
  environ_get: 'ii:i',
  environ_sizes_get: 'ii:i',
  fd_close: 'i:i',
  fd_fdstat_get: 'ii:i',
  fd_fdstat_set_flags: 'ii:i',
  fd_filestat_get: 'ii:i',
  fd_prestat_dir_name: 'iii:i',
  fd_prestat_get: 'ii:i',
  fd_read: 'iiii:i',
  fd_seek: 'iIii:i',
  fd_write: 'iiii:i',
  path_filestat_get: 'iiiii:i',
  path_open: 'iiiiiIIii:i',
  poll_oneoff: 'iiii:i',
  proc_exit: 'i:',
  random_get: 'ii:i',
  sched_yield: ':i',
};

function importTable(): Map<string, string> {
  const table = new Map<string, string>();
  for (const [name, signature] of Object.entries(PROXY)) table.set(`env.${name}`, signature);
  table.set('env.pthread_equal', 'ii:i');
  table.set('env.emscripten_notify_memory_growth', 'i:');
  for (const module of WASI_MODULES) {
    for (const [name, signature] of Object.entries(WASI)) table.set(`${module}.${name}`, signature);
  }
  return table;
}

/** Every function Envoy offers to a guest of ABI 0.2.1, as `module.name` -> signature. */
export const IMPORTS: ReadonlyMap<string, string> = importTable();

/** The callbacks the emulator makes, in the order in which ABI calls are counted. */
export const CALLBACKS = {
  proxy_on_context_create: 'ii:',
  proxy_on_vm_start: 'ii:i',
  proxy_on_configure: 'ii:i',
  proxy_on_tick: 'i:',
  proxy_on_request_headers: 'iii:i',
  proxy_on_response_headers: 'iii:i',
  proxy_on_http_call_response: 'iiiii:',
  proxy_on_done: 'i:i',
  proxy_on_log: 'i:',
  proxy_on_delete: 'i:',
} as const;

/** The name of a callback the emulator makes. */
export type CallbackName = keyof typeof CALLBACKS;

/** Callbacks Envoy makes and the emulator does not: a module that exports one is refused here. */
export const CALLBACKS_NOT_EMULATED: ReadonlySet<string> = new Set([
  'proxy_validate_configuration',
  'proxy_on_new_connection',
  'proxy_on_downstream_data',
  'proxy_on_upstream_data',
  'proxy_on_downstream_connection_close',
  'proxy_on_upstream_connection_close',
  'proxy_on_request_body',
  'proxy_on_request_trailers',
  'proxy_on_request_metadata',
  'proxy_on_response_body',
  'proxy_on_response_trailers',
  'proxy_on_response_metadata',
  'proxy_on_grpc_receive',
  'proxy_on_grpc_close',
  'proxy_on_grpc_receive_initial_metadata',
  'proxy_on_grpc_receive_trailing_metadata',
  'proxy_on_queue_ready',
  'proxy_on_foreign_function',
]);

const IN_MALLOC = ['proxy_log'];
const IN_INITIALIZE = [...IN_MALLOC, 'emscripten_notify_memory_growth'];
const IN_MALLOC_WASI = ['fd_write', 'clock_time_get', 'poll_oneoff'];
const IN_INITIALIZE_WASI = [
  ...IN_MALLOC_WASI,
  'args_get',
  'args_sizes_get',
  'clock_res_get',
  'environ_get',
  'environ_sizes_get',
  'fd_fdstat_get',
  'fd_fdstat_set_flags',
  'fd_filestat_get',
  'fd_prestat_dir_name',
  'fd_prestat_get',
  'path_filestat_get',
  'random_get',
];

function allowed(proxy: string[], wasi: string[]): ReadonlySet<string> {
  const names = proxy.map((name) => `env.${name}`);
  for (const module of WASI_MODULES) names.push(...wasi.map((name) => `${module}.${name}`));
  return new Set(names);
}

/** What a guest may call while Envoy calls its `malloc`; anything else traps it. */
export const ALLOWED_IN_MALLOC = allowed(IN_MALLOC, IN_MALLOC_WASI);

/** What a guest may call while it is initialised; anything else traps it. */
export const ALLOWED_IN_INITIALIZE = allowed(IN_INITIALIZE, IN_INITIALIZE_WASI);
