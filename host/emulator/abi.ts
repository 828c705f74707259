/**
 * The numbers and names of the proxy-wasm ABI 0.2.1 as Envoy implements it: result codes, map,
 * buffer, metric and stream types, and the order of callbacks. Holds no behaviour.
 */

/** What an ABI call answers. */
export const Result = {
  ok: 0,
  notFound: 1,
  badArgument: 2,
  serializationFailure: 3,
  parseFailure: 4,
  invalidMemoryAccess: 6,
  empty: 7,
  casMismatch: 8,
  internalFailure: 10,
  brokenConnection: 11,
  unimplemented: 12,
} as const;

/** The header maps a guest can name. */
export const MapType = {
  requestHeaders: 0,
  requestTrailers: 1,
  responseHeaders: 2,
  responseTrailers: 3,
  grpcInitialMetadata: 4,
  grpcTrailingMetadata: 5,
  callHeaders: 6,
  callTrailers: 7,
} as const;

/** The highest number of a header map; above it every call answers `badArgument`. */
export const MAP_TYPE_MAX = 7;

/** The buffers a guest can name. */
export const BufferType = {
  requestBody: 0,
  responseBody: 1,
  downstream: 2,
  upstream: 3,
  callBody: 4,
  grpc: 5,
  vmConfiguration: 6,
  pluginConfiguration: 7,
  callData: 8,
} as const;

/** The highest number of a buffer; above it every call answers `badArgument`. */
export const BUFFER_TYPE_MAX = 8;

/** Log levels, in the order of their numbers. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'critical'] as const;

/** The name of a log level. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What a metric is. The two low bits of a metric's id are its type. */
export const MetricType = { counter: 0, gauge: 1, histogram: 2 } as const;

/** What `proxy_continue_stream` and `proxy_close_stream` name. */
export const StreamType = { request: 0, response: 1, downstream: 2, upstream: 3 } as const;

/** The highest number of a stream type. */
export const STREAM_TYPE_MAX = 3;

/** Bytes of a page of WebAssembly memory. */
export const PAGE_BYTES = 65_536;

/** Pages a module's memory may have in Envoy (1 GiB). */
export const MEMORY_PAGES_MAX = 16_384;

/** The largest pairs buffer Envoy reads from a guest, in bytes; a larger one is read as empty. */
export const PAIRS_BYTES_MAX = 1_048_576;

/** The most pairs Envoy reads from a guest; more are read as none. */
export const PAIRS_MAX = 1_024;

/** The most bytes one `random_get` gives; more answers EINVAL. */
export const RANDOM_BYTES_MAX = 65_536;

/** WASI error numbers that are in use here. */
export const Errno = {
  success: 0,
  badf: 8,
  fault: 21,
  inval: 28,
  noent: 44,
  nosys: 52,
  notsup: 58,
} as const;

/** The import modules under which Envoy offers WASI. */
export const WASI_MODULES = ['wasi_snapshot_preview1', 'wasi_unstable'] as const;
