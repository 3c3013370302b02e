/** Those who wait for what is to be received, in the order in which they have asked. */
import { TransportTimeoutError } from '../errors/iouring.ts';
import { clearTimeout, setTimeout } from '../timers.ts';
import { Deferred } from './deferred.ts';
import { entered, NONE } from './lazy-list.ts';

export class WaitingReads<T> {
  #reads: Deferred<T>[] = NONE;

  get count(): number {
    return this.#reads.length;
  }

  /**
   * Waits.
   *
   * @param signal gives the wait up with its reason
   * @param timeout how long at most, in milliseconds; 0: without end
   * @throws {TransportTimeoutError}
   */
  wait(signal?: AbortSignal, timeout: number = 0): Promise<T> {
    const read = new Deferred<T>();
    this.#reads = entered(this.#reads, read);
    return signal === undefined && timeout === 0 ? read.promise : this.#waitUntil(read, signal, timeout);
  }

  /** Whoever has waited longest gets this. False where nobody waits. */
  serve(value: T): boolean {
    const read = this.#reads.shift();
    read?.resolve(value);
    return read !== undefined;
  }

  /** All of them, to be settled. */
  takeAll(): Deferred<T>[] {
    return this.#reads.splice(0);
  }

  async #waitUntil(read: Deferred<T>, signal: AbortSignal | undefined, timeout: number): Promise<T> {
    const giveUp = (reason: Error): void => {
      const at = this.#reads.indexOf(read);
      if (at >= 0) this.#reads.splice(at, 1)[0].reject(reason);
    };
    const abort = (): void => giveUp(signal!.reason as Error);
    signal?.addEventListener('abort', abort, { once: true });
    const timer = timeout > 0 ? setTimeout(() => giveUp(new TransportTimeoutError('read', timeout)), timeout) : undefined;
    try {
      return await read.promise;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    }
  }
}
