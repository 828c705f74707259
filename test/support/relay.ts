/**
 * A bad network between proxies and the host: passes their calls on, and where a test says so
 * delays, cuts or changes the answers. It must never change what a proxy says to the host.
 */
import http from 'node:http';
import type { AddressInfo } from 'node:net';

/** A call on its way to the host. */
export interface RelayedCall {
  method: string;
  path: string;
}

/** What to do with a call. */
export interface Treatment {
  /** Waits for this before the answer goes back. */
  hold?: Promise<unknown>;
  /** Closes the connection instead of answering. */
  cut?: boolean;
  /** Changes the body of the answer. */
  alter?: (body: Buffer) => Buffer;
}

/** A relay on a port of its own. Disposing of it closes it and its connections. */
export class Relay implements AsyncDisposable {
  /** Decides about each call; by default all are passed on. */
  treat: (call: RelayedCall) => Treatment = () => ({});
  /** The calls so far, in the order of their arrival. */
  readonly calls: RelayedCall[] = [];
  /** Bytes of answer bodies so far, by the beginning of the path (`/v1/sync`). */
  readonly bodyBytes = new Map<string, number>();
  private readonly server: http.Server;
  private readonly agent = new http.Agent({ keepAlive: true });
  private readonly target: () => number;

  private constructor(target: () => number) {
    this.target = target;
    this.server = http.createServer({ keepAliveTimeout: 600_000 }, (request, response) => {
      this.pass(request, response).catch(() => response.destroy());
    });
  }

  /** Starts a relay to a port on 127.0.0.1, asked for anew at each call. */
  static async start(target: () => number): Promise<Relay> {
    const relay = new Relay(target);
    await new Promise<void>((resolve) => relay.server.listen(0, '127.0.0.1', resolve));
    return relay;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    this.agent.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async pass(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const call = { method: request.method ?? '', path: request.url ?? '' };
    this.calls.push(call);
    const { hold, cut = false, alter = (body) => body } = this.treat(call);
    const answer = await this.forward(request, response);
    await hold;
    if (cut) {
      response.destroy();
      return;
    }
    const body = alter(answer.body);
    const kind = call.path.split('/').slice(0, 3).join('/');
    this.bodyBytes.set(kind, (this.bodyBytes.get(kind) ?? 0) + body.length);
    const {
      'content-length': _length,
      'transfer-encoding': _encoding,
      ...headers
    } = answer.headers;
    response.writeHead(answer.status, { ...headers, 'content-length': body.length });
    response.end(body);
  }

  private forward(
    request: http.IncomingMessage,
    response: http.ServerResponse,
  ): Promise<{ status: number; headers: http.IncomingHttpHeaders; body: Buffer }> {
    return new Promise((resolve, reject) => {
      const { method, url: path, headers } = request;
      const options = { host: '127.0.0.1', port: this.target(), agent: this.agent };
      const onward = http.request({ ...options, method, path, headers });
      // A proxy that gives up must not leave a watch open at the host.
      response.on('close', () => onward.destroy());
      onward.on('error', reject);
      onward.on('response', (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', reject);
        answer.on('end', () => {
          const { statusCode: status = 0, headers: answered } = answer;
          resolve({ status, headers: answered, body: Buffer.concat(chunks) });
        });
      });
      request.pipe(onward);
    });
  }
}
