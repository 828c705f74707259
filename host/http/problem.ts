/**
 * Problems as HTTP answers (RFC 9457): every error of the host in one form with a stable code.
 * It must never let a message through that was not written for the caller to read.
 */
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { LedgerError } from '../store/ledger.ts';
import { LABEL_PATTERN } from './routes/forms.ts';

/** Stable codes of problems and the status each is answered with. */
export const PROBLEMS = {
  bad_request: 400,
  malformed_message: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  unknown_proxy_group: 404,
  unknown_page: 404,
  name_taken: 409,
  digest_taken: 409,
  managed_by_resources: 409,
  read_only: 409,
  revoked: 409,
  directory_full: 409,
  idempotency_key_in_use: 409,
  too_many: 409,
  gone: 410,
  policy_replaced: 410,
  revision_conflict: 412,
  too_large: 413,
  unsupported_media_type: 415,
  invalid_resources: 422,
  idempotency_key_reused: 422,
  too_many_failures: 429,
  internal: 500,
  store_unavailable: 503,
  ledger_unavailable: 503,
  stopping: 503,
  too_many_watches: 503,
} as const;

/** A code of PROBLEMS. */
export type ProblemCode = keyof typeof PROBLEMS;

/** One of several errors of a request. */
export interface ProblemDetail {
  readonly code: string;
  readonly message: string;
  /** The field or parameter it is about, as a JSON pointer. */
  readonly pointer?: string;
}

/** One of several errors, whatever more its kind says: those of resources say where they stand. */
export type AnyDetail = ProblemDetail | (Pick<ProblemDetail, 'code' | 'message'> & object);

/** Thrown by routes to answer with a problem. The message is for the caller. */
export class Problem extends Error {
  readonly code: ProblemCode;
  readonly errors: readonly AnyDetail[];

  constructor(code: ProblemCode, message: string, errors: readonly AnyDetail[] = []) {
    super(message);
    this.name = 'Problem';
    this.code = code;
    this.errors = errors;
  }
}

/** Media type of problems. */
export const PROBLEM_TYPE = 'application/problem+json';

const TITLES: Partial<Record<ProblemCode, string>> = {
  internal: 'the host failed; its log has the request id',
};

/** A problem as JSON shows it. */
export function problemBody(problem: Problem, requestId: string): object {
  const { code, message: detail, errors } = problem;
  return {
    type: `https://sidegate.dev/problems#${code}`,
    title: TITLES[code] ?? code.replaceAll('_', ' '),
    status: PROBLEMS[code],
    code,
    detail,
    errors,
    requestId,
  };
}

/** Answers with a problem. */
export function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  if (passesSoon(problem.code)) reply.header('retry-after', '1');
  const body = JSON.stringify(problemBody(problem, reply.request.id));
  return reply.code(PROBLEMS[problem.code]).type(PROBLEM_TYPE).send(body);
}

/** Whether the same request may go well a moment later. */
function passesSoon(code: ProblemCode): boolean {
  const status = PROBLEMS[code];
  return status === 503 || status === 429 || code === 'idempotency_key_in_use';
}

/** Turns whatever a route threw into a problem; what is not foreseen is logged and kept back. */
export function onError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const problem = problemOf(error);
  if (problem.code === 'internal') request.log.error({ err: error }, 'a request failed');
  else if (PROBLEMS[problem.code] === 503) request.log.warn({ err: error }, 'not available');
  sendProblem(reply, problem);
}

function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof LedgerError) {
    return new Problem('ledger_unavailable', 'the ledger does not answer');
  }
  if (isStoreFault(error)) return new Problem('store_unavailable', 'the store does not answer');
  const framework = error as Partial<FastifyError>;
  if (framework.validation !== undefined) {
    const errors = framework.validation.map((fault) => ({
      code: 'invalid',
      message: messageOf(fault),
      pointer: `/${framework.validationContext ?? 'body'}${fault.instancePath}`,
    }));
    return new Problem('bad_request', 'the request does not have the form it must have', errors);
  }
  if (framework.statusCode === 413) return new Problem('too_large', 'the body is too long');
  if (framework.statusCode === 415) {
    return new Problem('unsupported_media_type', 'the body must be application/json');
  }
  if (framework.statusCode !== undefined && framework.statusCode < 500) {
    return new Problem('bad_request', framework.message ?? 'the request cannot be read');
  }
  return new Problem('internal', 'something failed that the host did not foresee');
}

type Fault = NonNullable<FastifyError['validation']>[number];

/** What is wrong with a value, with what the words of the validator leave out. */
function messageOf({ message = 'is wrong', params }: Fault): string {
  const { pattern, additionalProperty, allowedValues } = params;
  if (pattern === LABEL_PATTERN) return 'must be a name: a-z, 0-9 and, between them, -';
  if (typeof additionalProperty === 'string') return `unknown field "${additionalProperty}"`;
  return Array.isArray(allowedValues) ? `must be one of ${allowedValues.join(', ')}` : message;
}

function isStoreFault(error: unknown): boolean {
  return error instanceof Error && error.name === 'StoreError';
}
