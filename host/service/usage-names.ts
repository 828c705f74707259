/**
 * Whose usage a row counts: from the ids a filter knows to names, as they are when it reports.
 * Ids outlive what they were given for, so that usage of what was removed keeps its names; it
 * must never keep a report waiting longer than one look into the store.
 */
import { planName } from '../compile/ids.ts';
import type { NameKey } from '../compile/output.ts';
import type { Store } from '../store/store.ts';
import type { UsageLabels } from '../usage/report.ts';
import type { UsageRow } from '../wire/usage.ts';

/** Ids whose names are kept at hand. */
const NAMES_KEPT = 200_000;

const NOBODY = { namespace: '', consumer: '', application: '', plan: '' };

/** Names for rows of usage. */
export class UsageNames {
  readonly #store: Store;
  readonly #planOf: (subscription: number) => number | undefined;
  readonly #names = new Map<number, NameKey>();
  /** Consumers of applications, until the next commit. */
  readonly #consumers = new Map<string, string>();
  readonly #stop: () => void;

  /** `planOf` answers the id of the plan a subscription is on. */
  constructor(store: Store, planOf: (subscription: number) => number | undefined) {
    this.#store = store;
    this.#planOf = planOf;
    this.#stop = store.onCommit(() => this.#consumers.clear());
  }

  /** Labels for rows of one proxy group, in their order. */
  async labelsOf(group: string, rows: readonly UsageRow[]): Promise<readonly UsageLabels[]> {
    const ids = rows.flatMap((row) => {
      const plan = row.subscription === 0 ? undefined : this.#planOf(row.subscription);
      return [row.subscription, row.product, row.operation, plan ?? 0];
    });
    await this.#learn(ids.filter((id) => id !== 0));
    return Promise.all(rows.map((row) => this.#label(group, row)));
  }

  /** Stops following the store. */
  close(): void {
    this.#stop();
  }

  async #learn(ids: readonly number[]): Promise<void> {
    const missing = [...new Set(ids)].filter((id) => !this.#names.has(id));
    if (missing.length === 0) return;
    if (this.#names.size + missing.length > NAMES_KEPT) this.#names.clear();
    for (const [i, key] of (await this.#store.names(missing)).entries()) {
      const id = missing[i];
      if (key !== undefined && id !== undefined) this.#names.set(id, key);
    }
  }

  async #label(group: string, row: UsageRow): Promise<UsageLabels> {
    const product = this.#names.get(row.product);
    const operation = this.#names.get(row.operation)?.name ?? '';
    return {
      group,
      ...(await this.#subscriber(row.subscription)),
      ...(row.subscription === 0 && { namespace: product?.namespace ?? '' }),
      product: product?.name ?? '',
      // The id of an operation stands for `<product>/<operation>`.
      operation: operation.slice(operation.indexOf('/') + 1),
      subscriptionId: row.subscription,
      productId: row.product,
      operationId: row.operation,
      other: row.other,
    };
  }

  /** The id of a subscription stands for `<application>/<product>`. */
  async #subscriber(subscription: number) {
    const key = subscription === 0 ? undefined : this.#names.get(subscription);
    if (key === undefined) return NOBODY;
    const application = key.name.slice(0, key.name.indexOf('/'));
    const plan = planName(this.#names.get(this.#planOf(subscription) ?? 0)?.name ?? '');
    const consumer = await this.#consumerOf(key.namespace, application);
    return { namespace: key.namespace, consumer, application, plan };
  }

  async #consumerOf(namespace: string, application: string): Promise<string> {
    const name = `${namespace}/${application}`;
    const known = this.#consumers.get(name);
    if (known !== undefined) return known;
    const text = await this.#store.resource('Application', namespace, application);
    const consumer = text === undefined ? '' : consumerIn(text);
    this.#consumers.set(name, consumer);
    return consumer;
  }
}

function consumerIn(text: string): string {
  const { spec } = JSON.parse(text) as { spec?: { consumer?: unknown } };
  return typeof spec?.consumer === 'string' ? spec.consumer : '';
}
