/**
 * Requests as bytes over one kept connection, for what an HTTP library would tidy up or refuse to
 * send. One at a time; a connection that the other side closes is opened anew.
 */
import net from 'node:net';

/** An answer; `status` 0 means that the connection ended without one. */
export interface RawAnswer {
  status: number;
  headers: Map<string, string>;
  body: string;
}

const TIMEOUT_MS = 20_000;

/** A connection to a port of 127.0.0.1 that may be used again and again. */
export class RawClient implements Disposable {
  readonly #port: number;
  #socket: net.Socket | undefined;
  #received = '';
  #wake: () => void = () => undefined;

  constructor(port: number) {
    this.#port = port;
  }

  /** Sends bytes, given one letter each, and waits for the whole answer. */
  async ask(bytes: string): Promise<RawAnswer> {
    const socket = await this.#connected();
    socket.write(Buffer.from(bytes, 'latin1'));
    for (;;) {
      const answer = this.#take();
      if (answer !== undefined) {
        if (answer.headers.get('connection') === 'close') this.#drop();
        return answer;
      }
      if (socket.destroyed || this.#socket !== socket) {
        this.#drop();
        return { status: 0, headers: new Map(), body: '' };
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  [Symbol.dispose](): void {
    this.#drop();
  }

  #drop(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
    this.#received = '';
  }

  async #connected(): Promise<net.Socket> {
    if (this.#socket !== undefined && !this.#socket.destroyed) return this.#socket;
    this.#received = '';
    const socket = net.connect({ host: '127.0.0.1', port: this.#port });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve).once('error', reject);
    });
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      this.#received += chunk.toString('latin1');
      this.#wake();
    });
    socket.on('error', () => undefined).on('close', () => this.#wake());
    this.#socket = socket;
    return socket;
  }

  /** The answer at the front of what was received, once it is whole. */
  #take(): RawAnswer | undefined {
    const end = this.#received.indexOf('\r\n\r\n');
    if (end < 0) return undefined;
    const [line = '', ...rows] = this.#received.slice(0, end).split('\r\n');
    const headers = new Map(
      rows.map((row) => {
        const colon = row.indexOf(':');
        return [row.slice(0, colon).toLowerCase(), row.slice(colon + 1).trim()];
      }),
    );
    const length = Number(headers.get('content-length') ?? 0);
    if (this.#received.length < end + 4 + length) return undefined;
    const body = this.#received.slice(end + 4, end + 4 + length);
    this.#received = this.#received.slice(end + 4 + length);
    return { status: Number(line.split(' ')[1] ?? 0), headers, body };
  }
}
