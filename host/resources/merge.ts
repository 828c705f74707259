/**
 * Brings a change into a stored set: what files say replaces what is stored under the same name,
 * the rest stays. All problems of the outcome are found, also those of resources that the change
 * does not name; they are shown as the store holds them.
 */
import { diffResources, keyOf, type ResourceDiff } from './diff.ts';
import {
  type CanonicalResource,
  canonical,
  type FilesRead,
  type InputFile,
  LOAD_BOUNDS,
  type Loaded,
  readFiles,
} from './load.ts';
import { checkMeaning } from './meaning.ts';
import { buildSet, type Document } from './model.ts';
import { Origin } from './origin.ts';
import { inOrder, type Problem } from './problem.ts';
import { placeText, resolveReference } from './reference.ts';
import { checkReferences, type Declared, namespacesOf } from './references.ts';
import type { Kind, Metadata, Specs } from './schema/schema.ts';
import { specOf } from './spec.ts';
import { resourceYaml } from './yaml.ts';

/** A change of a stored set. */
export interface SetChange {
  readonly files: readonly InputFile[];
  /** Stored resources that go. */
  readonly remove: readonly Pick<CanonicalResource, 'kind' | 'namespace' | 'name'>[];
  /** Whether what no file names goes. */
  readonly prune: boolean;
  /** Namespaces whose resources `prune` may remove; none = all. */
  readonly namespaces: readonly string[];
}

/** The outcome of a change. */
export type Merged =
  | (Extract<Loaded, { ok: true }> & Reach & { readonly diff: readonly ResourceDiff[] })
  | (Extract<Loaded, { ok: false }> & Reach);

/** How far a change goes. */
export interface Reach {
  /** Namespaces of what it names or removes, and those that what it makes or changes refers to. */
  readonly reach: readonly string[];
}

/** A change that leaves everything as it is. */
export const NO_CHANGE: SetChange = { files: [], remove: [], prune: false, namespaces: [] };

/** The set after a change, or every problem it would have. `read` = its files as they were read. */
export function mergeResources(
  stored: readonly CanonicalResource[],
  change: SetChange,
  read: FilesRead = readFiles(change.files, LOAD_BOUNDS),
): Merged {
  const before = new Map(stored.map((each) => [keyOf(each), each]));
  const kept = keptOf(stored, read.declared, change).map(storedDocument);
  const settled = settle(read.documents, kept, before);
  const documents = [...kept, ...settled.documents];
  const declared = [...kept.map(declaredOf), ...read.declared];
  const problems = [...read.problems, ...checkReferences(declared, documents)];
  const set = buildSet(documents);
  problems.push(...checkMeaning(set), ...settled.problems);
  const fresh = settled.documents.map(canonical);
  const changed = settled.documents.filter((each, i) => {
    return before.get(keyOf(declaredOf(each)))?.text !== fresh[i]?.text;
  });
  // What it names and leaves as it is counts too: that it is so already would tell what there is.
  const named = read.declared.map(({ namespace }) => namespace);
  const namespaces = [...named, ...changed.flatMap(namespacesOf)];
  if (problems.length > 0) {
    return { ok: false, problems: inOrder(problems), reach: eachOnce(namespaces) };
  }
  const names = new Set(
    kept.map(({ kind, metadata }) => `${kind}/${metadata.namespace}/${metadata.name}`),
  );
  const untouched = stored.filter((each) => names.has(keyOf(each)));
  const touched = stored.filter((each) => !names.has(keyOf(each)));
  const diff = diffResources(touched, fresh);
  return {
    ...{ ok: true, set, diff, resources: [...untouched, ...fresh] },
    reach: eachOnce([...namespaces, ...diff.map(({ namespace }) => namespace)]),
  };
}

function eachOnce(names: readonly string[]): string[] {
  return [...new Set(names)].sort();
}

function keptOf(
  stored: readonly CanonicalResource[],
  declared: readonly Declared[],
  { remove, prune, namespaces }: SetChange,
): CanonicalResource[] {
  const gone = new Set([...declared, ...remove].map(keyOf));
  const mayPrune = ({ namespace }: CanonicalResource) =>
    prune && (namespaces.length === 0 || namespaces.includes(namespace));
  return stored.filter((each) => !gone.has(keyOf(each)) && !mayPrune(each));
}

function storedDocument(resource: CanonicalResource): Document {
  const { kind, namespace, name, text } = resource;
  const { metadata, spec } = JSON.parse(text) as { metadata: Metadata; spec: Specs[Kind] };
  const origin = Origin.stored(`${kind} ${namespace}/${name}`, kind, () => resourceYaml(resource));
  return { kind, metadata, spec, origin };
}

function declaredOf(document: Document): Declared {
  const { kind, metadata } = document;
  const { name, namespace = 'default' } = metadata;
  return { kind, name, namespace, document };
}

/**
 * Gives every subscription the state that its file leaves to the host: the one it has; for a new
 * one `pending` where the product asks for approval. New ones of a product that was deprecated or
 * retired before are problems.
 */
function settle(
  documents: readonly Document[],
  kept: readonly Document[],
  before: ReadonlyMap<string, CanonicalResource>,
): { readonly documents: readonly Document[]; readonly problems: readonly Problem[] } {
  const isProduct = (each: Document): each is Document<'Product'> => each.kind === 'Product';
  const products = new Map(
    [...kept, ...documents].filter(isProduct).map((each) => [placeOf(each), each]),
  );
  const problems: Problem[] = [];
  const settled = documents.map((document) => {
    if (document.kind !== 'Subscription') return document;
    const { metadata, origin } = document;
    const spec = document.spec as Specs['Subscription'];
    const { namespace = 'default', name } = metadata;
    const place = (text: string) => placeText(resolveReference(text, namespace));
    const product = products.get(place(spec.product));
    const old = specOf<'Subscription'>(
      before.get(keyOf({ kind: 'Subscription', namespace, name }))?.text,
    );
    const isNew =
      old === undefined ||
      place(old.application) !== place(spec.application) ||
      place(old.product) !== place(spec.product);
    if (isNew && product !== undefined) {
      problems.push(...closed(product, before, origin));
    }
    const first = product?.spec.approval === 'manual' ? 'pending' : 'active';
    const state = spec.state ?? (isNew ? first : (old.state ?? 'active'));
    return { ...document, spec: { ...spec, state } };
  });
  return { documents: settled, problems };
}

/** A problem when a product takes no new subscription, now and before the change. */
function closed(
  product: Document<'Product'>,
  before: ReadonlyMap<string, CanonicalResource>,
  origin: Origin | undefined,
): Problem[] {
  const { lifecycle = 'published' } = product.spec;
  const { namespace = 'default', name } = product.metadata;
  const old = specOf<'Product'>(before.get(keyOf({ kind: 'Product', namespace, name }))?.text);
  const isClosed = (state: string | undefined) => state === 'deprecated' || state === 'retired';
  if (!isClosed(lifecycle) || !isClosed(old?.lifecycle) || origin === undefined) return [];
  return [origin.problem('SG1504', { name, lifecycle }, ['spec', 'product'])];
}

function placeOf({ metadata }: Document): string {
  const { namespace = 'default', name } = metadata;
  return placeText({ namespace, name });
}
