/**
 * Reads of a Kubernetes API server over its own HTTPS. It must never change anything there: the
 * only method is GET.
 */
import http from 'node:http';
import https from 'node:https';
import type { KubeAccess } from './kubeconfig.ts';
import { CommandError, Exit, type ExitCode } from './outcome.ts';

/** An object as the API server has it. */
export type KubeObject = Readonly<Record<string, unknown>>;

/** An answer, good or not. */
export interface KubeAnswer {
  readonly status: number;
  readonly text: string;
}

/** Objects of one kind; `lacks` says why there are none, or not all. */
export interface Listed {
  readonly items: readonly KubeObject[];
  readonly lacks?: 'forbidden' | 'unknown kind' | 'the rest';
}

const TIMEOUT_MS = 10_000;
const ANSWER_BYTES_MAX = 64 * 1_048_576;
const PAGE = 500;

/** Most objects that are read of one kind. */
export const OBJECTS_READ_MAX = 100_000;

/** Calls one API server. */
export class KubeApi {
  readonly #access: KubeAccess;

  constructor(access: KubeAccess) {
    this.#access = access;
  }

  /** All objects below a path, page by page. Throws a CommandError when the server gives none. */
  async list(path: string): Promise<Listed> {
    const items: KubeObject[] = [];
    let next = '';
    for (let read = 0; read < OBJECTS_READ_MAX; read += PAGE) {
      const { status, text } = await this.get(`${path}?limit=${PAGE}${next}`);
      if (status === 403) return { items, lacks: 'forbidden' };
      if (status === 404) return { items, lacks: 'unknown kind' };
      if (status !== 200) throw this.#failure(status, text);
      const list = listIn(text);
      if (list === undefined) throw this.#answered(Exit.unexpected, 'no list of objects');
      for (const item of list.items ?? []) {
        items.push({ ...item, apiVersion: list.apiVersion, kind: list.kind.replace(/List$/, '') });
      }
      const more = list.metadata?.continue ?? '';
      if (more === '') return { items };
      next = `&continue=${encodeURIComponent(more)}`;
    }
    return { items, lacks: 'the rest' };
  }

  /** One answer. Throws a CommandError when there is none. */
  get(path: string): Promise<KubeAnswer> {
    const { server, token, tls } = this.#access;
    const base = server.pathname.replace(/\/$/, '');
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const options = { ...tls, headers, timeout: TIMEOUT_MS, path: base + path };
    const { get } = server.protocol === 'http:' ? http : https;
    return new Promise<KubeAnswer>((resolve, reject) => {
      const fail = (why: string) => reject(this.#unreachable(why));
      const request = get({ ...options, host: hostOf(server), port: server.port }, (response) => {
        const parts: Buffer[] = [];
        let bytes = 0;
        response.on('data', (part: Buffer) => {
          bytes += part.length;
          if (bytes > ANSWER_BYTES_MAX) request.destroy(new Error('its answer is too long'));
          else parts.push(part);
        });
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString() });
        });
        response.on('error', (error) => fail(error.message));
      });
      request.on('timeout', () => request.destroy(new Error(`silent for ${TIMEOUT_MS / 1_000} s`)));
      request.on('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.message));
    }).catch((error: unknown) => {
      throw error instanceof CommandError ? error : unusable(error);
    });
  }

  #unreachable(why: string): CommandError {
    const at = this.#access.server.origin;
    return new CommandError(Exit.unreachable, `no API server answers at ${at} (${why})`);
  }

  #failure(status: number, text: string): CommandError {
    const exit = status === 401 ? Exit.denied : Exit.unexpected;
    const said = /"message":\s*"([^"]{0,200})/.exec(text)?.[1] ?? '';
    return this.#answered(exit, `${status} ${said}`.trim());
  }

  #answered(exit: ExitCode, what: string): CommandError {
    return new CommandError(exit, `${this.#access.server.origin} answered ${what}`);
  }
}

/** Node refuses some tokens and certificates before it calls. What they hold is not shown. */
function unusable(error: unknown): CommandError {
  const why = (error as NodeJS.ErrnoException).code ?? 'malformed';
  const message = `token or certificate of the kubeconfig cannot be used (${why})`;
  return new CommandError(Exit.usage, message);
}

/** The list that an answer is; undefined when it is something else, such as a page of a proxy. */
function listIn(text: string): ObjectList | undefined {
  try {
    const value = JSON.parse(text) as Partial<ObjectList> | null;
    return value?.kind?.endsWith('List') === true ? (value as ObjectList) : undefined;
  } catch {
    return undefined;
  }
}

interface ObjectList {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata?: { readonly continue?: string };
  readonly items?: readonly KubeObject[];
}

/** Node wants addresses of IPv6 without their brackets. */
function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1');
}
