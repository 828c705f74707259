/**
 * Usage and engines, put together over a store: what every host needs of them, and the sweep that
 * goes on while it runs.
 */
import type { Store } from '../store/store.ts';
import type { UsageStore } from '../store/usage.ts';
import { Engines } from './engines.ts';
import type { Heads } from './heads.ts';
import type { Terms } from './terms.ts';
import { UsageService } from './usage.ts';
import { UsageNames } from './usage-names.ts';

/** What the parts are made of. */
export interface UsagePartsOptions {
  readonly store: Store;
  readonly usageStore: UsageStore;
  readonly heads: Heads;
  readonly terms: Terms;
  readonly nowMs: () => number;
  /** How long hours are kept. */
  readonly keepMs: number;
  readonly onFault: (error: unknown) => void;
}

/** The parts; `close` leaves the store of usage to its owner. */
export interface UsageParts {
  readonly engines: Engines;
  readonly usage: UsageService;
  close(): void;
}

/** Puts them together. */
export function makeUsage(options: UsagePartsOptions): UsageParts {
  const { store, usageStore, heads, terms, nowMs, keepMs, onFault } = options;
  const engines = new Engines(nowMs, heads);
  const names = new UsageNames(store, (subscription) => terms.planOf(subscription));
  const usage = new UsageService({ store: usageStore, names, engines, nowMs, keepMs, onFault });
  const close = () => {
    names.close();
    engines.close();
  };
  return { engines, usage, close };
}

const SWEEP_EVERY_MS = 10_000;

/** Sweeps again and again; the answered function stops it. */
export function sweepUsage(usage: UsageService, onFault: (error: unknown) => void): () => void {
  let timer: NodeJS.Timeout;
  let stopped = false;
  const next = () => {
    if (!stopped) timer = setTimeout(tick, SWEEP_EVERY_MS);
  };
  const tick = () => usage.sweep().catch(onFault).finally(next);
  next();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}
