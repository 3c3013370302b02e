/**
 * Binding: by address, path or descriptor.
 */
import { ERR_SOCKET_ALREADY_BOUND, ERR_SOCKET_BAD_TYPE } from '../errors/core.ts';
import { endpointException, errnoException } from '../errors/system.ts';
import type { CoreHandle } from '../core/handles.ts';
import { askPrimary, asksPrimary, type Query, type SharedSocket } from '../primary.ts';
import { nextTick } from '../timers.ts';
import { validateObject, validatePort, validateString } from '../validate.ts';
import { adoptDescriptor, takeOver } from './adopt.ts';
import { lookUp, validateLiteral } from './lookup.ts';
import { openAndBind, openAndBindToPath, startListening, startReceiving } from './open.ts';
import { Bound, checkRunning, kState, type DgramSocket, type State } from './state.ts';
import { callWhenListening } from './when-bound.ts';

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
    const status = takeOver(socket, state, options as unknown as CoreHandle);
    if (status < 0) throw errnoException(status, 'open');
    startListening(socket, state);
    return;
  }
  const fd: unknown = options?.['fd'];
  const shared = state.kind !== 'unix_dgram' && !state.reusePort && asksPrimary(options?.['exclusive']);
  // A symbol, or a bigint, throws here, as it does with core.
  if (((fd as number) | 0) === fd && fd > 0) {
    if (shared) bindThroughPrimary(socket, state, { address: null, port: null, fd, flags: null });
    else {
      adoptDescriptor(socket, state, fd);
      startListening(socket, state);
    }
    return;
  }
  if (state.kind === 'unix_dgram') {
    nextTick(bindToPath, socket, path);
    return;
  }
  const port: unknown = options === undefined ? (typeof first === 'function' ? 0 : first) : options['port'];
  const given: unknown = options === undefined ? (typeof second === 'function' ? '' : second) : options['address'];
  const address = (given as string) || (state.kind === 'udp4' ? '0.0.0.0' : '::');
  lookUp(state, address, (error, ip) => {
    if (state.closed) return;
    if (error) {
      state.bound = Bound.No;
      socket.emit('error', error);
      return;
    }
    const number = toPort(port);
    if (shared) bindThroughPrimary(socket, state, { address: String(ip), port: number, fd: -1, flags: flagsOf(state) });
    else conclude(socket, state, openAndBind(socket, state, ip, number));
  });
}

/** What is no number is any port, but for symbols and bigints: those throw, and only now that there is an address, as core's handles do. */
function toPort(port: unknown): number {
  return +((port || 0) as number) || 0;
}

/** The path in the first argument of a UNIX socket's `bind`: none where there is none, or another way of saying what to bind to. */
function pathOf(first: unknown): string | undefined {
  const named = typeof first === 'object' && first !== null;
  const path: unknown = named ? (first as { path?: unknown }).path : typeof first === 'function' ? undefined : first;
  if (path == null) return undefined;
  validateString(path, named ? 'options.path' : 'path');
  return path;
}

function bindToPath(socket: DgramSocket, path: string | undefined): void {
  const state = socket[kState];
  if (!state.closed) conclude(socket, state, openAndBindToPath(socket, state, path));
}

function conclude(socket: DgramSocket, state: State, error: Error | null): void {
  if (error === null) startListening(socket, state);
  else fail(socket, state, error);
}

/** The descriptor stays, as core's does: `address()` tells of it, and another `bind` uses it. */
function fail(socket: DgramSocket, state: State, error: Error): void {
  state.bound = Bound.No;
  socket.emit('error', error);
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
  const error = openAndBind(socket, state, address, port);
  if (error !== null) throw error;
  startReceiving(state);
  nextTick(() => {
    if (!state.closed) socket.emit('listening');
  });
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
