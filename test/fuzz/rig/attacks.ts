/**
 * One attack for each message of the host: a filter at work, one message changed, and requests that
 * show what the filter now believes. Each answers what must not be, or undefined.
 */
import type { Pair } from '../../../host/emulator/index.ts';
import { LEVEL_UNIT, RATE_UNIT } from '../../../host/quota/share.ts';
import { decodeDirectory, type WireRecord } from '../../../host/wire/directory.ts';
import { decodeManifest } from '../../../host/wire/manifest.ts';
import { decodePolicy, type Policy, type PolicyLimit } from '../../../host/wire/policy.ts';
import { decodeSyncReply, type SyncAnswerItem } from '../../../host/wire/sync.ts';
import { decodeWatchReply } from '../../../host/wire/watch.ts';
import { Accounts } from '../oracle/accounts.ts';
import { decide, type Verdict } from '../oracle/oracle.ts';
import { type Directory, readDirectory, type World } from '../oracle/world.ts';
import type { Compiled } from './compiled.ts';
import type { AnswerKind, Tamper } from './host.ts';
import { limitsOf, type Played, Scene, type SceneRequest } from './scene.ts';

/** What an attack is made of. */
export interface Attack {
  readonly compiled: Compiled;
  /** Another policy, for the messages that announce and carry one. */
  readonly other: Compiled;
  /** What becomes of the message attacked. */
  readonly change: (intact: Uint8Array) => Uint8Array;
  readonly probes: readonly SceneRequest[];
}

/** Time in which a filter asks and is answered, with one back-off. */
const SETTLE_MS = 500;
/** How long one probe may take in real time: no callback waits for anything. */
const CALLBACK_MS_MAX = 5_000;
/** Place of `hostNowMs` in a message whose first section is HOST. */
const HOST_NOW = 16 + 8 + 32;
const EMPTY: Directory = {
  ...{ credentials: new Map(), applications: new Map(), subscriptions: new Map() },
};

/** Counts in which only one of filter and strict decoder takes a message. */
export const opinions = { both: 0, neither: 0, decoderAlone: 0 };

/** The attacks by the message they change. */
export const ATTACKS: Readonly<Record<string, (attack: Attack) => string | undefined>> = {
  policy,
  page,
  manifest,
  directory,
  watch,
  sync,
};

/** A policy whose digests are right. */
function policy({ compiled, change, probes }: Attack): string | undefined {
  const scene = new Scene(compiled);
  const bytes = change(compiled.policy);
  if (bytes.length === 0) return undefined;
  scene.host.changePolicy(bytes);
  scene.clock.advance(SETTLE_MS);
  const isTaken = scene.host.heard?.policyRevision === scene.host.policyRevision;
  const decoded = decodePolicy(bytes);
  if (isTaken && !decoded.ok)
    return `the filter takes a policy with ${decoded.code} ${decoded.what}`;
  note(isTaken, decoded.ok);
  if (!isTaken || !decoded.ok) return believes(scene, probes, [compiled.world]);
  if (!isPlain(decoded.value)) return believes(scene, [], []);
  return believes(scene, probes, [{ ...compiled.world, policy: decoded.value }]);
}

/**
 * Whether requests can be compared by what the decoder read of a policy: its texts are UTF-8, and
 * it has nothing that no host writes and docs/wire.md leaves open.
 */
function isPlain({ products, hosts, wildcards, ...policy }: Policy): boolean {
  const names = [...hosts, ...wildcards].map(({ name }) => name);
  return (
    !JSON.stringify({ products, names, ...policy }).includes('\ufffd') &&
    products.every(({ mode }) => mode < 3) &&
    wildcards.every(({ name }) => name.startsWith('.')) &&
    names.every((name) => /^[a-z0-9.-]*$/.test(name) && !name.includes('..'))
  );
}

/** A page of a policy whose digest is another. */
function page(attack: Attack): string | undefined {
  const { scene, changed } = tampered(attack, 'page');
  scene.host.changePolicy(attack.other.policy);
  scene.clock.advance(SETTLE_MS);
  const isTaken = scene.host.heard?.policyRevision === scene.host.policyRevision;
  const isIntact = changed().some((body, i) => same(body, scene.host.paged.pages[i]));
  if (isTaken && !isIntact) return 'the filter takes a page with another digest';
  return believes(scene, attack.probes, worlds(attack));
}

/** The manifest that announces another policy. */
function manifest(attack: Attack): string | undefined {
  const { scene, changed } = tampered(attack, 'manifest');
  const before = scene.host.heard?.policyRevision;
  scene.host.changePolicy(attack.other.policy);
  scene.clock.advance(SETTLE_MS);
  const isTaken = scene.host.heard?.policyRevision !== before;
  const valid = changed().some((body) => decodeManifest(body).ok);
  if (isTaken && !valid) return 'the filter takes a manifest that is none';
  note(isTaken, valid);
  return believes(scene, attack.probes, worlds(attack), changed());
}

/** Every page of the first fill. */
function directory({ compiled, change, probes }: Attack): string | undefined {
  let body: Uint8Array | undefined;
  const scene = new Scene(compiled, (kind, intact) => {
    if (kind !== 'directory') return intact;
    body ??= change(intact);
    return body;
  });
  const decoded = decodeDirectory(body ?? new Uint8Array());
  const read = decoded.ok ? readDirectory(present(decoded.value.page.records)) : undefined;
  note(scene.host.heard?.complete === true, read !== undefined);
  if (scene.host.heard?.complete && read === undefined) {
    return 'the filter takes a directory that is none';
  }
  const world = { ...compiled.world, directory: read ?? EMPTY };
  return believes(scene, probes, [world], body ? [body] : []);
}

/** The answer to a watch that carries records. */
function watch(attack: Attack): string | undefined {
  const { compiled, probes } = attack;
  const { scene, changed } = tampered(attack, 'watch');
  const before = compiled.records;
  scene.host.changeRecords(
    before.slice(0, 2).map((record) => ({ ...record, present: false, body: new Uint8Array() })),
  );
  scene.clock.advance(SETTLE_MS);
  const after = readDirectory(present(scene.host.records)) ?? EMPTY;
  const possible = [compiled.world, { ...compiled.world, directory: after }];
  for (const body of changed()) {
    const decoded = decodeWatchReply(body);
    if (!decoded.ok || decoded.value.page === undefined) continue;
    const { records } = decoded.value.page;
    const ids = new Set(records.map(({ kind, id }) => `${kind}/${id}`));
    const kept = before.filter(({ kind, id }) => !ids.has(`${kind}/${id}`));
    const read = readDirectory(present([...kept, ...records]));
    if (read !== undefined) possible.push({ ...compiled.world, directory: read });
  }
  return believes(scene, probes, possible, changed());
}

/** The answer to a sync call: no more passes than it says, and nothing if it says nothing. */
function sync(attack: Attack): string | undefined {
  const { scene, changed } = tampered(attack, 'sync');
  const { world } = attack.compiled;
  const passed = new Map<string, number>();
  for (const probe of attack.probes) {
    const played = scene.play(probe);
    const clocks = skewsOf(scene, changed());
    const fault = faultOf(scene) ?? believed(played, [world], clocks);
    if (fault !== undefined) return fault;
    if (played.verdict.owner === undefined || !/reason=allowed/.test(played.state)) continue;
    const { owner, cost = 1 } = played.verdict;
    for (const limit of limitsOf(world, owner)) {
      if (limit.mode !== 0) continue;
      const account = `${owner}/${limit.id}`;
      passed.set(account, (passed.get(account) ?? 0) + cost);
      const told = itemsOf(changed(), BigInt(owner), BigInt(limit.id));
      const { elapsedMs } = scene.clock;
      const granted = limit.class === 1 ? grantedIn(told) : sharedIn(told, limit, elapsedMs);
      if ((passed.get(account) ?? 0) > granted) {
        return `${passed.get(account)} units of ${limit.name} pass, ${granted} were granted`;
      }
    }
  }
  return undefined;
}

function itemsOf(bodies: readonly Uint8Array[], owner: bigint, limit: bigint) {
  return bodies.flatMap((body) => {
    const decoded = decodeSyncReply(body);
    const items = decoded.ok ? decoded.value.items : [];
    return items.filter((item) => item.owner === owner && item.limit === limit);
  });
}

function grantedIn(items: readonly SyncAnswerItem[]): number {
  // A holding that was dropped and opened anew is granted anew.
  const most = new Map<number, number>();
  for (const { generation, granted: units } of items) {
    most.set(generation, Math.max(units, most.get(generation) ?? 0));
  }
  return [...most.values()].reduce((sum, units) => sum + units, 0);
}

/** Most that shares can come to: the level that each number brought, and the highest rate. */
function sharedIn(items: readonly SyncAnswerItem[], limit: PolicyLimit, elapsedMs: number): number {
  const starts = new Map<number, number>();
  for (const { windowId, quota } of items) {
    starts.set(windowId, Math.max(quota, starts.get(windowId) ?? 0));
  }
  const most = Math.max(0, ...items.map(({ granted }) => granted));
  const brought = [...starts.values()].reduce((sum, start) => sum + start, 0);
  // Before any word an approximate limit acts on what the policy says.
  const own =
    limit.class === 3 ? limit.burst + (limit.quota / limit.windowKind / 1_000) * elapsedMs : 0;
  return own + brought / LEVEL_UNIT + (most / RATE_UNIT) * elapsedMs;
}

/** A filter at work one kind of whose answers is changed from now on. */
function tampered({ compiled, change }: Attack, attacked: AnswerKind) {
  const bodies: Uint8Array[] = [];
  const scene = new Scene(compiled);
  const hand: Tamper = (kind, intact) => {
    if (kind !== attacked) return intact;
    const body = change(intact);
    bodies.push(body);
    return body;
  };
  scene.host.tamper = hand;
  return { scene, changed: () => bodies };
}

function worlds({ compiled, other }: Attack): World[] {
  return [compiled.world, { ...compiled.world, policy: other.world.policy }];
}

/** Plays the probes: the filter must decide each as it would in one of the worlds. */
function believes(
  scene: Scene,
  probes: readonly SceneRequest[],
  possible: readonly World[],
  bodies: readonly Uint8Array[] = [],
): string | undefined {
  const fault = faultOf(scene);
  if (fault !== undefined) return fault;
  for (const probe of probes) {
    const began = performance.now();
    const played = scene.play(probe);
    if (performance.now() - began > CALLBACK_MS_MAX) return 'a decision takes seconds';
    const wrong = faultOf(scene) ?? believed(played, possible, skewsOf(scene, bodies));
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

function faultOf({ vm }: Scene): string | undefined {
  return vm.failure && `trap in ${vm.failure.in}: ${vm.failure.message}`;
}

/**
 * A request may pass only where one of the worlds lets it pass, with the headers of that world, and
 * be refused only where one refuses it or the filter says that it does not know.
 */
function believed(
  played: Played,
  possible: readonly World[],
  skews: readonly number[],
): string | undefined {
  const { stream, state, settings, nowMs, at, sent, caller, left } = played;
  if (
    /reason=(policy_pending|no_policy|quota_unavailable|quota_exceeded|held_full)\b/.test(state)
  ) {
    return stream.outcome === 'continued' && !state.includes('shadow=true')
      ? `passes with ${state}`
      : undefined;
  }
  const verdicts = possible.flatMap((world) =>
    skews.map((skew) => {
      const facts = { world, settings, nowMs: nowMs + skew, accounts: new Accounts(), at };
      return { ...decide({ headers: sent, caller }, facts), world };
    }),
  );
  const fitting = verdicts.filter((verdict) => {
    const passes = verdict.denial === undefined || verdict.shadow;
    const reasons = [verdict.reason, ...withoutWord(verdict.world, verdict)];
    const isSaid = reasons.some((reason) => state.includes(`reason=${reason}`));
    return isSaid && passes === (stream.outcome === 'continued');
  });
  // What is left of a request that went nowhere is the other target's matter.
  const denied = stream.outcome === 'replied';
  const fits = fitting.some(
    ({ headers, vague }) => vague || denied || played.waited || same(lines(headers), lines(left)),
  );
  if (fits) return undefined;
  const expected = verdicts.map(({ reason }) => reason).join(' or ');
  return `${stream.outcome} with ${state}, expected ${expected}${fitting.length > 0 ? ' and other headers' : ''}`;
}

/** As what a request that is allowed may pass while the host says nothing of its quota. */
function withoutWord(world: World, { reason, owner }: Verdict): string[] {
  if (reason !== 'allowed' || owner === undefined) return [];
  const ways = limitsOf(world, owner).map(({ onHostUnavailable }) => onHostUnavailable);
  return [
    ...(ways.includes(1) ? ['quota_unavailable_passed'] : []),
    ...(ways.includes(2) ? ['quota_local_share'] : []),
  ];
}

/** By how much the clock of the host may be off, if the messages are believed. */
function skewsOf(scene: Scene, bodies: readonly Uint8Array[]): number[] {
  const told = bodies
    .filter((body) => body.length >= HOST_NOW + 8)
    .map((body) => Number(Buffer.from(body).readBigUInt64LE(HOST_NOW)) - scene.clock.unixMs);
  return [0, ...told];
}

function lines(pairs: readonly Pair[]): Uint8Array {
  return Buffer.from(
    pairs
      .map((pair) => JSON.stringify(pair))
      .sort()
      .join('\n'),
  );
}

function present(records: readonly WireRecord[]): readonly WireRecord[] {
  return records.filter((record) => record.present);
}

function same(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && Buffer.from(a).equals(b);
}

function note(filter: boolean, decoder: boolean): void {
  if (filter && decoder) opinions.both++;
  else if (decoder) opinions.decoderAlone++;
  else opinions.neither++;
}
