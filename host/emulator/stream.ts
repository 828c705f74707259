/**
 * One HTTP stream through the filter: the request phase, the way upstream or a local response, the
 * response phase, and the end. Keeps Envoy's rules about which header map can be read or written
 * when, and about what happens only after the guest has returned.
 */
import { StreamType } from './abi.ts';
import { EnvoyWouldCrash, NotEmulated } from './errors.ts';
import { type HeaderList, HeaderMap } from './header-map.ts';
import { type LocalResponse, localReply } from './local-reply.ts';
import type { Pair } from './pairs.ts';
import { Properties, type PropertyList } from './properties.ts';
import type { Root } from './root.ts';
import type { Vm } from './vm.ts';

/** A request to begin a stream with. */
export interface StreamRequest {
  /** Pseudo headers included; a `HeaderMap` made once spares encoding it again. */
  headers: HeaderList | HeaderMap;
  /** Whether the headers are the whole request; true by default. */
  endOfStream?: boolean;
  properties?: PropertyList;
  connectionId?: number;
}

/** A response from upstream. */
export interface UpstreamResponse {
  /** With `:status`. */
  headers: HeaderList | HeaderMap;
  body?: string;
  /** Whether the headers are the whole response; true by default if there is no body. */
  endOfStream?: boolean;
}

/**
 * What became of a request: it waits in the filter, went upstream, was answered by the filter (or
 * for it, if its VM is dead), or was cut off.
 */
export type Outcome = 'paused' | 'continued' | 'replied' | 'reset';

/** What the caller got. */
export interface Answer {
  status: number;
  headers: Pair[];
  body: string;
}

/** What a stream shows to a caller of the emulator, whether or not a filter saw it. */
export interface StreamView {
  readonly outcome: Outcome;
  /** The headers as upstream got them, or undefined if it got none. */
  readonly upstreamHeaders: Pair[] | undefined;
  readonly localResponse: LocalResponse | undefined;
  /** What the caller got so far. */
  readonly answer: Answer | undefined;
  /** Lets upstream answer. */
  respond(response: UpstreamResponse): void;
  /** Ends the stream: log, done, delete. Once only. */
  end(): void;
}

const FAIL_STREAM: LocalResponse = {
  status: 503,
  details: 'wasm_fail_stream',
  body: '',
  headers: [],
  grpcStatus: 14,
};

/** One stream. Made by `Vm.request`. */
export class Stream implements StreamView {
  readonly id: number;
  readonly vm: Vm;
  readonly root: Root;
  readonly properties: Properties | undefined;
  readonly connectionId: number;
  /** Filter state by its full name (`wasm.x`). */
  readonly filterState = new Map<string, Uint8Array>();
  outcome: Outcome = 'paused';
  localResponse: LocalResponse | undefined;
  /** Envoy's response code details. */
  details: string | undefined;
  /** The response's status, once there is one. */
  status: number | undefined;
  readonly #request: HeaderMap;
  #response: HeaderMap | undefined;
  #body = '';
  #requestOpen = false;
  #responseOpen = false;
  #logging = false;
  #replies = 0;
  #sentUpstream = false;
  #ended = false;
  #created = false;

  constructor(vm: Vm, root: Root, id: number, request: StreamRequest) {
    this.vm = vm;
    this.root = root;
    this.id = id;
    this.connectionId = request.connectionId ?? id;
    this.properties = request.properties && new Properties(request.properties);
    this.#request = new HeaderMap('request', request.headers);
  }

  get upstreamHeaders(): Pair[] | undefined {
    return this.#sentUpstream ? this.#request.pairs() : undefined;
  }

  get answer(): Answer | undefined {
    if (!this.#response) return undefined;
    const status = Number(this.#response.get(':status'));
    return { status, headers: this.#response.pairs(), body: this.#body };
  }

  /** The map a guest may read now, or undefined. In the log phase both can be read. */
  readable(kind: 'request' | 'response'): HeaderMap | undefined {
    if (kind === 'request') {
      return this.#requestOpen || this.#logging ? this.#request : undefined;
    }
    if (this.#logging) return this.#response ?? new HeaderMap('response');
    return this.#responseOpen ? this.#response : undefined;
  }

  /** The map a guest may change now, or undefined. */
  writable(kind: 'request' | 'response'): HeaderMap | undefined {
    if (kind === 'request') return this.#requestOpen ? this.#request : undefined;
    return this.#responseOpen ? this.#response : undefined;
  }

  /** Whether the access log is being written, when reads of absent maps answer differently. */
  get logging(): boolean {
    return this.#logging;
  }

  /** Runs the request phase; called once by the VM. */
  begin(endOfStream: boolean): void {
    const { guest } = this.vm;
    if (!guest.failure) {
      this.#created = true;
      guest.call('proxy_on_context_create', this.id, this.id, this.root.id);
      this.vm.afterCall();
    }
    if (guest.failure) {
      this.#fail();
      return;
    }
    this.#requestOpen = true;
    const size = this.#request.size;
    const end = endOfStream ? 1 : 0;
    const action = guest.call('proxy_on_request_headers', this.id, this.id, size, end) ?? 0;
    if (guest.failure) this.#fail();
    const stays = action !== 0 || this.vm.stopsIteration;
    this.vm.afterCall();
    if (this.outcome === 'paused' && !stays) this.#continueRequest();
  }

  /** Answers `proxy_continue_stream`. */
  continueStream(type: number): void {
    if (type === StreamType.response) {
      if (this.#response === undefined) {
        throw new EnvoyWouldCrash('continuing a response that has not begun');
      }
      throw new NotEmulated('a response that was paused');
    }
    this.#requestOpen = false;
    this.vm.defer(() => this.#continueRequest());
  }

  /** Answers `proxy_close_stream`. */
  closeStream(): void {
    this.vm.defer(() => {
      if (this.#ended) return;
      this.details ??= 'wasm_close_stream';
      this.outcome = 'reset';
    });
  }

  /** Answers `proxy_send_local_response`; the first one wins. */
  sendLocalResponse(response: LocalResponse): void {
    this.#replies++;
    this.vm.defer(() => {
      this.#replies--;
      this.#reply(response);
    });
  }

  respond(response: UpstreamResponse): void {
    if (this.#ended || this.#response || !this.#sentUpstream || this.outcome !== 'continued') {
      throw new Error(`upstream cannot answer a stream that is ${this.outcome}`);
    }
    this.#response = new HeaderMap('response', response.headers);
    this.#body = response.body ?? '';
    this.status = Number(this.#response.get(':status'));
    this.details = 'via_upstream';
    this.#encode(response.endOfStream ?? this.#body === '');
  }

  end(): void {
    if (this.#ended) throw new Error('the stream has ended already');
    this.#ended = true;
    const { guest } = this.vm;
    this.#requestOpen = false;
    this.#responseOpen = false;
    if (this.#created) {
      this.#logging = true;
      guest.call('proxy_on_log', this.id, this.id);
      this.vm.afterCall();
      this.#logging = false;
      guest.call('proxy_on_done', this.id, this.id);
      this.vm.afterCall();
      guest.call('proxy_on_delete', this.id, this.id);
      this.vm.afterCall();
    }
    this.vm.forgetContext(this.id);
    this.root.streamEnded(this);
  }

  #continueRequest(): void {
    if (this.localResponse) {
      throw new NotEmulated('continuing a stream that was answered: it may go upstream as well');
    }
    if (this.#ended || this.#sentUpstream || this.outcome !== 'paused') return;
    this.#requestOpen = false;
    this.#sentUpstream = true;
    this.outcome = 'continued';
  }

  #reply(response: LocalResponse): void {
    if (this.#ended || this.localResponse || this.outcome === 'reset') return;
    if (this.#response && !this.#responseOpen) {
      throw new NotEmulated('a local response after the response has gone out');
    }
    const reply = localReply(this.#request, response);
    const filtered = this.#response === undefined;
    this.localResponse = response;
    this.outcome = 'replied';
    this.details = response.details;
    this.#response = reply.headers;
    this.#body = reply.body;
    this.status = Number(reply.headers.get(':status'));
    if (filtered) this.#encode(!reply.headers.get('content-length'));
  }

  /** Lets the guest see the response, also a local one. */
  #encode(endOfStream: boolean): void {
    const { guest } = this.vm;
    if (!this.#created || !this.#response) return;
    if (guest.failure) {
      this.#fail();
      return;
    }
    this.#responseOpen = true;
    const size = this.#response.size;
    const end = endOfStream || this.#request.get(':method') === 'HEAD' ? 1 : 0;
    const action = guest.call('proxy_on_response_headers', this.id, this.id, size, end);
    const stays = action || (this.vm.stopsIteration && this.#replies === 0);
    if (guest.failure) this.#fail();
    else if (stays) throw new NotEmulated('a response that is paused');
    this.vm.afterCall();
    this.#responseOpen = false;
  }

  /** Answers for a dead VM; a local response that waits is lost. */
  #fail(): void {
    const reply = localReply(this.#request, FAIL_STREAM);
    this.localResponse = FAIL_STREAM;
    this.outcome = 'replied';
    this.details = FAIL_STREAM.details;
    this.#response = reply.headers;
    this.#body = reply.body;
    this.status = Number(reply.headers.get(':status'));
    this.#requestOpen = false;
    this.#responseOpen = false;
  }
}
