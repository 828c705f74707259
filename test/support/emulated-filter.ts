/**
 * The module that ships, run in the emulator against a real host over a real connection: a filter
 * among protocol clients. It tells which directory revision it holds by what its watch asks for; it
 * must never look into the filter's memory.
 */
import assert from 'node:assert/strict';
import {
  Clusters,
  followRealTime,
  type HttpCall,
  type LoadedModule,
  origin,
  type Pair,
  seededRandom,
  VirtualClock,
  Vm,
} from '../../host/emulator/index.ts';
import { decodeWatchRequest } from '../../host/wire/watch.ts';

const CLUSTER = 'sidegate-host';
const TICK_MS = 5;

/** A VM with the filter that follows a host until it is stopped. */
export class EmulatedFilter {
  /** The directory revision its last watch asked from; 0 until it holds a whole directory. */
  revision = 0;
  /** Bytes of all answers to its watches. */
  watchedBytes = 0;
  readonly #onRevision: (from: number, to: number) => void;
  readonly #stop: () => void;
  readonly #vm: Vm;

  /** `seed` makes the filter's chance repeatable; `onRevision` hears of every step forward. */
  constructor(
    module: LoadedModule,
    syncPort: number,
    seed: number,
    onRevision: (from: number, to: number) => void = () => undefined,
  ) {
    this.#onRevision = onRevision;
    const host = origin(`http://127.0.0.1:${syncPort}`);
    const clock = new VirtualClock({ startUnixMs: Date.now() });
    const clusters = new Clusters();
    clusters.set(CLUSTER, async (call) => {
      const isWatch = call.path.startsWith('/v1/watch/');
      if (isWatch) this.#hear(call);
      const answer = await host.handler(call);
      if (isWatch && typeof answer === 'object') this.watchedBytes += answer.body?.length ?? 0;
      return answer;
    });
    const vm = new Vm(module, { clock, clusters, random: seededRandom(seed) });
    const configuration = JSON.stringify({ clusters: [CLUSTER] });
    const root = vm.createRoot({ name: 'sidegate', configuration });
    assert.equal(root.state, 'live');
    this.#vm = vm;
    const stopClock = followRealTime(clock, TICK_MS);
    this.#stop = () => {
      stopClock();
      vm.close();
      host.close();
    };
  }

  /**
   * Sends a request and answers its status and the headers that went upstream, if it did; undefined
   * while the filter holds it, which ends it.
   */
  ask(path: string, key: string): { status: number; upstream: Pair[] } | undefined {
    const stream = this.#vm.request({
      headers: [
        ...[pair(':method', 'GET'), pair(':path', path), pair(':authority', 'orders')],
        ...[pair(':scheme', 'http'), pair('x-api-key', key)],
      ],
    });
    const upstream = stream.upstreamHeaders ?? [];
    if (stream.outcome === 'continued') stream.respond({ headers: [pair(':status', '200')] });
    const { answer } = stream;
    stream.end();
    return answer && { status: answer.status, upstream };
  }

  /** Ends the filter and its connections. */
  stop(): void {
    this.#stop();
  }

  #hear(call: HttpCall): void {
    const request = decodeWatchRequest(call.body);
    assert.ok(request.ok, 'the filter asks as docs/wire.md says');
    const { complete, directoryRevision } = request.value;
    if (!complete || directoryRevision <= this.revision) return;
    this.#onRevision(this.revision, directoryRevision);
    this.revision = directoryRevision;
  }
}

function pair(name: string, value: string): Pair {
  return [name, value];
}
