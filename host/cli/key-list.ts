/**
 * `sidegate key list`: credentials with everything about their keys except the keys.
 */
import type { Command } from 'commander';
import { type ApiOptions, callApi, findTarget, type Target } from './admin-api.ts';
import { type Context, tell } from './context.ts';
import { CREDENTIAL_COLUMNS, type CredentialView, withApi, withFormat } from './key.ts';
import { type Format, printRows } from './output.ts';

interface Options extends ApiOptions {
  readonly namespace?: string;
  readonly application?: string;
  readonly all?: boolean;
  readonly output: Format;
}

/** Filters of a list; absent = all. */
export interface CredentialFilter {
  readonly namespace?: string | undefined;
  readonly application?: string | undefined;
  readonly name?: string;
  readonly prefix?: string;
}

/** Adds the verb to `key`. */
export function addKeyList(key: Command, context: Context): void {
  const verb = key
    .command('list')
    .description('list credentials; keys themselves are not kept and cannot be shown')
    .option('-n, --namespace <name>', 'only of this namespace')
    .option('--application <name>', 'only of this application')
    .option('--all', 'revoked ones too');
  withFormat(withApi(verb)).action((options: Options) => listKeys(context, options));
}

async function listKeys(context: Context, options: Options): Promise<void> {
  const { namespace, application, all = false, output } = options;
  const found = await listCredentials(findTarget(context, options), { namespace, application });
  const shown = found.filter(({ state }) => all || state !== 'revoked');
  printRows(context, output, shown, CREDENTIAL_COLUMNS);
  const hidden = found.length - shown.length;
  if (hidden > 0) tell(context, `${hidden} revoked not shown; --all shows them.`);
}

/** All credentials that match, page by page. */
export async function listCredentials(
  target: Target,
  filter: CredentialFilter,
): Promise<CredentialView[]> {
  const found: CredentialView[] = [];
  let after: string | null = null;
  do {
    const query = new URLSearchParams({ limit: '500' });
    for (const [name, value] of Object.entries({ ...filter, after })) {
      if (value !== undefined && value !== null) query.set(name, value);
    }
    const page: { items: CredentialView[]; next: string | null } = await callApi(
      target,
      'GET',
      `/v1/credentials?${query}`,
    );
    found.push(...page.items);
    after = page.next;
  } while (after !== null);
  return found;
}
