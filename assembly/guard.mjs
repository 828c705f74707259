/**
 * The rules a compiled filter has to keep, checked on the module and its text. Pure: it reads
 * nothing but its arguments, so that its own test can hand it planted mistakes.
 */

/**
 * Largest release module, in bytes: the whole filter and a little air. The aim is 48 KiB, which
 * the bench holds up to it; RATIONALE.md says what the rest is for.
 */
export const MODULE_BYTES_MAX = 64_000;

/** Calls the proxies under test offer to a module of ABI 0.2.1 and that the filter may use. */
const IMPORTS = new Set([
  'env.proxy_log',
  'env.proxy_get_log_level',
  'env.proxy_set_property',
  'env.proxy_get_property',
  'env.proxy_send_local_response',
  'env.proxy_get_header_map_value',
  'env.proxy_add_header_map_value',
  'env.proxy_replace_header_map_value',
  'env.proxy_remove_header_map_value',
  'env.proxy_get_header_map_pairs',
  'env.proxy_set_header_map_pairs',
  'env.proxy_get_header_map_size',
  'env.proxy_get_buffer_status',
  'env.proxy_get_buffer_bytes',
  'env.proxy_set_buffer_bytes',
  'env.proxy_continue_stream',
  'env.proxy_close_stream',
  'env.proxy_http_call',
  'env.proxy_set_tick_period_milliseconds',
  'env.proxy_get_current_time_nanoseconds',
  'env.proxy_define_metric',
  'env.proxy_increment_metric',
  'env.proxy_record_metric',
  'env.proxy_get_metric',
  'env.proxy_set_effective_context',
  'env.proxy_done',
  'env.proxy_call_foreign_function',
  'wasi_snapshot_preview1.clock_time_get',
  'wasi_snapshot_preview1.random_get',
  'wasi_snapshot_preview1.environ_get',
  'wasi_snapshot_preview1.environ_sizes_get',
]);

/** Exports every module needs; further ones are callbacks or begin with `sidegate_`. */
const EXPORTS = ['memory', 'malloc', '_initialize', 'proxy_abi_version_0_2_1'];
const EXPORT_ALLOWED = /^(proxy_on_[a-z_]+|sidegate_[a-z_]+)$/;

/**
 * Says what is wrong with a module, one sentence per problem; an empty list means nothing is.
 * `text` is the module in text form; `target` is `release` or `test`, only the first has a size.
 */
export function checkModule(bytes, text, target) {
  const module = new WebAssembly.Module(bytes);
  return [
    ...checkImports(WebAssembly.Module.imports(module)),
    ...checkExports(WebAssembly.Module.exports(module).map(({ name }) => name)),
    ...checkText(text),
    ...(target === 'release' && bytes.length > MODULE_BYTES_MAX
      ? [`is ${bytes.length} bytes, at most ${MODULE_BYTES_MAX} are allowed`]
      : []),
  ];
}

function checkImports(imports) {
  return imports
    .map(({ module, name }) => `${module}.${name}`)
    .filter((name) => !IMPORTS.has(name))
    .map((name) => `imports ${name}, which the proxies do not offer or the filter must not use`);
}

function checkExports(exports) {
  const missing = EXPORTS.filter((name) => !exports.includes(name));
  const foreign = exports.filter((name) => !EXPORTS.includes(name) && !EXPORT_ALLOWED.test(name));
  return [
    ...missing.map((name) => `does not export ${name}`),
    ...foreign.map((name) => `exports ${name}, which no proxy asks for`),
  ];
}

function checkText(text) {
  const problems = [];
  const runtime = /~lib\/rt\/[\w/]+/.exec(text);
  if (runtime !== null) problems.push(`allocates: it holds ${runtime[0]} of the runtime`);
  if (/\(start\s/.test(text)) problems.push('has a start section, which runs before any context');
  return problems;
}
