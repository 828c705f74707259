/**
 * What the verbs of `sidegate key` share: options, and how a credential looks.
 */
import { type Command, Option } from 'commander';
import type { Column } from './output.ts';
import { FORMATS } from './output.ts';

/** A credential as the admin API shows it. */
export interface CredentialView {
  readonly id: number;
  readonly namespace: string;
  readonly application: string;
  readonly name: string;
  readonly prefix: string;
  readonly state: string;
  readonly origin: string;
  readonly notBefore: string | null;
  readonly notAfter: string | null;
  readonly cidrs: readonly string[];
  readonly referers: readonly string[];
  readonly createdAt: string;
  readonly revokedAt: string | null;
  readonly lastUsedAt: string | null;
}

/** By what a key is named on a command line. */
export const WHICH_KEY = 'id, name, or the beginning of the key as "key list" shows it';

/** Columns of a list of credentials. */
export const CREDENTIAL_COLUMNS: readonly Column<CredentialView>[] = [
  { head: 'ID', cell: ({ id }) => String(id) },
  { head: 'NAME', cell: ({ name }) => name },
  { head: 'APPLICATION', cell: ({ namespace, application }) => `${namespace}/${application}` },
  { head: 'KEY', cell: ({ prefix }) => (prefix === '' ? '-' : `${prefix}…`) },
  { head: 'STATE', cell: ({ state }) => state },
  { head: 'EXPIRES', cell: ({ notAfter }) => notAfter ?? 'never' },
  { head: 'CREATED', cell: ({ createdAt }) => createdAt },
  { head: 'LAST USED', cell: ({ lastUsedAt }) => lastUsedAt ?? 'never' },
];

/** Adds the options of every command that calls the admin API. */
export function withApi(command: Command): Command {
  return command
    .option('--context <name>', 'host by its name (SIDEGATE_CONTEXT)')
    .option('--host <url>', 'address of the admin port (SIDEGATE_HOST)')
    .option('--token-file <file>', 'file with the access token (or SIDEGATE_ADMIN_TOKEN)');
}

/** Adds `-o`. */
export function withFormat(command: Command): Command {
  const formats = new Option('-o, --output <format>', 'how to print it').choices(FORMATS);
  return command.addOption(formats.default('table'));
}
