/**
 * `sidegate key revoke`: ends a key for good. A key is named by id, by name or by the beginning of
 * the key; when more than one fits, none is touched.
 */
import type { Command } from 'commander';
import { readName } from '../resources/names.ts';
import { type ApiOptions, callApi, findTarget, type Target } from './admin-api.ts';
import { type Context, say, tell } from './context.ts';
import { CREDENTIAL_COLUMNS, type CredentialView, WHICH_KEY, withApi, withFormat } from './key.ts';
import { listCredentials } from './key-list.ts';
import { CommandError, Exit } from './outcome.ts';
import { type Format, printRows, printValue } from './output.ts';

interface Options extends ApiOptions {
  readonly namespace: string;
  readonly output: Format;
}

/** A display prefix holds the `_` behind its brand, which no name holds. */
const PREFIX = /^[a-z][a-z0-9]*_/;
/** A whole key, given by mistake: it must not become part of a request's path or query. */
const DISPLAY_LENGTH_MAX = 24;

/** Adds the verb to `key`. */
export function addKeyRevoke(key: Command, context: Context): void {
  const verb = key
    .command('revoke')
    .description('end a key for good; proxies refuse it within a second')
    .argument('<key>', WHICH_KEY)
    .option('-n, --namespace <name>', 'namespace of the name', 'default');
  withFormat(withApi(verb)).action((reference: string, options: Options) =>
    revokeKey(context, reference, options),
  );
}

async function revokeKey(context: Context, reference: string, options: Options): Promise<void> {
  const target = findTarget(context, options);
  const id = await findId(context, target, reference, options.namespace);
  const revoked = await callApi<CredentialView & { readonly changed: boolean }>(
    target,
    'POST',
    `/v1/credentials/${id}/revoke`,
  );
  const { output } = options;
  if (output === 'json' || output === 'yaml') printValue(context, output, revoked);
  else if (output === 'name') say(context, revoked.name);
  const what = `key ${revoked.id} (${revoked.name}) of application ${revoked.application}`;
  tell(context, revoked.changed ? `Revoked ${what}.` : `Nothing to do: ${what} was revoked.`);
}

/** The id of the one key that is meant; throws when none or several are. */
export async function findId(
  context: Context,
  target: Target,
  reference: string,
  namespace: string,
): Promise<number> {
  if (/^\d{1,16}$/.test(reference)) return Number(reference);
  const byPrefix = PREFIX.test(reference);
  const prefix = reference.replace(/…$/, '');
  if (byPrefix && prefix.length > DISPLAY_LENGTH_MAX) {
    throw new CommandError(Exit.usage, 'this looks like a whole key', [
      'Write its beginning only, as "sidegate key list" shows it.',
    ]);
  }
  if (!byPrefix && !readName(reference).ok) throw noKey(reference);
  const filter = byPrefix ? { prefix } : { namespace, name: reference };
  const found = await listCredentials(target, filter);
  const [only, ...others] = found;
  if (only === undefined) throw noKey(reference);
  if (others.length === 0) return only.id;
  printRows(context, 'table', found, CREDENTIAL_COLUMNS);
  throw new CommandError(Exit.refused, `${found.length} keys begin with ${prefix}`, [
    'Nothing was changed. Name one of them by its id.',
  ]);
}

function noKey(reference: string): CommandError {
  return new CommandError(Exit.refused, `no key ${JSON.stringify(reference)}`, [
    '"sidegate key list --all" shows what there is.',
  ]);
}
