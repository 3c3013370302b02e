/**
 * What UNIX-domain sockets can do beyond core: pass open descriptors to another process (`SCM_RIGHTS`), and tell who that is.
 *
 * These are functions and not methods, so that a `Socket` stays core's type, and so that a socket which can do nothing of the kind (TCP,
 * or core's own where io_uring is refused) answers with a coded error instead of lacking a method.
 *
 * The life of a descriptor that travels is told in `crates/reactor/src/passing.rs`. On this side: what is sent was duplicated when the call
 * returns; what is received belongs to the listener that it is given to, and is closed where there is none any more.
 */
import { Buffer } from 'node:buffer';
import { closeSync } from 'node:fs';
import type core from 'node:net';
import { isUint8Array } from 'node:util/types';
import { ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE, ERR_SOCKET_CLOSED } from '../errors/core.ts';
import { errnoException } from '../errors/system.ts';
import { support } from '../support.ts';
import { IouringUnavailableError, NotUnixSocketError } from '../errors/iouring.ts';
import { validateFunction, validateInt32 } from '../validate.ts';
import { kDescriptorTaker, kLink, type Link, type NetSocket, type WriteCallback } from './internals.ts';

/** Most descriptors that one message can carry: the kernel's `SCM_MAX_FD`. */
const MAX_DESCRIPTORS = 253;

/** Something open: a descriptor's number, what has one as its `fd` (a `FileHandle`), or a socket of this module. */
export type Passable = number | { readonly fd: number } | core.Socket;

/** What is told along with descriptors. */
export interface DescriptorInfo {
  /** How many bytes had been received before the chunk that they came with. */
  readonly position: number;
  /** Descriptors were lost, since they were more than the limit, or than this process could open (`EMFILE`): those passed are the first of them, or none. */
  readonly lost: boolean;
}

/** Is given the descriptors of one message, which are the listener's to close from then on. Close-on-exec is set. `this` is the socket. */
export type DescriptorListener = (this: core.Socket, descriptors: number[], info: DescriptorInfo) => void;

/** How descriptors are taken. */
export interface ReceiveDescriptorsOptions {
  /**
   * Most that are taken with one message, 1 to 253 (as many as there can be): the kernel closes those beyond, and `info.lost` says so.
   *
   * @default 253
   */
  readonly limit?: number;
}

/** Who takes a socket's descriptors, and how many at a time. */
export interface DescriptorTaker {
  readonly listener: DescriptorListener;
  readonly limit: number;
}

/** Who a peer is. */
export interface PeerCredentials {
  /** Its process; 0 where it lives in a namespace that cannot be seen from here. */
  readonly pid: number;
  /** Its effective user. */
  readonly uid: number;
  /** Its effective group. */
  readonly gid: number;
}

/**
 * Writes `data` and passes descriptors with its first byte, after all that was written before; the receiver never gets them together with
 * bytes of a later write. They are duplicated at once: the caller's own may be closed when this returns. What is passed is the open file
 * itself: position, status flags and locks are shared from then on.
 *
 * @param socket a UNIX-domain socket of this module that is connected or connecting
 * @param descriptors 1 to 253
 * @param data at least one byte (unix(7) passes none without); text is UTF-8
 * @param callback called when the kernel has them and all of the data; with the error where it has not, and the socket is destroyed then, as
 *   after any failed write. `ETOOMANYREFS`: more descriptors of this user are under way than a process may have.
 * @returns what `write()` returns: false where the caller had better wait for 'drain'
 * @throws {Error} without having sent anything, and the socket is as before: `ERR_IOURING_NOT_UNIX`; `ERR_SOCKET_CLOSED`; `EBADF` where one is
 *   not open; `EMFILE` where there is no room to duplicate them; `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`.
 * @throws {IouringUnavailableError} on the core backend.
 */
export function sendDescriptors(
  socket: core.Socket,
  descriptors: readonly Passable[],
  data: string | Uint8Array,
  callback?: (error?: Error | null) => void,
): boolean {
  const link = unixLink(socket);
  if (link === null) throw new ERR_SOCKET_CLOSED();
  if (!Array.isArray(descriptors)) throw new ERR_INVALID_ARG_TYPE('descriptors', 'Array', descriptors);
  const { length } = descriptors;
  if (length < 1 || length > MAX_DESCRIPTORS) {
    throw new ERR_OUT_OF_RANGE('descriptors.length', `>= 1 && <= ${MAX_DESCRIPTORS}`, length);
  }
  const numbers = descriptors.map(toDescriptor);
  const bytes = toBytes(data);
  if (bytes.length === 0) throw new ERR_INVALID_ARG_VALUE('data', data, 'must have at least one byte');
  // A write too late goes its usual way, to an error.
  if (!socket.destroyed && !socket.writableEnded) {
    const status = link.handle!.stageDescriptors(numbers);
    if (status < 0) throw errnoException(status, 'dup');
    link.carry(bytes);
  }
  return socket.write(bytes, callback as WriteCallback);
}

/**
 * Takes the descriptors that the peer passes: `listener` is called before the bytes that they came with are, once for each message that
 * had some, in order. Before this is called, and after `receiveDescriptors(socket, null)`, they are closed. Call it in the listener of 'connection',
 * or before 'connect', so that none is missed. Beyond that it changes nothing: reading stops and goes on as ever.
 *
 * However fast the peer is, a socket never has more of them open than one message's that its listener was not yet given: the next message stays in the
 * kernel until then.
 *
 * @param socket a UNIX-domain socket of this module, or one that has not begun to connect
 * @throws {Error} `ERR_IOURING_NOT_UNIX`; `ERR_SOCKET_CLOSED`; `ERR_INVALID_ARG_TYPE`; `ERR_OUT_OF_RANGE`; `ENOMEM` where there is no room for buffers.
 * @throws {IouringUnavailableError} on the core backend.
 */
export function receiveDescriptors(
  socket: core.Socket,
  listener: DescriptorListener | null,
  { limit = MAX_DESCRIPTORS }: ReceiveDescriptorsOptions = {},
): void {
  const link = unixLink(socket);
  if (listener !== null) validateFunction(listener, 'listener');
  validateInt32(limit, 'options.limit', 1, MAX_DESCRIPTORS);
  if (link === null && socket.destroyed) throw new ERR_SOCKET_CLOSED();
  (socket as NetSocket)[kDescriptorTaker] = listener === null ? null : { listener, limit };
  const status = listener === null ? 0 : (link?.handle?.receiveDescriptors(limit) ?? 0);
  if (status < 0) throw errnoException(status, 'recvmsg');
}

/**
 * Who is at the other end of a UNIX-domain socket (`SO_PEERCRED`): as it was when it connected, or, seen from there, when it began to
 * listen. The kernel vouches for it.
 *
 * @throws {Error} `ERR_IOURING_NOT_UNIX`; `ERR_SOCKET_CLOSED` where there is no connection, `ENOTCONN` where there is none yet.
 * @throws {IouringUnavailableError} on the core backend.
 */
export function peerCredentials(socket: core.Socket): PeerCredentials {
  const link = unixLink(socket);
  if (link === null) throw new ERR_SOCKET_CLOSED();
  const found = link.handle!.peerCredentials();
  if (typeof found === 'number') throw errnoException(found, 'getsockopt');
  return found;
}

/** Closes descriptors that nobody wants. */
export function closeDescriptors(descriptors: readonly number[]): void {
  for (const descriptor of descriptors) closeSync(descriptor);
}

/** The link of a UNIX-domain socket, whose handle is there; null where it has none now. */
function unixLink(socket: core.Socket): Link | null {
  const link = (socket as Partial<NetSocket> | undefined)?.[kLink];
  if (link === null) return null;
  if (link === undefined) {
    const found = support();
    if (found.backend === 'core') throw new IouringUnavailableError(found.reason!, found.message!, found.errno);
  }
  if (link?.unix === true && link.handle !== null) return link;
  throw new NotUnixSocketError();
}

function toDescriptor(value: unknown, index: number): number {
  const name = `descriptors[${index}]`;
  const link = (value as Partial<NetSocket> | null)?.[kLink];
  if (link === null) throw new ERR_SOCKET_CLOSED();
  const fd = link?.handle?.fd() ?? (typeof value === 'object' && value !== null ? (value as { fd?: unknown }).fd : value);
  if (typeof fd !== 'number') throw new ERR_INVALID_ARG_TYPE(name, ['number', 'Object'], value);
  validateInt32(fd, name, 0);
  return fd;
}

/** A buffer of its own, by which the write is known when its turn comes, over the caller's bytes. */
function toBytes(data: unknown): Buffer {
  if (typeof data === 'string') return Buffer.from(data);
  if (!isUint8Array(data)) throw new ERR_INVALID_ARG_TYPE('data', ['string', 'Buffer', 'Uint8Array'], data);
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
