/** Giving up what is waited for: when a signal says so, or after some time. */
import { TransportTimeoutError } from '../errors/iouring.ts';
import { AbortController } from '../globals.ts';
import { clearTimeout, setTimeout } from '../timers.ts';

/**
 * Runs something that heeds a signal, which also says so when it takes too long.
 *
 * @param timeout in milliseconds; 0 for none
 * @throws the signal's reason, or a {@link TransportTimeoutError}, as soon as there is one
 */
export async function withDeadline<T>(
  timeout: number,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const controller = new AbortController();
  const pass = (): void => controller.abort(signal!.reason);
  signal?.addEventListener('abort', pass, { once: true });
  const timer =
    timeout > 0 ? setTimeout(() => controller.abort(new TransportTimeoutError('connect', timeout)), timeout) : undefined;
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', pass);
  }
}

/** What `promise` comes to, or the signal's reason, whichever is first. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
