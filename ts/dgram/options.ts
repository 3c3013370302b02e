/**
 * Options of a socket that is there, by the calls of core that set and get them.
 */
import { EBADF, EINVAL } from '../errors/errno.ts';
import { ERR_SOCKET_BAD_BUFFER_SIZE } from '../errors/core.ts';
import { ERR_SOCKET_BUFFER_SIZE, errnoException } from '../errors/system.ts';
import { SocketOption } from '../reactor/index.ts';
import { changing, checkRunning, type DgramSocket, type State } from './state.ts';

/** Largest size of a socket's buffer that can be asked for. */
const MAX_SIZE = 2 ** 31 - 1;

/** @throws {Error} what the system refuses it with; `EBADF` on a socket that is not bound. */
export function setOption(socket: DgramSocket, option: SocketOption, value: number, call: string): number {
  const handle = changing(checkRunning(socket));
  const status = handle?.setOption(option, value) ?? -EBADF;
  if (status < 0) throw errnoException(status, call);
  return value;
}

/** Core looks at the number first, also of a socket that is not bound; the kernel would take -1 for its default. */
export function setHops(socket: DgramSocket, option: SocketOption, hops: number, least: 0 | 1, call: string): number {
  checkRunning(socket);
  if ((hops | 0) < least || (hops | 0) > 255) throw errnoException(-EINVAL, call);
  return setOption(socket, option, hops, call);
}

/** @throws {TypeError} `ERR_SOCKET_BAD_BUFFER_SIZE` for what is no number of bytes. */
export function bufferSize(size: number): number {
  if (size >>> 0 !== size) throw new ERR_SOCKET_BAD_BUFFER_SIZE();
  return size;
}

/**
 * Sets the size of a buffer. 0 leaves it as it is: to libuv, that is the question how large the buffer is.
 *
 * @throws {Error} `ERR_SOCKET_BUFFER_SIZE` where the kernel will not have it, or the size is none that an `int` can tell.
 */
export function setBufferSize(state: State, option: SocketOption, size: number): void {
  if (size === 0) {
    getBufferSize(state, option);
    return;
  }
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
