/**
 * The four calls of docs/wire.md as a filter makes them, over one kept-alive connection each. A
 * call answers a value or how it failed; it must never retry and never accept what a filter would
 * refuse.
 */
import http from 'node:http';
import {
  type DirectoryReply,
  decodeDirectory,
  type WireCursor,
} from '../../host/wire/directory.ts';
import { MEDIA_TYPE, REPLY_BYTES_MAX } from '../../host/wire/host.ts';
import { decodeManifest, digestOf, type Manifest } from '../../host/wire/manifest.ts';
import type { Decoded } from '../../host/wire/reader.ts';
import {
  decodeSyncReply,
  encodeSyncRequest,
  type SyncReply,
  type SyncRequest,
} from '../../host/wire/sync.ts';
import {
  decodeWatchReply,
  encodeWatchRequest,
  type WatchReply,
  type WatchRequest,
} from '../../host/wire/watch.ts';

/** Where a host is and who calls it. */
export interface CallTarget {
  /** Asked before each call, because a host that was restarted may have another port. */
  readonly port: () => number;
  readonly group: string;
  readonly secret?: string | undefined;
}

/** Why a call failed: `status` 0 = no answer; `refused` = an answer that a filter refuses. */
export class CallFailed extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'CallFailed';
    this.status = status;
  }
}

/** Longest wait for an answer: the filter's time-out of a watch, and of everything else. */
const WATCH_TIMEOUT_MS = 35_000;
const CALL_TIMEOUT_MS = 5_000;

/** The calls of one engine. */
export class ProtocolCalls {
  readonly #target: CallTarget;
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
  /** Body bytes received, by call. */
  readonly received = { policy: 0, directory: 0, watch: 0, sync: 0 };

  constructor(target: CallTarget) {
    this.#target = target;
  }

  /** The manifest of the group's policy. */
  async manifest(): Promise<Manifest> {
    return decoded(
      await this.#call('policy', 'GET', `/v1/policy/${this.#target.group}`),
      decodeManifest,
    );
  }

  /** All pages of a manifest, each held to its digest, put together. */
  async policy(manifest: Manifest): Promise<Uint8Array> {
    const name = Buffer.from(manifest.digest).toString('hex');
    const pages: Uint8Array[] = [];
    for (const [page, digest] of manifest.pageDigests.entries()) {
      const path = `/v1/policy/${this.#target.group}/${name}/${page}`;
      const bytes = await this.#call('policy', 'GET', path);
      if (!Buffer.from(digestOf(bytes)).equals(digest)) throw new CallFailed(200, 'wrong page');
      pages.push(bytes);
    }
    const whole = Buffer.concat(pages);
    if (whole.length !== manifest.length) throw new CallFailed(200, 'wrong length');
    return new Uint8Array(whole);
  }

  /** One page of the directory. */
  async directory(after: number, cursor: WireCursor): Promise<DirectoryReply> {
    const { revision, kind, id } = cursor;
    const walk = revision === 0 ? '' : `&cursor=${revision}.${kind}.${id}`;
    const path = `/v1/directory/${this.#target.group}?after=${after}${walk}`;
    return decoded(await this.#call('directory', 'GET', path), decodeDirectory);
  }

  /** Opens a watch and waits for its answer. */
  async watch(request: WatchRequest): Promise<WatchReply> {
    const path = `/v1/watch/${this.#target.group}`;
    const body = encodeWatchRequest(request);
    return decoded(
      await this.#call('watch', 'POST', path, body, WATCH_TIMEOUT_MS),
      decodeWatchReply,
    );
  }

  /** One sync call. */
  async sync(request: SyncRequest): Promise<SyncReply> {
    const path = `/v1/sync/${this.#target.group}`;
    return decoded(
      await this.#call('sync', 'POST', path, encodeSyncRequest(request)),
      decodeSyncReply,
    );
  }

  /** Gives every call up and closes the connections. */
  close(): void {
    this.#agent.destroy();
  }

  #call(
    kind: keyof ProtocolCalls['received'],
    method: string,
    path: string,
    body?: Uint8Array,
    timeoutMs = CALL_TIMEOUT_MS,
  ): Promise<Uint8Array> {
    const { port, secret } = this.#target;
    const headers: http.OutgoingHttpHeaders = { host: 'sidegate', 'x-sidegate-format': '1' };
    if (secret !== undefined) headers.authorization = `Bearer ${secret}`;
    if (body !== undefined) {
      headers['content-type'] = MEDIA_TYPE;
      headers['content-length'] = body.length;
    }
    return new Promise((resolve, reject) => {
      const options = {
        host: '127.0.0.1',
        port: port(),
        method,
        path,
        headers,
        agent: this.#agent,
      };
      const request = http.request(options, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', (error) => reject(new CallFailed(0, error.message)));
        response.on('end', () => {
          const bytes = new Uint8Array(Buffer.concat(chunks));
          this.received[kind] += bytes.length;
          const { statusCode = 0 } = response;
          if (statusCode !== 200) {
            reject(new CallFailed(statusCode, Buffer.from(bytes).toString()));
          } else if (bytes.length > REPLY_BYTES_MAX) {
            reject(new CallFailed(200, `a reply of ${bytes.length} bytes`));
          } else resolve(bytes);
        });
      });
      request.setTimeout(timeoutMs, () => request.destroy(new Error('no answer in time')));
      request.on('error', (error) => reject(new CallFailed(0, error.message)));
      request.end(body);
    });
  }
}

function decoded<T>(bytes: Uint8Array, decode: (bytes: Uint8Array) => Decoded<T>): T {
  const result = decode(bytes);
  if (result.ok) return result.value;
  throw new CallFailed(200, `refused: ${result.code} in ${result.what}`);
}
