/** Sockets of `node:net`'s interface and connections, made of each other: with what was received, and nothing lost. */
import { Buffer } from 'node:buffer';
import { closeSync } from 'node:fs';
import core from 'node:net';
import { ERR_INVALID_ARG_TYPE, ERR_INVALID_STATE } from '../errors/core.ts';
import { TransportClosedError } from '../errors/iouring.ts';
import { coreHandleOf, socketOnHandle, takeCoreHandle, type CoreHandle } from './core-handle.ts';
import { CoreStream } from './core-stream.ts';
import type { TransportStream } from './stream.ts';

/** A connection that was taken out of its socket. */
export interface TakenConnection {
  readonly stream: TransportStream;
  /** What the socket had read, and nobody had taken from it. */
  readonly received: Buffer;
  /** Whether the peer's end has been told of, which the ring does once. */
  readonly ended: boolean;
}

/** A socket on a descriptor, which is the socket's from then on; the caller's, and closed, where that fails. */
export async function socketOnDescriptor(fd: number, received: Buffer, allowHalfOpen: boolean): Promise<core.Socket> {
  try {
    // Whoever needs none does without all that is behind it.
    const { Socket } = await import('../net/index.ts');
    return withReceived(new Socket({ fd, allowHalfOpen, readable: true, writable: true }), received);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** The same on core. */
export function socketOnCoreHandle(handle: CoreHandle, received: Buffer, allowHalfOpen: boolean): core.Socket {
  return withReceived(socketOnHandle(handle, allowHalfOpen, false), received);
}

function withReceived(socket: core.Socket, received: Buffer): core.Socket {
  if (received.length > 0) socket.unshift(received);
  return socket;
}

/**
 * Takes the connection out of a socket, when what was written is on its way. The socket is destroyed without it.
 *
 * @throws core's `ERR_INVALID_ARG_TYPE` for what is no socket of this backend, `ERR_INVALID_STATE` for one that others read and write below, as TLS does, or that has an encoding.
 * @throws {TransportClosedError} for one that is not connected, or has ended its sending half.
 */
export async function takeConnection(socket: core.Socket, onRing: boolean): Promise<TakenConnection> {
  const net = onRing ? await import('../net/giving-up.ts') : null;
  check(socket, net?.canGiveUp ?? isCoreSocket);
  if (socket.writableLength > 0) {
    await new Promise<void>((resolve, reject) => {
      socket.write('', (error) => (error ? reject(error) : resolve()));
    });
    check(socket, net?.canGiveUp ?? isCoreSocket);
  }
  socket.pause();
  const ended = net !== null && (socket as unknown as { _readableState: { ended: boolean } })._readableState.ended;
  const stream = net === null ? streamOnCore(takeCoreHandle(socket)) : net.giveUpConnection(socket);
  const received = drain(socket);
  socket.destroy();
  return { stream, received, ended };
}

function check(socket: unknown, canGiveUp: (socket: unknown) => boolean): asserts socket is core.Socket {
  if (!(socket instanceof core.Socket)) throw new ERR_INVALID_ARG_TYPE('socket', 'net.Socket', socket);
  if (socket.destroyed || socket.connecting || socket.pending || socket.writableEnded) throw new TransportClosedError('socket');
  if (socket.readableEncoding !== null) throw new ERR_INVALID_STATE('The socket has an encoding');
  // `parser`: core's HTTP reads it.
  const isFree = !(socket as { parser?: unknown }).parser && canGiveUp(socket);
  if (!isFree) throw new ERR_INVALID_STATE('The socket stands on another backend, or is in use by something else');
}

function isCoreSocket(socket: unknown): boolean {
  return !('encrypted' in (socket as object)) && typeof coreHandleOf(socket as core.Socket)?.readStop === 'function';
}

function streamOnCore(handle: CoreHandle): CoreStream {
  return new CoreStream(socketOnHandle(handle, true, true));
}

/** What a socket has read that nobody has taken. Who listens to it does not hear of that. */
function drain(socket: core.Socket): Buffer {
  socket.removeAllListeners('data');
  socket.removeAllListeners('readable');
  const parts: Buffer[] = [];
  for (let part = socket.read() as Buffer | null; part !== null; part = socket.read() as Buffer | null) parts.push(part);
  return Buffer.concat(parts);
}
