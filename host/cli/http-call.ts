/**
 * One HTTP call with one bound of time, from the first look-up of a name to the last byte of the
 * answer. It knows whether anything of the call may have left; it must never follow a redirect,
 * which could carry a token elsewhere.
 */
import http from 'node:http';
import https from 'node:https';
import { text } from 'node:stream/consumers';

/** A call. */
export interface HttpCall {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  /** Longest time until the answer is whole. No other bound holds. */
  readonly timeoutMs: number;
}

/** An answer, good or not. */
export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
}

/** Thrown when there is no answer, or half of one. */
export class CallFailed extends Error {
  /** A code of the system where it has one, else in words. */
  readonly why: string;
  /** Whether bytes of the call may have reached somebody. */
  readonly sent: boolean;

  constructor(why: string, sent: boolean) {
    super(why);
    this.name = 'CallFailed';
    this.why = why;
    this.sent = sent;
  }
}

/** Makes a call. Throws what Node throws for headers that cannot be sent. */
export async function callHttp(url: URL, call: HttpCall): Promise<HttpAnswer> {
  const { method, headers, body, timeoutMs } = call;
  const secure = url.protocol === 'https:';
  const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
  let sent = false;
  const fail = ({ code, message }: NodeJS.ErrnoException) => {
    reject(new CallFailed(code ?? message, sent));
  };
  const options = {
    ...{ method, agent: false },
    headers: {
      ...headers,
      ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }),
    },
  };
  const request = (secure ? https : http).request(url, options, (response) => {
    const { statusCode: status = 0 } = response;
    text(response).then((whole) => resolve({ status, text: whole }), fail);
  });
  // A connection is made for this call alone: before it stands, and is trusted, nothing leaves.
  request.once('socket', (socket) =>
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      sent = true;
    }),
  );
  request.on('error', fail);
  const timer = setTimeout(() => {
    request.destroy(new Error(`no answer in ${timeoutMs / 1_000} s`));
  }, timeoutMs);
  request.end(body);
  return promise.finally(() => clearTimeout(timer));
}
