/**
 * Binding: by address, path or descriptor; and what waits for it.
 */
import { fstatSync, lstatSync, unlinkSync } from 'node:fs';
import { EventEmitter } from 'node:events';
import dns from 'node:dns';
import { isIP } from 'node:net';
import process from 'node:process';
import { isatty } from 'node:tty';
import { CORE_MAJOR } from '../core/version.ts';
import { EBADF, EBUSY, EINVAL } from '../errors/errno.ts';
import {
  ERR_INVALID_ARG_VALUE,
  ERR_INVALID_FD_TYPE,
  ERR_SOCKET_ALREADY_BOUND,
  ERR_SOCKET_BAD_TYPE,
  ERR_SOCKET_DGRAM_NOT_RUNNING,
} from '../errors/core.ts';
import { ERR_SOCKET_BUFFER_SIZE, endpointException, errnoException } from '../errors/system.ts';
import { adoptCopy, noteOwner, type CoreHandle } from '../core/handles.ts';
import { askPrimary, asksPrimary, type Query, type SharedSocket } from '../primary.ts';
import { DatagramHandle, SocketOption } from '../reactor/index.ts';
import { applySocketSettings, type SocketOptionError } from '../socket-options.ts';
import { applyAdditions } from './additions.ts';
import { validateObject, validatePort, validateString } from '../validate.ts';
import { attach } from './receive.ts';
import { Bound, Connected, kState, type DgramSocket, type Lookup, type State } from './state.ts';

/** Largest size of a socket's buffer that can be asked for. */
const MAX_SIZE = 2 ** 31 - 1;

/** @throws {Error} `ERR_SOCKET_DGRAM_NOT_RUNNING` on a socket that was closed. */
export function checkRunning(socket: DgramSocket): State {
  const state = socket[kState];
  if (state.closed) throw new ERR_SOCKET_DGRAM_NOT_RUNNING();
  return state;
}

/**
 * The handle, to change something that datagrams are sent with. With core, what was sent to the socket's peer is with the kernel by now; what was sent by
 * address is still being looked up, and goes out with the change if it comes in the same tick.
 */
export function changing({ handle, connected }: State): DatagramHandle | null {
  if (connected === Connected.Yes) handle?.offer();
  return handle;
}

/** `([port][, address][, cb])`, `(options[, cb])`; for UNIX sockets a path in the place of the port. */
export function bind(socket: DgramSocket, args: readonly unknown[]): void {
  const state = checkRunning(socket);
  if (state.bound !== Bound.No) throw new ERR_SOCKET_ALREADY_BOUND();
  const path = state.kind === 'unix_dgram' ? pathOf(args[0]) : undefined;
  state.bound = Bound.Soon;
  const callback = args.at(-1);
  if (typeof callback === 'function') callWhenListening(socket, callback as () => void);

  const [first, second] = args;
  const options = typeof first === 'object' && first !== null ? (first as Record<string, any>) : undefined;
  if (typeof options?.['recvStart'] === 'function') {
    bindToHandle(socket, state, options as unknown as CoreHandle);
    return;
  }
  const fd: unknown = options?.['fd'];
  const shared = state.kind !== 'unix_dgram' && !state.reusePort && asksPrimary(options?.['exclusive']);
  if (typeof fd === 'number' && (fd | 0) === fd && fd > 0) {
    if (shared) bindThroughPrimary(socket, state, { address: null, port: null, fd, flags: null });
    else bindToDescriptor(socket, state, fd);
    return;
  }
  if (state.kind === 'unix_dgram') {
    process.nextTick(bindToPath, socket, path);
    return;
  }
  const port = Number(options === undefined ? (typeof first === 'function' ? 0 : first) : options['port']) || 0;
  const given: unknown = options === undefined ? (typeof second === 'function' ? '' : second) : options['address'];
  const address = (given as string) || (state.kind === 'udp4' ? '0.0.0.0' : '::');
  lookUp(state, address, (error, ip) => {
    if (state.closed) return;
    if (error) {
      state.bound = Bound.No;
      socket.emit('error', error);
      return;
    }
    if (shared) bindThroughPrimary(socket, state, { address: ip, port, fd: -1, flags: flagsOf(state) });
    else bindToAddress(socket, state, ip, port);
  });
}

/** The path in the first argument of a UNIX socket's `bind`: none where there is none, or another way of saying what to bind to. */
function pathOf(first: unknown): string | undefined {
  const named = typeof first === 'object' && first !== null;
  const path: unknown = named ? (first as { path?: unknown }).path : typeof first === 'function' ? undefined : first;
  if (path == null) return undefined;
  validateString(path, named ? 'options.path' : 'path');
  return path;
}

/** What is listened for to learn that binding has failed. Until Node 24 that was a listener like any other, so that an error that nobody else heard of was lost. */
const BIND_FAILURE = (CORE_MAJOR >= 24 ? EventEmitter.errorMonitor : 'error') as 'error';

function callWhenListening(socket: DgramSocket, callback: () => void): void {
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

const genuineLookup = dns.lookup;

/** Whether core passes addresses of a socket's family on as they are: from Node 24 on. Before, `dns.lookup` is asked for them too. */
const PASSES_LITERALS = CORE_MAJOR >= 24;

/**
 * `dns.lookup` where somebody has put another in its place, and core asks that for every address, also for those that need no looking up: the one that is
 * there when a socket is made.
 */
export function patchedLookup(): Lookup | undefined {
  return PASSES_LITERALS || dns.lookup === genuineLookup ? undefined : dns.lookup;
}

/** Finds the address of a host. The callback comes later, as `dns.lookup`'s does. */
export function lookUp(state: State, host: string | undefined, callback: (error: Error | null, address: string) => void): void {
  const family = state.kind === 'udp4' ? 4 : 6;
  const name = host || (family === 4 ? '127.0.0.1' : '::1');
  // What is no text is no address either, and is told from one as text.
  if (state.lookup !== undefined) state.lookup(name, family, (error, address) => callback(error, String(address)));
  else if (isIP(name) !== 0 && (typeof name === 'string' || PASSES_LITERALS)) process.nextTick(callback, null, String(name));
  else (PASSES_LITERALS ? dns.lookup : genuineLookup)(name, family, callback);
}

/** The address as it stands, where it needs no looking up; `undefined` otherwise. */
export function literalAddress(state: State, host: string | undefined): string | undefined {
  // One that is being connected learns from the order of things whether it is.
  if (state.lookup !== undefined || state.connected === Connected.Soon) return undefined;
  if (!host) return state.kind === 'udp4' ? '127.0.0.1' : '::1';
  // Most sockets send to few: looking at a text costs more than comparing it.
  if (host === state.literal) return host;
  if (isIP(host) === 0) return undefined;
  state.literal = host;
  return host;
}

/** Opens the handle where there is none yet: a negative errno where that fails. */
export function openHandle(socket: DgramSocket, state: State, kind = state.kind): DatagramHandle | number {
  if (state.handle !== null) return state.handle;
  const handle = DatagramHandle.open(kind);
  if (typeof handle === 'object') attach(socket, state, handle);
  return handle;
}

function bindToAddress(socket: DgramSocket, state: State, ip: string, port: number): void {
  const refused = setOptions(socket, state);
  if (refused !== null) {
    fail(socket, state, refused);
    return;
  }
  const status = tryToBind(socket, state, ip, port);
  if (status === 0) startListening(socket, state);
  else fail(socket, state, endpointException(status, 'bind', ip, port));
}

/** Sets what `transport` says, for which the handle is opened. @returns why that was refused, or null; that there is no handle is for who binds to tell */
function setOptions(socket: DgramSocket, state: State): SocketOptionError | null {
  // Core opens none for an address that is none.
  if (state.transport === undefined) return null;
  const handle = openHandle(socket, state);
  return typeof handle === 'number' ? null : applySocketSettings(handle, state.transport);
}

/** @returns zero, or a negative errno */
function tryToBind(socket: DgramSocket, state: State, ip: string, port: number): number {
  const family = state.kind === 'udp4' ? 4 : 6;
  if (isIP(ip) !== family || (state.ipv6Only && family === 4)) return -EINVAL;
  const handle = openHandle(socket, state);
  if (typeof handle === 'number') return handle;
  let status = 0;
  if (state.reuseAddr) status = handle.setOption(SocketOption.ReuseAddress, 1);
  if (status === 0 && state.reusePort) status = handle.setOption(SocketOption.ReusePort, 1);
  if (status === 0 && state.ipv6Only) status = handle.setOption(SocketOption.Ipv6Only, 1);
  return status === 0 ? handle.bind({ family, address: ip, port: port & 0xffff }) : status;
}

/**
 * `bindSync({ port, address })`, of newer Node versions: bound when it returns. 'listening' follows.
 *
 * @throws {Error} what binding has failed with, of the system or for the arguments: the socket is as before.
 */
export function bindSync(socket: DgramSocket, options: { port?: unknown; address?: unknown }): void {
  const state = checkRunning(socket);
  validateObject(options, 'options');
  if (state.bound !== Bound.No) throw new ERR_SOCKET_ALREADY_BOUND();
  if (state.kind === 'unix_dgram') throw new ERR_SOCKET_BAD_TYPE();
  const port = validatePort(options.port ?? 0, 'options.port');
  const address = options.address || (state.kind === 'udp4' ? '0.0.0.0' : '::');
  validateLiteral(address, 'options.address', 'bindSync');
  const refused = setOptions(socket, state);
  if (refused !== null) throw refused;
  const status = tryToBind(socket, state, address, port);
  if (status < 0) throw endpointException(status, 'bind', address, port);
  startReceiving(state);
  process.nextTick(() => {
    if (!state.closed) socket.emit('listening');
  });
}

/** @throws {TypeError} where `value` is no string, or one that would have to be looked up: the call cannot wait. */
export function validateLiteral(value: unknown, name: string, call: string): asserts value is string {
  validateString(value, name);
  if (isIP(value) !== 0) return;
  throw new ERR_INVALID_ARG_VALUE(name, value, `must be a numeric IP address; ${call} does not perform DNS resolution`);
}

/** The descriptor stays, as core's does: `address()` tells of it, and another `bind` uses it. */
function fail(socket: DgramSocket, state: State, error: Error): void {
  state.bound = Bound.No;
  socket.emit('error', error);
}

function bindToPath(socket: DgramSocket, path: string | undefined): void {
  const state = socket[kState];
  if (state.closed) return;
  const refused = setOptions(socket, state);
  if (refused !== null) {
    fail(socket, state, refused);
    return;
  }
  const handle = openHandle(socket, state);
  const status = typeof handle === 'number' ? handle : path === undefined ? 0 : handle.bind({ path });
  if (status < 0) {
    fail(socket, state, endpointException(status, 'bind', path));
    return;
  }
  if (path !== undefined && path !== '' && !path.startsWith('\0')) state.path = path;
  startListening(socket, state);
}

function bindToDescriptor(socket: DgramSocket, state: State, fd: number): void {
  const handle = state.handle === null ? DatagramHandle.adopt(fd, state.kind) : -EBUSY;
  // The socket is of no use then, as core's is not: it still counts as being bound.
  if (typeof handle === 'number') {
    const type = describeDescriptor(fd);
    // Core's type of UNIX datagrams, which it does not know.
    if (type === (state.kind === 'unix_dgram' ? 'UNKNOWN' : 'UDP')) throw errnoException(handle, 'open');
    throw new ERR_INVALID_FD_TYPE(type);
  }
  attach(socket, state, handle);
  startListening(socket, state);
}

/** libuv's `UV_UDP_IPV6ONLY` and `UV_UDP_REUSEADDR`. */
function flagsOf({ ipv6Only, reuseAddr }: State): number {
  return (ipv6Only ? 1 : 0) | (reuseAddr ? 4 : 0);
}

/** The socket is one that all workers of the cluster share, opened by the primary. */
function bindThroughPrimary(socket: DgramSocket, state: State, query: Omit<Query, 'addressType'>): void {
  askPrimary(socket, { addressType: state.kind, ...query }, (status, handle) => {
    if (state.closed) {
      handle?.close();
      return;
    }
    const failure = handle === null ? status : takeOver(socket, state, handle as SharedSocket);
    if (failure === 0) {
      startListening(socket, state);
      return;
    }
    const { address, port } = query;
    fail(
      socket,
      state,
      address === null ? errnoException(failure, 'open') : endpointException(failure, 'bind', address, port ?? 0),
    );
  });
}

/** A handle of core's with a socket that is bound. It is closed with ours. */
function bindToHandle(socket: DgramSocket, state: State, handle: CoreHandle): void {
  const status = takeOver(socket, state, handle);
  if (status < 0) throw errnoException(status, 'open');
  startListening(socket, state);
}

/** @returns zero, or a negative errno */
function takeOver(socket: DgramSocket, state: State, theirs: CoreHandle): number {
  const handle = adoptCopy(theirs.fd, (fd) => DatagramHandle.adopt(fd, state.kind));
  if (typeof handle === 'number') {
    theirs.close();
    return handle;
  }
  noteOwner(theirs, socket);
  // It may receive already.
  (theirs as { recvStop?: () => void }).recvStop?.();
  state.sibling = theirs;
  // What was opened before, to set an option, gives way as in core.
  state.handle?.close();
  attach(socket, state, handle);
  return 0;
}

function describeDescriptor(fd: number): string {
  try {
    const stats = fstatSync(fd);
    if (stats.isSocket()) return DatagramHandle.kindOf(fd) ?? 'UNKNOWN';
    if (isatty(fd)) return 'TTY';
    return stats.isFIFO() ? 'PIPE' : stats.isFile() || stats.isCharacterDevice() ? 'FILE' : 'UNKNOWN';
  } catch {
    return 'UNKNOWN';
  }
}

function startListening(socket: DgramSocket, state: State): void {
  startReceiving(state);
  socket.emit('listening');
}

function startReceiving(state: State): void {
  const handle = state.handle!;
  applyAdditions(state, handle);
  handle.receiveStart();
  state.receiving = true;
  state.bound = Bound.Yes;
  if (state.recvBufferSize) setBufferSize(state, SocketOption.RecvBuffer, state.recvBufferSize);
  if (state.sendBufferSize) setBufferSize(state, SocketOption.SendBuffer, state.sendBufferSize);
}

/** @throws {Error} `ERR_SOCKET_BUFFER_SIZE` where the kernel will not have it, or the size is none that an `int` can tell. */
export function setBufferSize(state: State, option: SocketOption, size: number): void {
  const status = size > MAX_SIZE ? -EINVAL : (state.handle?.setOption(option, size) ?? -EBADF);
  if (status < 0) throw new ERR_SOCKET_BUFFER_SIZE(status, callName(option));
}

/** @throws {Error} `ERR_SOCKET_BUFFER_SIZE` on a socket that is not bound. */
export function getBufferSize(state: State, option: SocketOption): number {
  const size = state.handle?.getOption(option);
  if (size === undefined) throw new ERR_SOCKET_BUFFER_SIZE(-EBADF, callName(option));
  return size;
}

function callName(option: SocketOption): string {
  return option === SocketOption.RecvBuffer ? 'uv_recv_buffer_size' : 'uv_send_buffer_size';
}

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

/** Removes the path that binding made, unless somebody else's socket is there by now. */
export function removePath(state: State): void {
  if (state.path === undefined) return;
  try {
    if (lstatSync(state.path).isSocket()) unlinkSync(state.path);
  } catch {
    // Gone already.
  }
  state.path = undefined;
}
