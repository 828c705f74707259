/**
 * The engines of all proxies as this host hears them: what each said of itself when it opened its
 * watch, and when it was heard last. In memory and bounded; it must never decide what one gets.
 */

import type { SyncRequest } from '../wire/sync.ts';
import type { WatchRequest } from '../wire/watch.ts';
import type { Heads } from './heads.ts';

/** Most engines remembered; the longest silent go first. */
export const ENGINES_MAX = 40_000;

/** An engine not heard of for so long is gone: its longest back-off and a watch are shorter. */
export const ENGINE_SILENT_MS = 60_000;

/** How long an engine that is gone is still shown. */
export const ENGINE_SHOWN_MS = 600_000;

/** Changes remembered, to say since when an engine lags. */
export const CHANGES_KEPT = 1_000;

interface Change {
  readonly group: string;
  readonly policyChanged: boolean;
  readonly directoryChanged: boolean;
  readonly revision: number;
  readonly atMs: number;
}

/** An engine as it was heard. Times are Unix milliseconds of this host. */
export interface Engine {
  readonly incarnation: bigint;
  readonly group: string;
  /** What it said when it opened its newest watch. */
  readonly request: WatchRequest;
  /** When it said so. */
  readonly saidMs: number;
  /** When it surely lived: it called, or its side closed the watch. */
  provenMs: number;
  /** When anything was heard of it last, its watch's end included. */
  aliveMs: number;
  /** Its watch is open now. */
  open: boolean;
  /** It reported usage that this host has not confirmed. */
  unconfirmed: boolean;
  policyRevision: number;
  directoryRevision: number;
  /** It has said its last word. */
  last: boolean;
}

/** All engines heard of. */
export class Engines {
  readonly #nowMs: () => number;
  readonly #engines = new Map<bigint, Engine>();
  /** The newest changes, oldest first. */
  readonly #changes: Change[] = [];
  readonly #stop: () => void;

  constructor(nowMs: () => number, heads: Heads) {
    this.#nowMs = nowMs;
    this.#stop = heads.onMove(({ revision, groups }) => {
      for (const change of groups) this.#changes.push({ ...change, revision, atMs: nowMs() });
      this.#changes.splice(0, this.#changes.length - CHANGES_KEPT);
    });
  }

  /** Stops following the heads. */
  close(): void {
    this.#stop();
  }

  /** When the first change that an engine lacks was made; its watch, if nobody remembers. */
  behindSinceMs(engine: Engine): number {
    const first = this.#changes.find(
      ({ group, revision, policyChanged, directoryChanged }) =>
        group === engine.group &&
        ((policyChanged && revision > engine.policyRevision) ||
          (directoryChanged && revision > engine.directoryRevision)),
    );
    return first?.atMs ?? engine.saidMs;
  }

  /**
   * An engine opened a watch. Answers what to call when that watch is over: with true when its
   * side closed it, which only the living do, or the kernel of the machine for the dead at once.
   */
  opened(group: string, request: WatchRequest): (byCaller: boolean) => void {
    const { incarnation, policyRevision, directoryRevision } = request;
    const saidMs = this.#nowMs();
    const engine: Engine = {
      ...{ incarnation, group, request, saidMs, policyRevision, directoryRevision },
      ...{ provenMs: saidMs, aliveMs: saidMs, open: true, last: false },
      unconfirmed: this.#engines.get(incarnation)?.unconfirmed ?? false,
    };
    this.#engines.delete(incarnation);
    this.#engines.set(incarnation, engine);
    if (this.#engines.size > ENGINES_MAX) {
      const [oldest] = this.#engines.keys();
      if (oldest !== undefined) this.#engines.delete(oldest);
    }
    return (byCaller) => {
      if (!engine.open) return;
      engine.open = false;
      engine.aliveMs = this.#nowMs();
      if (byCaller) engine.provenMs = engine.aliveMs;
    };
  }

  /** An engine reported. */
  reported(call: SyncRequest): void {
    const engine = this.#engines.get(call.incarnation);
    if (engine === undefined) return;
    engine.aliveMs = this.#nowMs();
    engine.provenMs = engine.aliveMs;
    if (call.usageBatch !== 0) engine.unconfirmed = true;
    engine.policyRevision = Math.max(engine.policyRevision, call.policyRevision);
    engine.directoryRevision = Math.max(engine.directoryRevision, call.directoryRevision);
    engine.last = call.last;
  }

  /** This host has confirmed what an engine reported. */
  confirmed(incarnation: bigint): void {
    const engine = this.#engines.get(incarnation);
    if (engine !== undefined) engine.unconfirmed = false;
  }

  /** An engine by its incarnation; undefined = not heard of since this host began. */
  get(incarnation: bigint): Engine | undefined {
    return this.#engines.get(incarnation);
  }

  /**
   * Whether an engine is there: it was heard of a moment ago. An open watch alone is no proof for
   * ever, because a machine that lost its power closes nothing.
   */
  isThere(engine: Engine): boolean {
    return !engine.last && this.#nowMs() - engine.aliveMs <= ENGINE_SILENT_MS;
  }

  /** Engines that are there, and those that went a short while ago without a last word. */
  list(): readonly Engine[] {
    const nowMs = this.#nowMs();
    for (const [incarnation, { aliveMs, last }] of this.#engines) {
      const shownMs = last ? 0 : ENGINE_SHOWN_MS;
      if (nowMs - aliveMs > shownMs) this.#engines.delete(incarnation);
    }
    return [...this.#engines.values()];
  }
}
