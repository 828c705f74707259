/**
 * `sidegate key inspect`: everything about one key except the key, and who changed it last.
 */
import type { Command } from 'commander';
import { stringify } from 'yaml';
import { type ApiOptions, callApi, findTarget } from './admin-api.ts';
import { type Context, say } from './context.ts';
import { type CredentialView, WHICH_KEY, withApi, withFormat } from './key.ts';
import { findId } from './key-revoke.ts';
import { type Format, printValue } from './output.ts';
import { sayLastChanges } from './resources.ts';

interface Options extends ApiOptions {
  readonly namespace: string;
  readonly output: Format;
}

/** Adds the verb to `key`. */
export function addKeyInspect(key: Command, context: Context): void {
  const verb = key
    .command('inspect')
    .description('show everything about one key except the key, and its last changes')
    .argument('<key>', WHICH_KEY)
    .option('-n, --namespace <name>', 'namespace of the name', 'default');
  withFormat(withApi(verb)).action((which: string, options: Options) =>
    inspectKey(context, which, options),
  );
}

async function inspectKey(context: Context, which: string, options: Options): Promise<void> {
  const target = findTarget(context, options);
  const id = await findId(context, target, which, options.namespace);
  const credential = await callApi<CredentialView>(target, 'GET', `/v1/credentials/${id}`);
  const { output } = options;
  if (output === 'json' || output === 'yaml') return printValue(context, output, credential);
  if (output === 'name') return say(context, credential.name);
  say(context, stringify(credential).trimEnd());
  const { namespace, name } = credential;
  await sayLastChanges(context, target, { kind: 'Credential', namespace, name });
}
