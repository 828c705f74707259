/**
 * Declared resources as they are read a few at a time, straight from the store: nobody who looks
 * at a page waits for a large change to be worked out. It must never read a whole set.
 */
import { isSelected, type LabelRule } from '../resources/labels.ts';
import type { Kind, Metadata } from '../resources/schema/schema.ts';
import type { ResourceQuery, Store, StoredResource } from '../store/store.ts';
import { type Caller, mayUse } from './access.ts';

/** What a store answers readers with. */
export type ReadableStore = Pick<Store, 'resourcePage' | 'resource'>;

/** Which resources of a kind are asked for. */
export interface PageQuery extends ResourceQuery {
  /** Only those whose labels are so. */
  readonly labels?: readonly LabelRule[];
}

/** Some resources, and where to go on for more; undefined when there are none. */
export interface ResourcePage {
  readonly items: readonly StoredResource[];
  readonly next: Place | undefined;
}

type Place = Pick<StoredResource, 'namespace' | 'name'>;

/** Most resources whose labels are looked at for one page, which is shorter then. */
export const LABELS_LOOKED_MAX = 20_000;

/** Resources whose labels are looked at in one go. */
const LOOKED_AT_ONCE = 500;

/** A page of the stored resources of one kind, of the namespaces of the caller. */
export async function pageOf(
  store: ReadableStore,
  by: Caller,
  { labels, namespaces: asked, ...query }: PageQuery,
): Promise<ResourcePage> {
  const { namespaces: own } = by;
  const both = asked?.filter((each) => mayUse(by, each)) ?? (own.length === 0 ? undefined : own);
  const { limit } = query;
  const rest = { ...query, ...(both !== undefined && { namespaces: both }) };
  if (labels !== undefined) return selected(store, rest, labels);
  const items = await store.resourcePage(rest);
  return { items, next: items.length === limit ? items.at(-1) : undefined };
}

async function selected(
  store: ReadableStore,
  query: ResourceQuery,
  labels: readonly LabelRule[],
): Promise<ResourcePage> {
  const items: StoredResource[] = [];
  let { after } = query;
  for (let looked = 0; looked < LABELS_LOOKED_MAX; looked += LOOKED_AT_ONCE) {
    const place = after === undefined ? {} : { after };
    const some = await store.resourcePage({ ...query, ...place, limit: LOOKED_AT_ONCE });
    for (const each of some) {
      if (isSelected(labels, labelsOf(each))) items.push(each);
      if (items.length === query.limit) return { items, next: each };
    }
    after = some.at(-1);
    if (some.length < LOOKED_AT_ONCE) return { items, next: undefined };
  }
  return { items, next: after };
}

function labelsOf({ text }: StoredResource): Readonly<Record<string, string>> {
  return (JSON.parse(text) as { metadata: Metadata }).metadata.labels ?? {};
}

/** One stored resource; one of a foreign namespace is as if it were not there. */
export async function findIn(
  store: ReadableStore,
  by: Caller,
  kind: Kind,
  namespace: string,
  name: string,
): Promise<StoredResource | undefined> {
  if (!mayUse(by, namespace)) return undefined;
  const text = await store.resource(kind, namespace, name);
  return text === undefined ? undefined : { kind, namespace, name, text };
}
