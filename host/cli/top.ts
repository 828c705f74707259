/**
 * `sidegate top`: who calls now, the busiest first, from what usage grew by between two looks. On a
 * terminal it goes on until it is stopped; for a program it prints once.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import { isDenial } from '../usage/reasons.ts';
import { type ApiOptions, callApi, findTarget, type Target } from './admin-api.ts';
import { type Context, say, tell } from './context.ts';
import { withApi } from './key.ts';
import { CommandError, Exit } from './outcome.ts';
import { type Column, printValue, tableOf } from './output.ts';

interface Options extends ApiOptions {
  readonly interval: number;
  readonly count?: number;
  readonly output: 'table' | 'json' | 'yaml';
}

/** Who called what, and how often a second. */
interface Caller {
  readonly consumer: string;
  readonly application: string;
  readonly product: string;
  readonly perSecond: number;
  /** Part of them that was denied. */
  readonly denied: number;
}

interface Usage {
  readonly items: readonly {
    readonly consumer: string;
    readonly application: string;
    readonly product: string;
    readonly reason: string;
    readonly requests: number;
  }[];
}

/** Counts of one caller: all requests, and those that were let through. */
interface Counts {
  readonly all: number;
  readonly passed: number;
}

const COLUMNS: readonly Column<Caller>[] = [
  { head: 'CONSUMER', cell: ({ consumer }) => consumer || '-' },
  { head: 'APPLICATION', cell: ({ application }) => application || '-' },
  { head: 'PRODUCT', cell: ({ product }) => product || '-' },
  { head: 'PER SECOND', cell: ({ perSecond }) => perSecond.toFixed(1) },
  { head: 'DENIED', cell: ({ denied }) => `${Math.round(denied * 100)}%` },
];

/** Rows of one look: a screen of them. */
const ROWS_MAX = 40;
const HOUR_MS = 3_600_000;
/** Home and clear to the end of the screen. */
const CLEAR = '\u001b[H\u001b[J';

/** Adds the verb. */
export function addTop(program: Command, context: Context): void {
  const verb = program
    .command('top')
    .description('show who calls now, the busiest first; as proxies report it, once a heartbeat')
    .option('--interval <seconds>', 'time between two looks', readSeconds, 5)
    .option('--count <times>', 'end after so many looks; one unless on a terminal', readCount);
  const formats = new Option('-o, --output <format>', 'how to print it');
  withApi(verb).addOption(formats.choices(['table', 'json', 'yaml']).default('table'));
  verb.action((options: Options) => run(context, options));
}

function readSeconds(text: string): number {
  const seconds = Number(text);
  if (seconds >= 0.1 && seconds <= 3_600) return seconds;
  throw new CommandError(Exit.usage, `--interval ${JSON.stringify(text)} is not 0.1 to 3600`);
}

function readCount(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new CommandError(Exit.usage, `--count ${JSON.stringify(text)} is no number of times`);
}

async function run(context: Context, options: Options): Promise<void> {
  const target = findTarget(context, options);
  const live = context.stdout.isTTY === true && options.output === 'table';
  const { count = live ? Number.POSITIVE_INFINITY : 1, interval } = options;
  // One beginning for all looks, so that an hour that ends takes nothing away.
  const since = new Date(context.nowMs() - HOUR_MS).toISOString();
  let before = await countsOf(target, since);
  for (let looked = 0; looked < count && context.stdout.isGone !== true; looked += 1) {
    const beganMs = context.nowMs();
    await delay(interval * 1_000);
    const now = await countsOf(target, since);
    const seconds = Math.max(0.001, (context.nowMs() - beganMs) / 1_000);
    const rows = callersOf(before, now, seconds);
    before = now;
    if (options.output !== 'table') printValue(context, options.output, rows);
    else say(context, `${live ? CLEAR : ''}${tableOf(rows.slice(0, ROWS_MAX), COLUMNS)}`);
    if (rows.length === 0) tell(context, `Nobody called in ${interval} s.`);
  }
}

async function countsOf(target: Target, since: string): Promise<Map<string, Counts>> {
  const query = new URLSearchParams({ since, by: 'consumer,application,product,reason' });
  const { items } = await callApi<Usage>(target, 'GET', `/v1/usage?${query}`);
  const counts = new Map<string, Counts>();
  for (const { consumer, application, product, reason, requests } of items) {
    const key = JSON.stringify([consumer, application, product]);
    const { all, passed } = counts.get(key) ?? { all: 0, passed: 0 };
    const more = isDenial(reason) ? 0 : requests;
    counts.set(key, { all: all + requests, passed: passed + more });
  }
  return counts;
}

function callersOf(
  before: ReadonlyMap<string, Counts>,
  now: ReadonlyMap<string, Counts>,
  seconds: number,
): Caller[] {
  const rows = [...now].flatMap(([key, counts]) => {
    const { all = 0, passed = 0 } = before.get(key) ?? {};
    const requests = counts.all - all;
    if (requests <= 0) return [];
    const [consumer = '', application = '', product = ''] = JSON.parse(key) as string[];
    const denied = 1 - (counts.passed - passed) / requests;
    return [{ consumer, application, product, perSecond: requests / seconds, denied }];
  });
  return rows.sort((a, b) => b.perSecond - a.perSecond);
}
