/**
 * What waits for a socket to be bound.
 */
import { EventEmitter } from 'node:events';
import { CORE_MAJOR } from '../core/version.ts';
import { kState, type DgramSocket } from './state.ts';

/** Does something once the socket is bound. What waits is forgotten where binding fails. */
export function whenBound(socket: DgramSocket, then: () => void): void {
  const state = socket[kState];
  if (state.queue !== undefined) {
    state.queue.push(then);
    return;
  }
  state.queue = [then];
  const failed = (): void => {
    socket.removeListener('listening', succeeded);
    state.queue = undefined;
  };
  const succeeded = (): void => {
    socket.removeListener(EventEmitter.errorMonitor, failed);
    const queue = state.queue ?? [];
    state.queue = undefined;
    for (const waiting of queue) waiting();
  };
  socket.once(EventEmitter.errorMonitor as unknown as 'error', failed);
  socket.once('listening', succeeded);
}

/** What is listened for to learn that binding has failed. Until Node 24 that was a listener like any other, so that an error that nobody else heard of was lost. */
const BIND_FAILURE = (CORE_MAJOR >= 24 ? EventEmitter.errorMonitor : 'error') as 'error';

/** Calls back on 'listening', unless binding fails. */
export function callWhenListening(socket: DgramSocket, callback: () => void): void {
  const forget = (): void => {
    socket.removeListener(BIND_FAILURE, forget);
    socket.removeListener('listening', listening);
  };
  const listening = (): void => {
    forget();
    callback.call(socket);
  };
  socket.on(BIND_FAILURE, forget);
  socket.on('listening', listening);
}
