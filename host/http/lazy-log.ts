/**
 * A request's logger that is made when a line is written. Most calls of a filter write none, and a
 * child of pino costs a call more than reading its body does. It must never lose the request's id.
 */
import type { FastifyBaseLogger } from 'fastify';

type Bindings = Parameters<FastifyBaseLogger['child']>[0];
type ChildOptions = Parameters<FastifyBaseLogger['child']>[1];

/** Stands for `parent.child(bindings, options)` until somebody writes to it. */
export class LazyLog {
  readonly #parent: FastifyBaseLogger;
  readonly #bindings: Bindings;
  readonly #options: ChildOptions;
  #child: FastifyBaseLogger | undefined;

  private constructor(parent: FastifyBaseLogger, bindings: Bindings, options: ChildOptions) {
    this.#parent = parent;
    this.#bindings = bindings;
    this.#options = options;
  }

  /** The factory that a server takes. */
  static make(
    parent: FastifyBaseLogger,
    bindings: Bindings,
    options: ChildOptions,
  ): FastifyBaseLogger {
    return new LazyLog(parent, bindings, options);
  }

  get level(): string {
    return this.#parent.level;
  }

  child(bindings: Bindings, options?: ChildOptions): FastifyBaseLogger {
    return this.#made().child(bindings, options);
  }

  fatal(fields: unknown, message?: string): void {
    this.#made().fatal(fields, message);
  }

  error(fields: unknown, message?: string): void {
    this.#made().error(fields, message);
  }

  warn(fields: unknown, message?: string): void {
    this.#made().warn(fields, message);
  }

  info(fields: unknown, message?: string): void {
    this.#made().info(fields, message);
  }

  debug(fields: unknown, message?: string): void {
    this.#made().debug(fields, message);
  }

  trace(fields: unknown, message?: string): void {
    this.#made().trace(fields, message);
  }

  silent(): void {}

  #made(): FastifyBaseLogger {
    this.#child ??= this.#parent.child(this.#bindings, this.#options);
    return this.#child;
  }
}
