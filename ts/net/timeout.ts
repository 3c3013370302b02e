/**
 * The inactivity timeout. Timers are the runtime's, unreferenced, and pushed back on every read and write; a socket without one pays
 * a comparison.
 */
import { clearTimeout, setTimeout } from '../timers.ts';
import { validateDelay, validateFunction } from '../validate.ts';
import { kLink, kTimer, type NetSocket } from './internals.ts';

/** There was activity: the time starts again, for the socket and for those that carry it. */
export function touchTimeout(socket: NetSocket): void {
  if (socket[kTimer] !== null || socket._parent !== null) socket._unrefTimer();
}

/** Pushes back the timers of a socket and its parents. */
export function refreshTimers(socket: NetSocket): void {
  socket[kTimer]?.refresh();
  socket._parent?._unrefTimer();
}

/** Stops the timers of a socket and its parents. */
export function stopTimers(socket: NetSocket): void {
  for (let each: NetSocket | null = socket; each !== null; each = each._parent ?? null) {
    if (each[kTimer]) clearTimeout(each[kTimer]);
    if (kTimer in each) each[kTimer] = null;
  }
}

/**
 * `socket.setTimeout()`: 'timeout' after `delay` milliseconds without activity; 0 turns it off.
 *
 * @param listener called once on the next 'timeout'; with 0, removed from its listeners
 */
export function setSocketTimeout(socket: NetSocket, delay: number, listener?: () => void): void {
  if (socket.destroyed) return;
  socket.timeout = delay;
  const period = validateDelay(delay, 'msecs');

  if (socket[kTimer] !== null) clearTimeout(socket[kTimer]);
  if (period === 0) {
    socket[kTimer] = null;
    if (listener === undefined) return;
    validateFunction(listener, 'callback');
    socket.removeListener('timeout', listener);
    return;
  }

  socket[kTimer] = setTimeout(() => socket._onTimeout(), period);
  if (listener === undefined) return;
  validateFunction(listener, 'callback');
  socket.once('timeout', listener);
}

/** The time is over: 'timeout', unless a long write is moving on, however slowly. */
export function timedOut(socket: NetSocket): void {
  const link = socket[kLink];
  if (link !== null && link.lastQueueSize > 0 && link.handle !== null) {
    const { writeQueueSize } = link.handle;
    if (writeQueueSize !== link.lastQueueSize) {
      link.lastQueueSize = writeQueueSize;
      socket._unrefTimer();
      return;
    }
  }
  socket.emit('timeout');
}
