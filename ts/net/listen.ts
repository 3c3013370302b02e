/**
 * `server.listen()`: its many forms, and how a listening socket comes about.
 */
import diagnostics from 'node:diagnostics_channel';
import { addAbortListener } from 'node:events';
import { chmodSync, statSync } from 'node:fs';
import core from 'node:net';
import { constants } from 'node:os';
import { CORE_MAJOR, UV_MAJOR, UV_MINOR } from '../core/version.ts';
import { ERR_INVALID_ARG_VALUE, ERR_SERVER_ALREADY_LISTEN } from '../errors/core.ts';
import { describedEndpointException, endpointException, errnoException, type SystemCallError } from '../errors/system.ts';
import { askPrimary, asksPrimary, type Query, type SharedHandle } from '../primary.ts';
import { ListenHandle, SocketOption } from '../reactor/index.ts';
import { applySocketSettings } from '../socket-options.ts';
import { nextTick } from '../timers.ts';
import { validateAbortSignal, validatePort } from '../validate.ts';
import { adoptListener } from './adopt.ts';
import { isPath, normalizeArguments, portNumber } from './arguments.ts';
import { adoptCopy, noteOwner } from '../core/handles.ts';
import { loadConnectionPartsSoon } from './connection-parts.ts';
import { DealtListener } from './dealt-listener.ts';
import { CoreListener, ownPath, RingListener, type BoundListener } from './listener.ts';
import { lookUpOwn } from './own-address.ts';
import { ServerHandle } from './server-handle.ts';
import { kTransport } from './internals.ts';
import { kListener, type ListenFlags, type NetServer } from './server-internals.ts';

const { errno } = constants;
const tracing = diagnostics.tracingChannel<object>('net.server.listen');

const ANY_IPV4 = '0.0.0.0';
const ANY_IPV6 = '::';

/** Whether core heeds `ipv6Only` without a host, too: from Node 22 on. Before it is both families then. */
const HEEDS_IPV6_ONLY = CORE_MAJOR >= 22;

/** From libuv 1.51 on `readableAll` and `writableAll` say what the mode of a path is; before, what is added to it. */
const SETS_MODES = UV_MAJOR > 1 || UV_MINOR >= 51;

/** Connections that may wait to be accepted; the kernel rounds this up to 512. */
const DEFAULT_BACKLOG = 511;

type Backlog = number | false | undefined;

/** Takes listen()'s arguments. Errors of the system come as 'error', on a later tick. */
export function listen(server: NetServer, args: readonly unknown[]): void {
  const [given, callback] = normalizeArguments(args);
  if (server[kListener]?.listening) throw new ERR_SERVER_ALREADY_LISTEN();
  if (tracing.asyncStart.hasSubscribers) tracing.asyncStart.publish({ server, options: given });
  if (callback !== null) server.once('listening', callback as () => void);
  const backlogArgument: Backlog = portNumber(args.length > 1 && args[1]) || portNumber(args.length > 2 && args[2]);

  server._listeningId++;
  const source = given['_handle'] || given['handle'] || given;
  const shared = ownHandle(source);
  if (shared !== null) {
    shareHandle(server, shared, backlogArgument);
    return;
  }
  const bound = boundSocket(source);
  if (bound !== null) {
    shareHandle(server, takeOver(bound), backlogArgument);
    return;
  }
  const options = source as Record<string, any>;
  if (isCoreHandle(options)) {
    listenThroughCore(server, callback === null ? args : args.slice(0, -1));
    return;
  }
  closeOnAbort(server, options['signal']);
  if (typeof options['fd'] === 'number' && options['fd'] >= 0) {
    listenInCluster(server, { address: null, port: null, addressType: null, fd: options['fd'], backlog: backlogArgument });
    return;
  }

  const anyPort = args.length === 0 || typeof args[0] === 'function' || ('port' in options && options['port'] == null);
  if (anyPort) options['port'] = 0;
  const { port, path } = options;
  if (typeof port === 'number' || typeof port === 'string') {
    validatePort(port, 'options.port');
    listenOnPort(server, options, backlogArgument);
  } else if (path && isPath(path)) {
    listenOnPath(server, path, options, backlogArgument);
  } else if ('port' in options || 'path' in options) {
    throw new ERR_INVALID_ARG_VALUE('options', options);
  } else {
    throw new ERR_INVALID_ARG_VALUE('options', options, 'must have the property "port" or "path"');
  }
}

/* ---- whose socket ---- */

/** The handle of another server of ours, or its `_handle`, or one that `_createServerHandle()` has made. */
function ownHandle(source: unknown): ListenHandle | null {
  if (source instanceof ListenHandle) return source;
  if (source instanceof ServerHandle) return ServerHandle.handleOf(source);
  return RingListener.handleOf((source as Partial<NetServer>)[kListener]);
}

/** Handles of core's report to core alone. One that has bound a path does, too: closing it removes the path. */
function isCoreHandle(source: Record<string, any>): boolean {
  return isBoundSocket(source) || (typeof source['getAsyncId'] === 'function' && typeof source['fd'] === 'number');
}

/** Core's `net.BoundSocket`, of newer Node versions. */
interface BoundSocket {
  readonly isPipe?: boolean;
  /** @throws {Error} `ERR_SOCKET_HANDLE_ADOPTED` where it is somebody's already. */
  fd(): number;
  close(): void;
}

function isBoundSocket(source: object): source is BoundSocket {
  const { BoundSocket: Bound } = core as { BoundSocket?: new () => BoundSocket };
  return Bound !== undefined && source instanceof Bound;
}

/** One that is bound to an address and port, where that is what `source` is. */
function boundSocket(source: object): BoundSocket | null {
  return isBoundSocket(source) && source.isPipe !== true ? source : null;
}

function takeOver(bound: BoundSocket): ListenHandle {
  const handle = adoptCopy(bound.fd(), (fd) => ListenHandle.adopt(fd));
  if (typeof handle === 'number') throw errnoException(handle, 'open');
  bound.close();
  return handle;
}

/** A cluster worker listens on what its primary has opened, unless it wants a socket of its own (`exclusive`). */
function listenInCluster(server: NetServer, query: Query, flags: ListenFlags = {}, exclusive: unknown = false): void {
  const { address, port, addressType, backlog, fd } = query;
  const listenNow = (): void => {
    server._listen2(address, port, addressType as number | null, backlog, fd, flags);
  };
  if (!asksPrimary(exclusive || flags.reusePort)) {
    listenNow();
    return;
  }
  const id = server._listeningId;
  askPrimary(server, { ...query, flags: flags.ipv6Only ? IPV6_ONLY : 0 }, (status, handle) => {
    if (id !== server._listeningId) {
      handle?.close(); // Closed meanwhile.
      return;
    }
    const listener = handle === null ? status : listenerOn(server, handle);
    if (typeof listener === 'number') {
      server.emit('error', endpointException(listener, 'bind', address ?? undefined, port ?? undefined));
      return;
    }
    server[kListener]?.close();
    server[kListener] = listener;
    listenNow();
  });
}

/** libuv's flag. */
const IPV6_ONLY = 1;

/** A listener on what the primary has given; or a negative errno. */
function listenerOn(server: NetServer, shared: SharedHandle): BoundListener | number {
  if (shared.fd === undefined) return new DealtListener(server, shared);
  const handle = adoptCopy(shared.fd, (fd) => ListenHandle.adopt(fd));
  if (typeof handle === 'number') {
    shared.close();
    return handle;
  }
  noteOwner(shared, server);
  return new RingListener(server, handle, shared);
}

function listenThroughCore(server: NetServer, args: readonly unknown[]): void {
  const listener = new CoreListener(server);
  server[kListener] = listener;
  try {
    listener.listen(args);
  } catch (error) {
    server[kListener] = null;
    throw error;
  }
  if (server._unref) listener.reference(false);
}

function shareHandle(server: NetServer, handle: ListenHandle, backlog: Backlog): void {
  server[kListener] = new RingListener(server, handle);
  server._listen2(null, -1, -1, backlog);
}

/* ---- by port and by path ---- */

function listenOnPort(server: NetServer, options: Record<string, any>, backlogArgument: Backlog): void {
  const { host, ipv6Only, reusePort } = options;
  const port = Number(options['port']) | 0;
  const backlog: Backlog = options['backlog'] || backlogArgument;
  if (!host) {
    const flags = { ipv6Only: HEEDS_IPV6_ONLY && ipv6Only === true, reusePort: reusePort === true };
    listenInCluster(server, { address: null, port, addressType: 4, backlog }, flags, options['exclusive']);
    return;
  }
  const flags: ListenFlags = { ipv6Only: ipv6Only === true, reusePort: reusePort === true };
  const id = server._listeningId;
  lookUpOwn(host as string, (error, address, family) => {
    if (id !== server._listeningId) return; // Closed meanwhile.
    if (error) server.emit('error', error);
    else listenInCluster(server, { address, port, addressType: family, backlog }, flags, options['exclusive']);
  });
}

function listenOnPath(server: NetServer, path: string, options: Record<string, any>, backlogArgument: Backlog): void {
  const { readableAll, writableAll } = options;
  if (path.startsWith('\0') && (readableAll || writableAll)) {
    const reason = 'can not set readableAll or writableAllt to true when path is abstract unix socket';
    throw new ERR_INVALID_ARG_VALUE('options', options, reason);
  }
  server._pipeName = path;
  const backlog: Backlog = options['backlog'] || backlogArgument;
  const query = { address: path, port: -1, addressType: -1, backlog, readableAll, writableAll };
  listenInCluster(server, query, {}, options['exclusive']);
  if (server[kListener] === null || (readableAll !== true && writableAll !== true)) return;
  const status = openUp(path, readableAll === true, writableAll === true);
  if (status === 0) return;
  server[kListener].close();
  server[kListener] = null;
  throw errnoException(status, 'uv_pipe_chmod');
}

/** Lets all users of the machine in: for what is asked, and, as libuv has it from 1.51 on, for nothing else, the owner included. @returns 0, or a negative errno */
function openUp(path: string, readable: boolean, writable: boolean): number {
  try {
    const others = SETS_MODES ? 0 : statSync(path).mode & 0o7777;
    chmodSync(path, others | (readable ? 0o444 : 0) | (writable ? 0o222 : 0));
    return 0;
  } catch (error) {
    return (error as SystemCallError).errno;
  }
}

function closeOnAbort(server: NetServer, signal: unknown): void {
  if (signal === undefined) return;
  validateAbortSignal(signal, 'options.signal');
  const close = () => {
    server.close();
  };
  if (signal.aborted) {
    nextTick(close);
    return;
  }
  const listener = addAbortListener(signal, close);
  server.once('close', () => listener[Symbol.dispose]());
}

/* ---- the socket itself ---- */

/** Behind `server._listen2()`: opens and binds where there is no handle yet, listens, and announces it. */
export function startListening(
  server: NetServer,
  address: string | null,
  port: number | null,
  family: number | null,
  backlog: Backlog,
  fd?: number,
  flags: ListenFlags = {},
): void {
  let listener = server[kListener] as BoundListener | null;
  let [host, kind] = [address, family];
  if (listener === null) {
    flags = { ...flags, transport: server[kTransport] };
    let handle: ListenHandle | number | undefined;
    try {
      if (!address && typeof fd !== 'number') {
        // Both families through one socket where IPv6 is there, IPv4 alone where it is not.
        handle = createListenHandle(ANY_IPV6, port, 6, fd, flags);
        [host, kind] = isBound(handle) ? [ANY_IPV6, 6] : [ANY_IPV4, 4];
      }
      if (handle === undefined || !isBound(handle)) handle = createListenHandle(host, port, kind, fd, flags);
    } catch (error) {
      refuse(server, error as Error);
      return;
    }
    if (typeof handle === 'number') {
      refuse(server, describedEndpointException(handle, 'listen', host, port));
      return;
    }
    listener = new RingListener(server, handle);
    server[kListener] = listener;
  }

  const status = listener.listen(+(backlog || DEFAULT_BACKLOG) | 0);
  if (status < 0) {
    listener.close();
    server[kListener] = null;
    refuse(server, describedEndpointException(status, 'listen', host, port));
    return;
  }
  if (tracing.asyncEnd.hasSubscribers) tracing.asyncEnd.publish({ server });
  server._connectionKey = `${kind}:${host}:${port}`;
  if (server._unref) server.unref();
  nextTick(announce, server);
}

/** An address that is taken is not one that cannot be had: IPv4 in its place would listen where nobody expects it. */
function isBound(handle: ListenHandle | number): boolean {
  return typeof handle === 'object' || handle === -errno.EADDRINUSE;
}

/**
 * A socket bound to what is asked for: a descriptor, a path (`port` and `family` -1), or an address. Not listening yet.
 *
 * @returns the handle, or a negative errno
 * @throws {SocketOptionError} where an option of `flags.transport` is refused
 */
export function createListenHandle(
  address: string | null,
  port: number | null,
  family: number | null,
  fd?: number,
  flags: ListenFlags = {},
): ListenHandle | number {
  if (typeof fd === 'number' && fd >= 0) return adoptListener(fd);
  // Core makes text and numbers of whatever it is given: by a lookup of the user's, or by who calls `_createServerHandle()`.
  const [text, number] = [address ? String(address) : '', Number(port) | 0];
  if (port === -1 && family === -1) return bindPath(text, flags);
  if (address) return bindAddress(text, number, family === 6 ? 6 : 4, flags);
  const handle = bindAddress(ANY_IPV6, number, 6, flags);
  return isBound(handle) ? handle : bindAddress(ANY_IPV4, number, 4, flags);
}

function bindAddress(address: string, port: number, family: 4 | 6, flags: ListenFlags): ListenHandle | number {
  const handle = ListenHandle.open(family === 6 ? 'tcp6' : 'tcp4');
  if (typeof handle === 'number') return handle;
  // Said either way: the system's default can be either.
  if (family === 6) handle.setOption(SocketOption.Ipv6Only, flags.ipv6Only ? 1 : 0);
  if (flags.reusePort) handle.setOption(SocketOption.ReusePort, 1);
  // As libuv does it: connections that linger do not keep a port occupied.
  handle.setOption(SocketOption.ReuseAddress, 1);
  setOptions(handle, flags);
  const status = handle.bindOnly({ family, address, port });
  if (status >= 0) return handle;
  handle.close();
  return status;
}

/** @throws {SocketOptionError} where one is refused: the handle is closed then. */
function setOptions(handle: ListenHandle, { transport }: ListenFlags): void {
  const refused = applySocketSettings(handle, transport);
  if (refused === null) return;
  handle.close();
  throw refused;
}

function bindPath(path: string, flags: ListenFlags): ListenHandle | number {
  const handle = ListenHandle.open('unix');
  if (typeof handle === 'number') return handle;
  setOptions(handle, flags);
  const status = handle.bind({ path });
  if (status < 0) {
    handle.close();
    // A directory that is not there is a place where one may not put anything, says libuv.
    return status === -errno.ENOENT ? -errno.EACCES : status;
  }
  ownPath(handle, path);
  return handle;
}

function refuse(server: NetServer, error: Error): void {
  if (tracing.error.hasSubscribers) tracing.error.publish({ server, error });
  nextTick(() => {
    server.emit('error', error);
  });
}

function announce(server: NetServer): void {
  if (server[kListener] !== null) server.emit('listening');
  if (server[kListener] !== null) loadConnectionPartsSoon();
}
