/** The worker of the calling thread: the one that a transport has made for it, or one that belongs to none. */
import { makeFromSocketsBy } from './connection.ts';
import type { Home } from './messages.ts';
import { TransportWorker } from './worker.ts';

let current: TransportWorker | undefined;

/** Makes the worker of a thread that a transport has started. Before anything else asks for it. */
export function enterTransport(id: number, home: Home): TransportWorker {
  return (current = new TransportWorker(id, home));
}

/** The worker of this thread. */
export function threadWorker(): TransportWorker {
  return (current ??= new TransportWorker(0));
}

makeFromSocketsBy((socket, options) => threadWorker().clients.from(socket, options));
