/**
 * `sidegate usage`: who called what, how often and with which outcome: sums for people, records
 * for bills. Whether anything may be missing is always said.
 */
import { type Command, Option } from 'commander';
import { csvOf } from '../usage/csv.ts';
import { USAGE_DIMENSIONS } from '../usage/group.ts';
import { type ApiOptions, callApi, findTarget, type Target } from './admin-api.ts';
import { type Context, say, tell } from './context.ts';
import { count } from './inputs.ts';
import { withApi } from './key.ts';
import { CommandError, Exit } from './outcome.ts';
import { type Column, printValue, tableOf } from './output.ts';

const FORMATS = ['table', 'json', 'yaml', 'csv'] as const;
const FILTERS = ['consumer', 'application', 'plan', 'product', 'operation', 'reason'] as const;
const DEFAULT_BY = 'consumer,application,product,reason';

type Row = Readonly<Record<string, string | number | boolean>>;

interface Options extends ApiOptions, Partial<Record<(typeof FILTERS)[number], string>> {
  readonly since?: string;
  readonly until?: string;
  readonly namespace?: string;
  readonly by: string;
  readonly records?: boolean;
  readonly output: (typeof FORMATS)[number];
}

interface Answer {
  readonly since: string;
  readonly until: string;
  readonly requests: number;
  readonly complete: boolean;
  readonly gaps: readonly { group: string; from: string; to: string; lostMs: number }[];
  readonly items: readonly Row[];
}

/** Adds the verb. */
export function addUsage(program: Command, context: Context): void {
  const verb = program
    .command('usage')
    .description('requests by whom, what and outcome, in whole hours of UTC')
    .option('--since <time>', 'a time, or how long ago, such as 90m, 24h or 7d (24h)')
    .option('--until <time>', 'likewise; now unless given')
    .option('--by <names>', `sum by these of ${USAGE_DIMENSIONS.join(', ')}`, DEFAULT_BY)
    .option('--records', 'records for bills instead of sums: one for each hour, with a stable id')
    .option('-n, --namespace <name>', 'only of this namespace');
  for (const name of FILTERS) verb.option(`--${name} <name>`, `only of this ${name}`);
  const formats = new Option('-o, --output <format>', 'how to print it').choices(FORMATS);
  withApi(verb).addOption(formats.default('table'));
  verb.action((options: Options) => showUsage(context, options));
}

async function showUsage(context: Context, options: Options): Promise<void> {
  const target = findTarget(context, options);
  const query = queryOf(context, options);
  if (options.records === true) {
    const rows = await allRecords(target, query);
    const names = Object.keys(rows[0] ?? { id: '', hour: '', requests: 0 });
    printTable(context, options.output, names, rows, rows);
    return;
  }
  query.set('by', options.by);
  const answer = await callApi<Answer>(target, 'GET', `/v1/usage?${query}`);
  const names = [...options.by.split(','), 'requests'];
  printTable(context, options.output, names, answer.items, answer);
  tell(context, `${count(answer.requests, 'request')} from ${answer.since} to ${answer.until}.`);
  for (const { group, from, to, lostMs } of answer.gaps) {
    const where = `of proxy group ${group} between ${from} and ${to}`;
    tell(context, `May lack what one holder counted in ${lostMs} ms ${where}.`);
  }
}

function queryOf(context: Context, options: Options): URLSearchParams {
  const query = new URLSearchParams();
  for (const name of [...FILTERS, 'namespace'] as const) {
    const value = options[name];
    if (value !== undefined) query.set(name, value);
  }
  for (const name of ['since', 'until'] as const) {
    const value = options[name];
    if (value !== undefined) query.set(name, timeOf(context, name, value));
  }
  return query;
}

const UNIT_MS = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** A time as RFC 3339, from one or from how long ago it was. */
function timeOf(context: Context, name: string, text: string): string {
  const ago = /^([1-9][0-9]{0,5})([mhd])$/.exec(text);
  const ms =
    ago === null
      ? Date.parse(text)
      : context.nowMs() - Number(ago[1]) * UNIT_MS[ago[2] as keyof typeof UNIT_MS];
  if (Number.isFinite(ms)) return new Date(ms).toISOString();
  throw new CommandError(Exit.usage, `--${name} ${JSON.stringify(text)} is no time`, [
    'Write it as 2026-05-04T12:00:00Z, 2026-05-04, or 24h for a day ago.',
  ]);
}

async function allRecords(target: Target, query: URLSearchParams): Promise<Row[]> {
  const rows: Row[] = [];
  let after: string | null = '0';
  while (after !== null) {
    query.set('after', after);
    const path = `/v1/usage/records?${query}`;
    const page: { items: Row[]; next: string | null } = await callApi(target, 'GET', path);
    rows.push(...page.items);
    after = page.next;
  }
  return rows;
}

function printTable(
  context: Context,
  format: Options['output'],
  names: readonly string[],
  rows: readonly Row[],
  whole: unknown,
): void {
  if (format === 'json' || format === 'yaml') {
    printValue(context, format, whole);
  } else if (format === 'csv') {
    context.stdout.write(csvOf(names, rows));
  } else {
    const columns: Column<Row>[] = names.map((name) => ({
      head: name.toUpperCase(),
      cell: (row) => (row[name] === '' ? '-' : String(row[name])),
    }));
    say(context, tableOf(rows, columns));
  }
}
