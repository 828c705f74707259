/**
 * A stream no filter sees: what Envoy does with requests under the failure policy `open`, and on a
 * thread whose VM refused a configuration the canary had taken.
 */
import { HeaderMap } from './header-map.ts';
import type { Pair } from './pairs.ts';
import type { Answer, Outcome, StreamRequest, StreamView, UpstreamResponse } from './stream.ts';

/** A stream without a filter. */
export class UnfilteredStream implements StreamView {
  readonly outcome: Outcome = 'continued';
  readonly upstreamHeaders: Pair[];
  readonly localResponse = undefined;
  answer: Answer | undefined;

  constructor(request: StreamRequest) {
    this.upstreamHeaders = new HeaderMap('request', request.headers).pairs();
  }

  respond(response: UpstreamResponse): void {
    const headers = new HeaderMap('response', response.headers);
    const status = Number(headers.get(':status'));
    this.answer = { status, headers: headers.pairs(), body: response.body ?? '' };
  }

  end(): void {}
}
