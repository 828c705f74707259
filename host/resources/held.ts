/**
 * The stored set of resources, indexed, so that a change of a few costs what these few cost however
 * many are stored. It finds what lies near a change: everything that decides whether the change is
 * allowed and what it does to proxies. It must never check or change anything by itself.
 */
import { keyOf } from './diff.ts';
import type { CanonicalResource, FilesRead } from './load.ts';
import type { SetChange } from './merge.ts';
import { credentialDigestText } from './model.ts';
import { variantOf } from './overrides.ts';
import { placeText, resolveReference } from './reference.ts';
import type { Declared } from './references.ts';
import type { Kind, Specs } from './schema/schema.ts';
import { specOf } from './spec.ts';

/** Kinds of which there are few; all of them are near every change. */
const FEW: readonly Kind[] = ['Product', 'Plan', 'ProxyGroup'];

type Named = Pick<CanonicalResource, 'kind' | 'namespace' | 'name'>;

/** A resource as an index needs it: what it refers to, by the keys of what it names. */
interface Links {
  readonly consumer?: string;
  readonly application?: string;
  readonly product?: string;
  /** Product, plan and overrides: what is alike in it is alike for checks and policies. */
  readonly terms?: string;
  readonly digest?: string;
}

/** The stored set. */
export class HeldSet {
  readonly #resources = new Map<string, CanonicalResource>();
  readonly #few = new Set<string>();
  readonly #applications = new Referrers();
  readonly #subscriptions = new Referrers();
  readonly #credentials = new Referrers();
  readonly #sold = new Referrers();
  readonly #terms = new Referrers();
  readonly #digests = new Map<string, string>();

  constructor(resources: Iterable<CanonicalResource> = []) {
    for (const each of resources) this.put(each);
  }

  /** Resources that are held. */
  get size(): number {
    return this.#resources.size;
  }

  get(named: Named): CanonicalResource | undefined {
    return this.#resources.get(keyOf(named));
  }

  /** All of them, in no order that means anything. */
  all(): readonly CanonicalResource[] {
    return [...this.#resources.values()];
  }

  /** Takes a resource in, in the place of the one of its name. */
  put(resource: CanonicalResource): void {
    const key = keyOf(resource);
    this.remove(resource);
    this.#resources.set(key, resource);
    if (FEW.includes(resource.kind)) this.#few.add(key);
    const { consumer, application, product, terms, digest } = linksOf(resource);
    if (consumer !== undefined) this.#applications.add(consumer, key);
    if (application !== undefined) this.#of(resource.kind).add(application, key);
    if (product !== undefined) this.#sold.add(product, key);
    if (terms !== undefined) this.#terms.add(terms, key);
    if (digest !== undefined) this.#digests.set(digest, key);
  }

  /** Lets a resource go. */
  remove(named: Named): void {
    const key = keyOf(named);
    const held = this.#resources.get(key);
    if (held === undefined) return;
    this.#resources.delete(key);
    this.#few.delete(key);
    const { consumer, application, product, terms, digest } = linksOf(held);
    if (consumer !== undefined) this.#applications.remove(consumer, key);
    if (application !== undefined) this.#of(held.kind).remove(application, key);
    if (product !== undefined) this.#sold.remove(product, key);
    if (terms !== undefined) this.#terms.remove(terms, key);
    if (digest !== undefined && this.#digests.get(digest) === key) this.#digests.delete(digest);
  }

  /**
   * The stored resources near a change. Applied to them alone, it has a problem if and only if it
   * has one for the whole set, makes the same policies, and of the applications among them and
   * their subscriptions the same records; of all others the records stay.
   */
  near(read: FilesRead, change: SetChange): readonly CanonicalResource[] {
    const declared = new Map(read.declared.map((each) => [keyOf(each), each]));
    const touched = this.#touched(declared.keys(), change);
    const near = new Set([...this.#few, ...touched]);
    const applications = new Set<string>();
    const after = read.documents.map(({ kind, metadata: { name, namespace = 'default' }, spec }) =>
      linksIn({ kind, namespace, name }, spec),
    );
    const before = [...touched].flatMap((key) => this.#resources.get(key) ?? []).map(linksOf);
    for (const { consumer, application, digest } of [...before, ...after]) {
      if (consumer !== undefined) near.add(consumer);
      if (application !== undefined) applications.add(application);
      const twin = digest === undefined ? undefined : this.#digests.get(digest);
      if (twin !== undefined) near.add(twin);
    }
    for (const key of touched) {
      if (key.startsWith('Application/')) applications.add(key);
      // Whoever refers to what goes would be left with nothing.
      for (const referring of this.#applications.of(key)) near.add(referring);
    }
    for (const key of this.#representing(touched)) applications.add(this.#applicationOf(key));
    for (const key of this.#moved(declared, touched)) applications.add(this.#applicationOf(key));
    const isGone = (key: string) => touched.has(key) && !declared.has(key);
    this.#complete(near, applications, isGone);
    return [...near].flatMap((key) => this.#resources.get(key) ?? []);
  }

  /** Applications with all that their records and their checks take. */
  #complete(near: Set<string>, applications: Set<string>, isGone: (key: string) => boolean): void {
    for (const key of near) if (key.startsWith('Application/')) applications.add(key);
    for (const key of applications) {
      near.add(key);
      for (const subscription of this.#subscriptions.of(key)) near.add(subscription);
      const held = this.#resources.get(key);
      const { consumer } = held === undefined ? {} : linksOf(held);
      if (consumer !== undefined) near.add(consumer);
      if (isGone(key)) for (const each of this.#credentials.of(key)) near.add(each);
    }
  }

  /** Keys of stored resources that a change names, or takes away by not naming them. */
  #touched(
    declared: Iterable<string>,
    { remove, prune, namespaces }: SetChange,
  ): ReadonlySet<string> {
    const touched = new Set([...declared, ...remove.map(keyOf)]);
    if (!prune) return touched;
    for (const [key, { namespace }] of this.#resources) {
      if (namespaces.length === 0 || namespaces.includes(namespace)) touched.add(key);
    }
    return touched;
  }

  /** For each terms that are sold a subscription on them, one that stays if there is any. */
  *#representing(touched: ReadonlySet<string>): Iterable<string> {
    for (const keys of this.#terms.values()) {
      for (const key of keys) {
        if (touched.has(key)) continue;
        yield key;
        break;
      }
    }
  }

  /** Subscriptions to products that come into other proxies, or out of all. */
  *#moved(declared: ReadonlyMap<string, Declared>, touched: ReadonlySet<string>): Iterable<string> {
    for (const key of touched) {
      if (!key.startsWith('Product/')) continue;
      const before = specOf<'Product'>(this.#resources.get(key)?.text);
      const after = declared.get(key)?.document.spec as Specs['Product'] | undefined;
      const isSame =
        before?.proxyGroup === after?.proxyGroup && before?.lifecycle === after?.lifecycle;
      if (!isSame) yield* this.#sold.of(key);
    }
  }

  #applicationOf(subscription: string): string {
    const held = this.#resources.get(subscription);
    return (held === undefined ? undefined : linksOf(held).application) ?? '';
  }

  #of(kind: Kind): Referrers {
    return kind === 'Credential' ? this.#credentials : this.#subscriptions;
  }
}

function linksOf(resource: CanonicalResource): Links {
  return linksIn(resource, specOf(resource.text));
}

/** What a resource refers to. Its spec may be one that checks have yet to refuse. */
function linksIn({ kind, namespace }: Named, spec: unknown): Links {
  const keyIn = (target: Kind, text: unknown) =>
    keyOf({ kind: target, ...resolveReference(String(text), namespace) });
  if (kind === 'Application') {
    return { consumer: keyIn('Consumer', (spec as Specs['Application']).consumer) };
  }
  if (kind === 'Credential') {
    const said = spec as Specs['Credential'];
    const digest = credentialDigestText(said);
    return { application: keyIn('Application', said.application), digest };
  }
  if (kind !== 'Subscription') return {};
  const { application, product, plan, overrides = [] } = spec as Specs['Subscription'];
  const sold = keyIn('Product', product);
  const variant = overrides.length === 0 ? '' : variantOf(overrides);
  const on = placeText(resolveReference(plan, namespace));
  const terms = `${sold} ${on} ${variant}`;
  return { application: keyIn('Application', application), product: sold, terms };
}

/** Keys by a key they refer to. Mostly there is one, and a set of one is ten times its size. */
class Referrers {
  readonly #keys = new Map<string, string | Set<string>>();

  add(to: string, key: string): void {
    const held = this.#keys.get(to);
    if (held === undefined) this.#keys.set(to, key);
    else if (typeof held === 'string') this.#keys.set(to, new Set([held, key]));
    else held.add(key);
  }

  remove(to: string, key: string): void {
    const held = this.#keys.get(to);
    if (held === key) this.#keys.delete(to);
    else if (held instanceof Set) {
      held.delete(key);
      if (held.size === 0) this.#keys.delete(to);
    }
  }

  of(to: string): Iterable<string> {
    const held = this.#keys.get(to);
    if (held === undefined) return [];
    return typeof held === 'string' ? [held] : held;
  }

  *values(): Iterable<Iterable<string>> {
    for (const to of this.#keys.keys()) yield this.of(to);
  }
}
