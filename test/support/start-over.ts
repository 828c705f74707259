/**
 * A store as it is after more removals than it keeps, so that a test can have a directory filled
 * anew whenever it wants to.
 */
import type { Store } from '../../host/store/store.ts';

/**
 * Makes a store answer as if it had forgotten the removals before a revision, which the caller
 * sets; 0 at first: it has forgotten nothing.
 */
export function forgetBefore(store: Store): { revision: number } {
  const floor = { revision: 0 };
  const read = store.directoryAfter.bind(store);
  store.directoryAfter = async (query) => {
    const page = await read(query);
    const lags = query.after > 0 && query.after < floor.revision;
    return lags ? { outcome: 'start_over', head: page.head } : page;
  };
  return floor;
}
