/**
 * What the contract tests of the ledger share: accounts, a point of time, and holders that report
 * as a filter does. It uses the interface alone and must never look at how a ledger keeps rows.
 */
import type { Account, LimitTerms, ReplyItem, ReportItem } from '../../host/quota/report.ts';
import type { Ledger } from '../../host/store/ledger.ts';

/** Noon of a day, far from every window's edge but the shortest ones'. */
export const NOON = Date.UTC(2026, 0, 15, 12);
export const SECOND = 1_000;
export const MINUTE = 60_000;
export const HOUR = 3_600_000;
export const DAY = 86_400_000;

/** Opens a ledger that finds terms through `resolve`. */
export type OpenLedger = (resolve: (account: Account) => LimitTerms | undefined) => Promise<Ledger>;

/** A promise of the ledger. */
export interface ContractTest {
  readonly name: string;
  run(kit: LedgerKit): Promise<void>;
}

/** A ledger with time and terms that a test can turn. Disposing of it closes the ledger. */
export class LedgerKit implements AsyncDisposable {
  nowMs = NOON;
  heartbeatMs = SECOND;
  /** Quota of every account; undefined = the policy knows none. */
  quota: number | undefined = 100;
  readonly ledger: Ledger;

  private constructor(ledger: Ledger) {
    this.ledger = ledger;
  }

  static async start(open: OpenLedger): Promise<LedgerKit> {
    let kit: LedgerKit | undefined;
    const ledger = await open(() => {
      const quota = kit?.quota;
      return quota === undefined ? undefined : { quota };
    });
    kit = new LedgerKit(ledger);
    return kit;
  }

  /** An account with windows of a day unless told otherwise. */
  account(parts: Partial<Account> = {}): Account {
    return { owner: 11n, limit: 22n, windowKind: 86_400, partition: 0n, ...parts };
  }

  /** A holding of its own, in the account given. */
  holder(id: bigint, account = this.account()): TestHolder {
    return new TestHolder(this, id, account);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.ledger.close();
  }

  /** Units granted to nobody in the account's window now. */
  async free(account = this.account()): Promise<number> {
    const state = await this.ledger.account(account, this.nowMs);
    return (this.quota ?? 0) - (state?.folded ?? 0) - (state?.out ?? 0);
  }
}

/** One holding as its holder keeps it: cumulative counters, and what it asks for. */
export class TestHolder {
  readonly #kit: LedgerKit;
  readonly id: bigint;
  readonly account: Account;
  generation = 1;
  windowId = 0;
  next = false;
  used = 0;
  released = 0;
  granted = 0;

  constructor(kit: LedgerKit, id: bigint, account: Account) {
    this.#kit = kit;
    this.id = id;
    this.account = account;
  }

  get balance(): number {
    return this.granted - this.used - this.released;
  }

  /** The report as it would be sent now. */
  report(want = 0, need = 0): ReportItem {
    const { account, generation, windowId, next, used, released, granted } = this;
    return { account, generation, windowId, next, used, released, granted, want, need };
  }

  /** Sends a report and loses the reply. */
  async send(report: ReportItem): Promise<ReplyItem> {
    const { ledger, nowMs, heartbeatMs } = this.#kit;
    const [reply] = await ledger.merge(this.id, [report], { nowMs, heartbeatMs });
    if (reply === undefined) throw new Error('an item was not answered');
    return reply;
  }

  /** Sends a report and takes the reply. */
  async ask(want = 0, need = 0): Promise<ReplyItem> {
    const reply = await this.send(this.report(want, need));
    if (reply.status === 'ok' || reply.status === 'exhausted') {
      this.windowId = reply.windowId;
      this.granted = Math.max(this.granted, reply.granted);
    }
    return reply;
  }

  /** Gives back `units`: deducts first and tells then. */
  async release(units: number): Promise<ReplyItem> {
    this.released += units;
    return this.ask();
  }

  /** Opens a new holding, as after a crash of the slot. */
  reopen(): void {
    this.generation += 1;
    this.windowId = 0;
    this.used = 0;
    this.released = 0;
    this.granted = 0;
  }
}
