/**
 * Calls of the admin API: where the host is, with which token, and what its answers mean for the
 * exit code. It must never send a token to a host it was not meant for, nor print one.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Printable } from '../resources/problem.ts';
import type { Context } from './context.ts';
import { findContext } from './contexts.ts';
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
  const text = /^https?:\/\//.test(host) ? host : `http://${host}`;
  if (!URL.canParse(text)) {
    throw new CommandError(Exit.usage, `${JSON.stringify(host)} is not the address of a host`, [
      `Write it as ${DEFAULT_HOST}.`,
    ]);
  }
  return new URL(text).origin;
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
  /** What the answer is; JSON unless told. */
  readonly as?: 'json' | 'text';
}

/** Calls the admin API and answers its JSON. Throws a CommandError for everything but success. */
export async function callApi<T>(
  target: Target,
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  path: string,
  body?: unknown,
  options: CallOptions = {},
): Promise<T> {
  const response = await send(target, method, path, body, options);
  const text = await response.text().catch(() => '');
  const answer = options.as === 'text' && response.ok ? text : parse(text);
  if (response.ok && answer !== undefined) return answer as T;
  throw failureOf(target, response.status, answer);
}

async function send(
  { host, token }: Target,
  method: string,
  path: string,
  body: unknown,
  { headers = {}, timeoutMs = TIMEOUT_MS, idempotencyKey }: CallOptions,
): Promise<Response> {
  const sent: Record<string, string> = { ...headers, authorization: `Bearer ${token}` };
  if (body !== undefined) sent['content-type'] = 'application/json';
  if (idempotencyKey !== undefined) sent['idempotency-key'] = idempotencyKey;
  const attempt = () =>
    fetch(new URL(path, host), {
      method,
      headers: sent,
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  const advice = [START_ADVICE];
  try {
    return await attempt().catch((error) => {
      const wasSent = reasonOf(error, timeoutMs) !== 'ECONNREFUSED';
      if (idempotencyKey === undefined || !wasSent) throw error;
      advice.push(
        `It may be done all the same: repeat it with --idempotency-key ${idempotencyKey}.`,
      );
      return attempt();
    });
  } catch (error) {
    const why = reasonOf(error, timeoutMs);
    throw new CommandError(Exit.unreachable, `no host answers at ${host} (${why})`, advice);
  }
}

function reasonOf(error: unknown, timeoutMs: number): string {
  const { cause, name, message } = error as Error & { cause?: Error & { code?: string } };
  if (name === 'TimeoutError') return `no answer in ${timeoutMs / 1_000} s`;
  return cause?.code ?? cause?.message ?? message;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function failureOf({ host }: Target, status: number, answer: unknown): CommandError {
  const { code, detail, errors, requestId } = (answer ?? {}) as Partial<ProblemBody>;
  if (code === undefined) {
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
  return new CommandError(exitOf(status), detail ?? code, advice);
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

function exitOf(status: number): ExitCode {
  if (status === 401 || status === 403 || status === 429) return Exit.denied;
  if (status === 400 || status === 413) return Exit.usage;
  if (status === 422) return Exit.problems;
  if (status === 503) return Exit.unreachable;
  return status < 500 ? Exit.refused : Exit.unexpected;
}
