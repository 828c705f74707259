/**
 * The response Envoy makes of `proxy_send_local_response`, as measured on Envoy 1.39.3: which
 * headers it adds, joins and drops, and how a gRPC caller is answered. Pure.
 */
import { HeaderMap } from './header-map.ts';
import type { Pair } from './pairs.ts';

/** What the guest (or a failing VM) answers the caller. */
export interface LocalResponse {
  status: number;
  /** Envoy's response code details; blanks are turned into `_`. */
  details: string;
  body: string;
  headers: readonly Pair[];
  /** The gRPC status given, or undefined for none. */
  grpcStatus: number | undefined;
}

/** The highest gRPC status there is; a number beyond counts as none. */
const GRPC_STATUS_MAX = 16;
const GRPC_UNKNOWN = 2;

const GRPC_BY_HTTP: Readonly<Record<number, number>> = {
  400: 13,
  401: 16,
  403: 7,
  404: 12,
  429: 14,
  502: 14,
  503: 14,
  504: 14,
};

/** Reads the gRPC status a guest gives; -1 and everything unknown are none. */
export function grpcStatus(given: number): number | undefined {
  const status = given >>> 0;
  return status <= GRPC_STATUS_MAX ? status : undefined;
}

/** Details as Envoy keeps them: no blanks. */
export function responseDetails(details: string): string {
  return details.replace(/[ \t\n\v\f\r]/g, '_');
}

function isGrpc(request: HeaderMap): boolean {
  const type = request.get('content-type') ?? '';
  return type === 'application/grpc' || type.startsWith('application/grpc+');
}

function percentEncode(text: string): string {
  const encode = (char: string) =>
    `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the bytes gRPC forbids in a message.
  return text.replace(/[\x00-\x1f%\x7f-\xff]/g, encode);
}

/** The headers and body of a local response to `request`, before the filter sees them. */
export function localReply(
  request: HeaderMap,
  response: LocalResponse,
): { headers: HeaderMap; body: string } {
  const grpc = isGrpc(request);
  const headers = new HeaderMap('response', [[':status', String(grpc ? 200 : response.status)]]);
  for (const [name, value] of response.headers) headers.add(name, value);
  const head = request.get(':method') === 'HEAD';
  if (grpc) {
    const status = response.grpcStatus ?? GRPC_BY_HTTP[response.status] ?? GRPC_UNKNOWN;
    headers.remove('content-length');
    headers.replace('content-type', 'application/grpc');
    headers.replace('grpc-status', String(status));
    if (response.body !== '' && !head)
      headers.replace('grpc-message', percentEncode(response.body));
    return { headers, body: '' };
  }
  if (response.body === '') {
    headers.remove('content-length');
    headers.remove('content-type');
    return { headers, body: '' };
  }
  headers.replace('content-length', String(response.body.length));
  if (headers.get('content-type') === undefined) headers.add('content-type', 'text/plain');
  return { headers, body: head ? '' : response.body };
}
