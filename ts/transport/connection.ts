/**
 * A TCP or UNIX-domain connection without a stream on top: payloads in, writes out.
 *
 * Life: open until `close()`, `reset()`, an error, or, unless `allowHalfOpen`, the peer's end. Closing sends what has been written, ends the sending half, waits
 * for the peer's end for as long as it is given, and closes. What has been received before stays readable.
 */
import { Buffer } from 'node:buffer';
import diagnostics from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { TransportClosedError } from '../errors/iouring.ts';
import { errnoException } from '../errors/system.ts';
import { AsyncScope, duplicateDescriptor, getReactor, type ReceivedBuffers } from '../reactor/index.ts';
import { clearTimeout, setTimeout } from '../timers.ts';
import { validateDelay, validateFunction, validateObject } from '../validate.ts';
import {
  describe,
  GRACEFUL_TIMEOUT,
  PAYLOAD_LIMIT,
  type CloseOptions,
  type ConnectionAddress,
  type ConnectionOptions,
  type DetachedConnection,
  type WriteManyOptions,
} from './connection-options.ts';
import { CoreStream } from './core-stream.ts';
import { Deferred } from './deferred.ts';
import { Inbox, type InboxOwner } from './inbox.ts';
import { entered, NONE } from './lazy-list.ts';
import { Payload, sendPayload } from './payload.ts';
import { unavailableOnCore } from './ring-only.ts';
import { sendFile, type FileSource, type SendFileOptions } from './sending-files.ts';
import type { StreamListener, TransportStream } from './stream.ts';
import { Timeouts } from './timeouts.ts';
import { settleEach, validateWrite, validateWrites } from './writes.ts';

const { ECANCELED } = constants.errno;

const opened = diagnostics.channel('iouring-transport.connection.open');
const closed = diagnostics.channel('iouring-transport.connection.close');

const DONE = Promise.resolve();

/** Has a listener called when the peer of a connection has ended. */
export let whenPeerEnds: (connection: Connection, listener: () => void) => void;

/** Has a listener called when a connection is closed. */
export let whenGone: (connection: Connection, listener: (connection: Connection) => void) => void;

/** Tells a connection that its stream is closed; a method of streams, since a function each would take nine words of every connection that does nothing. */
let tellGone: (this: TransportStream) => void;

/** Puts what was received elsewhere in front of what a connection is going to receive. */
export let preload: (connection: Connection, received: Uint8Array) => void;

/** What a connection was made with. */
export let optionsOf: (connection: Connection) => ConnectionOptions;

type FromSocket = (socket: Socket, options?: ConnectionOptions) => Promise<Connection>;

let fromSocket: FromSocket;

/** Says who makes connections of sockets: the thread's worker, which closes them at its end. */
export function makeFromSocketsBy(make: FromSocket): void {
  fromSocket = make;
}

/** `leaving`: it is about to be given up. */
type Phase = 'open' | 'leaving' | 'closing' | 'closed';

/** A TCP or UNIX-domain connection: payloads in, writes out. It comes of a server, a client or a `ClientPool`, and ends as {@link close} says, by an error, or by a time-out. */
export class Connection implements StreamListener, InboxOwner, AsyncIterable<Payload>, AsyncDisposable {
  /** What this stands on. */
  readonly #stream: TransportStream;
  /** The ring's receive buffers; undefined on core. */
  readonly #buffers: ReceivedBuffers | undefined;
  readonly #options: ConnectionOptions;
  readonly #inbox: Inbox;
  readonly #scope = new AsyncScope('TCPWRAP');
  #phase: Phase = 'open';
  #error: Error | null = null;
  /** Writes that are not over, in order. */
  #writes: Deferred<void>[] = NONE;
  #shutdown: Deferred<void> | null = null;
  #sentEnd = false;
  #closed: Deferred<Error | null> | null = null;
  #onGone: ((connection: Connection) => void) | null = null;
  #graceTimer: NodeJS.Timeout | undefined;
  readonly #timeouts: Timeouts | undefined;
  /** Settled when nothing is under way any more, or the connection is closed instead. Not null: nothing more is received. */
  #leaving: Deferred<void> | null = null;

  /** @internal Connections come of servers and clients. */
  constructor(stream: TransportStream, onRing: boolean, options: ConnectionOptions) {
    this.#stream = stream;
    this.#buffers = onRing ? getReactor().received : undefined;
    this.#options = options;
    if (options.noDelay !== false) stream.setNoDelay(true);
    stream.listener = this;
    stream.borrows = onRing;
    stream.onclose = tellGone;
    this.#timeouts = Timeouts.of(options, (error) => this.#fail(error));
    if (this.#timeouts !== undefined) stream.ontaken = () => this.#timeouts!.taken(stream.writeQueueSize);
    this.#inbox = new Inbox({
      stream,
      buffers: this.#buffers,
      limit: options.payloadLimit ?? PAYLOAD_LIMIT,
      scope: this.#scope,
      timeouts: this.#timeouts,
      owner: this,
    });
    this.#inbox.receive();
    if (opened.hasSubscribers) opened.publish({ connection: this });
  }

  /** Makes a connection of a socket, by the `worker` of this thread, which closes it at its end: see its `clients.from`. */
  static from(socket: Socket, options?: ConnectionOptions): Promise<Connection> {
    return fromSocket(socket, options);
  }

  static {
    whenPeerEnds = (connection, listener) => connection.#inbox.whenEnded(listener);
    whenGone = (connection, listener) => {
      connection.#onGone = listener;
    };
    tellGone = function (this: TransportStream): void {
      (this.listener as Connection).#gone();
    };
    optionsOf = (connection) => connection.#options;
    preload = (connection, received) => {
      const inbox = connection.#inbox;
      if (received.length > 0) inbox.take(new Payload(inbox.share, received.length, Buffer.from(received)));
    };
  }

  /* ---- what it is ---- */

  /** Whether it can be read and written: neither closed nor closing. */
  get active(): boolean {
    return this.#phase === 'open';
  }

  /** Whether the peer has ended, or broken off: nothing more will come than what has come already. */
  get ended(): boolean {
    return this.#inbox.ended;
  }

  /** Resolves when the connection is closed: with null where that was in order, else with the error. Never rejects. */
  get closed(): Promise<Error | null> {
    if (this.#closed === null) {
      this.#closed = new Deferred();
      if (this.#phase === 'closed') this.#closed.resolve(this.#error);
    }
    return this.#closed.promise;
  }

  /** Own end. Null where it cannot be told. */
  get localAddress(): ConnectionAddress | null {
    return describe(this.#phase === 'closed' ? -1 : this.#stream.localEndpoint());
  }

  /** The peer's end. Null where it cannot be told: it has gone, or, on core, is a UNIX-domain one. */
  get remoteAddress(): ConnectionAddress | null {
    return describe(this.#phase === 'closed' ? -1 : this.#stream.peerEndpoint());
  }

  /** Bytes received. */
  get bytesRead(): number {
    return this.#stream.bytesRead;
  }

  /** Bytes given to be written. */
  get bytesWritten(): number {
    return this.#stream.bytesWritten;
  }

  /** Bytes written that the kernel has not taken yet. */
  get pendingBytes(): number {
    return this.#stream.writeQueueSize;
  }

  /** The descriptor's number, which stays the connection's own; negative once it is closed. */
  get fd(): number {
    return this.#stream.fd();
  }

  /** Lets the connection keep the process alive, as it does to begin with. */
  ref(): this {
    this.#stream.ref();
    return this;
  }

  /** Lets the process end in spite of the connection. */
  unref(): this {
    this.#stream.unref();
    return this;
  }

  /** Sets `TCP_NODELAY`. @throws the system's error */
  setNoDelay(wanted = true): this {
    const status = this.#stream.setNoDelay(wanted);
    if (status < 0) throw errnoException(status, 'setsockopt');
    return this;
  }

  /* ---- reading ---- */

  /**
   * The next payload; null when the peer has ended. It is the caller's to release. What nobody asks for waits here, up to the connection's share.
   *
   * @param options `signal` gives this read up, and loses nothing: what comes is the next one's
   * @throws {TransportClosedError} where the connection is closed first.
   * @throws the connection's error, such as `ECONNRESET`; the signal's reason.
   */
  read(options?: { readonly signal?: AbortSignal }): Promise<Payload | null> {
    return options === undefined ? this.#inbox.read() : this.#readWith(options);
  }

  /**
   * Calls `listener` with each payload from now on, those before it included. It is the listener's to release; while more than the connection's share is
   * unreleased nothing more comes.
   *
   * @returns a promise for the peer's end, which rejects with the connection's error. Who does not look at it is not told of that
   */
  stream(listener: (payload: Payload) => void): Promise<void> {
    return this.#inbox.stream(listener);
  }

  /** {@link read} until the peer has ended. Leaving the loop closes the connection. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Payload, void, void> {
    try {
      for (let payload = await this.read(); payload !== null; payload = await this.read()) yield payload;
    } finally {
      if (!this.#inbox.ended) void this.close();
    }
  }

  /* ---- writing ---- */

  /**
   * Writes bytes, or a payload from where it lies. Writes arrive in the order in which they were made. A payload may be released at once; bytes may be filled
   * anew when the promise is settled.
   *
   * @returns a promise that is settled when the next write can be made without much piling up. What comes of a rejection nobody looks at is that of
   * {@link closed}
   */
  writeSingle(data: Uint8Array | Payload): Promise<void> {
    if (this.#phase !== 'open' || this.#shutdown !== null) return this.#refuse(data);
    const over = this.#offer(data);
    this.#timeouts?.written(this.#stream.writeQueueSize);
    return over ? DONE : this.#waitForWrite();
  }

  /**
   * {@link writeSingle} for each. The promise is settled when all are over, and rejects with the first error; that nobody looks at that is no unhandled rejection,
   * unless a callback has thrown it
   */
  writeMany(list: readonly (Uint8Array | Payload)[], options: WriteManyOptions = {}): Promise<void> {
    validateWrites(list);
    validateObject(options, 'options');
    const { linked = false, onDone, onError } = options;
    if (onDone !== undefined) validateFunction(onDone, 'options.onDone');
    if (onError !== undefined) validateFunction(onError, 'options.onError');
    const writes = linked ? this.#writeLinked(list) : list.map((item) => this.writeSingle(item));
    return settleEach(writes, onDone, onError);
  }

  /**
   * Sends a file, or a part of one, piece by piece as the peer takes it: what else is written meanwhile comes in between. A path is opened and closed here, a file
   * stays the caller's, and is read at places of its own.
   *
   * @returns how many bytes were written, fewer than asked for where the file ends
   * @throws what {@link writeSingle} rejects with, what reading does, and the signal's reason: the pieces before have been written then
   */
  async sendFile(source: FileSource, options: SendFileOptions = {}): Promise<number> {
    return sendFile(this, source, options);
  }

  /** Ends the sending half behind what has been written; the peer may go on. Settled when that has been sent. */
  shutdown(): Promise<void> {
    if (this.#shutdown !== null) return this.#shutdown.promise;
    if (this.#phase === 'closed' || this.#phase === 'leaving') return Promise.reject(this.#refusal());
    this.#shutdown = new Deferred<void>().quiet();
    this.#stream.shutdown();
    return this.#shutdown.promise;
  }

  /* ---- the end ---- */

  /**
   * Gives the descriptor up, to another thread, or to be a socket of another kind: sends what has been written, receives no more, and ends the connection without
   * closing the socket. For who reads or writes here it is closed from now on.
   *
   * @throws {TransportClosedError} where it is closed, or is closed first, and where the sending half has been ended.
   * @throws the connection's error; `IouringUnavailableError` on core, which cannot do so
   */
  async detach(): Promise<DetachedConnection> {
    if (this.#stream instanceof CoreStream) throw unavailableOnCore();
    const { taken, received } = await this.#giveUp(() => {
      const fd = duplicateDescriptor(this.#stream.fd());
      if (fd < 0) throw errnoException(fd, 'dup');
      return fd;
    });
    return { fd: taken, received };
  }

  /**
   * Makes a socket of `iouring-transport/net` of the connection, on core one of `node:net`: {@link detach}, and what was received and not asked for is read there
   * first. It is half-open where the connection is. What the options set is set still.
   *
   * @throws what {@link detach} throws, but on core too
   */
  async toSocket(): Promise<Socket> {
    const { socketOnCoreHandle, socketOnDescriptor } = await import('./sockets.ts');
    const { allowHalfOpen = false } = this.#options;
    const stream = this.#stream;
    if (stream instanceof CoreStream) {
      const { taken, received } = await this.#giveUp(() => stream.takeHandle());
      return socketOnCoreHandle(taken, received, allowHalfOpen);
    }
    const { fd, received } = await this.detach();
    return socketOnDescriptor(fd, received, allowHalfOpen);
  }

  /** Ends the connection without closing the socket, which `take` takes when nothing is under way any more. */
  async #giveUp<T>(take: () => T): Promise<{ taken: T; received: Buffer }> {
    if (this.#phase !== 'open' || this.#shutdown !== null) throw this.#refusal();
    this.#phase = 'leaving';
    this.#inbox.hoard();
    this.#leaving = new Deferred();
    this.#stream.ontaken = () => {
      this.#timeouts?.taken(this.#stream.writeQueueSize);
      this.#leaveIfDone();
    };
    if (!this.#inbox.ended) this.#stream.readCease();
    this.#leaveIfDone();
    await this.#leaving.promise;
    // Others may have gone on first.
    if (this.#phase !== 'leaving') throw this.#refusal();
    try {
      const taken = take();
      const received = this.#inbox.takeAll();
      this.#closeNow();
      return { taken, received };
    } catch (error) {
      this.#fail(error as Error);
      throw error;
    }
  }

  /**
   * Closes when what has been written is sent and the peer has ended too, or the time for it is over. Settled when the connection is closed. While
   * {@link detach} waits nothing is received any more: then the peer's end is not waited for.
   */
  async close(options: CloseOptions = {}): Promise<void> {
    validateObject(options, 'options');
    const { gracefulTimeout = GRACEFUL_TIMEOUT } = options;
    const grace = validateDelay(gracefulTimeout, 'options.gracefulTimeout');
    if (this.#phase === 'closed') return;
    const { closed } = this;
    if (grace === 0) this.#closeNow();
    else this.#closeGracefully(grace);
    await closed;
  }

  /** Closes at once, so that the peer sees a reset; what has not been sent is dropped. */
  reset(): void {
    if (this.#phase === 'closed' || this.#stream.fd() < 0) return;
    this.#leaveOpen();
    this.#stream.reset();
  }

  /** {@link close}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /* ---- news of the stream ---- */

  /** @internal */
  onborrowed(buffer: number, offset: number, length: number): void {
    this.#inbox.take(new Payload(this.#inbox.share, length, undefined, this.#buffers, buffer, offset));
  }

  /** @internal */
  onread(bytes: Buffer): void {
    this.#inbox.take(new Payload(this.#inbox.share, bytes.length, bytes));
  }

  /** @internal */
  onend(status: number): void {
    const isCeased = this.#leaving !== null && status === -ECANCELED;
    if (status < 0 && !isCeased) this.#fail(errnoException(status, 'read'));
    this.#inbox.end();
    if (this.#phase === 'closing') this.#closeIfDone();
    else this.#leaveIfDone();
  }

  /** @internal */
  onwrite(status: number): void {
    const write = this.#writes.shift();
    if (status === 0) write?.resolve();
    else {
      const error = this.#writeError(status);
      write?.reject(error);
      if (status !== -ECANCELED) this.#fail(error);
    }
  }

  /** @internal */
  onwriteerror(status: number): void {
    if (status !== -ECANCELED) this.#fail(this.#writeError(status));
  }

  /** @internal */
  onshutdown(status: number): void {
    this.#sentEnd = true;
    if (status === 0) this.#shutdown?.resolve();
    else this.#shutdown?.reject(status === -ECANCELED ? this.#refusal() : errnoException(status, 'shutdown'));
    if (this.#phase === 'closing') this.#closeIfDone();
  }

  /** @internal With that the connection ends, unless it is half-open. */
  onendheard(): void {
    if (this.#options.allowHalfOpen !== true) this.#closeGracefully(GRACEFUL_TIMEOUT);
  }

  /** @internal Not asked for. */
  onlent(): void {}

  /** @internal Not asked for. */
  onrequest(): void {}

  /** @internal Not asked for. */
  ondescriptors(): void {}

  /* ---- inside ---- */

  async #readWith(options: { readonly signal?: AbortSignal }): Promise<Payload | null> {
    validateObject(options, 'options');
    return options.signal === undefined ? this.#inbox.read() : this.#inbox.readUnlessAborted(options.signal);
  }

  /** True: over. */
  #offer(data: Uint8Array | Payload): boolean {
    if (data instanceof Payload) return sendPayload(data, this.#stream);
    validateWrite(data);
    return this.#stream.write(data);
  }

  #waitForWrite(): Promise<void> {
    const write = new Deferred<void>().quiet();
    this.#writes = entered(this.#writes, write);
    return write.promise;
  }

  /** All as one write: a promise for each. */
  #writeLinked(list: readonly (Uint8Array | Payload)[]): Promise<void>[] {
    if (list.length === 0) return [];
    if (this.#phase !== 'open' || this.#shutdown !== null) return list.map((item) => this.#refuse(item));
    const chunks = list.map((item) => (item instanceof Payload ? item.toBytes() : item));
    const written = this.#stream.writev(chunks) ? DONE : this.#waitForWrite();
    this.#timeouts?.written(this.#stream.writeQueueSize);
    return list.map(() => written);
  }

  #refuse(data: unknown): Promise<void> {
    if (!(data instanceof Payload)) validateWrite(data);
    return new Deferred<void>().quiet().reject(this.#refusal()).promise;
  }

  /** Why nothing can be done any more. */
  #refusal(): Error {
    return this.#error ?? new TransportClosedError('connection');
  }

  #writeError(status: number): Error {
    if (status === -ECANCELED) return this.#refusal();
    return errnoException(status, 'write');
  }

  #fail(error: Error): void {
    this.#error ??= error;
    this.#closeNow();
  }

  #closeGracefully(grace: number): void {
    clearTimeout(this.#graceTimer);
    this.#graceTimer = setTimeout(() => this.#closeNow(), grace);
    if (this.#phase === 'closing') return;
    this.#leaveOpen();
    if (this.#shutdown === null) {
      this.#shutdown = new Deferred<void>().quiet();
      this.#stream.shutdown();
    }
    this.#inbox.settleReaders();
    if (!this.#closeIfDone()) this.#inbox.receive();
  }

  #closeIfDone(): boolean {
    if (!this.#sentEnd || !this.#inbox.ended) return false;
    this.#closeNow();
    return true;
  }

  #leaveIfDone(): void {
    if (this.#phase === 'leaving' && this.#inbox.ended && this.#stream.writeQueueSize === 0) this.#leaving!.resolve();
  }

  #closeNow(): void {
    if (this.#phase === 'closed') return;
    this.#leaveOpen();
    this.#stream.close();
  }

  #leaveOpen(): void {
    this.#phase = 'closing';
    this.#leaving?.reject(this.#refusal());
    this.#inbox.drop(this.#error);
  }

  /** The stream is gone. */
  #gone(): void {
    this.#phase = 'closed';
    clearTimeout(this.#graceTimer);
    this.#timeouts?.close();
    this.#inbox.close();
    for (const write of this.#writes.splice(0)) write.reject(this.#writeError(-ECANCELED));
    this.#shutdown?.reject(this.#refusal());
    this.#scope.emitDestroy();
    if (closed.hasSubscribers) closed.publish({ connection: this, error: this.#error });
    this.#closed?.resolve(this.#error);
    this.#onGone?.(this);
  }
}
