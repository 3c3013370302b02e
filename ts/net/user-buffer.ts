/**
 * The `onread` option: bytes go into the caller's own buffer, and its callback takes the place of 'data'.
 */
import { isUint8Array } from 'node:util/types';
import { constants } from 'node:os';
import { errnoException } from '../errors/system.ts';
import { setImmediate } from '../timers.ts';
import type { Link } from './internals.ts';

/** Called with the number of bytes and the buffer they lie in. `false` pauses the socket. */
type Callback = (this: unknown, bytes: number, buffer: Uint8Array) => unknown;

/** What `onread` says, and what came in while the caller did not want it. */
export class UserBuffer {
  #target: Uint8Array | null;
  readonly #next: (() => unknown) | null;
  readonly #callback: Callback;
  /** Bytes that arrived after the caller had paused. */
  #held: Buffer[] = [];
  #releasing = false;
  #endHeld = false;

  private constructor(buffer: unknown, callback: Callback) {
    this.#target = isUint8Array(buffer) ? buffer : null;
    this.#next = typeof buffer === 'function' ? (buffer as () => unknown) : null;
    this.#callback = callback;
  }

  /** From the option; null where it is not of the form `{ buffer, callback }`, which is ignored, as core does. */
  static from(option: unknown): UserBuffer | null {
    if (option === null || typeof option !== 'object') return null;
    const { buffer, callback } = option as { buffer?: unknown; callback?: unknown };
    const usable = isUint8Array(buffer) || typeof buffer === 'function';
    return usable && typeof callback === 'function' ? new UserBuffer(buffer, callback as Callback) : null;
  }

  /** A connection begins: what an earlier one left behind is dropped, and a buffer asked for where a function provides them. */
  begin(): void {
    this.#held = [];
    this.#endHeld = false;
    this.#releasing = false;
    this.#advance();
  }

  /** Hands bytes to the caller, in pieces no longer than the buffer. */
  take(link: Link, bytes: Buffer): void {
    if (!link.reading || this.#held.length > 0) this.#held.push(bytes);
    else this.#hand(link, bytes);
  }

  /** Notes that the end was reached. @returns whether it has to wait until held bytes are taken */
  holdEnd(): boolean {
    this.#endHeld = this.#held.length > 0;
    return this.#endHeld;
  }

  /** The caller wants data again. @returns whether there is something held, which comes first */
  release(link: Link): boolean {
    if (this.#held.length === 0 && !this.#endHeld) return false;
    this.#continueSoon(link);
    return true;
  }

  /** Not before 'resume' was emitted, nor before an exception was reported: core's bytes come out of the event loop. */
  #continueSoon(link: Link): void {
    if (this.#releasing) return;
    this.#releasing = true;
    setImmediate(() => link.scope.run(this.#handHeld, this, link));
  }

  #handHeld(link: Link): void {
    this.#releasing = false;
    while (link.reading && !link.stale) {
      const bytes = this.#held.shift();
      if (bytes === undefined) {
        this.#finish(link);
        return;
      }
      this.#hand(link, bytes);
    }
  }

  /** Nothing is held any more, except perhaps the end. */
  #finish(link: Link): void {
    if (this.#endHeld) {
      this.#endHeld = false;
      link.deliverEnd(0);
    } else {
      link.handle?.readStart();
    }
  }

  #hand(link: Link, bytes: Buffer): void {
    let offset = 0;
    let thrown = true;
    try {
      while (offset < bytes.length && link.reading && !link.stale) {
        const target = this.#target;
        if (target === null || target.length === 0) {
          link.socket.destroy(errnoException(-constants.errno.ENOBUFS, 'read'));
          break;
        }
        const length = Math.min(target.length, bytes.length - offset);
        target.set(bytes.subarray(offset, offset + length));
        offset += length;
        const more = this.#callback.call(link.socket, length, target) !== false;
        this.#advance();
        if (!more) link.stopReading();
      }
      thrown = false;
    } finally {
      // The caller gets the rest when it wants data again, or when its exception was reported.
      if (offset < bytes.length) this.#held.unshift(bytes.subarray(offset));
      if (thrown) this.#continueSoon(link);
    }
  }

  #advance(): void {
    const next = this.#next?.();
    if (isUint8Array(next)) this.#target = next;
  }
}
