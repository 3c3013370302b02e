/**
 * How much went through a connection, and what state it is in: read-only properties of Socket, as accessors for its prototype.
 */
import { Buffer } from 'node:buffer';
import { kBytesRead, kBytesWritten, kLink, type NetSocket } from './internals.ts';

interface BufferedChunk {
  chunk: string | Uint8Array;
  encoding: BufferEncoding;
}

/** Bytes given to the handle so far; those of a closed connection are remembered. */
function bytesDispatched(socket: NetSocket): number {
  const link = socket[kLink];
  return link === null ? socket[kBytesWritten] : (link.handle?.bytesWritten ?? 0);
}

/** The above, and what still waits in the stream or for the connection. */
function bytesWritten(socket: NetSocket): number | undefined {
  const buffered = (socket as unknown as { writableBuffer?: BufferedChunk[] }).writableBuffer;
  if (!buffered) return undefined;
  let total = bytesDispatched(socket);
  for (const { chunk, encoding } of buffered) total += byteLength(chunk, encoding);
  const pending = socket._pendingData as string | Uint8Array | BufferedChunk[] | null;
  if (Array.isArray(pending)) for (const { chunk, encoding } of pending) total += byteLength(chunk, encoding);
  else if (pending) total += byteLength(pending, socket._pendingEncoding as BufferEncoding);
  return total;
}

function byteLength(chunk: string | Uint8Array, encoding: BufferEncoding): number {
  return typeof chunk === 'string' ? Buffer.byteLength(chunk, encoding) : chunk.byteLength;
}

function readyState(socket: NetSocket): string {
  if (socket.connecting) return 'opening';
  if (socket.readable) return socket.writable ? 'open' : 'readOnly';
  return socket.writable ? 'writeOnly' : 'closed';
}

/** Accessors for the prototype of Socket. */
export const counterAccessors: PropertyDescriptorMap & ThisType<NetSocket> = {
  bytesRead: {
    get() {
      const link = this[kLink];
      return link === null ? this[kBytesRead] : (link.handle?.bytesRead ?? 0);
    },
    enumerable: true,
  },
  bytesWritten: {
    get() {
      return bytesWritten(this);
    },
    enumerable: true,
  },
  _bytesDispatched: {
    get() {
      return bytesDispatched(this);
    },
    enumerable: true,
  },
  bufferSize: {
    get() {
      return this[kLink] === null ? undefined : this.writableLength;
    },
  },
  _connecting: {
    get() {
      return this.connecting;
    },
  },
  pending: {
    get() {
      return this[kLink] === null || this.connecting;
    },
    configurable: true,
  },
  readyState: {
    get() {
      return readyState(this);
    },
  },
};
