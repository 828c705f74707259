/**
 * `sidegate key create`: makes a key and shows it, this once. The key alone goes to stdout, so
 * that a script can keep it; everything about it is talk.
 */
import type { Command } from 'commander';
import { type ApiOptions, callApi, findTarget } from './admin-api.ts';
import { type Context, paint, say, tell } from './context.ts';
import { type CredentialView, withApi, withFormat } from './key.ts';
import { readExpiry } from './lifetime.ts';
import { type Format, printValue } from './output.ts';

interface Options extends ApiOptions {
  readonly namespace: string;
  readonly name?: string;
  readonly brand?: string;
  readonly expires?: string;
  readonly cidr: readonly string[];
  readonly referer: readonly string[];
  readonly output: Format;
}

/** Adds the verb to `key`. */
export function addKeyCreate(key: Command, context: Context): void {
  const verb = key
    .command('create')
    .description('make a key for an application and show it, this once')
    .argument('<application>', 'name of the application')
    .option('-n, --namespace <name>', 'namespace of the application', 'default')
    .option('--name <name>', 'name of the credential; made when absent')
    .option('--brand <brand>', 'what the key begins with')
    .option('--expires <when>', 'lifetime such as 90d, 12h or 30m, or a time with its zone')
    .option('--cidr <network>', 'network it may be used from; may stand several times', collect, [])
    .option('--referer <host>', 'host of pages it may be used for; likewise', collect, []);
  withFormat(withApi(verb)).action((application: string, options: Options) =>
    createKey(context, application, options),
  );
}

/** Gathers the values of an option that may stand several times. */
function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

async function createKey(context: Context, application: string, options: Options): Promise<void> {
  const { namespace, name, brand, expires, cidr: cidrs, referer: referers, output } = options;
  const made = await callApi<CredentialView & { readonly key: string }>(
    findTarget(context, options),
    'POST',
    '/v1/credentials',
    {
      namespace,
      application,
      name,
      brand,
      cidrs,
      referers,
      notAfter: expires === undefined ? undefined : readExpiry(expires, context.nowMs()),
    },
  );
  if (output === 'json' || output === 'yaml') printValue(context, output, made);
  else say(context, output === 'name' ? made.name : made.key);
  const until = made.notAfter === null ? 'it does not expire' : `it expires ${made.notAfter}`;
  tell(context, `Key ${made.id} (${made.name}) of application ${application}: ${until}.`);
  const warning = output === 'name' ? 'Its key was not shown and cannot be.' : ONCE;
  tell(context, paint(context, 'yellow', warning));
}

const ONCE = 'This is the only time the key is shown; only its digest is kept.';
