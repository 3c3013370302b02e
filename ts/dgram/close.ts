/**
 * The end of a socket.
 */
import { AsyncResource } from 'node:async_hooks';
import { lstatSync, unlinkSync } from 'node:fs';
import { nextTick } from '../timers.ts';
import { validateAbortSignal } from '../validate.ts';
import { checkRunning, kState, type DgramSocket, type State } from './state.ts';

/**
 * Closes; once bound, where that is still to come.
 *
 * @throws {Error} `ERR_SOCKET_DGRAM_NOT_RUNNING` on a socket that was closed.
 */
export function close(socket: DgramSocket, callback: (() => void) | undefined): void {
  const state = socket[kState];
  if (typeof callback === 'function') socket.on('close', callback);
  if (state.queue !== undefined) {
    state.queue.push(() => void socket.close());
    return;
  }
  checkRunning(socket);
  state.closed = true;
  state.receiving = false;
  const { handle } = state;
  state.sibling?.close();
  if (handle === null) {
    nextTick(emitClose, socket);
    return;
  }
  state.handle = null;
  // Core looks every address up, in vain once the socket is closed: these are not called back. Ours have been sent all the same.
  if (state.sendsBefore >= 0) handle.forgetReports(state.sendsBefore);
  // What has been sent before is called back before.
  // 'close' is told of in the context of who closes, as core does.
  if (handle.expectsReports) handle.onclose = AsyncResource.bind(() => nextTick(emitClose, socket));
  else nextTick(emitClose, socket);
  handle.close();
  removePath(state);
}

function emitClose(socket: DgramSocket): void {
  socket[kState].scope.emitDestroy();
  socket.emit('close');
}

/** Removes the path that binding made, unless somebody else's socket is there by now. */
function removePath(state: State): void {
  if (state.path === undefined) return;
  try {
    if (lstatSync(state.path).isSocket()) unlinkSync(state.path);
  } catch {
    // Gone already.
  }
  state.path = undefined;
}

/** Closes the socket when the signal says so. */
export function closeOnAbort(socket: DgramSocket, signal: unknown): void {
  if (signal === undefined) return;
  validateAbortSignal(signal, 'options.signal');
  const abort = (): void => {
    if (!socket[kState].closed) socket.close();
  };
  if (signal.aborted) {
    abort();
    return;
  }
  signal.addEventListener('abort', abort, { once: true });
  socket.once('close', () => signal.removeEventListener('abort', abort));
}
