/**
 * A filter that has policy and directory, with one root for each combination of settings: the
 * stage on which requests are fuzzed. Time is virtual and stands still unless a request waits or
 * says that it comes later.
 */
import {
  Clusters,
  HeaderMap,
  type Pair,
  type Root,
  type Stream,
  seededRandom,
  VirtualClock,
  Vm,
} from '../../../host/emulator/index.ts';
import type { PolicyLimit } from '../../../host/wire/policy.ts';
import type { SyncAnswerItem } from '../../../host/wire/sync.ts';
import { decidedMs, filterModule } from '../../emulator/support/filter.ts';
import { Accounts, type AskedAt } from '../oracle/accounts.ts';
import type { Caller } from '../oracle/caller.ts';
import { withoutIdentity } from '../oracle/edits.ts';
import { slice } from '../oracle/match.ts';
import { decide, type Verdict } from '../oracle/oracle.ts';
import type { Settings, World } from '../oracle/world.ts';
import { Admissions } from './admissions.ts';
import { propertiesOf } from './caller.ts';
import { type Compiled, compileText } from './compiled.ts';
import { ScriptedHost, type Tamper, type TermsOf } from './host.ts';

/** The settings requests are sent under; a request names one by its place. */
export const SETTINGS: readonly Settings[] = [
  { mode: 'enforce', otherHosts: 'deny' },
  { mode: 'enforce', otherHosts: 'allow' },
  { mode: 'shadow', otherHosts: 'deny' },
  { mode: 'off', otherHosts: 'deny' },
  { mode: 'enforce', otherHosts: 'deny', clientAddress: 'xff' },
];

/** One request to a scene. */
export interface SceneRequest {
  /** Time that passes before it, in milliseconds. */
  readonly afterMs?: number;
  /** Whom the proxy has verified. */
  readonly caller?: Caller;
  /** Place of its settings in SETTINGS. */
  readonly settings: number;
  readonly headers: readonly Pair[];
}

/** What the service answers: some of what programs and fields change, and more. */
export const SERVICE: readonly Pair[] = [
  [':status', '200'],
  ['x-note', 'one'],
  ['x-note', 'two'],
  ['x-free', 'free'],
  ['accept', 'service'],
  ['vary', 'accept'],
  ['ratelimit', '"service";r=1'],
  ['access-control-allow-origin', 'null'],
];

const CLUSTER = 'host';
/** Noon, so that no window of an hour or more ends while a scene is played. */
const START_UNIX_MS = Date.UTC(2026, 4, 4, 12);
const STEP_MS = 5;
const STEPS_MAX = 2_000;

/** A scene. Its requests share quota, so that a request may depend on those before it. */
export class Scene {
  readonly compiled: Compiled;
  readonly clock: VirtualClock;
  readonly host: ScriptedHost;
  readonly vm: Vm;
  readonly #roots: Root[];
  readonly #accounts = new Accounts();
  readonly #admissions = new Admissions();
  #requests = 0;
  #stream: Stream | undefined;

  /**
   * A filter that has taken what the host has; with `tamper` it may have been kept from it. Throws
   * when an untouched host is not believed.
   */
  constructor(compiled: Compiled, tamper?: Tamper) {
    this.compiled = compiled;
    this.clock = new VirtualClock({ startUnixMs: START_UNIX_MS });
    this.host = new ScriptedHost(compiled, () => this.clock.unixMs, termsOf(compiled.world));
    if (tamper !== undefined) this.host.tamper = tamper;
    const clusters = new Clusters({ [CLUSTER]: this.host.serve });
    const random = seededRandom(7);
    this.vm = new Vm(filterModule(), { clock: this.clock, random, clusters, logLevel: 'error' });
    this.#roots = SETTINGS.map((settings, at) => {
      const configuration = JSON.stringify({ clusters: [CLUSTER], ...settings });
      return this.vm.createRoot({ name: `settings-${at}`, configuration });
    });
    this.#listen();
    this.clock.advance(300);
    const { heard } = this.host;
    if (tamper !== undefined) return;
    if (heard?.complete !== true || heard.policyRevision !== 1) {
      throw new Error(
        `the filter does not take what the host has: ${String(heard?.policyRevision)}`,
      );
    }
  }

  /** A scene of resources, or undefined if the host would refuse them. */
  static async of(resources: string): Promise<Scene | undefined> {
    const compiled = await compileText(resources);
    return compiled && new Scene(compiled);
  }

  #monotonicMs(): number {
    return Number(this.clock.monotonicNs / 1_000_000n);
  }

  /** What was admitted above the promise of a rate, whatever the shares; undefined if nothing. */
  excess(): string | undefined {
    return this.#admissions.excess();
  }

  /** Follows which shares the filter is told of, before it acts on them. */
  #listen(): void {
    const { guest } = this.vm;
    const call = guest.call.bind(guest);
    guest.call = (callback, context, ...rest) => {
      const token = callback === 'proxy_on_http_call_response' ? Number(rest[1]) : -1;
      for (const item of this.host.shares.get(token) ?? []) this.#hear(item);
      this.host.shares.delete(token);
      return call(callback, context, ...rest);
    };
  }

  #hear(item: SyncAnswerItem): void {
    if (item.approximate) this.#admissions.forgive(Number(item.owner), Number(item.limit));
    const isOpen = this.#stream?.outcome === 'paused';
    const begun = this.#requests;
    this.#accounts.hear({
      ...{ owner: Number(item.owner), limit: Number(item.limit), class: item.class },
      ...{ atMs: this.#monotonicMs(), begun, decided: isOpen ? begun - 1 : begun },
      number: item.windowId,
      ...{ rate: item.granted, burst: item.remaining, start: item.quota },
    });
  }

  /** Plays a request: what the filter made of it and what the oracle says. Ends the stream. */
  play(request: SceneRequest): Played {
    const headers = new HeaderMap('request', request.headers).pairs();
    const settings = SETTINGS[request.settings] ?? SETTINGS[0];
    const root = this.#roots[request.settings] ?? this.#roots[0];
    if (settings === undefined || root === undefined) throw new Error('there are settings');
    this.clock.advance(request.afterMs ?? 0);
    this.#requests += 1;
    const firstMs = this.#monotonicMs();
    const { caller } = request;
    const properties = propertiesOf(caller);
    const stream = this.vm.request({ headers: request.headers, root, properties });
    this.#stream = stream;
    const waited = stream.outcome === 'paused';
    for (let i = 0; i < STEPS_MAX && stream.outcome === 'paused'; i++) this.clock.advance(STEP_MS);
    const nowMs = this.clock.unixMs;
    const at = { request: this.#requests, firstMs, nowMs: decidedMs(stream) };
    const facts = { world: this.compiled.world, settings, accounts: this.#accounts, nowMs, at };
    const verdict = decide({ headers, caller }, facts);
    const kept = stream.readable('request')?.pairs() ?? [];
    const left = stream.upstreamHeaders ?? withoutIdentity(facts.world.policy, kept);
    const state = Buffer.from(stream.filterState.get('wasm.sidegate') ?? []).toString('latin1');
    if (stream.outcome === 'continued') stream.respond({ headers: SERVICE });
    const answered = stream.answer?.headers ?? [];
    stream.end();
    const { owner, cost = 1 } = verdict;
    if (owner !== undefined && / reason=allowed$/.test(state)) {
      for (const limit of limitsOf(facts.world, owner)) {
        this.#admissions.note(owner, limit, { atMs: at.nowMs, cost });
      }
    }
    return {
      stream,
      verdict,
      sent: headers,
      caller,
      left,
      answered,
      state,
      settings,
      at,
      nowMs,
      waited,
    };
  }
}

/** The limits of the plan that a subscription is on. */
export function limitsOf({ policy, directory }: World, owner: number): readonly PolicyLimit[] {
  const subscription = [...directory.subscriptions.values()].find(({ id }) => id === owner);
  const plan = policy.plans.find(({ id }) => id === subscription?.plan);
  return plan ? slice(policy.limits, plan.limits) : [];
}

/** What a subscription has by its plan. */
function termsOf(world: World): TermsOf {
  const classes = ['exact', 'exact', 'rate', 'approximate'] as const;
  return (owner, limit) => {
    const found = limitsOf(world, Number(owner)).find(({ id }) => BigInt(id) === limit);
    if (found === undefined) return undefined;
    return { quota: found.quota, burst: found.burst, class: classes[found.class] ?? 'exact' };
  };
}

/** A request that was played. */
export interface Played {
  readonly stream: Stream;
  readonly verdict: Verdict;
  /** The headers as the filter saw them. */
  readonly sent: readonly Pair[];
  readonly caller: Caller | undefined;
  /** The headers as upstream saw them; of a denied request those left for the log. */
  readonly left: readonly Pair[];
  /** The headers of the answer as the caller gets it. */
  readonly answered: readonly Pair[];
  /** The filter state as the access log prints it. */
  readonly state: string;
  readonly settings: Settings;
  /** Whether it was held first: then its keys were cut by the policy of that time. */
  readonly waited: boolean;
  /** When it was decided, by the filter and in Unix time. */
  readonly at: AskedAt;
  readonly nowMs: number;
}
