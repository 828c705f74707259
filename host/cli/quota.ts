/**
 * `sidegate quota`: what is left of the quotas of a subscription, more of one on the word of an
 * operator, and who is near the end of one.
 */
import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import type { NearLimit, QuotaState } from '../quota/view.ts';
import { IDEMPOTENCY_KEY } from '../service/idempotency.ts';
import { type ApiOptions, callApi, findTarget } from './admin-api.ts';
import { type Context, tell } from './context.ts';
import { withApi, withFormat } from './key.ts';
import { CommandError, Exit } from './outcome.ts';
import { type Column, type Format, printRows } from './output.ts';

interface Options extends ApiOptions {
  readonly namespace: string;
  readonly output: Format;
}

type Row = QuotaState & { readonly name: string };

const COLUMNS: readonly Column<Row>[] = [
  { head: 'LIMIT', cell: ({ limit }) => limit },
  { head: 'QUOTA', cell: ({ quota }) => String(quota) },
  { head: 'EXTRA', cell: ({ extra }) => String(extra) },
  { head: 'USED', cell: ({ used }) => String(used) },
  { head: 'REMAINING', cell: ({ remaining }) => String(remaining) },
  { head: 'WINDOW', cell: ({ windowSeconds }) => `${windowSeconds}s` },
  { head: 'ENDS IN', cell: ({ endsInMs }) => secondsOf(endsInMs) },
];

const NEAR_COLUMNS: readonly Column<NearLimit & { readonly name: string }>[] = [
  { head: 'NAMESPACE', cell: ({ namespace }) => namespace },
  { head: 'APPLICATION', cell: ({ application }) => application },
  { head: 'PRODUCT', cell: ({ product }) => product },
  { head: 'PLAN', cell: ({ plan }) => plan },
  { head: 'LIMIT', cell: ({ limit }) => limit },
  { head: 'USED', cell: ({ used, quota }) => `${used}/${quota}` },
  { head: 'PART', cell: ({ fraction }) => `${Math.floor(fraction * 100)}%` },
  { head: 'ENDS IN', cell: ({ endsInMs }) => secondsOf(endsInMs) },
];

function secondsOf(ms: number): string {
  return `${Math.ceil(ms / 1_000)}s`;
}

/** Adds the noun and its verbs. */
export function addQuota(program: Command, context: Context): void {
  const noun = program
    .command('quota')
    .description('show what is left of quotas, add to one, reset one');
  const get = withSubscription(noun.command('get')).description(
    'show the exact limits of a subscription in their windows now',
  );
  withFormat(withApi(get)).action(async (name: string, options: Options) => {
    const target = findTarget(context, options);
    const { items } = await callApi<{ items: QuotaState[] }>(target, 'GET', pathOf(name, options));
    printRows(context, options.output, items.map(named), COLUMNS);
    if (items.length === 0) tell(context, 'The plan has no exact limit.');
  });
  const add = withSubscription(noun.command('add'))
    .description('add units to the window now; the next one begins with the quota again')
    .requiredOption('--limit <name>', 'limit of the plan')
    .requiredOption('--units <count>', 'how many', readUnits);
  withFormat(withApi(withOnce(add))).action((name: string, options: Options & Adding) =>
    change(context, name, options, { limit: options.limit, add: options.units }),
  );
  const reset = withSubscription(noun.command('reset'))
    .description('add as many units as were used in the window now; done twice it is done once')
    .requiredOption('--limit <name>', 'limit of the plan');
  withFormat(withApi(withOnce(reset))).action((name: string, options: Options & Limited) =>
    change(context, name, options, { limit: options.limit, reset: true }),
  );
  const near = noun.command('near').description('list accounts that have used 80 % of a quota');
  withFormat(withApi(near)).action((options: Options) => listNear(context, options));
}

interface Limited {
  readonly limit: string;
  readonly idempotencyKey?: string;
}

interface Adding extends Limited {
  readonly units: number;
}

function withSubscription(command: Command): Command {
  return command
    .argument('<subscription>', 'name of the subscription')
    .option('-n, --namespace <name>', 'namespace of the name', 'default');
}

function withOnce(command: Command): Command {
  const help = 'what a repetition has in common with the first; made up when absent';
  return command.option('--idempotency-key <text>', help, readKey);
}

function readKey(text: string): string {
  if (IDEMPOTENCY_KEY.test(text)) return text;
  throw new CommandError(Exit.usage, '--idempotency-key has 1 to 128 printable characters');
}

function readUnits(text: string): number {
  const units = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(units) && units > 0) return units;
  throw new CommandError(Exit.usage, `--units ${JSON.stringify(text)} is no number of units`, [
    'Write a whole number above 0.',
  ]);
}

function pathOf(name: string, { namespace }: Options): string {
  return `/v1/subscriptions/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}/quota`;
}

function named(quota: QuotaState): Row {
  return { ...quota, name: quota.limit };
}

async function change(
  context: Context,
  name: string,
  options: Options & Limited,
  body: object,
): Promise<void> {
  const target = findTarget(context, options);
  const { idempotencyKey = randomUUID() } = options;
  const quota = await callApi<QuotaState & { readonly replayed?: true }>(
    ...([target, 'POST', pathOf(name, options), body] as const),
    { idempotencyKey },
  );
  printRows(context, options.output, [named(quota)], COLUMNS);
  const { limit, remaining, endsInMs, replayed } = quota;
  if (replayed === true) tell(context, 'This was done before, and is not done twice.');
  tell(context, `${remaining} units of ${limit} are left for ${secondsOf(endsInMs)}.`);
}

async function listNear(context: Context, options: Options): Promise<void> {
  const target = findTarget(context, options);
  const { items } = await callApi<{ items: NearLimit[] }>(target, 'GET', '/v1/limits/near');
  const rows = items.map((each) => {
    const { namespace, application, product, limit } = each;
    return { ...each, name: `${namespace}/${application}/${product}/${limit}` };
  });
  printRows(context, options.output, rows, NEAR_COLUMNS);
  if (rows.length === 0) tell(context, 'No account has used 80 % of a quota.');
}
