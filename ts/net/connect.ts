/**
 * `socket.connect()`: from options to attempts. One address is tried here; several are raced in `attempts.ts`.
 */
import { isIP } from 'node:net';
import { constants } from 'node:os';
import process from 'node:process';
import { ERR_IP_BLOCKED, ERR_MISSING_ARGS } from '../errors/core.ts';
import { endpointException, type SystemCallError } from '../errors/system.ts';
import { AsyncScope, StreamHandle, type Endpoint } from '../reactor/index.ts';
import { setImmediate } from '../timers.ts';
import { validateString } from '../validate.ts';
import { announceClient, SAYS_SO_IN_CONNECT } from './client-channel.ts';
import type { NormalizedArguments } from './arguments.ts';
import { localInfo } from './endpoints.ts';
import { kLink, kUserBuffer, type NetSocket } from './internals.ts';
import { Link } from './link.ts';
import { withInterface } from './link-local.ts';
import { lookUpAndConnect } from './lookup.ts';
import { noteConnect, type ConnectMark } from './perf-entries.ts';
import { applySettings } from './settings.ts';

const { errno } = constants;

/** One address to connect to. Without `family` it is the path of a UNIX-domain socket. */
export interface Target {
  readonly address: string;
  readonly port?: number;
  readonly family?: 4 | 6;
  /** Own end, where one was asked for: the address always, if only a port was asked for. */
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
}

/**
 * What `connect(2)` itself reports, before a packet is answered. Core gets these at once, prints the own end with them, and tells of no
 * failed attempt; on the ring they arrive with the completion like all others.
 */
const IMMEDIATE: ReadonlySet<number> = new Set(
  [
    errno.ENETUNREACH,
    errno.EACCES,
    errno.EADDRNOTAVAIL,
    errno.EAFNOSUPPORT,
    errno.EINVAL,
    errno.EPERM,
    errno.EISCONN,
    errno.EALREADY,
  ].concat([errno.EADDRINUSE, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EBADF, errno.ENOTSOCK]),
);

/** Whether core learns of this failure before `connect()` returns. */
export function isImmediate(status: number): boolean {
  return IMMEDIATE.has(-status);
}

/** Takes connect()'s arguments; see there. */
export function connectSocket(socket: NetSocket, [options, callback]: NormalizedArguments): void {
  if (SAYS_SO_IN_CONNECT) announceClient(socket);
  if (callback !== null) socket.once('connect', callback);
  if (socket._parent?.connecting) return;
  const { path } = options;
  if (options['port'] === undefined && path == null) throw new ERR_MISSING_ARGS(['options', 'port', 'path']);

  // Its own `write` is what a socket gets when the peer has ended: see socket.ts.
  if (Object.hasOwn(socket, 'write')) delete (socket as { write?: unknown }).write;
  if (socket.destroyed) {
    socket[kLink] = null;
    socket._peername = null;
    socket._sockname = null;
  }
  if (socket[kLink] === null) beginLink(socket, Boolean(path));

  socket._unrefTimer();
  socket.connecting = true;
  if (path) {
    validateString(path, 'options.path');
    connectTo(socket, { address: path });
  } else {
    lookUpAndConnect(socket, options);
  }
}

function beginLink(socket: NetSocket, unix: boolean): void {
  const link = new Link(unix);
  link.own(socket);
  socket._undestroy();
  socket._sockname = null;
  useBuffer(socket, link);
}

/** Connects the `onread` option to a link. */
export function useBuffer(socket: NetSocket, link: Link): void {
  link.userBuffer = socket[kUserBuffer];
  link.userBuffer?.begin();
}

/** Connects to one address; what becomes of it is the socket's fate. */
export function connectTo(socket: NetSocket, target: Target): void {
  const link = socket[kLink]!;
  if (blocked(socket, target)) {
    socket.destroy(new ERR_IP_BLOCKED(target.address));
    return;
  }

  // A socket that was connected before keeps its descriptor, so that a second connect() fails as the system says.
  const reused = link.handle !== null;
  const handle = link.handle ?? open(link, target);
  if (typeof handle === 'object' && (target.localAddress || target.localPort)) {
    const failure = bindLocally(handle, target);
    if (failure !== null) {
      socket.destroy(failure);
      return;
    }
  }

  socket.emit('connectionAttempt', target.address, target.port, target.family);
  if (link.stale) return;
  if (typeof handle === 'number') {
    socket.destroy(immediateError(handle, target));
    return;
  }

  if (target.family !== undefined && isIP(target.address) !== target.family) {
    // As a lookup of the user's has it. Core has no descriptor by then.
    socket.destroy(immediateError(-errno.EINVAL, target));
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
  if (!link.connected) return -errno.EALREADY;
  if (link.confirmed || link.unix) return -errno.EISCONN;
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

function open(link: Link, target: Target): StreamHandle | number {
  const handle = openHandle(target);
  if (typeof handle === 'number') return handle;
  link.attach(handle);
  link.askForDescriptors(handle);
  return handle;
}

/** Opens a descriptor of the target's kind. */
export function openHandle({ family }: Target): StreamHandle | number {
  return StreamHandle.open(family === undefined ? 'unix' : family === 6 ? 'tcp6' : 'tcp4');
}

/** The target in the reactor's words. */
export function toEndpoint({ address, port, family }: Target): Endpoint {
  if (family === undefined) return { path: address };
  return { family, address: family === 6 ? withInterface(address) : address, port: port! };
}

/** Whether the socket's block list rules the target out. */
export function blocked(socket: NetSocket, { address, family }: Target): boolean {
  return family !== undefined && socket.blockList?.check(address, family === 6 ? 'ipv6' : 'ipv4') === true;
}

/** Binds to the own end that was asked for. @returns why it cannot be, null where it could */
export function bindLocally(handle: StreamHandle, { family, localAddress, localPort }: Target): SystemCallError | null {
  const wanted = localPort || 0;
  // Core binds to what is left of a port in 16 bits, and minds only where it had asked for a higher one.
  const port = wanted & 0xffff;
  const bound = handle.bind({ family: family!, address: localAddress!, port });
  const status = bound === 0 && wanted > 0 && port !== wanted ? -errno.EADDRINUSE : bound;
  return status < 0 ? endpointException(status, 'bind', localAddress, localPort) : null;
}

/** The error for a failure that core learns of at once. */
export function immediateError(status: number, { address, port }: Target, handle?: StreamHandle): SystemCallError {
  const own = handle === undefined ? {} : localInfo(handle);
  return endpointException(status, 'connect', address, port, `${own.address}:${own.port}`);
}

/** The error for a failure that an answer, or its absence, brought about. */
export function answeredError(status: number, { address, port, localAddress, localPort }: Target): SystemCallError {
  if (!localAddress || !localPort) return endpointException(status, 'connect', address, port);
  const error = endpointException(status, 'connect', address, port, `${localAddress}:${localPort}`);
  return Object.assign(error, { localAddress, localPort });
}

/** The one attempt is over. */
function settleConnect(socket: NetSocket, link: Link, target: Target, status: number, mark: ConnectMark): void {
  if (link.stale || socket.destroyed) return;
  if (status === 0) {
    connected(socket, link, mark);
    return;
  }
  socket.connecting = false;
  socket._sockname = null;
  if (target.family !== undefined && isImmediate(status)) {
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
  link.connected = true;
  socket._unrefTimer();
  applySettings(socket);
  socket.emit('connect');
  socket.emit('ready');
  if (!socket.isPaused()) socket.read(0);
  mark?.();
}

/** Reports an error that is known before anybody can have put a listener on the socket. */
export function destroyNextTick(socket: NetSocket, error: Error): void {
  process.nextTick(() => socket.destroy(error));
}
