/**
 * Checks what resources say about one another: names declared once, references that lead
 * somewhere, nothing claimed twice. It must never look at what a single resource says.
 */
import type { Facts } from './errors.ts';
import { CREDENTIAL_FORMS, credentialDigestText, type Document } from './model.ts';
import type { Path } from './origin.ts';
import type { Problem } from './problem.ts';
import { placeText, referenceText, resolveReference } from './reference.ts';
import type { Kind } from './schema/schema.ts';
import { suggest } from './suggest.ts';

/** A name that is declared, also by a resource with problems of its own. */
export interface Declared {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
  readonly document: Document;
}

/** The proxy group that is there without being declared. */
export const DEFAULT_GROUP = 'default';

/** What each kind refers to: the field of its spec and the kind it names. */
const REFERENCES: Partial<Record<Kind, Readonly<Record<string, Kind>>>> = {
  Application: { consumer: 'Consumer' },
  Subscription: { application: 'Application', product: 'Product', plan: 'Plan' },
  Credential: { application: 'Application' },
};

/** Problems between resources. `declared` has every name, `documents` those without problems. */
export function checkReferences(
  declared: readonly Declared[],
  documents: readonly Document[],
): Problem[] {
  const names = new Names(declared);
  return [
    ...names.twice(),
    ...documents.flatMap((document) => dangling(document, names)),
    ...subscribedTwice(documents),
    ...digestsTwice(documents),
  ];
}

/** Declared names by kind and namespace. */
class Names {
  readonly #byPlace = new Map<string, Map<string, Declared>>();
  readonly #twice: Problem[] = [];

  constructor(declared: readonly Declared[]) {
    const groups = new Map<string, Declared>();
    for (const each of declared) {
      const place = `${each.kind}/${each.namespace}`;
      const names = this.#byPlace.get(place) ?? new Map<string, Declared>();
      this.#byPlace.set(place, names);
      const { kind, name, namespace } = each;
      const first = names.get(name);
      if (first !== undefined) this.#add('SG1302', { kind, name, namespace }, each, first);
      else names.set(name, each);
      const other = kind === 'ProxyGroup' ? groups.get(name) : undefined;
      if (other !== undefined && other.namespace !== namespace) {
        this.#add('SG1306', { name, other: other.namespace }, each, other);
      } else if (kind === 'ProxyGroup') groups.set(name, each);
    }
  }

  #add(code: 'SG1302' | 'SG1306', facts: Facts, each: Declared, other: Declared): void {
    const { origin } = each.document;
    const where = other.document.origin?.where(['metadata', 'name']) ?? '';
    if (origin === undefined) return;
    this.#twice.push(origin.problem(code, { ...facts, where }, ['metadata', 'name']));
  }

  twice(): readonly Problem[] {
    return this.#twice;
  }

  of(kind: Kind, namespace: string): Iterable<string> {
    return this.#byPlace.get(`${kind}/${namespace}`)?.keys() ?? [];
  }

  has(kind: Kind, namespace: string, name: string): boolean {
    return this.#byPlace.get(`${kind}/${namespace}`)?.has(name) === true;
  }

  /** Proxy groups are known by name in every namespace. */
  groups(): string[] {
    const places = [...this.#byPlace].filter(([place]) => place.startsWith('ProxyGroup/'));
    return [DEFAULT_GROUP, ...places.flatMap(([, names]) => [...names.keys()])];
  }
}

function dangling(document: Document, names: Names): Problem[] {
  const { origin, kind } = document;
  if (origin === undefined) return [];
  const namespace = document.metadata.namespace ?? 'default';
  const fields = Object.entries(REFERENCES[kind] ?? {});
  const problems = fields.flatMap(([field, target]) => {
    const meant = resolveReference(textOf(document, field), namespace);
    if (names.has(target, meant.namespace, meant.name)) return [];
    const known = suggest(meant.name, names.of(target, meant.namespace));
    const suggestion = known && referenceText({ ...meant, name: known }, namespace);
    const facts = { kind: target, ...meant };
    return [origin.problem('SG1301', facts, ['spec', field], { suggestion })];
  });
  return [...problems, ...danglingGroup(document, names)];
}

function textOf(document: Document, field: string): string {
  return String((document.spec as Record<string, unknown>)[field]);
}

/** Namespaces a resource lives in and refers to: whoever changes it needs rights in all. */
export function namespacesOf(document: Document): string[] {
  const { kind, metadata } = document;
  const { namespace = 'default' } = metadata;
  const fields = Object.keys(REFERENCES[kind] ?? {});
  const met = fields.map((field) => resolveReference(textOf(document, field), namespace).namespace);
  return [namespace, ...met];
}

function danglingGroup(document: Document, names: Names): Problem[] {
  if (!isKind(document, 'Product') || document.origin === undefined) return [];
  const { proxyGroup: name = DEFAULT_GROUP } = document.spec;
  const groups = names.groups();
  if (groups.includes(name)) return [];
  const namespace = document.metadata.namespace ?? 'default';
  const facts = { kind: 'ProxyGroup', name, namespace };
  const suggestion = suggest(name, groups);
  return [document.origin.problem('SG1301', facts, ['spec', 'proxyGroup'], { suggestion })];
}

function subscribedTwice(documents: readonly Document[]): Problem[] {
  const subscriptions = documents.filter((each) => isKind(each, 'Subscription'));
  return twice(
    subscriptions,
    ({ metadata, spec }) => {
      const { namespace = 'default' } = metadata;
      const place = (text: string) => placeText(resolveReference(text, namespace));
      return `${place(spec.application)}/${place(spec.product)}`;
    },
    ({ origin, spec }, where) => {
      const { application, product } = spec;
      return origin?.problem('SG1304', { application, product, where }, SPEC_PRODUCT);
    },
  );
}

const SPEC_PRODUCT: Path = ['spec', 'product'];

function digestsTwice(documents: readonly Document[]): Problem[] {
  const credentials = documents.filter((each) => isKind(each, 'Credential'));
  return twice(
    credentials,
    ({ spec }) => credentialDigestText(spec),
    ({ origin, spec }, where, first) => {
      const what = CREDENTIAL_FORMS.find((form) => spec[form] !== undefined) ?? 'digest';
      const facts = { what, other: first.metadata.name, where };
      return origin?.problem('SG1305', facts, ['spec', what]);
    },
  );
}

/** A problem for every document whose key an earlier one has. */
function twice<T extends Document>(
  documents: readonly T[],
  keyOf: (document: T) => string,
  report: (document: T, where: string, first: T) => Problem | undefined,
): Problem[] {
  const seen = new Map<string, T>();
  return documents.flatMap((document) => {
    const key = keyOf(document);
    const first = seen.get(key);
    if (first === undefined) {
      seen.set(key, document);
      return [];
    }
    return report(document, first.origin?.where() ?? '', first) ?? [];
  });
}

function isKind<K extends Kind>(document: Document, kind: K): document is Document<K> {
  return document.kind === kind;
}
