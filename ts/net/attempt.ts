/**
 * Connecting to one address, whose outcome is the socket's. Several addresses are raced: see `race.ts`.
 */
import { isIP } from 'node:net';
import { constants } from 'node:os';
import { ERR_IP_BLOCKED } from '../errors/core.ts';
import { AsyncScope, type StreamHandle } from '../reactor/index.ts';
import { setImmediate } from '../timers.ts';
import { kLink, type NetSocket } from './internals.ts';
import type { Link } from './link.ts';
import { noteConnect, type ConnectMark } from './perf-entries.ts';
import { prepare, Refusal } from './prepare.ts';
import { applySettings } from './settings.ts';
import { answeredError, blocked, immediateError, isImmediate, toEndpoint, type Target } from './target.ts';

const { EALREADY, EINVAL, EISCONN } = constants.errno;

/** Connects to one address; what becomes of it is the socket's fate. */
export function connectTo(socket: NetSocket, target: Target): void {
  const link = socket[kLink]!;
  const reused = link.handle !== null;
  const handle = prepare(socket, link, target);
  if (handle instanceof Refusal) {
    socket.destroy(handle.error);
    return;
  }

  socket.emit('connectionAttempt', target.address, target.port, target.family);
  if (link.stale) return;
  if (blocked(socket, target)) {
    socket.destroy(new ERR_IP_BLOCKED(target.address));
    return;
  }
  if (typeof handle === 'number') {
    socket.destroy(immediateError(handle, target));
    return;
  }

  if (target.family !== undefined && isIP(target.address) !== target.family) {
    // As a lookup of the user's has it. Core has no descriptor by then.
    socket.destroy(immediateError(-EINVAL, target));
    return;
  }
  const mark = noteConnect(target);
  const scope = new AsyncScope(target.family === undefined ? 'PIPECONNECTWRAP' : 'TCPCONNECTWRAP');
  const status = reused ? connectAgain(link) : handle.connect(toEndpoint(target));
  if (status < 0 && !(reused && link.unix)) {
    socket.destroy(immediateError(status, target, handle));
    return;
  }
  if (reused) {
    setImmediate(settleConnect, socket, link, target, status, mark);
    return;
  }
  whenConnected(handle, scope, (outcome) => settleConnect(socket, link, target, outcome, mark));
}

/**
 * What `connect(2)` makes of a socket that has connected before. Having been told of a connection by other means than its result, it reports that
 * result once more, and only then that there is a connection.
 */
function connectAgain(link: Link): number {
  if (!link.connected) return -EALREADY;
  if (link.confirmed || link.unix) return -EISCONN;
  link.confirmed = true;
  return 0;
}

/** Calls `settle` with the outcome of a connect. */
export function whenConnected(handle: StreamHandle, scope: AsyncScope, settle: (status: number) => void): void {
  handle.onconnect = (status) => {
    scope.run(settle, undefined, status);
    scope.emitDestroy();
  };
}

/** The one attempt is over. */
function settleConnect(socket: NetSocket, link: Link, target: Target, status: number, mark: ConnectMark): void {
  // Of one that child_process has sent meanwhile its socket hears that it was closed here.
  const sent = socket.connecting && socket[kLink] === null;
  if ((link.stale && !sent) || socket.destroyed) return;
  if (status === 0) {
    connected(socket, link, mark);
    return;
  }
  socket.connecting = false;
  socket._sockname = null;
  if (target.family !== undefined && isImmediate(status, target, link.handle!)) {
    socket.destroy(immediateError(status, target, link.handle!));
    return;
  }
  const error = answeredError(status, target);
  socket.emit('connectionAttemptFailed', target.address, target.port, target.family, error);
  socket.destroy(error);
}

/** The connection stands. */
export function connected(socket: NetSocket, link: Link, mark: ConnectMark): void {
  socket.connecting = false;
  socket._sockname = null;
  link.establish();
  socket._unrefTimer();
  applySettings(socket);
  socket.emit('connect');
  socket.emit('ready');
  if (!socket.isPaused()) socket.read(0);
  mark?.();
}
