/**
 * The callbacks the proxy calls, and nothing else: only those in use are exported, because each one
 * costs every request. No logic stands here.
 */
import { findRoot } from './engine/roots';
import { addStream, recordOfStream } from './pipeline/streams';
import { allocate } from './shell/arena';
import { onResponseHeaders } from './shell/response';
import { onCallResponse, onConfigure, onRootCreate, onRootDone, onTick } from './shell/root';
import { endStream, onRequestHeaders } from './shell/stream';

/** Marks the version of the ABI. */
export function proxy_abi_version_0_2_1(): void {}

/** Room for what the proxy hands over, 0 when there is none. */
export function malloc(bytes: usize): usize {
  return allocate(bytes);
}

/** A root context when `parent` is 0, else a stream of that root. */
export function proxy_on_context_create(id: u32, parent: u32): void {
  if (parent == 0) onRootCreate(id);
  else addStream(id, parent);
}

/** 1 = the configuration is accepted. */
export function proxy_on_configure(id: u32, length: u32): u32 {
  return onConfigure(id, length) ? 1 : 0;
}

/** Time passes. */
export function proxy_on_tick(id: u32): void {
  onTick(id);
}

/** 0 = goes on, 1 = waits or was answered. */
export function proxy_on_request_headers(id: u32, _headers: u32, _end: u32): i32 {
  return onRequestHeaders(id);
}

/** Always 0: a response never waits. */
export function proxy_on_response_headers(id: u32, _headers: u32, _end: u32): i32 {
  onResponseHeaders(id);
  return 0;
}

/** The host answered, or did not. */
export function proxy_on_http_call_response(
  id: u32,
  call: u32,
  headers: u32,
  bytes: u32,
  _trailers: u32,
): void {
  onCallResponse(id, call, headers, bytes);
}

/**
 * A context is over; 1 = nothing is left to do. This one callback serves streams and roots:
 * `on_log` and `on_delete`, which follow it around, would cost every request a crossing each.
 */
export function proxy_on_done(id: u32): u32 {
  const root = findRoot(id);
  if (root != 0) return onRootDone(root) ? 1 : 0;
  endStream(id);
  return 1;
}

/** Address of the decision record of a stream (see decision/record.ts), 0 when it has none. */
export function sidegate_decision(id: u32): usize {
  return recordOfStream(id);
}
