/**
 * What a host was asked and has acknowledged, as a model that it is held against whenever it comes
 * back: declared resources, credentials, additions to quotas, the trail. A change that was under
 * way at the kill is looked for: it was made whole or not at all. It must never take what it reads
 * for what was acknowledged.
 */
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { documents, resource } from '../../support/policies.ts';
import type { Answer, KilledHost } from './kill-host.ts';

/** The applications, each subscribed on a plan of its own, all of one name. */
export const APPLICATIONS = ['app-0', 'app-1', 'app-2'];

/** Consumers that batches come with. */
export const CONSUMERS = 150;

/** Declared resources, as far as changes touch them. */
export interface Declared {
  /** Quotas of plans. */
  readonly plans: Readonly<Record<string, number>>;
  /** States of subscriptions. */
  readonly states: Readonly<Record<string, string>>;
  /** Display names of consumers. */
  readonly consumers: Readonly<Record<string, string>>;
}

/** A credential; `key` is undefined when the answer that showed it was lost. */
export interface HeldKey {
  readonly application: string;
  readonly key: string | undefined;
  readonly state: string;
  readonly isEnded: boolean;
}

/** A change that is under way. */
export interface Change {
  readonly name: string;
  readonly act: () => Promise<Answer | undefined>;
  /** What an answer means for the model. */
  readonly acknowledged: (answer: Answer) => void;
  /** Finds out whether it was made, when no answer came. */
  readonly settle: () => Promise<void>;
}

const PRODUCT = resource('Product', 'orders', {
  approval: 'manual',
  identify: [{ apiKey: { header: 'x-api-key' } }],
  operations: [{ name: 'read', method: 'GET', path: '/orders' }],
});

/** A plan whose quota callers are told by a header, and only when they are admitted. */
export function planOf(name: string, quota: number): object {
  const mediation = { request: [{ set: { name: 'x-quota', value: String(quota) } }] };
  return resource('Plan', name, { limits: [{ name: 'daily', quota, window: '1d' }], mediation });
}

/** Consumers with their display names. */
export function consumersOf(names: Readonly<Record<string, string>>): object[] {
  const entries = Object.entries(names);
  return entries.map(([name, displayName]) => resource('Consumer', name, { displayName }));
}

/** The body of a batch. */
export function batchOf(resources: readonly object[], prune = false): object {
  return { files: [{ name: 'batch.yaml', text: documents(resources) }], prune };
}

/** Every resource; subscriptions keep the state they have. */
export function everythingOf({ plans, consumers }: Omit<Declared, 'states'>): object[] {
  const callers = APPLICATIONS.flatMap((application) => [
    resource('Application', application, { consumer: 'owner' }),
    resource('Subscription', application, { application, product: 'orders', plan: application }),
  ]);
  const declared = Object.entries(plans).map(([name, quota]) => planOf(name, quota));
  return [PRODUCT, ...declared, ...consumersOf(consumers), ...callers];
}

/** The model of one host. */
export class World {
  declared: Declared = {
    plans: Object.fromEntries(APPLICATIONS.map((name) => [name, 1_000_000])),
    states: Object.fromEntries(APPLICATIONS.map((name) => [name, 'pending'])),
    consumers: { owner: 'Owner' },
  };
  /** What was declared at revisions that can be gone back to. */
  readonly history = new Map<number, Declared>();
  readonly keys = new Map<number, HeldKey>();
  /** Additions to quotas by application, and the day they count for. */
  readonly extras = new Map<string, { units: number; day: number }>();
  /** The newest revision that was acknowledged. */
  revision = 0;
  readonly host: KilledHost;
  /** Acknowledged changes that the trail must have, by revision. */
  #expected = new Map<number, string>();
  #seenSeq = 0;
  #seenRevision = 0;

  constructor(host: KilledHost) {
    this.host = host;
  }

  /** Applies what everything else begins with. */
  async begin(): Promise<void> {
    // The policy of an empty store is a revision that nobody asked for.
    this.#seenRevision = (await this.host.get('/v1/status')).revision;
    const answer = await this.host.ask('POST', '/v1/apply', batchOf(everythingOf(this.declared)));
    assert.ok(answer !== undefined);
    this.declare(answer, this.declared);
  }

  /** Acknowledges a revision, and what the trail must say of it. */
  saw(revision: number, kind?: string): void {
    assert.ok(revision >= this.revision, 'revisions never go back');
    this.revision = revision;
    if (kind !== undefined) this.#expected.set(revision, kind);
  }

  /** Acknowledges a change of declared resources; `revision` is that at which they are since. */
  declare({ revision, changed }: Answer, after: Declared): void {
    assert.equal(changed, this.history.size === 0 || !isDeepStrictEqual(after, this.declared));
    if (changed) this.saw(revision);
    this.declared = after;
    this.history.set(revision, after);
  }

  /** The day that quotas count for now; a change near its end is not judged. */
  get day(): number {
    return Math.floor(Date.now() / 86_400_000);
  }

  /** Adopts what is declared if the change under way was made, and only if it is whole. */
  async adopt(after: Declared): Promise<void> {
    const found = await this.#read();
    if (isDeepStrictEqual(found, this.declared)) return;
    assert.deepEqual(found, after, 'a change that was under way is made whole or not at all');
    const { items } = await this.host.get('/v1/revisions?limit=1');
    this.declared = after;
    this.history.set(items[0].revision, after);
  }

  /** Every credential there is, by id. */
  async credentials(): Promise<Map<number, Answer>> {
    const found = new Map<number, Answer>();
    for (let after = ''; ; ) {
      const { items, next } = await this.host.get(`/v1/credentials?limit=500${after}`);
      for (const each of items) found.set(each.id, each);
      if (next === null) break;
      after = `&after=${next}`;
    }
    return found;
  }

  /** Holds the host against all that was acknowledged. */
  async check(): Promise<void> {
    const { revision } = await this.host.get('/v1/status');
    assert.ok(revision >= this.revision, 'no acknowledged revision is gone');
    assert.deepEqual(await this.#read(), this.declared);
    const credentials = await this.credentials();
    assert.deepEqual(
      new Map([...credentials].map(([id, each]) => [id, [each.state, isEnded(each)]])),
      new Map([...this.keys].map(([id, each]) => [id, [each.state, each.isEnded]])),
    );
    for (const [application, { units, day }] of this.extras) {
      const { items } = await this.host.get(`/v1/subscriptions/default/${application}/quota`);
      if (day === this.day) assert.equal(items[0].extra, units, `additions of ${application}`);
    }
    await this.#checkTrail(revision);
    this.revision = revision;
  }

  /** Every revision since the last look is in the trail, and none beyond the store's. */
  async #checkTrail(revision: number): Promise<void> {
    const entries: Answer[] = [];
    for (let before = ''; ; ) {
      const { items, next } = await this.host.get(`/v1/audit?limit=999${before}`);
      entries.push(...items.filter(({ seq }: Answer) => seq > this.#seenSeq));
      if (next === null || items.at(-1).seq <= this.#seenSeq) break;
      before = `&before=${next}`;
    }
    const told = new Set(entries.map((each) => each.revision));
    for (let each = this.#seenRevision + 1; each <= revision; each += 1) {
      assert.ok(told.has(each), `the trail has revision ${each} of ${revision}`);
    }
    assert.ok(Math.max(0, ...told) <= revision, 'the trail ends where the store does');
    for (const [each, kind] of this.#expected) {
      assert.ok(
        entries.some((entry) => entry.revision === each && entry.kind === kind),
        `the trail has the ${kind} of revision ${each}`,
      );
    }
    this.#expected = new Map();
    this.#seenSeq = Math.max(this.#seenSeq, ...entries.map(({ seq }) => seq));
    this.#seenRevision = revision;
  }

  async #read(): Promise<Declared> {
    const list = async (kind: string): Promise<Answer[]> =>
      (await this.host.get(`/v1/resources/${kind}?limit=500`)).items;
    const byName = (items: readonly Answer[], of: (spec: Answer) => unknown) =>
      Object.fromEntries(items.map(({ metadata, spec }) => [metadata.name, of(spec)]));
    const plans = byName(await list('plan'), ({ limits }) => limits[0].quota);
    const states = byName(await list('subscription'), ({ state }) => state);
    const consumers = byName(await list('consumer'), ({ displayName }) => displayName);
    return { plans, states, consumers } as Declared;
  }
}

/** Whether a credential has expired. */
export function isEnded({ notAfter }: Answer): boolean {
  return notAfter !== null && Date.parse(notAfter) <= Date.now();
}
