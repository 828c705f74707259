/**
 * What holders and the ledger say to each other about quota, as plain objects. It mirrors the
 * items of the sync call and must never know their bytes, nor how a ledger keeps what it learns.
 */

/**
 * A limit × partition key × owner × window kind, fleet-wide.
 *
 * `owner` and `limit` are stable ids of the store, `partition` is 0 when the limit has no
 * partition key. `windowKind` 1 … 86,400 is a fixed UTC-aligned window of that many seconds.
 */
export interface Account {
  readonly owner: bigint;
  readonly limit: bigint;
  readonly windowKind: number;
  readonly partition: bigint;
}

/** The incarnation of a holder: 64 random bits, never reused. */
export type HolderId = bigint;

/** How a limit is enforced: by leases of units, by shares of a rate, or by local shares. */
export type LimitClass = 'exact' | 'rate' | 'approximate';

/** What the policy says about an account now; the holder has no say in it. */
export interface LimitTerms {
  /** Units per window, a safe integer; 0 grants nothing. */
  readonly quota: number;
}

/** What shares of a rate are measured by besides. */
export interface AccountTerms extends LimitTerms {
  readonly class: LimitClass;
  /** Most units admitted at one instant; 0 for an exact limit. */
  readonly burst: number;
}

/** Finds the terms of an exact account in the policy in force; undefined = no such account. */
export type ResolveTerms = (account: Account) => LimitTerms | undefined;

/**
 * A holder's report of one holding, and what it asks for. All counters are cumulative for the
 * holding (holder, account, window, generation) and count units; all are safe integers.
 */
export interface ReportItem {
  readonly account: Account;
  /** From one counter of the holder, a fresh number each time a holding is opened. */
  readonly generation: number;
  /** 0 while the holder has not been told yet; then `used`, `released`, `granted` are 0. */
  readonly windowId: number;
  /** Asks about the window after the one now; `windowId` is 0 until known. */
  readonly next: boolean;
  readonly used: number;
  readonly released: number;
  /** The highest G the holder has seen. */
  readonly granted: number;
  /** Units it would like; 0 = only reports. */
  readonly want: number;
  /** Units the first waiting request lacks; fewer would be of no use. 0 counts as 1. */
  readonly need: number;
}

/**
 * - `ok`: `granted` stands.
 * - `exhausted`: as ok, and nothing more for `denyForMs`.
 * - `windowOver`: the holder drops the holding unspent.
 * - `unknown`: no such account here, or counters that contradict each other; the holder drops
 *   the holding unspent and asks again, under a new generation, after `denyForMs`.
 */
export type ReplyStatus = 'ok' | 'exhausted' | 'windowOver' | 'unknown';

/** The ledger's answer to one item, in the order of the items. Times are milliseconds. */
export interface ReplyItem {
  readonly account: Account;
  /** Echo: a reply for a generation that is not held is ignored. */
  readonly generation: number;
  /** Never 0 but with `unknown`. A reply for another window than the holding's is ignored. */
  readonly windowId: number;
  readonly status: ReplyStatus;
  /** All units ever granted to this holding. The holder keeps the maximum it has seen. */
  readonly granted: number;
  /** Units of the window that no holder has been granted. */
  readonly remaining: number;
  readonly quota: number;
  /** To the end of the window; the holder counts from the time it SENT the report. */
  readonly windowLeftMs: number;
  /** To the start of a window asked for with `next`, counted from RECEIPT; else 0. */
  readonly startsInMs: number;
  /**
   * What is not spent so long after receipt goes back. Units that this reply brings start the
   * time anew; a reply without new units may only bring the end nearer.
   */
  readonly useByMs: number;
  /** Holders that live, as far as all have been heard; 0 = not known yet. */
  readonly holders: number;
  readonly denyForMs: number;
}

/**
 * A holder's report of its share of one account. Levels are what a bucket holds, in units × 2^20.
 */
export interface ShareReport {
  /** From one counter of the holder, fresh when it begins to know the account. */
  readonly generation: number;
  /** Number of the call; a later report has a higher one. */
  readonly sequence: number;
  /** False: it needs no share and acts on none. */
  readonly want: boolean;
  /** The share it acts on, 0 for none, and its parts. */
  readonly number: number;
  readonly parts: number;
  /** Level given back since the generation began: cut off when its burst shrank. */
  readonly given: number;
  /** Units of the dearest request it has met. */
  readonly need: number;
}

/** The answer: the share that the holder may act on. */
export interface ShareReply {
  /** `exhausted`: it has to wait for others; `unavailable`: nothing is known yet. */
  readonly status: 'ok' | 'exhausted' | 'unavailable';
  /** A share with another number takes the place of the one before. */
  readonly number: number;
  /** Its part of the account, out of 2^30. */
  readonly parts: number;
  /** Units × 2^30 per millisecond. */
  readonly rate: number;
  /** Units × 2^20. */
  readonly burst: number;
  /** Level that comes with the share, once. */
  readonly start: number;
  /** It holds for so long from the SENDING of the report; not for approximate ones. */
  readonly validMs: number;
  /** Holders of the account. */
  readonly holders: number;
  /** The share is statistical: it needs no lease and nobody waits for others. */
  readonly approximate: boolean;
  readonly denyForMs: number;
}
