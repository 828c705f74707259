/**
 * Bodies and answers of many megabytes on the thread that also answers proxies: each is taken and
 * given piece by piece, so that no call waits for one of them to be copied. It must never look into
 * one.
 */
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from './problem.ts';

/** Lets a server take JSON as bytes, unread, in memory of its own, up to the limit of the route. */
export function takeLargeBodies(server: FastifyInstance): void {
  server.removeContentTypeParser('application/json');
  server.addContentTypeParser(
    'application/json',
    async (request: FastifyRequest, payload: IncomingMessage) => {
      const limit = request.routeOptions.bodyLimit ?? server.initialConfig.bodyLimit ?? 0;
      const length = Number(request.headers['content-length'] ?? limit);
      if (!(length <= limit)) throw tooLarge(limit);
      // Put together as it comes: at the end there is nothing left to copy.
      const body = Buffer.allocUnsafeSlow(length);
      let filled = 0;
      // What is refused is read to its end all the same, or the caller would never see why.
      for await (const piece of payload.iterator({ destroyOnReturn: false })) {
        if (filled + piece.length > length) throw tooLarge(limit);
        filled += (piece as Buffer).copy(body, filled);
      }
      return filled === length ? body : Uint8Array.from(body.subarray(0, filled));
    },
  );
}

function tooLarge(limit: number): Problem {
  return new Problem('too_large', `the body is longer than ${limit} bytes`);
}

/** Answers JSON of a few fields and, as the last, one that was written elsewhere. */
export function sendWith(
  reply: FastifyReply,
  fields: object,
  name: string,
  value: Uint8Array,
): FastifyReply {
  const head = Buffer.from(JSON.stringify(fields).replace(/}$/, `,${JSON.stringify(name)}:`));
  const pieces = [head, value, Buffer.from('}')];
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  return reply
    .type('application/json; charset=utf-8')
    .header('content-length', length)
    .send(Readable.from(pieces, { objectMode: false }));
}
