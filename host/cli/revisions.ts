/**
 * `sidegate revisions`, `rollback` and `audit`: what happened to the resources of a host, and the
 * way back.
 */
import type { Command } from 'commander';
import { type ApiOptions, callApi, findTarget } from './admin-api.ts';
import { askChange, type ChangeAnswer, nameOf, printChange, tellChange } from './changes.ts';
import { type Context, tell } from './context.ts';
import { count } from './inputs.ts';
import { withApi, withFormat } from './key.ts';
import { readToldKind } from './kinds.ts';
import { CommandError, Exit } from './outcome.ts';
import { type Column, type Format, printRows } from './output.ts';

type Options = ApiOptions & { readonly output: Format };

interface Revision {
  readonly revision: number;
  readonly at: string;
  readonly actor: string;
  readonly cause: string;
  readonly changes: number;
}

interface Entry {
  readonly seq: number;
  readonly revision: number;
  readonly at: string;
  readonly actor: string;
  readonly cause: string;
  readonly action: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

const REVISION_COLUMNS: readonly Column<Revision>[] = [
  { head: 'REVISION', cell: ({ revision }) => String(revision) },
  { head: 'AT', cell: ({ at }) => at },
  { head: 'BY', cell: ({ actor }) => actor },
  { head: 'CAUSE', cell: ({ cause }) => cause },
  { head: 'CHANGES', cell: ({ changes }) => String(changes) },
];

const ENTRY_COLUMNS: readonly Column<Entry>[] = [
  { head: 'AT', cell: ({ at }) => at },
  { head: 'REVISION', cell: ({ revision }) => String(revision) },
  { head: 'BY', cell: ({ actor }) => actor },
  { head: 'ACTION', cell: ({ action }) => action },
  { head: 'WHAT', cell: (entry) => (entry.namespace === '' ? entry.name : nameOf(entry)) },
  { head: 'CAUSE', cell: ({ cause }) => cause },
];

/** Adds the verbs. */
export function addRevisions(program: Command, context: Context): void {
  const revisions = program
    .command('revisions')
    .description('list who changed resources when, or show what one revision changed')
    .argument('[revision]', 'show what this one changed');
  withFormat(withApi(revisions)).action((revision: string | undefined, options: Options) =>
    showRevisions(context, revision, options),
  );
  const rollback = program
    .command('rollback')
    .description('bring the resources of a revision back; gives back nothing that was taken away')
    .argument('<revision>', 'revision to go back to')
    .option('--dry-run', 'only show what would change')
    .option('-y, --yes', 'do it');
  withFormat(withApi(rollback)).action(
    (revision: string, options: Options & { dryRun?: boolean; yes?: boolean }) =>
      rollBack(context, readRevision(revision), options),
  );
  const audit = program
    .command('audit')
    .description('list what was changed, by whom, newest first')
    .option('-n, --namespace <name>', 'only of this namespace')
    .option('--kind <kind>', 'only of this kind')
    .option('--name <name>', 'only of this name')
    .option('--actor <name>', 'only by this access token')
    .option('--limit <count>', 'how many, at most 999', '50');
  withFormat(withApi(audit)).action((options: Options & Record<string, string>) =>
    listEntries(context, options),
  );
}

function readRevision(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new CommandError(Exit.usage, `${JSON.stringify(text)} is no revision`, [
    '"sidegate revisions" lists them.',
  ]);
}

async function showRevisions(
  context: Context,
  revision: string | undefined,
  options: Options,
): Promise<void> {
  const target = findTarget(context, options);
  if (revision !== undefined) {
    const path = `/v1/revisions/${readRevision(revision)}`;
    const answer = await callApi<ChangeAnswer>(target, 'GET', path);
    printChange(context, options.output, answer);
    return;
  }
  const { items } = await callApi<{ items: Revision[] }>(target, 'GET', '/v1/revisions');
  const rows = items.map((each) => ({ ...each, name: String(each.revision) }));
  printRows(context, options.output, rows, REVISION_COLUMNS);
}

async function rollBack(
  context: Context,
  revision: number,
  options: Options & { dryRun?: boolean; yes?: boolean },
): Promise<void> {
  const target = findTarget(context, options);
  const path = `/v1/revisions/${revision}/rollback`;
  const planned = await askChange(...([context, target, 'POST', path, { dryRun: true }] as const), {
    asks: true,
  });
  if (options.dryRun === true || !planned.changed) {
    printChange(context, options.output, planned);
    tellChange(context, planned, planned.changed);
    return;
  }
  if (options.yes !== true) {
    printChange(context, options.output, planned);
    const what = `this would change ${count(planned.diff.length, 'resource')}`;
    throw new CommandError(Exit.refused, `${what}; nothing was changed`, ['Add --yes to do it.']);
  }
  const headers = { 'if-match': `"${planned.revision}"` };
  const done = await askChange(context, target, 'POST', path, {}, { headers });
  printChange(context, options.output, done);
  tellChange(context, done, false);
}

async function listEntries(
  context: Context,
  options: Options & Record<string, string>,
): Promise<void> {
  const query = new URLSearchParams();
  for (const field of ['namespace', 'kind', 'name', 'actor', 'limit']) {
    const value = options[field];
    if (value !== undefined) query.set(field, field === 'kind' ? readToldKind(value) : value);
  }
  const target = findTarget(context, options);
  const { items } = await callApi<{ items: Entry[] }>(target, 'GET', `/v1/audit?${query}`);
  printRows(context, options.output, items, ENTRY_COLUMNS);
  if (items.length === 0) tell(context, 'Nothing was changed that fits.');
}
