/**
 * The way of a socket from nothing to where it receives: the handle is opened, options are set, it is bound, it receives. Every bind goes it.
 */
import { isIP } from 'node:net';
import { EINVAL } from '../errors/errno.ts';
import { endpointException } from '../errors/system.ts';
import { DatagramHandle, SocketOption } from '../reactor/index.ts';
import { applySocketSettings } from '../socket-options.ts';
import { applyAdditions } from './additions.ts';
import { setBufferSize } from './options.ts';
import { attach } from './receive.ts';
import { Bound, type DgramSocket, type State } from './state.ts';

/** Opens the handle where there is none yet: a negative errno where that fails. */
export function openHandle(socket: DgramSocket, state: State, kind = state.kind): DatagramHandle | number {
  if (state.handle !== null) return state.handle;
  const handle = DatagramHandle.open(kind);
  if (typeof handle === 'object') attach(socket, state, handle);
  return handle;
}

/**
 * Opens the socket, sets what has to be set before it is bound, and binds it to an address.
 *
 * @param answer the address, as a lookup of the user's has it
 * @returns what that has failed with, or null
 */
export function openAndBind(socket: DgramSocket, state: State, answer: unknown, port: number): Error | null {
  const ip = String(answer);
  const family = state.kind === 'udp4' ? 4 : 6;
  // Core opens none for an address that is none.
  const possible = isIP(ip) === family && !(state.ipv6Only && family === 4);
  const prepared = possible ? prepare(socket, state) : -EINVAL;
  if (prepared instanceof Error) return prepared;
  const status = typeof prepared === 'number' ? prepared : prepared.bind({ family, address: ip, port: port & 0xffff });
  return status < 0 ? endpointException(status, 'bind', answer as string | undefined, port) : null;
}

/**
 * The same with a path; without one the socket stays unnamed.
 *
 * @returns what that has failed with, or null
 */
export function openAndBindToPath(socket: DgramSocket, state: State, path: string | undefined): Error | null {
  const prepared = prepare(socket, state);
  if (prepared instanceof Error) return prepared;
  const status = typeof prepared === 'number' ? prepared : path === undefined ? 0 : prepared.bind({ path });
  if (status < 0) return endpointException(status, 'bind', path);
  if (path !== undefined && path !== '' && !path.startsWith('\0')) state.path = path;
  return null;
}

/** The handle, with all options set that count for binding: a negative errno, or an error of `transport`, where that fails. */
function prepare(socket: DgramSocket, state: State): DatagramHandle | number | Error {
  const handle = openHandle(socket, state);
  if (typeof handle === 'number') return handle;
  const refused = applySocketSettings(handle, state.transport);
  if (refused !== null) return refused;
  if (state.kind === 'unix_dgram') return handle;
  let status = 0;
  if (state.reuseAddr) status = handle.setOption(SocketOption.ReuseAddress, 1);
  if (status === 0 && state.reusePort) status = handle.setOption(SocketOption.ReusePort, 1);
  if (status === 0 && state.ipv6Only) status = handle.setOption(SocketOption.Ipv6Only, 1);
  return status === 0 ? handle : status;
}

/** A socket that is bound receives from here on. */
export function startReceiving(state: State): void {
  const handle = state.handle!;
  applyAdditions(state, handle);
  handle.receiveStart();
  state.receiving = true;
  state.bound = Bound.Yes;
  if (state.recvBufferSize) setBufferSize(state, SocketOption.RecvBuffer, state.recvBufferSize);
  if (state.sendBufferSize) setBufferSize(state, SocketOption.SendBuffer, state.sendBufferSize);
}

/** And says so. */
export function startListening(socket: DgramSocket, state: State): void {
  startReceiving(state);
  socket.emit('listening');
}
