/**
 * `sidegate get`, `describe`, `delete` and `export`: the declared resources of a host, in the
 * manners of kubectl.
 */
import { type Command, Option } from 'commander';
import { stringify } from 'yaml';
import type { Kind } from '../resources/schema/schema.ts';
import { type ApiOptions, callApi, findTarget, type Target } from './admin-api.ts';
import { askChange, printChange, tellChange } from './changes.ts';
import { type Context, say } from './context.ts';
import { withApi, withFormat } from './key.ts';
import { KIND_WORDS, readKind, readNamed } from './kinds.ts';
import { CommandError, Exit } from './outcome.ts';
import { type Column, FORMATS, type Format, printRows, printValue } from './output.ts';

/** A resource as the admin API shows it. */
interface Whole {
  readonly kind: Kind;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec?: Record<string, unknown>;
}

interface Options extends ApiOptions {
  readonly namespace?: string;
  readonly output: Format | 'wide';
}

interface Choice extends Options {
  readonly allNamespaces?: boolean;
  readonly selector?: string;
}

/** An export of hundreds of thousands of resources takes its time. */
const EXPORT_MS = 300_000;

/** Fields of the spec that a table shows, by kind; those of `wide` behind them. */
const SHOWN: Record<Kind, readonly [readonly string[], readonly string[]]> = {
  Product: [
    ['lifecycle', 'proxyGroup', 'basePath'],
    ['hosts', 'approval', 'mode'],
  ],
  Plan: [['limits'], []],
  Consumer: [['displayName'], ['contacts']],
  Application: [['consumer'], ['displayName']],
  Subscription: [['application', 'product', 'plan', 'state'], ['overrides']],
  Credential: [
    ['application', 'state'],
    ['notBefore', 'notAfter', 'digest'],
  ],
  ProxyGroup: [[], []],
};

/** Adds the verbs. */
export function addResources(program: Command, context: Context): void {
  const get = withApi(program.command('get'))
    .description('show resources of one kind, or one of them')
    .argument('<kind>', `${KIND_WORDS.join(', ')}; one or many`)
    .argument('[name]', 'one of them')
    .option('-n, --namespace <name>', 'only of this namespace; that of the name is default')
    .option('-A, --all-namespaces', 'of all namespaces, as without -n')
    .option('-l, --selector <rules>', 'only with these labels: team=shop,tier!=test,eu in (de,fr)')
    .addOption(
      new Option('-o, --output <format>', 'how to print it')
        .choices([...FORMATS, 'wide'])
        .default('table'),
    );
  get.action((kind: string, name: string | undefined, options: Choice) => {
    const named = readNamed(kind, name);
    checkChoice(named.name, options);
    return getResources(context, named.kind, named.name, options);
  });
  addDescribe(program, context);
  addDelete(program, context);
  addExport(program, context);
}

function addDescribe(program: Command, context: Context): void {
  const describe = withApi(program.command('describe'))
    .description('show one resource and its last changes')
    .argument('<kind>', 'kind of the resource, or kind/name')
    .argument('[name]', 'name of the resource')
    .option('-n, --namespace <name>', 'namespace of the name', 'default');
  describe.action((word: string, name: string | undefined, options: Options) => {
    const one = readOne(word, name);
    return describeResource(context, one.kind, one.name, options);
  });
}

function addDelete(program: Command, context: Context): void {
  const remove = program
    .command('delete')
    .description('remove one resource; refused while others refer to it')
    .argument('<kind>', 'kind of the resource, or kind/name')
    .argument('[name]', 'name of the resource')
    .option('-n, --namespace <name>', 'namespace of the name', 'default');
  withFormat(withApi(remove)).action(async (word: string, named: string, options: Options) => {
    const { kind, name } = readOne(word, named);
    const path = pathOf(kind, options.namespace, name);
    const answer = await askChange(context, findTarget(context, options), 'DELETE', path);
    printChange(context, options.output as Format, answer);
    tellChange(context, answer, false);
  });
}

function addExport(program: Command, context: Context): void {
  const exported = withApi(program.command('export'))
    .description(
      'print the declared resources as files have them; applied again they change nothing',
    )
    .option('-n, --namespace <name>', 'only of this namespace')
    .option('--kind <kind>', 'only of this kind');
  exported.action((options: Options & { readonly kind?: string }) =>
    exportResources(context, options),
  );
}

/** What one of several ways to choose would make of another. */
function checkChoice(name: string | undefined, options: Choice): void {
  const { namespace, allNamespaces, selector } = options;
  const said = (what: string) => new CommandError(Exit.usage, `${what}: use one of them`);
  if (allNamespaces === true && namespace !== undefined) throw said('-A and -n');
  if (name === undefined) return;
  if (selector !== undefined) throw said('a name and -l');
  if (allNamespaces === true) throw said('a name and -A');
}

/** The one resource that is named. */
function readOne(word: string, name: string | undefined): { kind: Kind; name: string } {
  const { kind, name: one } = readNamed(word, name);
  if (one !== undefined) return { kind, name: one };
  throw new CommandError(Exit.usage, `name the ${kind.toLowerCase()}`);
}

function pathOf(kind: Kind, namespace: string | undefined, name: string): string {
  const parts = [kind.toLowerCase(), namespace ?? 'default', name];
  return `/v1/resources/${parts.map(encodeURIComponent).join('/')}`;
}

async function getResources(
  context: Context,
  kind: Kind,
  name: string | undefined,
  options: Choice,
): Promise<void> {
  const target = findTarget(context, options);
  const { namespace, output, selector: labelSelector } = options;
  const found =
    name === undefined
      ? await listAll(target, kind, { namespace, labelSelector })
      : [await callApi<Whole>(target, 'GET', pathOf(kind, namespace, name))];
  const rows = found.map((each) => ({ ...each, name: each.metadata.name }));
  if (output === 'json' || output === 'yaml') {
    printValue(context, output, name === undefined ? found : found[0]);
    return;
  }
  const [usual, more] = SHOWN[kind];
  const fields = output === 'wide' ? [...usual, ...more] : usual;
  const columns: Column<Whole & { name: string }>[] = [
    { head: 'NAMESPACE', cell: ({ metadata }) => metadata.namespace },
    { head: 'NAME', cell: ({ metadata }) => metadata.name },
    ...fields.map((field) => ({
      head: field.replace(/[A-Z]/g, (letter) => `-${letter}`).toUpperCase(),
      cell: ({ spec }: Whole) => cellOf(field, spec?.[field]),
    })),
    ...(output === 'wide' ? [LABELS] : []),
  ];
  printRows(context, output === 'wide' ? 'table' : output, rows, columns);
}

const LABELS: Column<Whole> = {
  head: 'LABELS',
  cell: ({ metadata: { labels = {} } }) => {
    const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
    return pairs.join(',') || '-';
  },
};

function cellOf(field: string, value: unknown): string {
  if (value === undefined || value === '') return '-';
  if (field === 'limits' && Array.isArray(value)) {
    return value.map(({ name, quota, window }) => `${name} ${quota}/${window}`).join(', ') || '-';
  }
  if (field === 'overrides' && Array.isArray(value))
    return value.map(overrideCell).join(', ') || '-';
  return Array.isArray(value) ? value.join(',') || '-' : String(value);
}

function overrideCell({ limit, ...said }: Record<string, unknown>): string {
  return `${limit} ${Object.entries(said).map(([name, value]) => `${name}=${value}`)}`;
}

async function listAll(
  target: Target,
  kind: Kind,
  chosen: Readonly<Record<string, string | undefined>>,
): Promise<Whole[]> {
  const found: Whole[] = [];
  let after: string | null = null;
  do {
    const query = new URLSearchParams({ limit: '500' });
    for (const [field, value] of Object.entries(chosen)) {
      if (value !== undefined) query.set(field, value);
    }
    if (after !== null) query.set('after', after);
    const path = `/v1/resources/${kind.toLowerCase()}?${query}`;
    const page: { items: Whole[]; next: string | null } = await callApi(target, 'GET', path);
    found.push(...page.items);
    after = page.next;
  } while (after !== null);
  return found;
}

async function describeResource(
  context: Context,
  kind: Kind,
  name: string,
  options: Options,
): Promise<void> {
  const target = findTarget(context, options);
  const { namespace = 'default' } = options;
  const whole = await callApi<Whole>(target, 'GET', pathOf(kind, namespace, name));
  say(context, stringify(whole).trimEnd());
  await sayLastChanges(context, target, { kind, namespace, name });
}

/** Says who changed something last, in comments behind what it is. */
export async function sayLastChanges(
  context: Context,
  target: Target,
  what: Readonly<Record<'kind' | 'namespace' | 'name', string>>,
): Promise<void> {
  const query = new URLSearchParams({ ...what, limit: '10' });
  const { items } = await callApi<{ items: Change[] }>(target, 'GET', `/v1/audit?${query}`);
  say(context, '\n# Last changes');
  for (const { at, actor, cause, revision, action } of items) {
    say(
      context,
      `# ${at}  revision ${revision}  ${action.replace(/^(resource|key)\./, '')}  by ${actor} (${cause})`,
    );
  }
}

interface Change {
  readonly at: string;
  readonly actor: string;
  readonly cause: string;
  readonly revision: number;
  readonly action: string;
}

async function exportResources(
  context: Context,
  options: Options & { readonly kind?: string },
): Promise<void> {
  const query = new URLSearchParams();
  if (options.namespace !== undefined) query.set('namespace', options.namespace);
  if (options.kind !== undefined) query.set('kind', readKind(options.kind).toLowerCase());
  const target = findTarget(context, options);
  const text = await callApi<string>(target, 'GET', `/v1/export?${query}`, undefined, {
    ...{ as: 'text', timeoutMs: EXPORT_MS },
  });
  context.stdout.write(text);
}
