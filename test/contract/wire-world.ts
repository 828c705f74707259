/**
 * A small world of products, applications and keys for tests of the protocol: it makes resource
 * files, changes them at random, and knows for every revision which requests are to be admitted.
 */
import type { ProtocolClient } from '../support/protocol-client.ts';
import type { TrialHost } from '../support/trial-host.ts';

const API = 'sidegate.dev/v1alpha1';
/** Operations are named by product, because names of operations stand alone in a policy here. */
const PRODUCTS = ['books', 'music'] as const;
const APPLICATIONS = ['anna', 'bert', 'cleo'] as const;
const PLANS = { small: 10, large: 1_000 } as const;

type Plan = keyof typeof PLANS;

interface Product {
  operations: Set<string>;
  group: string;
}

interface WorldKey {
  readonly id: number;
  readonly digest: string;
  readonly application: string;
}

/** Requests to be admitted: `digest operation` to the quota of the plan. */
type Truth = ReadonlyMap<string, number>;

/** The proxy group that most of the world is in. */
export const GROUP = 'default';

/** A world on a host. Every change goes to the host at once and is remembered by revision. */
export class World {
  readonly keys: WorldKey[] = [];
  readonly #host: TrialHost;
  readonly #products = new Map<string, Product>();
  readonly #subscriptions = new Map<string, { plan: Plan; active: boolean }>();
  readonly #truths = new Map<number, Truth>();
  head = 0;

  private constructor(host: TrialHost) {
    this.#host = host;
    for (const name of PRODUCTS) {
      this.#products.set(name, { operations: new Set([`${name}-a`]), group: GROUP });
    }
  }

  /** Brings a world with one key per application into force. */
  static async start(host: TrialHost): Promise<World> {
    const world = new World(host);
    world.#subscriptions.set('anna/books', { plan: 'small', active: true });
    await world.#apply();
    for (const application of APPLICATIONS) await world.#createKey(application);
    return world;
  }

  /** Makes the change that these numbers choose; some change nothing. */
  async change(what: number, which: number): Promise<void> {
    const product = PRODUCTS[which % PRODUCTS.length] ?? 'books';
    const application = APPLICATIONS[(which >> 1) % APPLICATIONS.length] ?? 'anna';
    const pair = `${application}/${product}`;
    switch (what % 8) {
      case 0:
        this.#toggleSubscription(pair, which);
        return this.#apply();
      case 1:
        this.#toggleOperation(product);
        return this.#apply();
      case 2: {
        // Both in one revision: one part restricts, the other widens.
        this.#toggleSubscription(pair, which);
        this.#toggleOperation(product);
        return this.#apply();
      }
      case 3:
        this.#suspend(pair);
        return this.#apply();
      case 4:
        this.#changePlan(pair);
        return this.#apply();
      case 5:
        this.#move(product);
        return this.#apply();
      case 6:
        return this.#createKey(application);
      default:
        return this.#revokeKey(which);
    }
  }

  /** What a client admits that no revision from `from` to the head admits. */
  wrongly(client: ProtocolClient, from: number, group = GROUP): string[] {
    const wrong: string[] = [];
    for (const { digest } of this.#everyKey) {
      for (const operation of OPERATIONS) {
        const decision = client.decide(digest, operation);
        if (decision.outcome !== 'admitted') continue;
        const [quota] = decision.quotas;
        const request = `${group} ${digest} ${operation}`;
        const known = [...this.#truths].some(([revision, truth]) => {
          return revision >= from && truth.get(request) === quota;
        });
        if (!known) wrong.push(`${request} with ${quota}`);
      }
    }
    return wrong;
  }

  /** Where a client that has caught up decides otherwise than the head's truth. */
  differences(client: ProtocolClient, group = GROUP): string[] {
    const truth = this.#truths.get(this.head) ?? new Map();
    const wrong: string[] = [];
    for (const { digest } of this.#everyKey) {
      for (const operation of OPERATIONS) {
        const decision = client.decide(digest, operation);
        const request = `${group} ${digest} ${operation}`;
        const quota = decision.outcome === 'admitted' ? decision.quotas[0] : undefined;
        if (quota !== truth.get(request)) wrong.push(`${request}: ${JSON.stringify(decision)}`);
      }
    }
    return wrong;
  }

  readonly #everyKey: WorldKey[] = [];

  #toggleSubscription(pair: string, which: number): void {
    const plan = which % 3 === 0 ? 'large' : 'small';
    if (!this.#subscriptions.delete(pair)) this.#subscriptions.set(pair, { plan, active: true });
  }

  #toggleOperation(product: string): void {
    const { operations } = this.#products.get(product) ?? { operations: new Set<string>() };
    const name = `${product}-b`;
    if (!operations.delete(name)) operations.add(name);
  }

  #suspend(pair: string): void {
    const held = this.#subscriptions.get(pair);
    if (held !== undefined) held.active = !held.active;
  }

  #changePlan(pair: string): void {
    const held = this.#subscriptions.get(pair);
    if (held !== undefined) held.plan = held.plan === 'small' ? 'large' : 'small';
  }

  #move(product: string): void {
    const held = this.#products.get(product);
    if (held !== undefined) held.group = held.group === GROUP ? 'edge' : GROUP;
  }

  async #createKey(application: string): Promise<void> {
    const { id, digest } = await this.#host.createKey(application);
    const key = { id, digest, application };
    this.keys.push(key);
    this.#everyKey.push(key);
    await this.#remember();
  }

  async #revokeKey(which: number): Promise<void> {
    const [key] = this.keys.splice(which % Math.max(1, this.keys.length), 1);
    if (key === undefined) return;
    await this.#host.keys.revoke(key.id);
    await this.#remember();
  }

  async #apply(): Promise<void> {
    await this.#host.apply(this.#files());
    await this.#remember();
  }

  async #remember(): Promise<void> {
    this.head = await this.#host.store.revision();
    const truth = new Map<string, number>();
    for (const [pair, { plan, active }] of this.#subscriptions) {
      const [application, name = ''] = pair.split('/');
      const product = this.#products.get(name);
      if (!active || product === undefined) continue;
      for (const key of this.keys) {
        if (key.application !== application) continue;
        for (const operation of product.operations) {
          truth.set(`${product.group} ${key.digest} ${operation}`, PLANS[plan]);
        }
      }
    }
    this.#truths.set(this.head, truth);
  }

  #files(): Record<string, string> {
    const documents = [
      resource('ProxyGroup', 'edge', {}),
      resource('Consumer', 'all', {}),
      ...APPLICATIONS.map((name) => resource('Application', name, { consumer: 'all' })),
      ...Object.entries(PLANS).map(([name, quota]) => {
        return resource('Plan', name, { limits: [{ name: 'daily', quota, window: '1d' }] });
      }),
      ...[...this.#products].map(([name, product]) =>
        resource('Product', name, specOf(name, product)),
      ),
      ...[...this.#subscriptions].map(([pair, { plan, active }]) => {
        const [application = '', product = ''] = pair.split('/');
        const state = active ? 'active' : 'suspended';
        const spec = { application, product, plan, state };
        return resource('Subscription', `${application}-${product}`, spec);
      }),
    ];
    return { 'world.yaml': documents.join('\n---\n') };
  }
}

const OPERATIONS = PRODUCTS.flatMap((product) => [`${product}-a`, `${product}-b`]);

function specOf(name: string, { operations, group }: Product): object {
  return {
    lifecycle: 'published',
    proxyGroup: group,
    hosts: [`${name}.example.com`],
    identify: [{ apiKey: { header: 'x-api-key' } }],
    operations: [...operations].map((operation) => {
      return { name: operation, method: 'GET', path: `/${operation}` };
    }),
  };
}

function resource(kind: string, name: string, spec: object): string {
  return JSON.stringify({ apiVersion: API, kind, metadata: { name }, spec });
}
