/**
 * Settings of the host from its command line and environment: one table of options, from which
 * both the reader and the help text are made. It reports every problem at once and must never
 * read the environment or the file system itself.
 */
import { Secret } from '../credential/secret.ts';

/** Settings of a host, checked. Times are milliseconds. */
export interface Settings {
  /** Folder of resource files; undefined = resources come by the admin API. */
  readonly resources: string | undefined;
  /** Folder of store and ledger. */
  readonly store: string;
  readonly listen: string;
  readonly adminPort: number;
  readonly syncListen: string;
  readonly syncPort: number;
  /** Whether callers of the sync port are known by what the host's own sidecar verified. */
  readonly meshIdentity: boolean;
  readonly heartbeatMs: number;
  readonly watchHoldMs: number;
  readonly directoryCredentialsMax: number;
  readonly usageKeepDays: number;
  readonly logLevel: string;
  /** File with the admin token; made when absent. */
  readonly adminTokenFile: string | undefined;
  /** File to write the ready line to besides stdout. */
  readonly readyFile: string | undefined;
  /** From the environment only, so that it shows in no process list. */
  readonly adminToken: Secret | undefined;
  /** From the environment only, so that it shows in no process list. */
  readonly syncSecret: Secret | undefined;
}

/** One option of the command line. */
export interface Option {
  readonly name: string;
  /** A flag stands alone or with `true` or `false`. */
  readonly value: 'dir' | 'file' | 'address' | 'port' | 'ms' | 'count' | 'level' | 'flag';
  readonly text: string;
  readonly fallback?: string;
  readonly least?: number;
  readonly most?: number;
}

/** Fewest bytes of the sync secret and of an admin token given from outside. */
export const SECRET_BYTES_MIN = 16;

const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];

/** Every option; the variable of an option is SIDEGATE_ and its name in upper case. */
export const OPTIONS: readonly Option[] = [
  {
    name: 'resources',
    value: 'dir',
    text: 'folder of resource files, read-only; without one they come by "sidegate apply"',
  },
  {
    name: 'store',
    value: 'dir',
    text: 'folder of the store and the ledger',
    fallback: '.sidegate/store',
  },
  {
    name: 'listen',
    value: 'address',
    text: 'address of the admin port',
    fallback: '127.0.0.1',
  },
  {
    name: 'admin-port',
    value: 'port',
    text: 'port of admin API, health and metrics; 0 = any free one',
    fallback: '8080',
    least: 0,
    most: 65_535,
  },
  {
    name: 'sync-listen',
    value: 'address',
    text: 'address of the port that filters call',
    fallback: '127.0.0.1',
  },
  {
    name: 'sync-port',
    value: 'port',
    text: 'port that filters call; 0 = any free one',
    fallback: '8081',
    least: 0,
    most: 65_535,
  },
  {
    name: 'mesh-identity',
    value: 'flag',
    text: 'let only principals of a proxy group call for it, as the own sidecar names them',
    fallback: 'false',
  },
  {
    name: 'heartbeat',
    value: 'ms',
    text: 'how often a busy filter reports',
    fallback: '1000',
    least: 200,
    most: 60_000,
  },
  {
    name: 'watch-hold',
    value: 'ms',
    text: 'how long a watch is held when nothing changes, ± 20 %',
    fallback: '25000',
    least: 100,
    most: 25_000,
  },
  {
    name: 'directory-credentials-max',
    value: 'count',
    text: 'most credentials in the directory of one proxy group',
    fallback: '100000',
    least: 1,
    // Half of what a filter holds: while one store takes another's place it holds both directories.
    most: 131_072,
  },
  {
    name: 'usage-keep-days',
    value: 'count',
    text: 'days that usage is kept',
    fallback: '400',
    least: 1,
    most: 3_650,
  },
  {
    name: 'admin-token-file',
    value: 'file',
    text: 'file with the admin token; made, readable by its owner alone, when it is not there',
  },
  { name: 'ready-file', value: 'file', text: 'file to write the line of addresses to' },
  {
    name: 'log-level',
    value: 'level',
    text: LEVELS.join(', '),
    fallback: 'info',
  },
];

/** What is wrong with the command line or the environment; one entry for each problem. */
export type SettingsResult =
  | { readonly ok: true; readonly settings: Settings }
  | { readonly ok: false; readonly problems: readonly string[] };

/** Environment variables, as the process has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads settings from arguments (`--name value` or `--name=value`) and, where an argument is
 * absent, from the environment. Unknown arguments are problems.
 */
export function readSettings(args: readonly string[], env: Environment): SettingsResult {
  const problems: string[] = [];
  const given = readArguments(args, problems);
  const text = (name: string): string | undefined => {
    const option = OPTIONS.find((one) => one.name === name);
    return given.get(name) ?? (env[variableOf(name)] || undefined) ?? option?.fallback;
  };
  const number = (name: string): number => readNumber(name, text(name) ?? '', problems);
  const settings: Settings = {
    resources: text('resources'),
    store: text('store') ?? '',
    listen: text('listen') ?? '',
    adminPort: number('admin-port'),
    syncListen: text('sync-listen') ?? '',
    syncPort: number('sync-port'),
    meshIdentity: readFlag('mesh-identity', text('mesh-identity'), problems),
    heartbeatMs: number('heartbeat'),
    watchHoldMs: number('watch-hold'),
    directoryCredentialsMax: number('directory-credentials-max'),
    usageKeepDays: number('usage-keep-days'),
    logLevel: text('log-level') ?? '',
    adminTokenFile: text('admin-token-file'),
    readyFile: text('ready-file'),
    adminToken: readSecret('SIDEGATE_ADMIN_TOKEN', env, problems),
    syncSecret: readSecret('SIDEGATE_SYNC_SECRET', env, problems),
  };
  problems.push(...checkSettings(settings));
  return problems.length > 0 ? { ok: false, problems } : { ok: true, settings };
}

/** Name of the environment variable of an option. */
export function variableOf(name: string): string {
  return `SIDEGATE_${name.toUpperCase().replaceAll('-', '_')}`;
}

/** The options as lines of a help text. */
export function optionsHelp(): string {
  const heads = OPTIONS.map(({ name, value }) => `  --${name} ${value.toUpperCase()}`);
  const width = Math.max(...heads.map((head) => head.length)) + 2;
  return OPTIONS.map(({ text, fallback }, index) => {
    const tail = fallback === undefined ? '' : ` (${fallback})`;
    return `${(heads[index] ?? '').padEnd(width)}${text}${tail}`;
  }).join('\n');
}

function readArguments(args: readonly string[], problems: string[]): Map<string, string> {
  const given = new Map<string, string>();
  for (let index = 0; index < args.length; index += 1) {
    const argument = args[index] ?? '';
    const [, name = '', inline] = /^--([^=]+)(?:=(.*))?$/s.exec(argument) ?? [];
    if (!OPTIONS.some((option) => option.name === name)) {
      problems.push(`unknown argument ${JSON.stringify(argument)}`);
      continue;
    }
    const next = args[index + 1];
    const isAlone = isFlag(name) && next !== 'true' && next !== 'false';
    const value = inline ?? (isAlone ? 'true' : next);
    if (inline === undefined && !isAlone) index += 1;
    if (value === undefined || value === '') problems.push(`--${name} needs a value`);
    else if (given.has(name)) problems.push(`--${name} is given twice`);
    else given.set(name, value);
  }
  return given;
}

function isFlag(name: string): boolean {
  return OPTIONS.some((option) => option.name === name && option.value === 'flag');
}

function readFlag(name: string, text: string | undefined, problems: string[]): boolean {
  if (text !== 'true' && text !== 'false') {
    problems.push(`--${name} is ${JSON.stringify(text)}, not true or false`);
  }
  return text === 'true';
}

function readNumber(name: string, text: string, problems: string[]): number {
  const option = OPTIONS.find((one) => one.name === name);
  const { least = 0, most = Number.MAX_SAFE_INTEGER } = option ?? {};
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  problems.push(`--${name} is ${JSON.stringify(text)}, not a whole number of ${least} … ${most}`);
  return least;
}

function readSecret(name: string, env: Environment, problems: string[]): Secret | undefined {
  const value = env[name];
  if (value === undefined || value === '') return undefined;
  if (!/^[\x21-\x7e]+$/.test(value)) {
    problems.push(`${name} holds characters that no header may hold`);
  } else if (value.length < SECRET_BYTES_MIN) {
    problems.push(`${name} has ${value.length} characters, at least ${SECRET_BYTES_MIN}`);
  }
  return new Secret(value);
}

function checkSettings(settings: Settings): string[] {
  const problems: string[] = [];
  const { syncSecret, syncListen, meshIdentity, logLevel } = settings;
  if (!LEVELS.includes(logLevel)) {
    problems.push(`--log-level is ${JSON.stringify(logLevel)}, not one of ${LEVELS.join(', ')}`);
  }
  if (!isLoopback(syncListen) && syncSecret === undefined && !meshIdentity) {
    problems.push(
      `--sync-listen ${syncListen} is beyond loopback: set SIDEGATE_SYNC_SECRET here and in the ` +
        "environment of the proxies' VM, or --mesh-identity behind a sidecar, so that not everyone " +
        "may read keys' digests and take quota",
    );
  }
  return problems;
}

/** True for addresses that only this machine reaches. */
export function isLoopback(address: string): boolean {
  return address === 'localhost' || address === '::1' || /^127(\.\d{1,3}){3}$/.test(address);
}
