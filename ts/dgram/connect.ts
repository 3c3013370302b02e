/**
 * Connecting and disconnecting.
 */
import {
  ERR_IP_BLOCKED,
  ERR_SOCKET_ALREADY_BOUND,
  ERR_SOCKET_DGRAM_IS_CONNECTED,
  ERR_SOCKET_DGRAM_NOT_CONNECTED,
} from '../errors/core.ts';
import { endpointException, errnoException } from '../errors/system.ts';
import { nextTick } from '../timers.ts';
import { validatePort, validateString } from '../validate.ts';
import { bindSync } from './bind.ts';
import { lookUp, validateLiteral } from './lookup.ts';
import { Bound, checkRunning, Connected, isListed, kState, type DgramSocket, type State } from './state.ts';
import { whenBound } from './when-bound.ts';

type Callback = (error?: Error) => void;

/** `(port[, address][, cb])`; on UNIX sockets `(path[, cb])`. */
export function connect(socket: DgramSocket, args: readonly any[]): void {
  const unix = socket.type === 'unix_dgram';
  const port = unix ? 0 : validatePort(args[0], 'Port', false);
  let [address, callback] = unix ? args : args.slice(1);
  if (typeof address === 'function') [address, callback] = ['', address];
  else if (address === undefined) address = '';
  validateString(address, unix ? 'path' : 'address');
  const state = checkRunning(socket);
  if (state.connected !== Connected.No) throw new ERR_SOCKET_DGRAM_IS_CONNECTED();
  state.connected = Connected.Soon;
  const go = (): void => start(socket, state, address, port, callback);
  if (state.bound === Bound.No) Reflect.apply(socket.bind, socket, [{ port: 0, exclusive: true }, null]);
  if (state.bound === Bound.Yes) go();
  else whenBound(socket, go);
}

function start(socket: DgramSocket, state: State, address: string, port: number, callback?: Callback): void {
  if (state.closed) return;
  if (callback) socket.once('connect', callback);
  if (socket.type === 'unix_dgram') finish(socket, state, null, address, address, port, callback);
  else lookUp(state, address, (error, ip) => finish(socket, state, error, String(ip), address, port, callback));
}

function finish(
  socket: DgramSocket,
  state: State,
  failure: Error | null,
  ip: string,
  address: string,
  port: number,
  callback?: Callback,
): void {
  if (state.closed) return;
  const error = failure ?? tryToConnect(state, ip, address, port);
  if (!error) {
    nextTick(() => socket.emit('connect'));
    return;
  }
  state.connected = Connected.No;
  nextTick(() => {
    if (callback) {
      socket.removeListener('connect', callback);
      callback(error);
    } else socket.emit('error', error);
  });
}

/** @returns what it has failed with */
function tryToConnect(state: State, ip: string, address: string, port: number): Error | null {
  if (isListed(state.sendBlockList, ip)) return new ERR_IP_BLOCKED(ip);
  const endpoint = state.kind === 'unix_dgram' ? { path: ip } : { family: state.kind === 'udp6' ? 6 : 4, address: ip, port };
  const status = state.handle!.connect(endpoint as never);
  if (status < 0) return endpointException(status, 'connect', address, port);
  state.connected = Connected.Yes;
  return null;
}

/**
 * `connectSync(port, address)`, of newer Node versions: connected, and bound, when it returns. 'connect' follows.
 *
 * @throws {Error} what it has failed with, of the system or for the arguments: the socket is as before.
 */
export function connectSync(socket: DgramSocket, port: unknown, given?: unknown): void {
  const state = checkRunning(socket);
  const number = validatePort(port, 'Port', false);
  if (state.connected !== Connected.No) throw new ERR_SOCKET_DGRAM_IS_CONNECTED();
  const address = given == null || given === '' ? (state.kind === 'udp4' ? '127.0.0.1' : '::1') : given;
  validateLiteral(address, 'address', 'connectSync');
  if (state.bound === Bound.No) bindSync(socket, {});
  else if (state.bound !== Bound.Yes) throw new ERR_SOCKET_ALREADY_BOUND();
  const error = tryToConnect(state, address, address, number);
  if (error !== null) throw error;
  nextTick(() => {
    if (!state.closed) socket.emit('connect');
  });
}

/** @throws {Error} `ERR_SOCKET_DGRAM_NOT_CONNECTED`, of a socket that was closed unconnected as well. */
export function disconnect(socket: DgramSocket): void {
  if (socket[kState].connected !== Connected.Yes) throw new ERR_SOCKET_DGRAM_NOT_CONNECTED();
  const state = checkRunning(socket);
  const status = state.handle!.connect(null);
  if (status < 0) throw errnoException(status, 'connect');
  state.connected = Connected.No;
}

/** @throws {Error} `ERR_SOCKET_DGRAM_NOT_CONNECTED`, or `ERR_SOCKET_DGRAM_NOT_RUNNING` on a socket that was closed. */
export function checkConnected(socket: DgramSocket): State {
  const state = checkRunning(socket);
  if (state.connected !== Connected.Yes) throw new ERR_SOCKET_DGRAM_NOT_CONNECTED();
  return state;
}
