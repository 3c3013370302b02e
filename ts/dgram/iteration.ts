/**
 * Iterating over what arrives: a turn's datagrams at a time, with a bound on what waits for a slow consumer.
 */
import { AbortError, ERR_OUT_OF_RANGE } from '../errors/core.ts';
import { validateAbortSignal, validateInt32, validateObject } from '../validate.ts';
import type { Message } from './receive.ts';
import { checkRunning, kState, type DgramSocket } from './state.ts';

/** Options of `socket.messages()`. */
export interface MessagesOptions {
  /** Ends the iteration with an `AbortError`. */
  signal?: AbortSignal;
  /** Datagrams that may wait for the consumer: from there on the socket stops receiving, until all of them are taken. At least 1; 1024. */
  highWaterMark?: number;
}

type Result = IteratorResult<Message[], void>;

interface Waiting {
  resolve: (result: Result) => void;
  reject: (error: unknown) => void;
}

/** See `Socket.messages`. Listens from the moment it is made. */
export class MessageIterator implements AsyncGenerator<Message[], void, void> {
  readonly #socket: DgramSocket;
  readonly #signal: AbortSignal | undefined;
  readonly #highWaterMark: number;
  readonly #batches: Message[][] = [];
  readonly #waiting: Waiting[] = [];
  /** Datagrams in the batches. */
  #count = 0;
  #paused = false;
  #done = false;
  /** What the iteration ends in, once the batches are taken. */
  #failure: { error: Error } | undefined;

  constructor(socket: DgramSocket, options: MessagesOptions = {}) {
    validateObject(options, 'options');
    const { signal, highWaterMark = 1024 } = options;
    validateAbortSignal(signal, 'options.signal');
    validateInt32(highWaterMark, 'options.highWaterMark');
    if (highWaterMark < 1) throw new ERR_OUT_OF_RANGE('options.highWaterMark', '>= 1', highWaterMark);
    checkRunning(socket);
    if (signal?.aborted) throw new AbortError(signal.reason);
    this.#socket = socket;
    this.#signal = signal;
    this.#highWaterMark = highWaterMark;
    socket.on('messages', this.#take);
    socket.on('error', this.#fail);
    socket.on('close', this.#end);
    signal?.addEventListener('abort', this.#abort, { once: true });
  }

  next(): Promise<Result> {
    const batch = this.#batches.shift();
    if (batch !== undefined) {
      this.#count -= batch.length;
      if (this.#count === 0) this.#resume();
      return Promise.resolve({ value: batch, done: false });
    }
    if (this.#failure !== undefined) {
      const { error } = this.#failure;
      this.#failure = undefined;
      return Promise.reject(error);
    }
    if (this.#done) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** Stops listening. The socket stays open; what waits is dropped. */
  return(): Promise<Result> {
    this.#batches.length = this.#count = 0;
    this.#failure = undefined;
    this.#end();
    return Promise.resolve({ value: undefined, done: true });
  }

  async throw(error: unknown): Promise<Result> {
    await this.return();
    throw error;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  readonly #take = (batch: Message[]): void => {
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) {
      waiting.resolve({ value: batch, done: false });
      return;
    }
    this.#batches.push(batch);
    this.#count += batch.length;
    if (this.#count >= this.#highWaterMark) this.#pause();
  };

  readonly #abort = (): void => {
    this.#batches.length = this.#count = 0;
    this.#fail(new AbortError(this.#signal?.reason));
  };

  readonly #fail = (error: Error): void => {
    if (this.#done) return;
    const first = this.#waiting.shift();
    if (first === undefined) this.#failure = { error };
    else first.reject(error);
    this.#end();
  };

  readonly #end = (): void => {
    if (this.#done) return;
    this.#done = true;
    this.#socket.removeListener('messages', this.#take);
    this.#socket.removeListener('error', this.#fail);
    this.#socket.removeListener('close', this.#end);
    this.#signal?.removeEventListener('abort', this.#abort);
    this.#resume();
    for (const { resolve } of this.#waiting.splice(0)) resolve({ value: undefined, done: true });
  };

  #pause(): void {
    const state = this.#socket[kState];
    if (this.#paused) return;
    this.#paused = true;
    if (state.pauses++ === 0) state.handle?.receiveStop();
  }

  #resume(): void {
    const state = this.#socket[kState];
    if (!this.#paused) return;
    this.#paused = false;
    if (--state.pauses === 0 && state.receiving) state.handle?.receiveStart();
  }
}
