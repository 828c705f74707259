/**
 * Bodies and answers of many megabytes on the thread that also answers proxies: each is taken and
 * given piece by piece, so that no call waits for one of them to be copied. It must never look into
 * one.
 */
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from './problem.ts';

/** Lets a server take JSON as pieces of bytes, unread, up to the limit of the route. */
export function takeLargeBodies(server: FastifyInstance): void {
  server.removeContentTypeParser('application/json');
  server.addContentTypeParser(
    'application/json',
    async (request: FastifyRequest, payload: IncomingMessage) => {
      const limit = request.routeOptions.bodyLimit ?? server.initialConfig.bodyLimit ?? 0;
      if (Number(request.headers['content-length'] ?? 0) > limit) throw tooLarge(limit);
      const body = new GrowingBody(limit);
      // What is refused is read to its end all the same, or the caller would never see why.
      for await (const bytes of payload.iterator({ destroyOnReturn: false })) {
        if (!body.add(bytes as Buffer)) throw tooLarge(limit);
      }
      return body.pieces();
    },
  );
}

const FIRST_PIECE_BYTES = 65_536;
const PIECE_BYTES_MAX = 1_048_576;

/**
 * A body in memory that grows as it comes, whatever a header says of its length: at most what came
 * once more, and never by more than a piece.
 */
export class GrowingBody {
  readonly #limit: number;
  readonly #full: Uint8Array[] = [];
  #last = new Uint8Array(0);
  #filled = 0;
  #length = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes of memory that are taken. */
  get taken(): number {
    return this.#full.reduce((sum, { length }) => sum + length, this.#last.length);
  }

  /** Keeps some bytes more; false when that would be too many. */
  add(bytes: Uint8Array): boolean {
    if (this.#length + bytes.length > this.#limit) return false;
    for (let rest = bytes; rest.length > 0; ) {
      if (this.#filled === this.#last.length) this.#begin();
      const now = rest.subarray(0, this.#last.length - this.#filled);
      this.#last.set(now, this.#filled);
      this.#filled += now.length;
      rest = rest.subarray(now.length);
    }
    this.#length += bytes.length;
    return true;
  }

  /** What came, each piece in memory of its own, so that it can be handed over. */
  pieces(): readonly Uint8Array[] {
    return [...this.#full, this.#last.slice(0, this.#filled)];
  }

  #begin(): void {
    if (this.#filled > 0) this.#full.push(this.#last);
    const size = Math.min(PIECE_BYTES_MAX, Math.max(FIRST_PIECE_BYTES, this.#length));
    this.#last = new Uint8Array(size);
    this.#filled = 0;
  }
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
