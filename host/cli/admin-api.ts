/**
 * Calls of the admin API: where the host is, with which token, and what its answers mean for the
 * exit code. It must never send a token to a host it was not meant for, nor print one.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Printable } from '../resources/problem.ts';
import type { Context } from './context.ts';
import { findContext } from './contexts.ts';
import { CallFailed, callHttp, type HttpAnswer } from './http-call.ts';
import { CommandError, Exit, type ExitCode } from './outcome.ts';

/** Options every command has that calls the admin API. */
export interface ApiOptions {
  readonly context?: string;
  readonly host?: string;
  /** A token itself is never an argument: those show in every process list. */
  readonly tokenFile?: string;
}

/** Where the host is and with which token to call it. */
export interface Target {
  readonly host: string;
  readonly token: string;
}

const DEFAULT_HOST = 'http://127.0.0.1:8080';
const TIMEOUT_MS = 10_000;

const START_ADVICE =
  'Start one with "npm start" or "sidegate serve", or say where it is with --host.';

/** What to do about some reasons for which there is no answer. */
const ADVICE = [
  [/CERT/, 'Its certificate is refused: name its authority in NODE_EXTRA_CA_CERTS.'],
  [/SSL|EPROTO/, 'What listens there speaks no TLS: is it http://?'],
] as const;

/**
 * Finds the host: options, then the context that was named, then environment, the current context,
 * and what `npm start` wrote. A token that belongs to one host goes to no other.
 */
export function findTarget(context: Context, options: ApiOptions): Target {
  const { env } = context;
  const demo = readDemo(context.folder);
  const named = options.context ?? (env.SIDEGATE_CONTEXT || undefined);
  const chosen = named === undefined ? undefined : findContext(context, named);
  const current = chosen ?? (env.SIDEGATE_HOST ? undefined : findContext(context, undefined));
  const host = originOf(
    options.host ??
      chosen?.host ??
      env.SIDEGATE_HOST ??
      current?.host ??
      demo?.host ??
      DEFAULT_HOST,
  );
  const isOf = (other: string | undefined) => other !== undefined && originOf(other) === host;
  const given = tokenIn(options.tokenFile);
  const own = isOf(current?.host) ? tokenIn(current?.tokenFile) : undefined;
  const shared = chosen === undefined ? env.SIDEGATE_ADMIN_TOKEN : undefined;
  const token = given ?? own ?? shared ?? (isOf(demo?.host) ? demo?.token : undefined);
  if (token !== undefined && token !== '') return { host, token };
  throw new CommandError(Exit.usage, `no admin token for ${host}`, [
    'Set SIDEGATE_ADMIN_TOKEN or --token-file, or run this in the folder where "npm start" runs.',
    'A host that "sidegate serve" starts shows its first token once, on stderr.',
  ]);
}

function tokenIn(file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new CommandError(Exit.usage, `--token-file ${file}: ${(error as Error).message}`);
  }
}

function originOf(host: string): string {
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(host) ? host : `http://${host}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // What stands behind the port would be lost in silence, and its calls go to something else.
  const isWhole = url !== undefined && `${url.pathname}${url.search}${url.hash}` === '/';
  if (isWhole && /^https?:$/.test(url.protocol)) return url.origin;
  throw new CommandError(Exit.usage, `${JSON.stringify(host)} is not the address of a host`, [
    `Write it as ${DEFAULT_HOST}, without a path.`,
  ]);
}

/** The demo of this folder or one above it. */
function readDemo(folder: string): { host: string; token: string } | undefined {
  for (let at = folder; ; at = dirname(at)) {
    try {
      const demo = JSON.parse(readFileSync(join(at, '.sidegate', 'demo.json'), 'utf8'));
      if (typeof demo.host === 'string' && typeof demo.adminToken === 'string') {
        return { host: demo.host, token: demo.adminToken };
      }
      return undefined;
    } catch {
      // Not here, or being written just now: look above.
    }
    if (dirname(at) === at) return undefined;
  }
}

/** How a call differs from the usual one. */
export interface CallOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  /** Sent along, so that the call is made again when its answer is lost, and yet done once. */
  readonly idempotencyKey?: string;
  /** It asks and changes nothing, whatever its method. */
  readonly asks?: boolean;
  /** What the answer is; JSON unless told. */
  readonly as?: 'json' | 'text';
}

/** Methods of the admin API. */
export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

/** Calls the admin API and answers its JSON. Throws a CommandError for everything but success. */
export async function callApi<T>(
  target: Target,
  method: Method,
  path: string,
  body?: unknown,
  options: CallOptions = {},
): Promise<T> {
  const { status, text } = await send(target, method, path, body, options);
  const ok = status >= 200 && status < 300;
  const answer = options.as === 'text' && ok ? text : parse(text);
  if (ok && answer !== undefined) return answer as T;
  throw failureOf(target, status, answer, options);
}

/** Sends a call; once more when its answer is lost and nothing is done twice by that. */
async function send(
  target: Target,
  method: Method,
  path: string,
  body: unknown,
  options: CallOptions,
): Promise<HttpAnswer> {
  const { headers = {}, timeoutMs = TIMEOUT_MS, idempotencyKey } = options;
  const sent: Record<string, string> = { ...headers, authorization: `Bearer ${target.token}` };
  if (body !== undefined) sent['content-type'] = 'application/json';
  if (idempotencyKey !== undefined) sent['idempotency-key'] = idempotencyKey;
  const call = {
    ...{ method, headers: sent, timeoutMs },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  };
  const attempt = () => callHttp(new URL(path, target.host), call);
  const changes = method !== 'GET' && options.asks !== true;
  try {
    return await attempt().catch(async (error) => {
      if (idempotencyKey === undefined || !maybeSent(error)) throw error;
      return repeated(attempt).catch((again) => {
        throw maybeSent(again) ? again : error;
      });
    });
  } catch (error) {
    throw noAnswer(target, error, changes, idempotencyKey);
  }
}

function maybeSent(error: unknown): boolean {
  return error instanceof CallFailed && error.sent;
}

/** Looks again while the first of two equal calls is still being worked on. */
async function repeated(attempt: () => Promise<HttpAnswer>): Promise<HttpAnswer> {
  for (let tried = 1; ; tried += 1) {
    const answer = await attempt();
    const { code } = (parse(answer.text) ?? {}) as Partial<ProblemBody>;
    if (code !== IN_USE || tried === IN_USE_TRIES) return answer;
    await delay(IN_USE_MS);
  }
}

const IN_USE = 'idempotency_key_in_use';
const IN_USE_TRIES = 10;
const IN_USE_MS = 500;

/** Why there is no answer, and what that means for what was asked. */
function noAnswer(
  { host }: Target,
  error: unknown,
  changes: boolean,
  idempotencyKey: string | undefined,
): CommandError {
  if (!(error instanceof CallFailed)) {
    // Node refuses to send some characters, and of all that is sent only the token may hold them.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_INVALID_CHAR') throw error;
    return new CommandError(Exit.usage, `the admin token for ${host} is no token`, [
      'Check SIDEGATE_ADMIN_TOKEN or --token-file.',
    ]);
  }
  const advice = [ADVICE.find(([reason]) => reason.test(error.why))?.[1] ?? START_ADVICE];
  if (changes && error.sent) advice.push(doneAllTheSame(idempotencyKey));
  return new CommandError(Exit.unreachable, `no host answers at ${host} (${error.why})`, advice);
}

function doneAllTheSame(idempotencyKey: string | undefined): string {
  if (idempotencyKey === undefined)
    return 'It may be done all the same: look before you repeat it.';
  return `It may be done all the same: repeat it with --idempotency-key ${idempotencyKey}.`;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function failureOf(
  { host }: Target,
  status: number,
  answer: unknown,
  { idempotencyKey }: CallOptions,
): CommandError {
  const { code, detail, errors, requestId } = (answer ?? {}) as Partial<ProblemBody>;
  // Whatever else answers there may speak of problems as well, such as a proxy with the filter.
  if (code === undefined || requestId === undefined) {
    return new CommandError(
      Exit.unexpected,
      `${host} answered ${status}, which is no answer of a host`,
      ['Is this the address of the admin port?'],
    );
  }
  const placed = (errors ?? []).filter(isPlaced);
  if (placed.length > 0) return new CommandError(Exit.problems, detail ?? code, [], placed);
  const advice = (errors ?? []).map(({ pointer = '', message }) => `${pointer} ${message}`.trim());
  if (status === 401) advice.push('Check SIDEGATE_ADMIN_TOKEN or --token-file.');
  if (status >= 500) advice.push(`The host's log has more: request ${requestId}.`);
  if (code === IN_USE) advice.push(doneAllTheSame(idempotencyKey));
  return new CommandError(exitOf(status, code), detail ?? code, advice);
}

/** Whether an error says where it stands in a file. */
function isPlaced(error: object): error is Printable {
  return 'file' in error;
}

interface ProblemBody {
  readonly code: string;
  readonly detail: string;
  readonly requestId: string;
  readonly errors: readonly { readonly message: string; readonly pointer?: string }[];
}

function exitOf(status: number, code: string): ExitCode {
  if (status === 401 || status === 403 || status === 429) return Exit.denied;
  if (status === 400 || status === 413) return Exit.usage;
  if (code === 'invalid_resources') return Exit.problems;
  if (status === 503) return Exit.unreachable;
  return status < 500 ? Exit.refused : Exit.unexpected;
}
