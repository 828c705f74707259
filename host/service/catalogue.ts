/**
 * The declared resources of a host that takes them over the admin API: batches, single ones,
 * states of subscriptions, the way back to an older revision. Each change is whole: read, checked
 * against everything else, compiled and written in one transaction, one change at a time. It must
 * never touch a key that was made here.
 */
import type { Compiler, MergedSet } from '../compile/compiler.ts';
import { recordNames } from '../compile/part.ts';
import { diffTexts, keyOf, type ResourceDiff } from '../resources/diff.ts';
import type { HeldSet } from '../resources/held.ts';
import { type CanonicalResource, LOAD_BOUNDS, readFiles } from '../resources/load.ts';
import { NO_CHANGE, type SetChange } from '../resources/merge.ts';
import type { Printable } from '../resources/problem.ts';
import type { Kind } from '../resources/schema/schema.ts';
import { resourcesYaml, resourceYaml } from '../resources/yaml.ts';
import type { Refusal, Store, StoredResource } from '../store/store.ts';
import { type Caller, mayUse } from './access.ts';
import { readBatch } from './batch.ts';
import { etagOf } from './etag.ts';
import { applyFolder, type Reading } from './folder-reading.ts';
import { type OnProgress, Progress } from './progress.ts';
import { findIn, type PageQuery, pageOf, type ResourcePage } from './resource-reads.ts';
import { rolledBack } from './rollback.ts';
import { partOf, StoredSet } from './stored-set.ts';

/** How a change is asked for. */
export interface ChangeOptions {
  readonly by: Caller;
  /** What the audit trail says was asked for. */
  readonly cause: string;
  /** Works everything out, every refusal included, and changes nothing. */
  readonly dryRun?: boolean;
  /** Asks for a difference alone, which a host of files in git shows as well. */
  readonly compares?: boolean;
  /** When given, resources must have last changed at this revision. */
  readonly ifRevision?: number;
}

/** A change that was made, or would be. */
export interface Changed {
  readonly ok: true;
  /** Revision the resources are at. */
  readonly revision: number;
  /** How many resources differ. */
  readonly count: number;
  /** JSON of what differs. Bytes, because it may be large and goes on to another thread. */
  readonly diff: Uint8Array;
}

/** Why nothing was changed. */
export interface Unchanged {
  readonly ok: false;
  readonly code: Refusal['code'] | UnchangedCode;
  readonly message: string;
  /** Problems of the resources, in the order of files and lines. */
  readonly problems: readonly Printable[];
  /** Whether another change came in between, so that the same may go well the next time. */
  readonly raced?: boolean;
}

type UnchangedCode = 'read_only' | 'invalid_resources' | 'forbidden' | 'gone' | 'bad_request';

/** Outcome of a change. */
export type ChangeOutcome = Changed | Unchanged;

/** What a change is made of, given what is stored; or why there is none. */
type MakeChange = (stored: HeldSet) => Promise<SetChange | Unchanged>;

/** What is compiled and written: what is near a change, the same even if it is none, or all. */
type Extent = 'change' | 'near' | 'all';

/** What a catalogue works with. */
export interface CatalogueOptions {
  readonly store: Store;
  readonly compiler: Compiler;
  readonly nowMs: () => number;
  /** Folder that alone changes resources; undefined = the admin API does. */
  readonly folder: string | undefined;
  readonly onProgress?: OnProgress;
}

/** Which state of a resource a change was meant for. */
export interface Meant {
  /** Its tag, or `*` for any; undefined = whatever is there. */
  readonly match: string | undefined;
  /** It must not be there. */
  readonly absent: boolean;
}

/** Which resources to export; absent = all. */
export interface Chosen {
  readonly kind?: Kind | undefined;
  readonly namespace?: string | undefined;
}

/** What others do with declared resources, in whatever thread they are looked after. */
export type Resources = Pick<
  Catalogue,
  | 'folder'
  | 'start'
  | 'readFolder'
  | 'applyBatch'
  | 'changeOne'
  | 'setSubscription'
  | 'rollback'
  | 'page'
  | 'find'
  | 'export'
  | 'revisionDiff'
>;

/** A change without a condition is tried again when another one came in between. */
const TRIES_MAX = 4;

/** Resources that are written in one go. */
const EXPORTED_AT_ONCE = 500;

/** Most resources that the diff of a revision names. */
export const DIFF_MAX = 100_000;

/** Declared resources. */
export class Catalogue {
  readonly #options: CatalogueOptions;
  readonly #stored: StoredSet;
  readonly #progress: Progress;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: CatalogueOptions) {
    this.#options = options;
    this.#stored = new StoredSet(options.store);
    this.#progress = new Progress(options.onProgress ?? (() => undefined));
  }

  /** The folder that alone changes resources, or undefined. */
  get folder(): string | undefined {
    return this.#options.folder;
  }

  /**
   * Compiles what is stored anew, so that proxies get what this version makes of it. Answers the
   * problems that a newer version may find; what was in force then still is.
   */
  async start(): Promise<ChangeOutcome> {
    const by: Caller = { name: 'host', role: 'admin', namespaces: [] };
    const { store, compiler } = this.#options;
    const compiled = (extent: Extent) =>
      this.#attempt(async () => NO_CHANGE, { by, cause: 'start' }, extent);
    return this.#inTurn(async () => {
      if ((await store.compiledBy()) !== compiler.mark) return compiled('all');
      const before = await store.revision();
      const near = await compiled('near');
      // Policies and some of the records are as they would be made now: then so are the others.
      if (near.ok && (await store.revision()) === before) return near;
      return compiled('all');
    });
  }

  /** Brings the folder into force. */
  async readFolder(): Promise<Reading> {
    const { store, compiler, nowMs, folder: path } = this.#options;
    if (path === undefined) throw new Error('there is no folder to read');
    return this.#inTurn(() => applyFolder({ path, store, compiler, nowMs }));
  }

  /** Brings a batch of files, as the body of a call has it, into force. */
  async applyBatch(body: readonly Uint8Array[], options: ChangeOptions): Promise<ChangeOutcome> {
    const batch = readBatch(body);
    if (typeof batch === 'string') return no('bad_request', batch);
    const files = batch.files.map(({ name, text }) => ({ name, bytes: Buffer.from(text) }));
    const { prune = false } = batch;
    // Never because the body does not ask for it: a difference is asked for by the path.
    const dryRun = options.dryRun === true || batch.dryRun === true;
    const change = { files, remove: [], prune, namespaces: options.by.namespaces };
    return this.apply(change, { ...options, dryRun });
  }

  /** Brings a change of files into force. */
  apply(change: SetChange, options: ChangeOptions): Promise<ChangeOutcome> {
    return this.#change(async () => change, options);
  }

  /** Changes or removes one resource if what is stored is what was meant. */
  changeOne(
    name: Pick<CanonicalResource, 'kind' | 'namespace' | 'name'>,
    meant: Meant,
    change: SetChange,
    options: ChangeOptions,
  ): Promise<ChangeOutcome> {
    return this.#change(async (stored) => {
      const held = stored.get(name);
      const what = `${name.kind} "${name.name}" in namespace "${name.namespace}"`;
      if (held === undefined && change.remove.length > 0) return no('not_found', `no ${what}`);
      if (isMeant(held?.text, meant)) return change;
      return no('revision_conflict', `${what} is not as it was when you read it`);
    }, options);
  }

  /** Changes the state of a subscription. */
  setSubscription(
    { namespace, name, state }: Readonly<Record<'namespace' | 'name' | 'state', string>>,
    options: ChangeOptions,
  ): Promise<ChangeOutcome> {
    return this.#change(async (stored) => {
      const named = { kind: 'Subscription', namespace, name } as const;
      const held = stored.get(named);
      if (held === undefined) {
        return no('not_found', `no subscription "${name}" in namespace "${namespace}"`);
      }
      const { metadata, spec } = JSON.parse(held.text);
      const text = JSON.stringify({ metadata, spec: { ...spec, state } });
      const bytes = new TextEncoder().encode(resourceYaml({ kind: 'Subscription', text }));
      return { ...NO_CHANGE, files: [{ name: keyOf(named), bytes }] };
    }, options);
  }

  /** Brings the resources of an older revision back, but nothing that was taken away since. */
  rollback(revision: number, options: ChangeOptions): Promise<ChangeOutcome> {
    const { store } = this.#options;
    return this.#change(async (stored) => {
      const current = await store.resourceRevision();
      if (revision > current) return no('not_found', `there is no revision ${revision} yet`);
      const entries = await store.resourceChangesAfter(revision);
      if (entries === undefined) return no('gone', `revision ${revision} is forgotten`);
      return rolledBack(stored, entries);
    }, options);
  }

  /** The stored resources as files have them, of one kind or namespace when given. */
  async export(by: Caller, { kind, namespace }: Chosen): Promise<Uint8Array> {
    const resources = await this.#options.store.resources(kind);
    const isChosen = (place: string) => namespace === undefined || place === namespace;
    const chosen = resources.filter((each) => {
      return mayUse(by, each.namespace) && isChosen(each.namespace);
    });
    const pieces: string[] = [];
    for (let at = 0; at < chosen.length; at += EXPORTED_AT_ONCE) {
      pieces.push(resourcesYaml(chosen.slice(at, at + EXPORTED_AT_ONCE)));
      // Of a large set this takes a minute; others have their turn in between.
      await new Promise((go) => setImmediate(go));
    }
    return new TextEncoder().encode(pieces.join('---\n'));
  }

  /** A page of the stored resources of one kind. */
  page(by: Caller, query: PageQuery): Promise<ResourcePage> {
    return pageOf(this.#options.store, by, query);
  }

  /** One stored resource; one of a foreign namespace is as if it were not there. */
  find(by: Caller, ...named: [Kind, string, string]): Promise<StoredResource | undefined> {
    return findIn(this.#options.store, by, ...named);
  }

  /** JSON of what a revision did to resources; undefined when it did nothing or is forgotten. */
  async revisionDiff(revision: number, by: Caller): Promise<Uint8Array | undefined> {
    const found = await this.#options.store.audit({ revision, limit: DIFF_MAX });
    const entries = found.filter(({ action }) => action.startsWith('resource.'));
    if (entries.length === 0) return undefined;
    const diff = entries
      .filter(({ namespace }) => mayUse(by, namespace))
      .flatMap((entry) => {
        const { kind, namespace, name, before, after } = entry;
        return diffTexts({ kind: kind as Kind, namespace, name }, before, after) ?? [];
      })
      .sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
    return jsonOf(diff);
  }

  #change(make: MakeChange, options: ChangeOptions): Promise<ChangeOutcome> {
    const { folder } = this.#options;
    // Before anything else: whoever cannot change this host need not mend what it was sent.
    if (folder !== undefined && options.compares !== true) {
      const message = `this host takes resources from the folder ${folder} alone: change them there`;
      return Promise.resolve(no('read_only', message));
    }
    return this.#inTurn(async () => {
      for (let tried = 1; ; tried += 1) {
        const outcome = await this.#attempt(make, options, 'change');
        const raced = !outcome.ok && outcome.raced === true;
        if (!raced || options.ifRevision !== undefined || tried === TRIES_MAX) return outcome;
      }
    });
  }

  /** Does one piece of work after another: the compiler holds one set at a time. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work).finally(() => this.#progress.end());
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #attempt(make: MakeChange, options: ChangeOptions, extent: Extent): Promise<ChangeOutcome> {
    const { store } = this.#options;
    const { by, ifRevision } = options;
    const revision = await store.resourceRevision();
    if (ifRevision !== undefined && ifRevision !== revision) {
      const message = `resources last changed at revision ${revision}, not ${ifRevision}`;
      return no('revision_conflict', message);
    }
    const stored = await this.#stored.at(revision);
    const change = await make(stored);
    if ('ok' in change) return change;
    const { merged, near } = await this.#merge(stored, change, extent);
    // First of all: problems would tell what there is in a namespace, by what is missing.
    const foreign = merged.reach.find((namespace) => !mayUse(by, namespace));
    if (foreign !== undefined) {
      return no('forbidden', `your token is not for namespace "${foreign}"`);
    }
    if (!merged.ok) {
      const problems = merged.problems.map((each) => shownTo(by, each));
      return no('invalid_resources', 'the resources have problems', problems);
    }
    if (merged.diff.length === 0 && extent === 'change') return changed(revision, []);
    return this.#write(merged, near, revision, options);
  }

  /** The set after a change: what is near it, unless that has a problem or all is asked for. */
  async #merge(stored: HeldSet, change: SetChange, extent: Extent) {
    const { store, compiler } = this.#options;
    const known = (await store.groups()).map(({ group }) => group);
    this.#progress.begin(change.files);
    const read = readFiles(change.files, LOAD_BOUNDS, (done) =>
      this.#progress.tell('reading', done),
    );
    this.#progress.tell('checking');
    if (extent !== 'all') {
      const near = stored.near(read, change);
      const merged = await compiler.merge(near, change, known, read);
      if (merged.ok) return { merged, near };
    }
    // Near a problem not all of its places need to be known.
    return { merged: await compiler.merge(stored.all(), change, known, read), near: undefined };
  }

  async #write(
    merged: MergedSet,
    near: readonly CanonicalResource[] | undefined,
    revision: number,
    { by, cause, dryRun = false }: ChangeOptions,
  ): Promise<ChangeOutcome> {
    const { store, compiler, nowMs } = this.#options;
    const records = recordNames(near ?? []);
    const names = [...merged.names, ...records.map(({ name }) => name)];
    const ids = await store.reserveIds(names, dryRun);
    this.#progress.tell('writing');
    const outcome = await store.applyResources({
      ...(await compiler.compile(ids)),
      resources: merged.resources,
      ...(near === undefined && { compiledBy: compiler.mark }),
      ...(near !== undefined && { part: partOf(near, records, ids.slice(merged.names.length)) }),
      ifRevision: revision,
      nowMs: nowMs(),
      by: by.name,
      cause,
      dryRun,
    });
    if (outcome.ok) {
      const at = dryRun ? revision : await store.resourceRevision();
      if (!dryRun) this.#stored.took(merged, at);
      return changed(at, merged.diff);
    }
    const { code, message } = outcome;
    const raced = code === 'revision_conflict';
    return { ...no(code, message, await compiler.explain(outcome)), raced };
  }
}

function changed(revision: number, diff: readonly ResourceDiff[]): Changed {
  return { ok: true, revision, count: diff.length, diff: jsonOf(diff) };
}

function jsonOf(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

function isMeant(text: string | undefined, { match, absent }: Meant): boolean {
  if (absent && text !== undefined) return false;
  if (match === undefined) return true;
  return text !== undefined && (match === '*' || match === etagOf(text));
}

/** What stands for the file of a stored resource. */
const STORED = /^[A-Z][A-Za-z]+ ([a-z0-9-]+)\/[a-z0-9-]+$/;

/** A problem without what it says of a stored resource that the caller may not see. */
function shownTo(by: Caller, problem: Printable): Printable {
  const namespace = STORED.exec(problem.file)?.[1];
  if (namespace === undefined || mayUse(by, namespace)) return problem;
  return { ...problem, file: '(a resource of another namespace)', excerpt: '' };
}

function no(
  code: Unchanged['code'],
  message: string,
  problems: readonly Printable[] = [],
): Unchanged {
  return { ok: false, code, message, problems };
}
