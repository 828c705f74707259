/**
 * `sidegate token`: makes, lists and ends access tokens of the admin API. A token is shown once,
 * on stdout alone; it is never an argument.
 */
import { type Command, Option } from 'commander';
import { type ApiOptions, callApi, findTarget } from './admin-api.ts';
import { type Context, paint, say, tell } from './context.ts';
import { withApi, withFormat } from './key.ts';
import { readExpiry } from './lifetime.ts';
import { type Column, type Format, printRows, printValue } from './output.ts';

/** An access token as the admin API shows it. */
interface TokenView {
  readonly name: string;
  readonly role: string;
  readonly namespaces: readonly string[];
  readonly prefix: string;
  readonly createdBy: string;
  readonly createdAt: string;
  readonly notAfter: string | null;
  readonly revokedAt: string | null;
}

interface CreateOptions extends ApiOptions {
  readonly role: string;
  readonly namespace: string[];
  readonly expires?: string;
  readonly output: Format;
}

type Options = ApiOptions & { readonly output: Format };

const COLUMNS: readonly Column<TokenView>[] = [
  { head: 'NAME', cell: ({ name }) => name },
  { head: 'ROLE', cell: ({ role }) => role },
  { head: 'NAMESPACES', cell: ({ namespaces }) => namespaces.join(',') || 'all' },
  { head: 'TOKEN', cell: ({ prefix }) => `${prefix}…` },
  { head: 'EXPIRES', cell: ({ notAfter }) => notAfter ?? 'never' },
  { head: 'CREATED', cell: ({ createdAt }) => createdAt },
  { head: 'BY', cell: ({ createdBy }) => createdBy },
];

/** Adds the noun and its verbs. */
export function addAccessTokens(program: Command, context: Context): void {
  const noun = program.command('token').description('make, list and revoke access tokens');
  const gather = (value: string, before: string[]) => [...before, value];
  const create = noun
    .command('create')
    .description('make an access token and show it, this once')
    .argument('<name>', 'what the audit trail knows it by')
    .addOption(
      new Option('--role <role>', 'what it may do')
        .choices(['view', 'operate', 'admin'])
        .makeOptionMandatory(),
    )
    .option(
      '-n, --namespace <name>',
      'only for this namespace; may stand several times',
      gather,
      [],
    )
    .option('--expires <when>', 'lifetime such as 90d, 12h or 30m, or a time with its zone');
  withFormat(withApi(create)).action((name: string, options: CreateOptions) =>
    createToken(context, name, options),
  );
  const list = noun.command('list').description('list access tokens, without the tokens');
  withFormat(withApi(list)).action((options: Options) => listTokens(context, options));
  const revoke = noun
    .command('revoke')
    .description('end an access token for good, at once')
    .argument('<name>', 'name of the token');
  withFormat(withApi(revoke)).action((name: string, options: Options) =>
    revokeToken(context, name, options),
  );
}

async function createToken(context: Context, name: string, options: CreateOptions): Promise<void> {
  const { role, namespace: namespaces, expires, output } = options;
  const notAfter = expires === undefined ? undefined : readExpiry(expires, context.nowMs());
  const made = await callApi<TokenView & { readonly token: string }>(
    findTarget(context, options),
    'POST',
    '/v1/tokens',
    { name, role, namespaces, notAfter },
  );
  if (output === 'json' || output === 'yaml') printValue(context, output, made);
  else say(context, output === 'name' ? made.name : made.token);
  const where = namespaces.length === 0 ? 'all namespaces' : namespaces.join(', ');
  const until = made.notAfter === null ? 'it does not expire' : `it expires ${made.notAfter}`;
  tell(context, `Access token ${made.name}: role ${made.role}, ${where}; ${until}.`);
  const warning =
    output === 'name'
      ? 'It was not shown and cannot be.'
      : 'This is the only time it is shown; only its digest is kept.';
  tell(context, paint(context, 'yellow', warning));
}

async function listTokens(context: Context, options: Options): Promise<void> {
  const target = findTarget(context, options);
  const { items } = await callApi<{ items: TokenView[] }>(target, 'GET', '/v1/tokens');
  printRows(context, options.output, items, COLUMNS);
}

async function revokeToken(context: Context, name: string, options: Options): Promise<void> {
  const path = `/v1/tokens/${encodeURIComponent(name)}/revoke`;
  const ended = await callApi<TokenView>(findTarget(context, options), 'POST', path);
  const { output } = options;
  if (output === 'json' || output === 'yaml') printValue(context, output, ended);
  else if (output === 'name') say(context, ended.name);
  tell(context, `Revoked access token ${ended.name}.`);
}
