/**
 * A kubeconfig as `sidegate doctor` reads it: where the API server is, whom to trust and who calls.
 * It never runs a program that a kubeconfig names, and never prints what it holds.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { CommandError, Exit } from './outcome.ts';

/** How to call an API server. */
export interface KubeAccess {
  readonly server: URL;
  readonly token: string | undefined;
  /** PEM texts for the connection, as node:https names them. */
  readonly tls: {
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
    readonly servername?: string;
    readonly rejectUnauthorized?: boolean;
  };
}

type Fields = Readonly<Record<string, unknown>>;

/** A field that is empty in the file is null. */
type NamedEntry = { readonly name?: string } & { readonly [P in Part]?: Fields | null };

type Part = 'cluster' | 'user' | 'context';

/** What a user may have that this does not do; all of it runs programs or is long gone. */
const UNSUPPORTED = ['exec', 'auth-provider', 'username', 'password'];

const SERVER = /^https?:\/\//i;

/** Reads a kubeconfig; `named` is a context of it, else the current one counts. */
export function readKubeconfig(file: string, named: string | undefined): KubeAccess {
  const config = readFields(file);
  const name = named ?? textOf(config, 'current-context');
  if (name === undefined)
    throw refused(file, 'has no current context', 'Name one: --kube-context.');
  const context = entryOf(config, 'context', name);
  if (context === undefined) throw refused(file, `has no context ${JSON.stringify(name)}`);
  const cluster = entryOf(config, 'cluster', textOf(context, 'cluster')) ?? {};
  const user = entryOf(config, 'user', textOf(context, 'user')) ?? {};
  const found = UNSUPPORTED.find((field) => user[field] !== undefined);
  if (found !== undefined) {
    throw refused(
      file,
      `logs in by ${found}, which is not supported`,
      'Use a token or certificate.',
    );
  }
  const server = textOf(cluster, 'server');
  if (server === undefined || !SERVER.test(server) || !URL.canParse(server)) {
    throw refused(file, 'names no server');
  }
  if (cluster['proxy-url'] !== undefined) throw refused(file, 'asks for a proxy: not supported');
  const pem = (of: Fields, field: string) => pemOf(file, of, field);
  const tokenFile = textOf(user, 'tokenFile');
  const token = textOf(user, 'token') ?? (tokenFile && contentOf(file, tokenFile).trim());
  const tls = {
    ca: pem(cluster, 'certificate-authority'),
    cert: pem(user, 'client-certificate'),
    key: pem(user, 'client-key'),
    servername: textOf(cluster, 'tls-server-name'),
    rejectUnauthorized: cluster['insecure-skip-tls-verify'] === true ? false : undefined,
  };
  const given = Object.entries(tls).filter(([, value]) => value !== undefined);
  return { server: new URL(server), token, tls: Object.fromEntries(given) };
}

function readFields(file: string): Fields {
  try {
    const value: unknown = parse(readFileSync(file, 'utf8'));
    if (typeof value === 'object' && value !== null) return value as Fields;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code?.startsWith('E')) throw refused(file, `cannot be read (${code})`);
  }
  throw refused(file, 'is no kubeconfig');
}

function refused(file: string, why: string, ...advice: string[]): CommandError {
  return new CommandError(Exit.usage, `${file} ${why}`, advice);
}

function textOf(fields: Fields, field: string): string | undefined {
  const value = fields[field];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** What the list of a part has under a name. */
function entryOf(config: Fields, part: Part, name: string | undefined): Fields | undefined {
  const list = config[`${part}s`];
  const entries: readonly (NamedEntry | null)[] = Array.isArray(list) ? list : [];
  return entries.find((entry) => entry?.name === name)?.[part] ?? undefined;
}

/** A PEM text that stands in the file itself, in base64, or in a file that it names. */
function pemOf(file: string, fields: Fields, field: string): string | undefined {
  const inside = textOf(fields, `${field}-data`);
  if (inside !== undefined) return Buffer.from(inside, 'base64').toString('utf8');
  const beside = textOf(fields, field);
  return beside === undefined ? undefined : contentOf(file, beside);
}

/** Files are named from the folder of the kubeconfig. */
function contentOf(file: string, name: string): string {
  try {
    return readFileSync(path.resolve(path.dirname(file), name), 'utf8');
  } catch (error) {
    throw refused(file, `names ${name}: ${(error as NodeJS.ErrnoException).code}`);
  }
}
