/**
 * Declared resources as they are read a few at a time, straight from the store: nobody who looks
 * at a page waits for a large change to be worked out. It must never read a whole set.
 */
import type { Kind } from '../resources/schema/schema.ts';
import type { ResourceQuery, Store, StoredResource } from '../store/store.ts';
import { type Caller, mayUse } from './access.ts';

/** What a store answers readers with. */
export type ReadableStore = Pick<Store, 'resourcePage' | 'resource'>;

/** A page of the stored resources of one kind, of the namespaces of the caller. */
export async function pageOf(
  store: ReadableStore,
  by: Caller,
  query: ResourceQuery,
): Promise<readonly StoredResource[]> {
  const { namespaces: asked } = query;
  const { namespaces: own } = by;
  const both = asked?.filter((each) => mayUse(by, each)) ?? (own.length === 0 ? undefined : own);
  const { namespaces: _, ...rest } = query;
  const only = both === undefined ? {} : { namespaces: both };
  return store.resourcePage({ ...rest, ...only });
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
