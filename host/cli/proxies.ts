/**
 * `sidegate proxies`: every engine of every proxy as the host hears it: what it holds, whether it
 * lags and since when.
 */
import { type Command, Option } from 'commander';
import { type ApiOptions, callApi, findTarget } from './admin-api.ts';
import { type Context, say, tell } from './context.ts';
import { withApi } from './key.ts';
import { type Column, printValue, tableOf } from './output.ts';

const FORMATS = ['table', 'wide', 'json', 'yaml'] as const;

interface Options extends ApiOptions {
  readonly group?: string;
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
export function addProxies(program: Command, context: Context): void {
  const verb = program
    .command('proxies')
    .description(
      'engines of all proxies (one per worker, one more per proxy): who lags, who is full',
    )
    .option('--group <name>', 'only of this proxy group');
  const formats = new Option('-o, --output <format>', 'how to print it').choices(FORMATS);
  withApi(verb).addOption(formats.default('table'));
  verb.action((options: Options) => showProxies(context, options));
}

async function showProxies(context: Context, options: Options): Promise<void> {
  const { output, group } = options;
  const answer = await callApi<Answer>(findTarget(context, options), 'GET', '/v1/proxies');
  const items = answer.items.filter((item) => group === undefined || item.group === group);
  if (output === 'json' || output === 'yaml') {
    printValue(context, output, { ...answer, items });
    return;
  }
  const columns = columnsAt(context.nowMs());
  say(context, tableOf(items, output === 'wide' ? [...columns, ...WIDE] : columns));
  const { engines, current, revision } = answer;
  tell(context, `${current} of ${engines} engines have what is in force (revision ${revision}).`);
  const stores = new Set(items.flatMap(({ storeId }) => storeId ?? []));
  if ([...stores].some((id) => id !== answer.storeId)) {
    tell(context, `Engines follow other stores than ${answer.storeId}: two hosts, two ledgers?`);
  }
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
