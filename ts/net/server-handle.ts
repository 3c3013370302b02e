/**
 * What `server._handle` is while a server listens: something with the members that core's handles of listening sockets have. Libraries look whether it is
 * there (supertest, tiny-lr), and some take connections before the server does, by an `onconnection` of their own.
 */
import type { ListenHandle } from '../reactor/index.ts';
import { setImmediate } from '../timers.ts';
import { makeCoreHandle, type CoreHandle } from '../core/handles.ts';
import { tellEndpoint } from '../core/endpoint-info.ts';
import { EBADF, ENOTCONN } from '../errors/errno.ts';
import { kMakeSendable } from '../core/sent-away.ts';

/** Hears of connections in a server's place, each as a handle of core's; or of an error, a negative errno. */
export type OnConnection = (this: ServerHandle, status: number, client?: CoreHandle) => void;

/** What a listener does for its handle. */
export interface Listening {
  /** Takes a connection as if it had come from the kernel. */
  accept(status: number, client?: CoreHandle): void;
  makeSendable(): CoreHandle;
  close(): void;
}

/** See the head of this file. */
export class ServerHandle {
  /** For core's `isStreamBase` of its handles of TCP and pipes, also of those that listen. */
  readonly isStreamBase = true;
  readonly #listener: Listening;
  readonly #handle: ListenHandle;
  readonly #asyncId: number;
  #accept: OnConnection;
  #taken = false;

  constructor(listener: Listening, handle: ListenHandle, asyncId: number) {
    this.#listener = listener;
    this.#handle = handle;
    this.#asyncId = asyncId;
    this.#accept = (status, client) => listener.accept(status, client);
  }

  /** What one stands for. Not a member: those are for everybody. */
  static handleOf(shown: ServerHandle): ListenHandle {
    return shown.#handle;
  }

  /** The descriptor's number, negative after `close`. */
  get fd(): number {
    return this.#handle.fd();
  }

  /** Who takes connections: the server, where nobody has put something else in its place. */
  get onconnection(): OnConnection {
    return this.#accept;
  }
  set onconnection(accept: OnConnection) {
    this.#accept = accept;
    this.#taken = true;
  }

  /** Passes a connection on to an `onconnection` that is not the server's. @returns whether there is one */
  pass(status: number, fd: number): boolean {
    if (!this.#taken) return false;
    if (status < 0) this.#accept(status);
    else this.#accept(0, makeCoreHandle(fd));
    return true;
  }

  getAsyncId(): number {
    return this.#asyncId;
  }

  /** Writes `{ address, family, port }` into `result`. @returns zero, or a negative errno */
  getsockname(result: object): number {
    return tellEndpoint(this.#handle.localEndpoint(), result);
  }

  /** Who listens has no peer. @returns a negative errno */
  getpeername(_result: object): number {
    return this.#handle.closed ? -EBADF : -ENOTCONN;
  }

  // What core's handles count of a connection, those that listen too.

  get bytesRead(): number {
    return 0;
  }

  get bytesWritten(): number {
    return 0;
  }

  get writeQueueSize(): number {
    return 0;
  }

  /** Listens; where it does already, the number of connections that may wait is changed. @returns zero, or a negative errno */
  listen(backlog: number): number {
    return this.#handle.listen(backlog);
  }

  ref(): void {
    this.#handle.ref();
  }

  unref(): void {
    this.#handle.unref();
  }

  hasRef(): boolean {
    return !this.#handle.closed && this.#handle.hasRef();
  }

  /** Closes the descriptor without a word to the server. */
  close(callback?: () => void): void {
    if (this.#handle.closed) return;
    this.#listener.close();
    if (callback !== undefined) setImmediate(() => callback.call(this));
  }

  [kMakeSendable](): CoreHandle {
    return this.#listener.makeSendable();
  }
}
