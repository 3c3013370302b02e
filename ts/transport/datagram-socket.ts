/**
 * What servers and clients of datagrams have in common: datagrams in, datagrams out, no stream in between.
 *
 * Life: open until `close()`, or a write or idle time-out. Closing waits for the kernel to take what was sent, for as long as it is given, and drops what nobody
 * has asked for. An error of the network ends nothing: it is told to who receives.
 */
import type { Buffer } from 'node:buffer';
import { TransportClosedError } from '../errors/iouring.ts';
import { errnoException } from '../errors/system.ts';
import {
  AsyncScope,
  describeControl,
  getReactor,
  type Ancillary,
  type DatagramReceiver,
  type ReceivedBuffers,
} from '../reactor/index.ts';
import { clearTimeout, setTimeout } from '../timers.ts';
import { validateAbortSignal, validateDelay, validateFunction, validateObject } from '../validate.ts';
import { describe, GRACEFUL_TIMEOUT, type CloseOptions, type ConnectionAddress } from './connection-options.ts';
import { Datagram } from './datagram.ts';
import type { DatagramPort, Peer } from './datagram-port.ts';
import { DatagramSender, type SenderOwner } from './datagram-sending.ts';
import { defaults } from './defaults.ts';
import { Deferred } from './deferred.ts';
import { holdPayload } from './held-payloads.ts';
import { Multicast } from './multicast.ts';
import { Payload } from './payload.ts';
import { ReceiveShare } from './receive-share.ts';
import { Timeouts, type TimeoutOptions } from './timeouts.ts';
import { WaitingReads } from './waiting-reads.ts';

/** Bytes of unreleased payloads from which on a socket receives nothing more, by default. */
const PAYLOAD_LIMIT = defaults.udpServer.payloadLimit;

/** What each datagram counts as beside its bytes: one of none holds memory too. */
const DATAGRAM_COST = 256;

/** How to receive one. */
export interface ReceiveOptions {
  /** How long to wait, in milliseconds; 0: without end. Default: the socket's `readTimeout`. */
  readonly timeout?: number;
  /** Gives it up with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** How to receive all. */
export interface DatagramStreamOptions {
  /** Called with errors of the network, such as `ECONNREFUSED` where nobody is at the peer's port; with one from before that nobody has heard of, too. */
  readonly onError?: (error: Error) => void;
}

/** What a socket is made with when it is open. */
export interface SocketParts extends TimeoutOptions {
  readonly port: DatagramPort;
  readonly onRing: boolean;
  /** Whether the kernel can cut up what is sent. */
  readonly cuts: boolean;
  readonly payloadLimit?: number | undefined;
  /** Removes the path that it is bound to. */
  readonly removePath?: (() => void) | undefined;
}

/** What servers and clients of datagrams have in common. It is open until {@link close}, or a write or idle time-out; an error of the network ends nothing. */
export abstract class DatagramSocket implements DatagramReceiver, SenderOwner, AsyncIterable<Datagram>, AsyncDisposable {
  /** Groups of datagrams: which it receives from, and how it sends to them. UDP alone. */
  readonly multicast: Multicast;
  protected readonly sender: DatagramSender;
  protected readonly port: DatagramPort;
  readonly #buffers: ReceivedBuffers | undefined;
  readonly #scope = new AsyncScope('UDPWRAP');
  readonly #share: ReceiveShare;
  readonly #timeouts: Timeouts | undefined;
  readonly #readTimeout: number;
  readonly #removePath: (() => void) | undefined;
  #phase: 'open' | 'closing' | 'closed' = 'open';
  #portClosed = false;
  #error: Error | null = null;
  #receiving = false;
  #listener: ((datagram: Datagram) => void) | null = null;
  #onError: ((error: Error) => void) | undefined;
  #streaming: Deferred<void> | null = null;
  /** Datagrams nobody has asked for yet, and those who wait for one. At most one of both is not empty. */
  readonly #queue: Datagram[] = [];
  readonly #readers = new WaitingReads<Datagram>();
  /** An error of the network that nobody has heard of. */
  #unheard: Error | null = null;
  #graceTimer: NodeJS.Timeout | undefined;
  readonly #closed = new Deferred<Error | null>();

  /** @internal Sockets come of {@link TransportWorker}. */
  protected constructor(parts: SocketParts) {
    const { port, onRing, payloadLimit = PAYLOAD_LIMIT, readTimeout = 0 } = parts;
    this.port = port;
    this.#buffers = onRing ? getReactor().receivedDatagrams : undefined;
    this.#share = new ReceiveShare(payloadLimit, { receive: () => this.#settleReceiving() }, DATAGRAM_COST);
    this.#timeouts = Timeouts.of({ ...parts, readTimeout: 0 }, (error) => this.#fail(error));
    this.#readTimeout = readTimeout;
    this.#removePath = parts.removePath;
    this.sender = new DatagramSender(port, parts.cuts, this);
    this.multicast = new Multicast(port);
    port.receiver = this;
    port.onmessage = ({ data, peer, truncated }) =>
      this.#arrived(new Payload(this.#share, data.length, data), peer, truncated, undefined);
    port.onerror = (status) => this.#failed(errnoException(status, 'recvmsg'));
    port.onclose = () => this.#gone();
    this.#settleReceiving();
  }

  /** What this is, for messages of errors. */
  protected abstract readonly subject: string;

  /* ---- what it is ---- */

  /** Whether it can receive and send: neither closed nor closing. */
  get active(): boolean {
    return this.#phase === 'open';
  }

  /** Resolves when the socket is closed: with null where that was asked for, else with the error. Never rejects. */
  get closed(): Promise<Error | null> {
    return this.#closed.promise;
  }

  /** Own end. Null where it cannot be told. */
  get localAddress(): ConnectionAddress | null {
    return describe(this.#phase === 'closed' ? -1 : this.port.localEndpoint());
  }

  /** Datagrams sent that the kernel has not taken yet. */
  get pending(): number {
    return this.sender.pending;
  }

  /** The descriptor's number, which stays the socket's own; negative once it is closed, and where core does not tell. */
  get fd(): number {
    return this.port.fd();
  }

  /** Lets the socket keep the process alive, as it does to begin with. */
  ref(): this {
    this.port.ref();
    return this;
  }

  /** Lets the process end in spite of the socket. */
  unref(): this {
    this.port.unref();
    return this;
  }

  /* ---- receiving ---- */

  /**
   * The next datagram. Its payload is the caller's to release. What nobody asks for waits here, up to the socket's share, and then in the kernel, which drops
   * what has no room.
   *
   * @throws {TransportTimeoutError} where none has come in time; the socket goes on.
   * @throws {TransportClosedError} where the socket is closed first.
   * @throws an error of the network, such as `ECONNREFUSED`; the signal's reason.
   */
  receive(options?: ReceiveOptions): Promise<Datagram> {
    if (options === undefined && this.#readTimeout === 0) return this.#next();
    return this.#receiveUntil(options === undefined ? {} : options);
  }

  async #receiveUntil(options: ReceiveOptions): Promise<Datagram> {
    validateObject(options, 'options');
    const { timeout = this.#readTimeout, signal } = options;
    validateDelay(timeout, 'options.timeout');
    validateAbortSignal(signal, 'options.signal');
    signal?.throwIfAborted();
    return this.#next(signal, timeout);
  }

  #next(signal?: AbortSignal, timeout?: number): Promise<Datagram> {
    const next = this.#queue.shift();
    if (next !== undefined) return Promise.resolve(next);
    const error = this.refusal() ?? this.#unheard;
    this.#unheard = null;
    return error === null ? this.#readers.wait(signal, timeout) : Promise.reject(error);
  }

  /**
   * Calls `listener` with each datagram from now on, those before it included. Its payload is the listener's to release; while more than the socket's share is
   * unreleased nothing more comes.
   *
   * @returns a promise for the socket's end, which rejects with the error that has ended it. Who does not look at it is not told of that
   */
  stream(listener: (datagram: Datagram) => void, options: DatagramStreamOptions = {}): Promise<void> {
    validateFunction(listener, 'listener');
    validateObject(options, 'options');
    const { onError } = options;
    if (onError !== undefined) validateFunction(onError, 'options.onError');
    this.#listener = listener;
    this.#onError = onError;
    this.#streaming ??= new Deferred<void>().quiet();
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      this.#scope.run(listener, undefined, next);
    }
    const unheard = this.#unheard;
    if (unheard !== null && this.#onError !== undefined) {
      this.#unheard = null;
      this.#failed(unheard);
    }
    if (this.#phase !== 'open') this.#endStreaming();
    return this.#streaming.promise;
  }

  /** {@link receive} until the socket is closed. Leaving the loop closes it. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Datagram, void, void> {
    try {
      for (;;) yield await this.receive();
    } catch (error) {
      if (this.active || this.#error !== null) throw error;
    } finally {
      void this.close();
    }
  }

  /* ---- the end ---- */

  /** Closes when the kernel has taken what was sent, or the time for it is over. What has come and nobody has asked for is dropped. */
  async close(options: CloseOptions = {}): Promise<void> {
    validateObject(options, 'options');
    const { gracefulTimeout = GRACEFUL_TIMEOUT } = options;
    const grace = validateDelay(gracefulTimeout, 'options.gracefulTimeout');
    if (this.#phase === 'closed') return;
    if (this.#phase === 'open') this.#end();
    clearTimeout(this.#graceTimer);
    if (grace === 0 || this.sender.pending === 0) this.#closeNow();
    else this.#graceTimer = setTimeout(() => this.#closeNow(), grace);
    await this.#closed.promise;
  }

  /** {@link close}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /* ---- news of the port, and what the sender asks ---- */

  /** @internal */
  ondatagram(
    buffer: number,
    offset: number,
    length: number,
    peer: Peer,
    truncated: boolean,
    control: Buffer | undefined,
    controlTruncated: boolean,
  ): void {
    const ancillary = control === undefined ? undefined : describeControl(control, controlTruncated);
    const size = ancillary?.segmentSize ?? length;
    // What the kernel has put together (GRO) shares a buffer, which each of the payloads holds.
    for (let at = size; at < length; at += size) this.#buffers!.hold(buffer);
    let at = 0;
    do {
      const part = new Payload(this.#share, Math.min(size, length - at), undefined, this.#buffers, buffer, offset + at);
      this.#arrived(part, peer, truncated, ancillary);
      at += size;
    } while (at < length);
  }

  /** @internal */
  refusal(): Error | null {
    return this.#phase === 'open' ? null : this.givenUp();
  }

  /** @internal */
  givenUp(): Error {
    return this.#error ?? new TransportClosedError(this.subject);
  }

  /** @internal */
  given(): void {
    if (this.#timeouts === undefined) return;
    const { idle, write } = this.#timeouts;
    idle.begin();
    if (!write.running) write.begin();
  }

  /** @internal */
  taken(): void {
    const { pending } = this.sender;
    this.#timeouts?.taken(pending);
    if (pending === 0 && this.#phase === 'closing') this.#closeNow();
  }

  /* ---- inside ---- */

  #arrived(payload: Payload, peer: Peer, truncated: boolean, ancillary: Ancillary | undefined): void {
    this.#timeouts?.idle.begin();
    if (this.#share.full) this.#stopReceiving();
    if (this.#phase !== 'open') {
      payload.release();
      return;
    }
    const datagram = new Datagram(this.sender, payload, peer, truncated, ancillary);
    const listener = this.#listener;
    if (listener !== null) {
      this.#scope.run(listener, undefined, datagram);
      if (payload.released) return;
    } else if (!this.#readers.serve(datagram)) {
      this.#queue.push(datagram);
    }
    holdPayload(payload, this.#buffers);
  }

  /** The network tells of an error. */
  #failed(error: Error): void {
    if (this.#phase !== 'open') return;
    if (this.#listener !== null) {
      if (this.#onError !== undefined) this.#scope.run(this.#onError, undefined, error);
    } else if (this.#readers.count === 0) this.#unheard = error;
    else for (const reader of this.#readers.takeAll()) reader.reject(error);
  }

  #settleReceiving(): void {
    if (this.#receiving || this.#share.full || this.#phase !== 'open') return;
    this.#receiving = true;
    this.port.receiveStart();
  }

  #stopReceiving(): void {
    if (!this.#receiving || this.#phase !== 'open') return;
    this.#receiving = false;
    this.port.receiveStop();
  }

  #fail(error: Error): void {
    this.#error ??= error;
    if (this.#phase === 'open') this.#end();
    this.#closeNow();
  }

  /** Nothing more is received or taken to be sent. */
  #end(): void {
    this.#phase = 'closing';
    for (const { payload } of this.#queue.splice(0)) payload.release();
    for (const reader of this.#readers.takeAll()) reader.reject(this.givenUp());
    this.#endStreaming();
  }

  #endStreaming(): void {
    if (this.#error === null) this.#streaming?.resolve();
    else this.#streaming?.reject(this.#error);
  }

  #closeNow(): void {
    if (this.#portClosed) return;
    this.#portClosed = true;
    this.#removePath?.();
    this.port.close();
  }

  /** The port is gone. */
  #gone(): void {
    this.#phase = 'closed';
    clearTimeout(this.#graceTimer);
    this.#timeouts?.close();
    this.#scope.emitDestroy();
    this.#closed.resolve(this.#error);
  }
}
