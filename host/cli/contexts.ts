/**
 * `sidegate context`: names for the hosts that somebody works with, kept in a file of the user. It
 * keeps where a token is, never the token.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { type Context, tell } from './context.ts';
import { withFormat } from './key.ts';
import { CommandError, Exit } from './outcome.ts';
import { type Column, type Format, printRows } from './output.ts';

/** A host under a name. */
export interface NamedHost {
  readonly host: string;
  readonly tokenFile?: string;
}

interface Contexts {
  readonly current?: string | undefined;
  readonly contexts: Readonly<Record<string, NamedHost>>;
}

interface Row extends NamedHost {
  readonly name: string;
  readonly current: boolean;
}

const COLUMNS: readonly Column<Row>[] = [
  { head: 'CURRENT', cell: ({ current }) => (current ? '*' : '') },
  { head: 'NAME', cell: ({ name }) => name },
  { head: 'HOST', cell: ({ host }) => host },
  { head: 'TOKEN-FILE', cell: ({ tokenFile }) => tokenFile ?? '-' },
];

/** The host of a name, or of the current one; undefined when there is none. */
export function findContext(context: Context, name: string | undefined): NamedHost | undefined {
  const { current, contexts } = read(context);
  const wanted = name ?? current;
  if (wanted === undefined) return undefined;
  const found = contexts[wanted];
  if (found !== undefined) return found;
  throw new CommandError(Exit.usage, `no context ${JSON.stringify(wanted)}`, [
    '"sidegate context list" shows what there is.',
  ]);
}

/** Adds the noun and its verbs. */
export function addContexts(program: Command, context: Context): void {
  const noun = program.command('context').description('name hosts and choose one of them');
  noun
    .command('set')
    .description('give a host a name')
    .argument('<name>', 'such as staging')
    .requiredOption('--host <url>', 'address of the admin port')
    .option('--token-file <file>', 'file with the access token')
    .action((name: string, { host, tokenFile }: NamedHost) => {
      const at = tokenFile === undefined ? {} : { tokenFile: resolve(context.folder, tokenFile) };
      const { current, contexts } = read(context);
      write(context, { current, contexts: { ...contexts, [name]: { host, ...at } } });
      tell(context, `Context ${name} is ${host}.`);
    });
  noun
    .command('use')
    .description('choose the host of all commands from now on')
    .argument('<name>', 'name of the host')
    .action((name: string) => {
      const { host } = findContext(context, name) ?? { host: '' };
      write(context, { ...read(context), current: name });
      tell(context, `Commands go to ${host} now.`);
    });
  noun
    .command('remove')
    .description('forget a name')
    .argument('<name>', 'name of the host')
    .action((name: string) => {
      findContext(context, name);
      const { current, contexts } = read(context);
      const { [name]: _, ...rest } = contexts;
      write(context, { current: current === name ? undefined : current, contexts: rest });
      tell(context, `Context ${name} is forgotten.`);
    });
  withFormat(noun.command('list').description('show the names')).action(
    ({ output }: { output: Format }) => {
      const { current, contexts } = read(context);
      const rows = Object.entries(contexts).map(([name, each]) => {
        return { name, ...each, current: name === current };
      });
      printRows(context, output, rows, COLUMNS);
    },
  );
}

function pathOf({ env, folder }: Context): string {
  const base = env.XDG_CONFIG_HOME || join(env.HOME || folder, '.config');
  return join(base, 'sidegate', 'contexts.json');
}

function read(context: Context): Contexts {
  const path = pathOf(context);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return { contexts: {} };
  }
  try {
    const { current, contexts } = JSON.parse(text) as Contexts;
    return { current, contexts: { ...contexts } };
  } catch {
    throw new CommandError(Exit.usage, `${path} cannot be read`, ['Correct it or remove it.']);
  }
}

function write(context: Context, contexts: Contexts): void {
  const path = pathOf(context);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(`${path}.new`, `${JSON.stringify(contexts, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
