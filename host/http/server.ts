/**
 * The web server both ports are made of: request ids, problems for everything that goes wrong,
 * logs without secrets. It must never define a route.
 */
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import { LazyLog } from './lazy-log.ts';
import { onError, PROBLEM_TYPE, Problem, problemBody, sendProblem } from './problem.ts';

/** Logger of a server; pino. */
export type Log = FastifyBaseLogger;

/** How the servers of the two ports differ. */
export interface ServerOptions {
  readonly log: Log;
  /** Most bytes of a request body. */
  readonly bodyBytesMax: number;
  /** Idle connections are kept open for so long. */
  readonly keepAliveMs: number;
}

/** Names of fields that never reach a log line, at the top and one level below. */
export const REDACTED_FIELDS = ['key', 'token', 'secret', 'authorization', 'cookie', 'x-api-key'];

/** Paths for pino's redaction. */
export const REDACTED_PATHS = REDACTED_FIELDS.flatMap((field) => [
  `["${field}"]`,
  `*["${field}"]`,
  `*.headers["${field}"]`,
]);

/** Answers bytes that are no HTTP; there is no request yet, so that it is written by hand. */
function refuseUnreadable(_error: Error, socket: Socket): void {
  const body = JSON.stringify(problemBody(new Problem('bad_request', 'this is no HTTP'), ''));
  const head = `content-type: ${PROBLEM_TYPE}\r\ncontent-length: ${body.length}`;
  if (!socket.writable) return;
  socket.end(`HTTP/1.1 400 Bad Request\r\n${head}\r\nconnection: close\r\n\r\n${body}`);
}

const flat = Buffer.alloc(36);

/**
 * A fresh id. One that `randomUUID` just made is some thirty pieces, which a watch would hold for
 * as long as it is open; written down and read back it is one.
 */
function requestId(): string {
  flat.write(randomUUID(), 'latin1');
  return flat.toString('latin1');
}

/** A server without routes. */
export function makeServer({ log, bodyBytesMax, keepAliveMs }: ServerOptions): FastifyInstance {
  const server = Fastify({
    loggerInstance: log,
    // Each port logs what it finds worth a line; thousands of watches are not.
    logController: new LogController({
      disableRequestLogging: true,
      requestIdLogLabel: 'requestId',
    }),
    childLoggerFactory: LazyLog.make,
    genReqId: requestId,
    requestIdHeader: false,
    bodyLimit: bodyBytesMax,
    keepAliveTimeout: keepAliveMs,
    forceCloseConnections: 'idle',
    // The router's own bound would answer in a form of its own; Node bounds the line before it.
    routerOptions: { maxParamLength: 16_384 },
    frameworkErrors: onError,
    clientErrorHandler: refuseUnreadable,
    // What a caller misspelt is an error, not something to drop or to guess at.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, allErrors: true } },
  });
  server.setErrorHandler(onError);
  server.setNotFoundHandler((_request, reply) => {
    sendProblem(reply, new Problem('not_found', 'there is nothing at this path and method'));
  });
  let closing = false;
  server.addHook('preClose', async () => {
    closing = true;
  });
  server.addHook('onSend', async (request, reply) => {
    reply.header('x-request-id', request.id);
    // Else a connection that is kept would hold the end of the host up.
    if (closing) reply.header('connection', 'close');
  });
  return server;
}
