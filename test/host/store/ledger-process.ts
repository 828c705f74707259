/**
 * A process of its own that opens a ledger and takes grants until it is killed, printing a line
 * for each that is acknowledged. It is started by tests, never by anything else.
 */
import type { ReportItem } from '../../../host/quota/report.ts';
import { openSqliteLedger } from '../../../host/store/ledger-sqlite.ts';

const [path = '', holder = '1', quota = '1000000'] = process.argv.slice(2);
const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** Takes grants for account `owner` one after another, each a report of what is out so far. */
async function take(owner: bigint): Promise<void> {
  const account = { owner, limit: 1n, windowKind: 86_400, partition: 0n };
  let item: ReportItem = {
    account,
    generation: 1,
    windowId: 0,
    next: false,
    used: 0,
    released: 0,
    granted: 0,
    want: 3,
    need: 3,
  };
  for (;;) {
    const time = { nowMs: Date.UTC(2026, 0, 15, 12), heartbeatMs: 1000 };
    const [reply] = await ledger.merge(BigInt(holder), [item], time);
    if (reply === undefined || reply.status !== 'ok') return;
    item = { ...item, windowId: reply.windowId, granted: reply.granted };
    say(`granted ${owner} ${reply.granted}`);
  }
}

const ledger = await openSqliteLedger({
  path,
  resolve: () => ({ quota: Number(quota) }),
  seed: 1,
}).catch((error: { code?: string }) => {
  say(`failed ${error.code}`);
  process.exit(1);
});
say('open');
await Promise.all([1n, 2n, 3n, 4n].map(take)).then(
  () => say('done'),
  (error: { code?: string }) => say(`rejected ${error.code}`),
);
await ledger.close();
