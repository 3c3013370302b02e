/**
 * File operations under way: who waits for which.
 *
 * A token names the one who waits. While there are any, the process is kept alive, as a request of core's keeps it.
 */
import type { Reactor } from './reactor.ts';

/** Someone who waits for a file operation. */
export interface FileRequest {
  /** It is done: bytes or 0, or a negative errno. */
  done(result: number): void;
  /** For an open: the handle, its mode and the file's size in bytes. */
  opened?(handle: number, mode: number, size: number): void;
}

export class FileRequests {
  readonly #reactor: Reactor;
  readonly #waiting: (FileRequest | undefined)[] = [];
  readonly #free: number[] = [];
  #count = 0;

  constructor(reactor: Reactor) {
    this.#reactor = reactor;
  }

  /** Operations under way. */
  get count(): number {
    return this.#count;
  }

  /** Enters someone who waits: the token. */
  enter(request: FileRequest): number {
    if (this.#count++ === 0) this.#reactor.hold();
    const token = this.#free.pop() ?? this.#waiting.length;
    this.#waiting[token] = request;
    return token;
  }

  done(token: number, result: number): void {
    this.#leave(token)?.done(result);
  }

  opened(token: number, handle: number, mode: number, size: number): void {
    this.#leave(token)?.opened!(handle, mode, size);
  }

  #leave(token: number): FileRequest | undefined {
    const request = this.#waiting[token];
    if (request === undefined) return undefined;
    this.#waiting[token] = undefined;
    this.#free.push(token);
    if (--this.#count === 0) this.#reactor.unhold();
    return request;
  }
}
