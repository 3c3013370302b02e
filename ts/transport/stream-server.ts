/** A TCP or UNIX-domain server of the transport. */
import { AsyncScope } from '../reactor/index.ts';
import { nextTick } from '../timers.ts';
import { validateDelay, validateObject } from '../validate.ts';
import { Connection, whenGone } from './connection.ts';
import {
  describe,
  GRACEFUL_TIMEOUT,
  type CloseOptions,
  type ConnectionAddress,
  type ConnectionOptions,
} from './connection-options.ts';
import { Deferred } from './deferred.ts';
import type { Listening, ListenTarget } from './listening.ts';
import type { TransportStream } from './stream.ts';

/** Starts listening. */
export type Listen = (
  target: ListenTarget,
  welcome: (stream: TransportStream) => void,
  failed: (error: Error) => void,
) => Listening | Promise<Listening>;

/** Takes TCP or UNIX-domain connections. It comes of `worker.servers.tcp()` and `worker.servers.unix()`, and is listening from the beginning. */
export class StreamServer implements AsyncDisposable {
  readonly #listener: (connection: Connection) => unknown;
  readonly #options: ConnectionOptions;
  readonly #onRing: boolean;
  readonly #scope = new AsyncScope('TCPSERVERWRAP');
  readonly #connections = new Set<Connection>();
  readonly #closed = new Deferred<void>();
  #listening: Listening | null = null;
  #active = true;

  /** @internal Servers come of {@link TransportWorker}. */
  constructor(listener: (connection: Connection) => unknown, onRing: boolean, options: ConnectionOptions) {
    this.#listener = listener;
    this.#onRing = onRing;
    this.#options = options;
  }

  /** @internal */
  async listen(target: ListenTarget, listen: Listen): Promise<this> {
    this.#listening = await listen(
      target,
      (stream) => this.#welcome(stream),
      // What is momentary is dealt with below: a listener that cannot go on is a defect that somebody must see.
      (error) =>
        nextTick(() => {
          throw error;
        }),
    );
    return this;
  }

  /** Whether it takes connections. */
  get active(): boolean {
    return this.#active;
  }

  /** Where it listens. Null where that cannot be told. */
  get address(): ConnectionAddress | null {
    return describe(this.#listening?.endpoint ?? -1);
  }

  /** Connections that are not closed. */
  get connections(): ReadonlySet<Connection> {
    return this.#connections;
  }

  /** Settled when the server and all of its connections are closed. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Lets the server keep the process alive, as it does to begin with. */
  ref(): this {
    this.#listening?.ref();
    return this;
  }

  /** Lets the process end in spite of the server. */
  unref(): this {
    this.#listening?.unref();
    return this;
  }

  /** Takes no more connections, and closes those that there are, each in the way of {@link Connection.close}. Settled when all are closed. */
  async close(options: CloseOptions = {}): Promise<void> {
    validateObject(options, 'options');
    const { gracefulTimeout = GRACEFUL_TIMEOUT } = options;
    validateDelay(gracefulTimeout, 'options.gracefulTimeout');
    if (this.#active) {
      this.#active = false;
      this.#listening?.close();
    }
    await Promise.all([...this.#connections].map((connection) => connection.close({ gracefulTimeout })));
    this.#settle();
    await this.#closed.promise;
  }

  /** {@link close}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #welcome(stream: TransportStream): void {
    if (!this.#active) {
      stream.reset();
      return;
    }
    const connection = new Connection(stream, this.#onRing, this.#options);
    this.#connections.add(connection);
    whenGone(connection, this.#forget);
    this.#scope.run(this.#listener, undefined, connection);
  }

  /** One function for all connections. */
  readonly #forget = (connection: Connection): void => {
    this.#connections.delete(connection);
    this.#settle();
  };

  #settle(): void {
    if (!this.#active && this.#connections.size === 0) this.#closed.resolve();
  }
}
