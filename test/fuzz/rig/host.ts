/**
 * The host's end of the wire as a script: it answers every call of a filter at once with the bytes
 * it was given, so that a test can change any of them. Messages come from the host's own encoders,
 * shares of rates from its own arithmetic; quota is handed out whole to the one holder there is.
 */
import type { CallAnswer, CallResult, HttpCall } from '../../../host/emulator/index.ts';
import { answerShare } from '../../../host/http/share-items.ts';
import type { Account, AccountTerms } from '../../../host/quota/report.ts';
import { Shares } from '../../../host/quota/share.ts';
import { encodeDirectory, WALK_START, type WireRecord } from '../../../host/wire/directory.ts';
import type { HostSection } from '../../../host/wire/host.ts';
import { encodeManifest, type PagedPolicy, pagePolicy } from '../../../host/wire/manifest.ts';
import {
  decodeSyncRequest,
  encodeSyncReply,
  type SyncAnswerItem,
  type SyncReportItem,
  type SyncRequest,
} from '../../../host/wire/sync.ts';
import {
  decodeWatchRequest,
  encodeWatchReply,
  type WatchRequest,
} from '../../../host/wire/watch.ts';

/** The kinds of answers there are, and whose bytes a tampering hand may change. */
export type AnswerKind = 'watch' | 'manifest' | 'page' | 'directory' | 'sync';

/** Changes the bytes of an answer before the filter has them. */
export type Tamper = (kind: AnswerKind, body: Uint8Array) => Uint8Array;

/** What a subscription has of a limit, by their ids. */
export type TermsOf = (owner: bigint, limit: bigint) => AccountTerms | undefined;

interface Holding {
  generation: number;
  used: number;
  folded: number;
}

const STORE_ID = new Uint8Array(16).fill(7);

/** A host of one proxy group. */
export class ScriptedHost {
  /** Head of the store. */
  revision = 1;
  policyRevision = 1;
  paged: PagedPolicy;
  records: readonly WireRecord[];
  tamper: Tamper = (_, body) => body;
  /** What the newest watch of the filter said. */
  heard: WatchRequest | undefined;
  /** The shares in the answers to calls, by the numbers of the calls, until they are forgotten. */
  readonly shares = new Map<number, SyncAnswerItem[]>();
  /** Calls answered so far, by kind. */
  readonly answered: Record<AnswerKind, number> = {
    ...{ watch: 0, manifest: 0, page: 0, directory: 0, sync: 0 },
  };
  readonly #nowMs: () => number;
  readonly #termsOf: TermsOf;
  readonly #shares: Shares;
  readonly #accounts = new Map<string, Holding>();
  #watch: HttpCall | undefined;

  constructor(
    content: { policy: Uint8Array; records: readonly WireRecord[] },
    nowMs: () => number,
    termsOf: TermsOf,
  ) {
    this.paged = pagePolicy(content.policy);
    this.records = content.records;
    this.#nowMs = nowMs;
    this.#termsOf = termsOf;
    const onPrompt = () => {};
    this.#shares = new Shares({ clockMs: nowMs, learn: false, firstNumber: 1, onPrompt });
  }

  /** Serves a call; a watch stays open until there is something to say. */
  readonly serve = (call: HttpCall): CallResult => {
    const [, , resource = '', , digest] = call.path.replace(/\?.*/, '').split('/');
    if (resource === 'watch') return this.#watched(call);
    if (resource === 'sync') return this.#answer('sync', this.#synced(call));
    if (resource === 'directory') return this.#answer('directory', this.#directory(call.path));
    if (digest === undefined) return this.#answer('manifest', this.#manifest());
    const page = this.paged.pages[Number(call.path.split('/').at(-1))];
    const known = digest === Buffer.from(this.paged.digest).toString('hex');
    return known && page ? this.#answer('page', page) : { status: 410 };
  };

  /** Puts another policy in force, and tells the filter. */
  changePolicy(policy: Uint8Array): void {
    this.paged = pagePolicy(policy);
    this.revision += 1;
    this.policyRevision = this.revision;
    this.#tell();
  }

  /** Adds records of the next revision to the directory, and tells the filter with the page. */
  changeRecords(records: readonly Omit<WireRecord, 'revision'>[]): void {
    this.revision += 1;
    const { revision } = this;
    const changed = records.map((record) => ({ ...record, revision }));
    const ids = new Set(changed.map(({ kind, id }) => `${kind}/${id}`));
    this.records = [
      ...this.records.filter(({ kind, id }) => !ids.has(`${kind}/${id}`)),
      ...changed,
    ];
    this.#tell();
  }

  get host(): HostSection {
    const { revision } = this;
    return { storeId: STORE_ID, epoch: 1, revision, hostNowMs: Math.floor(this.#nowMs()) };
  }

  #answer(kind: AnswerKind, body: Uint8Array): CallAnswer {
    this.answered[kind] += 1;
    return { status: 200, body: this.tamper(kind, body) };
  }

  #watched(call: HttpCall): CallResult {
    const asked = decodeWatchRequest(call.body);
    if (!asked.ok) throw new Error(`the filter asks what nobody understands: ${asked.what}`);
    this.heard = asked.value;
    this.#watch = call;
    this.#tell();
    return 'lost';
  }

  #tell(): void {
    const { heard } = this;
    if (heard === undefined || this.#watch?.state !== 'open') return;
    const newPolicy = heard.policyRevision < this.policyRevision;
    const newRecords = !heard.filling && heard.directoryRevision < this.revision;
    if (!newPolicy && !newRecords) return;
    const page = heard.complete && newRecords ? this.#page(heard.directoryRevision) : undefined;
    const { policyRevision, host } = this;
    const fetch = newRecords && page === undefined;
    const reply = encodeWatchReply({
      host,
      policyRevision,
      fetch,
      report: false,
      ...(page && { page }),
    });
    this.#watch.answer({ ...this.#answer('watch', reply), afterMs: 1 });
  }

  #page(after: number) {
    const { revision, policyRevision } = this;
    return {
      ...{ policyRevision, after, from: WALK_START, upTo: revision, next: WALK_START },
      ...{ complete: true, startOver: false, forgotten: 0 },
      records: this.records.filter(
        (record) => record.revision > after && (record.present || after > 0),
      ),
    };
  }

  #directory(path: string): Uint8Array {
    const after = Number(/after=(\d+)/.exec(path)?.[1] ?? 0);
    return encodeDirectory({ host: this.host, page: this.#page(after) });
  }

  #manifest(): Uint8Array {
    const { host, policyRevision } = this;
    const { length, digest, pageDigests } = this.paged;
    return encodeManifest({ host, policyRevision, length, pageBytes: 32_768, digest, pageDigests });
  }

  #synced({ token, body }: HttpCall): Uint8Array {
    const asked = decodeSyncRequest(body);
    if (!asked.ok) throw new Error(`the filter reports what nobody understands: ${asked.what}`);
    const { sequence, items } = asked.value;
    const shared = items.map((item) => this.#shared(asked.value, item));
    this.shares.set(
      token,
      shared.filter((item) => item !== undefined),
    );
    const { host, policyRevision } = this;
    return encodeSyncReply({
      ...{ host, sequence, heartbeatMs: 1_000, policyRevision, usageAcknowledged: 0 },
      items: items.map((item, at) => shared[at] ?? this.#granted(item)),
    });
  }

  #shared({ incarnation, sequence }: SyncRequest, item: SyncReportItem) {
    const terms = { resolve: ({ owner, limit }: Account) => this.#termsOf(owner, limit) };
    return answerShare(incarnation, sequence, item, { shares: this.#shares, terms });
  }

  #granted(item: SyncReportItem) {
    const { owner, limit, partition, windowKind, generation } = item;
    const key = `${owner}/${limit}/${windowKind}`;
    const account = this.#accounts.get(key) ?? { generation, used: 0, folded: 0 };
    if (account.generation !== generation) {
      account.folded += account.used;
      account.generation = generation;
    }
    account.used = item.used;
    this.#accounts.set(key, account);
    const quota = this.#termsOf(owner, limit)?.quota ?? 0;
    const granted = Math.max(item.granted, quota - account.folded);
    const windowMs = windowKind * 1_000;
    const now = this.#nowMs();
    const windowLeftMs = Math.ceil(windowMs - (now % windowMs));
    return {
      ...{ owner, limit, partition, windowKind, generation, granted, quota, windowLeftMs },
      windowId: 1 + Math.floor(now / windowMs),
      remaining: 0,
      startsInMs: 0,
      useByMs: windowLeftMs,
      denyForMs: windowLeftMs,
      // A pre-grant is never given: no scene lives to see the next window.
      status: item.next ? 2 : item.granted >= granted ? 1 : 0,
      class: item.class,
      ...{ approximate: false, holders: 1 },
    };
  }
}
