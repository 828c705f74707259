/**
 * `sidegate proxies`: every engine of every proxy as the host hears it: what it holds, whether it
 * lags and since when.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import { type ApiOptions, callApi, findTarget } from './admin-api.ts';
import { type Context, say, tell } from './context.ts';
import { withApi } from './key.ts';
import { CommandError, Exit } from './outcome.ts';
import { type Column, printValue, tableOf } from './output.ts';
import type { SetExit } from './program.ts';

/** How often a host is asked anew by `--wait`. */
const WAIT_STEP_MS = 100;

const FORMATS = ['table', 'wide', 'json', 'yaml'] as const;

interface Options extends ApiOptions {
  readonly group?: string;
  readonly wait?: number;
  readonly output: (typeof FORMATS)[number];
}

/** An engine as the admin API shows it. */
export interface EngineView {
  readonly name: string;
  readonly workload: string;
  readonly group: string;
  readonly version: string;
  readonly incarnation: string;
  readonly standing: string;
  readonly since: string | null;
  readonly policyRevision: number;
  readonly directoryRevision: number;
  readonly storeId: string | null;
  readonly state: Readonly<Record<string, number>>;
  readonly stateAgeMs: number;
}

interface Answer {
  readonly revision: number;
  readonly storeId: string;
  readonly engines: number;
  readonly current: number;
  readonly items: readonly EngineView[];
}

/** Adds the verb. */
export function addProxies(program: Command, context: Context, setExit: SetExit): void {
  const verb = program
    .command('proxies')
    .description(
      'engines of all proxies (one per worker, one more per proxy): who lags, who is full',
    )
    .option('--group <name>', 'only of this proxy group')
    .option('--wait <seconds>', 'until all have what is in force; exit code 3 if not', readWait);
  const formats = new Option('-o, --output <format>', 'how to print it').choices(FORMATS);
  withApi(verb).addOption(formats.default('table'));
  verb.action((options: Options) => showProxies(context, options, setExit));
}

async function showProxies(context: Context, options: Options, setExit: SetExit): Promise<void> {
  const { output, wait } = options;
  const answer = await answerOf(context, options);
  const { engines, current, revision, items } = answer;
  if (wait !== undefined && !isSettled(answer)) setExit(Exit.problems);
  if (output === 'json' || output === 'yaml') {
    printValue(context, output, answer);
    return;
  }
  const columns = columnsAt(context.nowMs());
  say(context, tableOf(items, output === 'wide' ? [...columns, ...WIDE] : columns));
  tell(context, `${current} of ${engines} engines have what is in force (revision ${revision}).`);
  const stores = new Set(items.flatMap(({ storeId }) => storeId ?? []));
  if ([...stores].some((id) => id !== answer.storeId)) {
    tell(context, `Engines follow other stores than ${answer.storeId}: two hosts, two ledgers?`);
  }
}

/** The engines asked for, at once or when they have what is in force, if they ever do. */
async function answerOf(context: Context, options: Options): Promise<Answer> {
  const { group, wait = 0 } = options;
  const target = findTarget(context, options);
  const endMs = context.nowMs() + wait * 1_000;
  for (;;) {
    const all = await callApi<Answer>(target, 'GET', '/v1/proxies');
    const answer = group === undefined ? all : ofGroup(all, group);
    if (isSettled(answer) || context.nowMs() >= endMs) return answer;
    await delay(WAIT_STEP_MS);
  }
}

/** What is there of one proxy group. */
function ofGroup(all: Answer, group: string): Answer {
  const items = all.items.filter((item) => item.group === group);
  const there = items.filter(({ standing }) => standing !== 'silent');
  const current = there.filter(({ standing }) => standing === 'current').length;
  return { ...all, items, engines: there.length, current };
}

function isSettled({ engines, current }: Answer): boolean {
  return engines > 0 && current === engines;
}

function readWait(text: string): number {
  const seconds = Number(text);
  if (/^\d{1,5}$/.test(text) && seconds > 0) return seconds;
  throw new CommandError(Exit.usage, `--wait ${JSON.stringify(text)} is no number of seconds`, [
    'Write a whole number from 1 to 99999.',
  ]);
}

function columnsAt(nowMs: number): readonly Column<EngineView>[] {
  return [
    { head: 'PROXY', cell: ({ name }) => name || '-' },
    { head: 'WORKLOAD', cell: ({ workload }) => workload || '-' },
    { head: 'GROUP', cell: ({ group }) => group },
    { head: 'VERSION', cell: ({ version }) => version },
    { head: 'POLICY', cell: ({ policyRevision }) => String(policyRevision) },
    { head: 'DIRECTORY', cell: ({ directoryRevision }) => String(directoryRevision) },
    { head: 'STANDING', cell: ({ standing }) => standing },
    { head: 'SINCE', cell: ({ since }) => (since === null ? '-' : agoOf(since, nowMs)) },
  ];
}

/** Seconds for a moment, then minutes: enough to see how bad it is. */
function agoOf(time: string, nowMs: number): string {
  const seconds = Math.max(0, Math.round((nowMs - Date.parse(time)) / 1_000));
  return seconds < 120 ? `${seconds}s` : `${Math.round(seconds / 60)}m`;
}

const WIDE: readonly Column<EngineView>[] = [
  { head: 'ENGINE', cell: ({ incarnation }) => incarnation },
  ...(
    [
      ['CREDENTIALS', 'credentials'],
      ['APPLICATIONS', 'applications'],
      ['SUBSCRIPTIONS', 'subscriptions'],
      ['ACCOUNTS', 'holdings'],
      ['HELD', 'heldRequests'],
      ['STREAMS', 'streams'],
      ['USAGE', 'usageRows'],
      ['FAILURES', 'syncFailures'],
      ['ERROR', 'lastError'],
    ] as const
  ).map(([head, field]) => ({
    head,
    cell: ({ state }: EngineView) => String(state[field] ?? '-'),
  })),
  { head: 'MEMORY', cell: ({ state }) => `${((state.memoryBytes ?? 0) / 1_048_576).toFixed(1)}M` },
  { head: 'HOST HEARD', cell: ({ state }) => `${Math.round((state.policyAgeMs ?? 0) / 1_000)}s` },
  { head: 'TOLD', cell: ({ stateAgeMs }) => `${Math.round(stateAgeMs / 1_000)}s` },
];
