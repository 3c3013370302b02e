/**
 * The reading side of a connection: what has been received and not been asked for, who waits for more, and when nothing more is to be received.
 *
 * Life: open; hoarding, when the connection is given up, and all that has come is kept for whoever gets it; dropping, when the connection is closing, and what comes is of no interest but for the end behind it; closed. What was received while it was
 * open stays readable.
 */
import { Buffer } from 'node:buffer';
import { TransportClosedError } from '../errors/iouring.ts';
import type { AsyncScope, ReceivedBuffers } from '../reactor/index.ts';
import { validateAbortSignal, validateFunction } from '../validate.ts';
import { Deferred } from './deferred.ts';
import { holdPayload } from './held-payloads.ts';
import { entered, NONE } from './lazy-list.ts';
import type { Payload } from './payload.ts';
import { ReceiveShare } from './receive-share.ts';
import type { TransportStream } from './stream.ts';
import type { Timeouts } from './timeouts.ts';
import { WaitingReads } from './waiting-reads.ts';

type Phase = 'open' | 'hoarding' | 'dropping' | 'closed';

/** What an inbox is made with. */
export interface InboxOptions {
  readonly stream: TransportStream;
  /** The ring's receive buffers; undefined on core. */
  readonly buffers: ReceivedBuffers | undefined;
  /** Bytes of unreleased payloads from which on nothing more is received. */
  readonly limit: number;
  /** Where listeners run. */
  readonly scope: AsyncScope;
  readonly timeouts: Timeouts | undefined;
  readonly owner: InboxOwner;
}

/** Whose inbox it is. */
export interface InboxOwner {
  /** The peer's end has been told of, behind all that came before it. */
  onendheard(): void;
}

export class Inbox {
  /** Of its payloads. */
  readonly share: ReceiveShare;
  readonly #stream: TransportStream;
  readonly #buffers: ReceivedBuffers | undefined;
  readonly #scope: AsyncScope;
  readonly #timeouts: Timeouts | undefined;
  readonly #owner: InboxOwner;
  #phase: Phase = 'open';
  /** Why nothing more comes, where that is an error. */
  #error: Error | null = null;
  #receiving = false;
  #ended = false;
  #onPeerEnd: (() => void) | null = null;
  #listener: ((payload: Payload) => void) | null = null;
  #streaming: Deferred<void> | null = null;
  /** Payloads nobody has asked for yet, and those who wait for one. At most one of both is not empty. */
  #queue: Payload[] = NONE;
  readonly #readers = new WaitingReads<Payload | null>();

  constructor({ stream, buffers, limit, scope, timeouts, owner }: InboxOptions) {
    this.#stream = stream;
    this.#buffers = buffers;
    this.#scope = scope;
    this.#timeouts = timeouts;
    this.#owner = owner;
    this.share = new ReceiveShare(limit, this);
  }

  /** Whether the peer has ended, or nothing will come for another reason. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Receives, as long as there is room for it. */
  receive(): void {
    const wanted = this.#phase === 'dropping' || !this.share.full;
    if (!wanted || this.#receiving || this.#ended || this.#phase === 'closed') return;
    this.#receiving = true;
    this.#stream.readStart();
  }

  /** {@link Connection.read} */
  read(signal?: AbortSignal): Promise<Payload | null> {
    const next = this.#queue.shift();
    if (next !== undefined) return Promise.resolve(next);
    if (!this.#over) {
      this.#timeouts?.read.begin();
      return this.#readers.wait(signal);
    }
    const deferred = new Deferred<Payload | null>();
    this.#settle(deferred);
    this.#tellEnd();
    return deferred.promise;
  }

  /** {@link Connection.read} with a signal. */
  async readUnlessAborted(signal: AbortSignal): Promise<Payload | null> {
    validateAbortSignal(signal, 'options.signal');
    signal.throwIfAborted();
    try {
      return await this.read(signal);
    } catch (error) {
      if (this.#readers.count === 0 && this.#listener === null) this.#timeouts?.read.end();
      throw error;
    }
  }

  /** {@link Connection.stream} */
  stream(listener: (payload: Payload) => void): Promise<void> {
    validateFunction(listener, 'listener');
    this.#listener = listener;
    this.#streaming ??= new Deferred<void>().quiet();
    const { promise } = this.#streaming;
    for (let payload = this.#queue.shift(); payload !== undefined; payload = this.#queue.shift()) {
      this.#scope.run(listener, undefined, payload);
    }
    if (this.#over) this.#tellEnd();
    else this.#timeouts?.read.begin();
    return promise;
  }

  /** Has a listener called when the peer has ended. */
  whenEnded(listener: () => void): void {
    if (this.#ended) listener();
    else this.#onPeerEnd = listener;
  }

  /** Something was received. */
  take(payload: Payload): void {
    if (this.#timeouts !== undefined) {
      this.#timeouts.idle.begin();
      if (this.#listener !== null || this.#readers.count > 1) this.#timeouts.read.begin();
      else this.#timeouts.read.end();
    }
    if (this.share.full) this.#receiveNoMore();
    if (this.#phase === 'dropping' || this.#phase === 'closed') {
      payload.release();
      return;
    }
    const listener = this.#listener;
    if (listener !== null) {
      this.#scope.run(listener, undefined, payload);
      if (payload.released) return;
    } else if (!this.#readers.serve(payload)) {
      this.#queue = entered(this.#queue, payload);
    }
    holdPayload(payload, this.#buffers);
  }

  /** Nothing more comes: the peer has ended, nothing more is taken, or the connection has failed, which is to be said by {@link drop} first. */
  end(): void {
    this.#ended = true;
    this.#receiving = false;
    this.#timeouts?.read.end();
    if (this.#phase === 'open') this.#onPeerEnd?.();
    const isWaitedFor = this.#listener !== null || this.#readers.count > 0;
    if (this.#phase === 'open' && this.#queue.length === 0 && isWaitedFor) this.#tellEnd();
  }

  /** The connection is given up: nobody here reads any more, and all is kept. */
  hoard(): void {
    this.#phase = 'hoarding';
    this.#listener = null;
    this.#timeouts?.read.end();
    this.settleReaders();
  }

  /** All that was received and not asked for. */
  takeAll(): Buffer {
    return Buffer.concat(this.#queue.splice(0).map((payload) => payload.takeBytes()));
  }

  /** The connection is closing: what comes from now on is dropped. */
  drop(error: Error | null): void {
    this.#error ??= error;
    if (this.#phase !== 'closed') this.#phase = 'dropping';
  }

  /** Those who wait hear that nothing comes any more. */
  settleReaders(): void {
    for (const reader of this.#readers.takeAll()) this.#settle(reader);
    if (this.#streaming === null) return;
    if (this.#error === null) this.#streaming.resolve();
    else this.#streaming.reject(this.#error);
  }

  /** The connection is closed. */
  close(): void {
    this.#phase = 'closed';
    this.settleReaders();
  }

  /** Whether nothing more will be received. */
  get #over(): boolean {
    return this.#ended || this.#phase !== 'open';
  }

  #receiveNoMore(): void {
    if (!this.#receiving || this.#phase !== 'open') return;
    this.#receiving = false;
    this.#stream.readStop();
  }

  #settle(reader: Deferred<Payload | null>): void {
    if (this.#error !== null) reader.reject(this.#error);
    else if (this.#ended) reader.resolve(null);
    else reader.reject(new TransportClosedError('connection'));
  }

  #tellEnd(): void {
    this.settleReaders();
    if (this.#ended && this.#phase === 'open') this.#owner.onendheard();
  }
}
