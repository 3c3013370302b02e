/**
 * A TCP or UNIX-domain connection without a stream on top: payloads in, writes out.
 *
 * Life: open until `close()`, `reset()`, an error, or, unless `allowHalfOpen`, the peer's end. Closing sends what has been written, ends the sending half, waits
 * for the peer's end for as long as it is given, and closes. What has been received before stays readable.
 */
import type { Buffer } from 'node:buffer';
import { constants } from 'node:os';
import type { AddressInfo } from 'node:net';
import { ERR_INVALID_ARG_TYPE } from '../errors/core.ts';
import { TransportClosedError } from '../errors/iouring.ts';
import { errnoException } from '../errors/system.ts';
import { AsyncScope, getReactor } from '../reactor/index.ts';
import { clearTimeout, setTimeout } from '../timers.ts';
import { validateAbortSignal, validateDelay, validateFunction, validateInteger, validateObject } from '../validate.ts';
import { Deferred } from './deferred.ts';
import { holdPayload } from './held-payloads.ts';
import { Payload, sendPayload } from './payload.ts';
import { ReceiveShare } from './receive-share.ts';
import type { Endpoint, StreamListener, TransportStream } from './stream.ts';
import { Timeouts, validateTimeouts, type TimeoutOptions } from './timeouts.ts';

const { ECANCELED } = constants.errno;

/** How long the peer's end is waited for by default, in milliseconds. */
const GRACEFUL_TIMEOUT = 5000;

/** Bytes of unreleased payloads from which on a connection receives nothing more, by default. */
const PAYLOAD_LIMIT = 256 * 1024;

const DONE = Promise.resolve();

/** What connections are made with. */
export interface ConnectionOptions extends TimeoutOptions {
  /** Keep the sending half open when the peer has ended its own. Default: false, the connection closes itself then. */
  readonly allowHalfOpen?: boolean;
  /** Send small segments at once (`TCP_NODELAY`). Default: true. */
  readonly noDelay?: boolean;
  /** Bytes of unreleased payloads from which on nothing more is received, until half of them are released; at least 1. Default: 262,144. */
  readonly payloadLimit?: number;
}

/** How to close. */
export interface CloseOptions {
  /** How long to wait for the peer to take what was written and to end, in milliseconds; 0: not at all. Default: 5000. */
  readonly gracefulTimeout?: number;
}

/** How to write many. */
export interface WriteManyOptions {
  /** Write all as one: nothing else comes in between, and they succeed or fail together. Default: false. */
  readonly linked?: boolean;
  /** Called for each that is over, with its index. */
  readonly onDone?: (index: number) => void;
  /** Called for each that has failed, with its index. */
  readonly onError?: (error: Error, index: number) => void;
}

/** An end of a connection. A UNIX-domain one has a path, which is empty where it is unnamed. */
export type ConnectionAddress = AddressInfo | { readonly path: string };

/** Checks options. @throws core's `ERR_INVALID_ARG_TYPE` and `ERR_OUT_OF_RANGE` */
export function validateConnectionOptions(options: ConnectionOptions): void {
  const { payloadLimit } = options;
  validateTimeouts(options);
  if (payloadLimit !== undefined) validateInteger(payloadLimit, 'options.payloadLimit', 1);
}

/** Has a listener called when the peer of a connection has ended. */
export let whenPeerEnds: (connection: Connection, listener: () => void) => void;

type Phase = 'open' | 'closing' | 'closed';

export class Connection implements StreamListener, AsyncIterable<Payload>, AsyncDisposable {
  /** What this stands on. */
  readonly #stream: TransportStream;
  readonly #onRing: boolean;
  readonly #halfOpen: boolean;
  readonly #share: ReceiveShare;
  readonly #scope = new AsyncScope('TCPWRAP');
  #phase: Phase = 'open';
  #error: Error | null = null;
  #reading = false;
  /** Whether the peer has ended, or nothing will come for another reason. */
  #ended = false;
  #onPeerEnd: (() => void) | null = null;
  #listener: ((payload: Payload) => void) | null = null;
  #streaming: Deferred<void> | null = null;
  /** Payloads nobody has asked for yet, and those who wait for one. At most one of both is not empty. */
  readonly #queue: Payload[] = [];
  readonly #readers: Deferred<Payload | null>[] = [];
  /** Writes that are not over, in order. */
  readonly #writes: Deferred<void>[] = [];
  #shutdown: Deferred<void> | null = null;
  #sentEnd = false;
  #closed: Deferred<Error | null> | null = null;
  #graceTimer: NodeJS.Timeout | undefined;
  readonly #timeouts: Timeouts | undefined;

  /** @internal Connections come of servers and clients. */
  constructor(stream: TransportStream, onRing: boolean, options: ConnectionOptions) {
    this.#stream = stream;
    this.#onRing = onRing;
    this.#halfOpen = options.allowHalfOpen === true;
    this.#share = new ReceiveShare(options.payloadLimit ?? PAYLOAD_LIMIT, () => this.#settleReading());
    if (options.noDelay !== false) stream.setNoDelay(true);
    stream.listener = this;
    stream.borrows = onRing;
    stream.onclose = () => this.#gone();
    this.#timeouts = Timeouts.of(options, (error) => this.#fail(error));
    if (this.#timeouts !== undefined) stream.ontaken = () => this.#taken();
    this.#settleReading();
  }

  static {
    whenPeerEnds = (connection, listener) => {
      if (connection.#ended) listener();
      else connection.#onPeerEnd = listener;
    };
  }

  /* ---- what it is ---- */

  /** Whether it can be read and written: neither closed nor closing. */
  get active(): boolean {
    return this.#phase === 'open';
  }

  /** Whether the peer has ended, or broken off: nothing more will come than what has come already. */
  get ended(): boolean {
    return this.#ended;
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
  read({ signal }: { readonly signal?: AbortSignal } = {}): Promise<Payload | null> {
    if (signal !== undefined) return this.#readUnlessAborted(signal);
    const next = this.#queue.shift();
    if (next !== undefined) return Promise.resolve(next);
    const deferred = new Deferred<Payload | null>();
    if (this.#over()) {
      this.#settleReader(deferred);
      this.#endHeard();
    } else {
      this.#readers.push(deferred);
      this.#timeouts?.read.begin();
    }
    return deferred.promise;
  }

  async #readUnlessAborted(signal: AbortSignal): Promise<Payload | null> {
    validateAbortSignal(signal, 'options.signal');
    signal.throwIfAborted();
    const reading = this.read();
    const reader = this.#readers.at(-1);
    const giveUp = (): void => {
      const at = reader === undefined ? -1 : this.#readers.indexOf(reader);
      if (at < 0) return;
      this.#readers.splice(at, 1);
      if (this.#readers.length === 0 && this.#listener === null) this.#timeouts?.read.end();
      reader!.reject(signal.reason as Error);
    };
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      return await reading;
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }

  /**
   * Calls `listener` with each payload from now on, those before it included. It is the listener's to release; while more than the connection's share is
   * unreleased nothing more comes.
   *
   * @returns a promise for the peer's end, which rejects with the connection's error. Who does not look at it is not told of that
   */
  stream(listener: (payload: Payload) => void): Promise<void> {
    validateFunction(listener, 'listener');
    this.#listener = listener;
    this.#streaming ??= new Deferred<void>().quiet();
    const { promise } = this.#streaming;
    for (let payload = this.#queue.shift(); payload !== undefined; payload = this.#queue.shift()) {
      this.#scope.run(listener, undefined, payload);
    }
    if (this.#over()) this.#endHeard();
    else this.#timeouts?.read.begin();
    return promise;
  }

  /** {@link read} until the peer has ended. Leaving the loop closes the connection. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Payload, void, void> {
    try {
      for (let payload = await this.read(); payload !== null; payload = await this.read()) yield payload;
    } finally {
      if (!this.#ended) void this.close();
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
    this.#noteWrite();
    return over ? DONE : this.#waitForWrite();
  }

  /** {@link writeSingle} for each. The promise is settled when all are over, and rejects with the first error. */
  async writeMany(list: readonly (Uint8Array | Payload)[], options: WriteManyOptions = {}): Promise<void> {
    validateList(list);
    validateObject(options, 'options');
    const { linked = false, onDone, onError } = options;
    if (linked) {
      const chunks = list.map((item) => (item instanceof Payload ? item.toBytes() : item));
      if (this.#phase !== 'open' || this.#shutdown !== null) throw new TransportClosedError('connection');
      const written = this.#stream.writev(chunks) ? DONE : this.#waitForWrite();
      this.#noteWrite();
      return settleEach(
        list.map(() => written),
        onDone,
        onError,
      );
    }
    return settleEach(
      list.map((item) => this.writeSingle(item)),
      onDone,
      onError,
    );
  }

  /** Ends the sending half behind what has been written; the peer may go on. Settled when that has been sent. */
  shutdown(): Promise<void> {
    if (this.#shutdown !== null) return this.#shutdown.promise;
    if (this.#phase === 'closed') return Promise.reject(new TransportClosedError('connection'));
    this.#shutdown = new Deferred<void>().quiet();
    this.#stream.shutdown();
    return this.#shutdown.promise;
  }

  /* ---- the end ---- */

  /** Closes when what has been written is sent and the peer has ended too, or the time for it is over. Settled when the connection is closed. */
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
    this.#phase = 'closing';
    this.#stream.reset();
  }

  /** {@link close}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /* ---- news of the stream ---- */

  /** @internal */
  onborrowed(buffer: number, offset: number, length: number): void {
    this.#arrived(new Payload(this.#share, length, undefined, getReactor(), buffer, offset));
  }

  /** @internal */
  onread(bytes: Buffer): void {
    this.#arrived(new Payload(this.#share, bytes.length, bytes));
  }

  /** @internal */
  onend(status: number): void {
    this.#ended = true;
    this.#reading = false;
    this.#timeouts?.read.end();
    this.#onPeerEnd?.();
    if (status < 0) {
      this.#fail(errnoException(status, 'read'));
      return;
    }
    if (this.#phase === 'closing') this.#closeIfDone();
    else if (this.#queue.length === 0 && (this.#listener !== null || this.#readers.length > 0)) this.#endHeard();
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
    else this.#shutdown?.reject(errnoException(status, 'shutdown'));
    if (this.#phase === 'closing') this.#closeIfDone();
  }

  /** @internal Not asked for. */
  onlent(): void {}

  /** @internal Not asked for. */
  onrequest(): void {}

  /** @internal Not asked for. */
  ondescriptors(): void {}

  /* ---- inside ---- */

  #arrived(payload: Payload): void {
    if (this.#timeouts !== undefined) {
      this.#timeouts.idle.begin();
      if (this.#listener !== null || this.#readers.length > 1) this.#timeouts.read.begin();
      else this.#timeouts.read.end();
    }
    if (this.#share.full) this.#stopReading();
    if (this.#phase !== 'open') {
      payload.release();
      return;
    }
    const listener = this.#listener;
    if (listener !== null) {
      this.#scope.run(listener, undefined, payload);
      if (payload.released) return;
    } else {
      const reader = this.#readers.shift();
      if (reader === undefined) this.#queue.push(payload);
      else reader.resolve(payload);
    }
    holdPayload(payload, this.#onRing);
  }

  /** Whether nothing more will be received. */
  #over(): boolean {
    return this.#ended || this.#phase !== 'open';
  }

  #settleReading(): void {
    const wanted = this.#phase === 'closing' || !this.#share.full;
    if (!wanted || this.#reading || this.#ended || this.#phase === 'closed') return;
    this.#reading = true;
    this.#stream.readStart();
  }

  #stopReading(): void {
    if (!this.#reading || this.#phase !== 'open') return;
    this.#reading = false;
    this.#stream.readStop();
  }

  #settleReader(reader: Deferred<Payload | null>): void {
    if (this.#error !== null) reader.reject(this.#error);
    else if (this.#ended) reader.resolve(null);
    else reader.reject(new TransportClosedError('connection'));
  }

  /** The end has been told of, behind all that came before it: with that the connection ends, unless it is half-open. */
  #endHeard(): void {
    this.#endReaders();
    if (this.#ended && this.#phase === 'open' && !this.#halfOpen) this.#closeGracefully(GRACEFUL_TIMEOUT);
  }

  #endReaders(): void {
    for (const reader of this.#readers.splice(0)) this.#settleReader(reader);
    if (this.#streaming === null) return;
    if (this.#error === null) this.#streaming.resolve();
    else this.#streaming.reject(this.#error);
  }

  /** A write has been made. */
  #noteWrite(): void {
    const timeouts = this.#timeouts;
    if (timeouts === undefined) return;
    timeouts.idle.begin();
    if (!timeouts.write.running && this.#stream.writeQueueSize > 0) timeouts.write.begin();
  }

  /** The kernel has taken a write. */
  #taken(): void {
    const { write, idle } = this.#timeouts!;
    idle.begin();
    if (this.#stream.writeQueueSize > 0) write.begin();
    else write.end();
  }

  /** True: over. */
  #offer(data: Uint8Array | Payload): boolean {
    if (data instanceof Payload) return sendPayload(data, this.#stream);
    validateBytes(data);
    return this.#stream.write(data);
  }

  #waitForWrite(): Promise<void> {
    const write = new Deferred<void>().quiet();
    this.#writes.push(write);
    return write.promise;
  }

  #refuse(data: unknown): Promise<void> {
    if (!(data instanceof Payload)) validateBytes(data);
    return new Deferred<void>().quiet().reject(this.#error ?? new TransportClosedError('connection')).promise;
  }

  #writeError(status: number): Error {
    if (status === -ECANCELED) return this.#error ?? new TransportClosedError('connection');
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
    this.#phase = 'closing';
    if (this.#shutdown === null) {
      this.#shutdown = new Deferred<void>().quiet();
      this.#stream.shutdown();
    }
    this.#endReaders();
    if (!this.#closeIfDone()) this.#settleReading();
  }

  #closeIfDone(): boolean {
    if (!this.#sentEnd || !this.#ended) return false;
    this.#closeNow();
    return true;
  }

  #closeNow(): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'closing';
    this.#stream.close();
  }

  /** The stream is gone. */
  #gone(): void {
    this.#phase = 'closed';
    clearTimeout(this.#graceTimer);
    this.#timeouts?.close();
    this.#endReaders();
    for (const write of this.#writes.splice(0)) write.reject(this.#writeError(-ECANCELED));
    this.#shutdown?.reject(this.#error ?? new TransportClosedError('connection'));
    this.#scope.emitDestroy();
    this.#closed?.resolve(this.#error);
  }
}

/** An end as it is shown. */
export function describe(endpoint: Endpoint | number): ConnectionAddress | null {
  if (typeof endpoint === 'number') return null;
  if ('path' in endpoint) return endpoint;
  const { address, family, port } = endpoint;
  return { address, family: family === 6 ? 'IPv6' : 'IPv4', port };
}

function validateBytes(data: unknown): asserts data is Uint8Array {
  if (!(data instanceof Uint8Array)) throw new ERR_INVALID_ARG_TYPE('data', ['Uint8Array', 'Payload'], data);
}

function validateList(list: unknown): void {
  if (!Array.isArray(list)) throw new ERR_INVALID_ARG_TYPE('list', 'Array', list);
  for (const item of list) if (!(item instanceof Payload)) validateBytes(item);
}

/** Tells of each as it is over. */
async function settleEach(
  writes: readonly Promise<void>[],
  onDone: ((index: number) => void) | undefined,
  onError: ((error: Error, index: number) => void) | undefined,
): Promise<void> {
  await Promise.all(
    writes.map((write, index) =>
      write.then(
        () => onDone?.(index),
        (error: Error) => {
          onError?.(error, index);
          throw error;
        },
      ),
    ),
  );
}
