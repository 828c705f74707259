/**
 * References between resources: `name` means the namespace of the resource that refers, and
 * `namespace/name` any other. It must never know whether what is referred to is there.
 */

/** A resource that is referred to, apart from its kind. */
export interface Reference {
  readonly namespace: string;
  readonly name: string;
}

/** What a text in a resource of `namespace` refers to. */
export function resolveReference(text: string, namespace: string): Reference {
  const slash = text.indexOf('/');
  if (slash === -1) return { namespace, name: text };
  return { namespace: text.slice(0, slash), name: text.slice(slash + 1) };
}

/** The shortest text that refers to a resource from `namespace`; the same for equal references. */
export function referenceText({ namespace, name }: Reference, from: string): string {
  return namespace === from ? name : placeText({ namespace, name });
}

/** Namespace and name as one text, unique among the resources of one kind. */
export function placeText({ namespace, name }: Reference): string {
  return `${namespace}/${name}`;
}

/**
 * Values by the places of resources of one kind. A place is looked up by its two texts as they are,
 * because joining them costs more than both look-ups.
 */
export class Places<T> {
  readonly #values = new Map<string, Map<string, T>>();

  get({ namespace, name }: Reference): T | undefined {
    return this.#values.get(namespace)?.get(name);
  }

  set({ namespace, name }: Reference, value: T): void {
    let named = this.#values.get(namespace);
    if (named === undefined) {
      named = new Map();
      this.#values.set(namespace, named);
    }
    named.set(name, value);
  }
}
