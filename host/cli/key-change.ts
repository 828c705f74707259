/**
 * `sidegate key disable`, `enable`, `expire`, `rotate` and `import`. A key comes in on standard
 * input alone and goes out on standard output alone; neither is ever an argument.
 */
import type { Command } from 'commander';
import { type ApiOptions, callApi, findTarget } from './admin-api.ts';
import { type Context, paint, say, tell } from './context.ts';
import { type CredentialView, WHICH_KEY, withApi, withFormat } from './key.ts';
import { findId } from './key-revoke.ts';
import { readExpiry, readLifetime } from './lifetime.ts';
import { CommandError, Exit } from './outcome.ts';
import { type Format, printValue } from './output.ts';

interface Options extends ApiOptions {
  readonly namespace: string;
  readonly output: Format;
}

type Changed = CredentialView & { readonly changed: boolean };

/** Adds the verbs to `key`. */
export function addKeyChanges(key: Command, context: Context): void {
  const named = (verb: string, description: string) =>
    withFormat(
      withApi(
        key
          .command(verb)
          .description(description)
          .argument('<key>', WHICH_KEY)
          .option('-n, --namespace <name>', 'namespace of the name', 'default'),
      ),
    );
  named('disable', 'take a key out of use; it can be enabled again').action(
    (which: string, options: Options) => change(context, which, 'disable', options),
  );
  named('enable', 'take a disabled key into use again').action((which: string, options: Options) =>
    change(context, which, 'enable', options),
  );
  named('expire', 'end a key now or at a time')
    .option('--at <when>', 'time from now such as 90d, 12h or 30m, or a time with its zone')
    .action((which: string, options: Options & { readonly at?: string }) => {
      const { at: when } = options;
      const at = when === undefined ? undefined : readExpiry(when, context.nowMs(), '--at');
      return change(context, which, 'expire', options, at === undefined ? {} : { at });
    });
  named('rotate', 'make a key in the place of another and show it, this once')
    .option('--overlap <time>', 'how long the one before goes on, such as 24h', '24h')
    .option('--expires <when>', 'lifetime of the new key, or a time with its zone')
    .action((which: string, options: RotateOptions) => rotate(context, which, options));
  const imported = key
    .command('import')
    .description('take over a key that was made elsewhere; it is read from standard input')
    .argument('<application>', 'name of the application')
    .option('-n, --namespace <name>', 'namespace of the application', 'default')
    .option('--name <name>', 'name of the credential; made when absent')
    .option('--expires <when>', 'lifetime such as 90d, or a time with its zone')
    .option('--sha256', 'what is read is the SHA-256 of the key in hex; needs the next option too')
    .option('--strength-checked', 'you know that the key behind the digest is long and random');
  withFormat(withApi(imported)).action((application: string, options: ImportOptions) =>
    importKey(context, application, options),
  );
}

interface RotateOptions extends Options {
  readonly overlap: string;
  readonly expires?: string;
}

interface ImportOptions extends Options {
  readonly name?: string;
  readonly expires?: string;
  readonly sha256?: boolean;
  readonly strengthChecked?: boolean;
}

const DONE = { disable: 'Disabled', enable: 'Enabled', expire: 'Set the end of' } as const;

async function change(
  context: Context,
  which: string,
  verb: keyof typeof DONE,
  options: Options,
  body: object = {},
): Promise<void> {
  const target = findTarget(context, options);
  const id = await findId(context, target, which, options.namespace);
  const path = `/v1/credentials/${id}/${verb}`;
  const sent = verb === 'expire' ? body : undefined;
  const changed = await callApi<Changed>(target, 'POST', path, sent);
  print(context, options.output, changed);
  const what = `key ${changed.id} (${changed.name}) of application ${changed.application}`;
  const until = verb === 'expire' ? `: ${changed.notAfter}` : '';
  tell(context, changed.changed ? `${DONE[verb]} ${what}${until}.` : `Nothing to do: ${what}.`);
}

async function rotate(context: Context, which: string, options: RotateOptions): Promise<void> {
  const { output, expires, overlap } = options;
  const overlapSeconds = Math.floor(readLifetime(overlap, '--overlap') / 1_000);
  const notAfter = expires === undefined ? undefined : readExpiry(expires, context.nowMs());
  const target = findTarget(context, options);
  const id = await findId(context, target, which, options.namespace);
  const path = `/v1/credentials/${id}/rotate`;
  const made = await callApi<CredentialView & { key: string; before: CredentialView }>(
    ...([target, 'POST', path, { overlapSeconds, notAfter }] as const),
  );
  if (output === 'json' || output === 'yaml') printValue(context, output, made);
  else say(context, output === 'name' ? made.name : made.key);
  const { before } = made;
  tell(context, `Key ${made.id} (${made.name}) takes the place of ${before.id} (${before.name}),`);
  tell(context, `which ends ${before.notAfter}.`);
  const once = 'This is the only time the key is shown; only its digest is kept.';
  tell(context, paint(context, 'yellow', once));
}

async function importKey(
  context: Context,
  application: string,
  options: ImportOptions,
): Promise<void> {
  const { namespace, name, expires, sha256 = false, strengthChecked, output } = options;
  const text = Buffer.from((await context.stdin?.()) ?? [])
    .toString('utf8')
    .trim();
  if (text === '') throw new CommandError(Exit.usage, 'nothing came on standard input');
  const imported = await callApi<Changed>(
    findTarget(context, options),
    'POST',
    '/v1/credentials/import',
    {
      ...{ namespace, application, name },
      ...(sha256 ? { sha256: text, strengthChecked } : { key: text }),
      notAfter: expires === undefined ? undefined : readExpiry(expires, context.nowMs()),
    },
  );
  print(context, output, imported);
  tell(context, `Imported key ${imported.id} (${imported.name}) of application ${application}.`);
}

function print(context: Context, output: Format, credential: Changed): void {
  if (output === 'json' || output === 'yaml') printValue(context, output, credential);
  else if (output === 'name') say(context, credential.name);
}
